"""How schemes of several steps begin: forward steps, extrapolated backwards."""

from collections.abc import Callable

import jax.lax as lax
import jax.numpy as jnp
import numpy as np

from phix._types import Array, Inexact, RealScalar
from phix.integrate._etdrk import ETDRK4


def lagrange(nodes: tuple[float, ...]) -> np.ndarray:
    """Row i holds the coefficients of s⁰, s¹, … of the polynomial that is 1 at node i
    and 0 at the others."""
    rows = []
    for i, node in enumerate(nodes):
        others = [x for j, x in enumerate(nodes) if j != i]
        rows.append(np.poly(others)[::-1] / np.prod([node - x for x in others]))
    return np.array(rows)


def past(
    nonlinear: Callable,
    t: RealScalar,
    h: RealScalar,
    y: Inexact[Array, "..."],
    symbol: Inexact[Array, "..."],
    lags: int,
    points: int,
) -> tuple[Inexact[Array, " lags ..."], Inexact[Array, " lags ..."]]:
    """States and N at t − h, …, t − lags · h, right to the power `points` of h.

    A scheme of several steps wants values from before the start. They are those of the
    polynomial through the first `points` values after it, half a step apart, found by
    ETDRK4. A problem with damping cannot be run backwards; its polynomial can.
    """
    half = jnp.asarray(h, jnp.finfo(y.dtype).dtype) / 2
    tables = ETDRK4().coefficients(symbol, half)

    def step(y, i):
        seen = []

        def noted(s, stage):
            seen.append(nonlinear(s, stage))
            return seen[-1]

        now = t + i.astype(half.dtype) * half
        y1, _, _ = ETDRK4().advance(noted, now, half, y, tables, ())
        return y1.astype(y.dtype), (y, seen[0])

    last, (states, rates) = lax.scan(step, y, jnp.arange(points - 1))
    states = jnp.concatenate([states, last[None]])
    rate = nonlinear(t + (points - 1) * half, last)
    rates = jnp.concatenate([rates, rate[None]])
    powers = np.vander(-2.0 * np.arange(1, lags + 1), points, increasing=True)
    weights = powers @ lagrange(tuple(map(float, range(points)))).T
    weights = jnp.asarray(weights, half.dtype)
    return (
        jnp.tensordot(weights, states, 1, precision="highest"),
        jnp.tensordot(weights, rates.astype(y.dtype), 1, precision="highest"),
    )
