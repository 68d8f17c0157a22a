"""The nearest field that agrees with readings to the level of their noise."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from phix._errors import is_concrete, require
from phix._types import Array, Float, RealScalar
from phix.score._measure import Linearised, Measurement


class _State(NamedTuple):
    shift: Array
    misfit: Array
    direction: Array
    slope: Array  # the pulled misfit, squared


def fit_readings(
    measurement: Measurement,
    x: Float[Array, "*shape"],
    *,
    level: RealScalar = 1.0,
    iterations: int = 15,
) -> Float[Array, "*shape"]:
    r"""Moves x until $|\Sigma^{-1/2}(y - Ax)|^2 \le \text{level}\cdot m$, no further.

    Conjugate gradients on the normal equations, the last step cut where the misfit of
    the m readings is that of their noise (Morozov). What A does not see of x stays. A
    nonlinear A is linearised at x.

    **Arguments:**

    - `measurement`: y, A, Σ.
    - `x`: a field; zeros for the least that explains the readings.
    - `level`: 1 for the noise, 0 to fit the readings as they are.
    - `iterations`: at most.

    **Returns:** the field; x itself where it agrees already.

    **Raises:** `ValueError` for a negative level, or no iteration.

    ??? cite "Reference"
        Hanke, *Conjugate gradient type methods for ill-posed problems*, 1995.
    """
    require(iterations >= 1, f"`iterations` must be at least 1; got {iterations}")
    require(
        not is_concrete(level) or float(level) >= 0,
        f"`level` must not be negative; got {level}",
    )
    near = measurement.linearise(x)
    target = jnp.asarray(level, x.dtype) * measurement.readings.size
    direction = near.pull(near.misfit)
    start = _State(jnp.zeros_like(x), near.misfit, direction, jnp.sum(direction**2))
    state, _ = lax.scan(
        lambda s, _: (_descend(near, target, s), None), start, length=iterations
    )
    return x + state.shift


def _descend(near: Linearised, target: Array, s: _State) -> _State:
    pushed = near.push(s.direction)
    curvature = jnp.sum(pushed**2)
    length = _step(s.slope, curvature, jnp.sum(s.misfit**2) - target)
    misfit = s.misfit - length * pushed
    pulled = near.pull(misfit)
    slope = jnp.sum(pulled**2)
    turn = jnp.where(s.slope > 0, slope / jnp.where(s.slope > 0, s.slope, 1), 0)
    return _State(
        s.shift + length * s.direction, misfit, pulled + turn * s.direction, slope
    )


def _step(slope: Array, curvature: Array, excess: Array) -> Array:
    """To the least misfit along the direction, or where the excess is gone before."""
    moves = (excess > 0) & (curvature > 0)
    curvature = jnp.where(moves, curvature, 1)
    # The smaller root of excess − 2 slope l + curvature l².
    left = slope**2 - curvature * excess
    crosses = moves & (left > 0)
    root = jnp.where(crosses, jnp.sqrt(jnp.where(crosses, left, 1)), 0)
    return jnp.where(moves, (slope - root) / curvature, 0)
