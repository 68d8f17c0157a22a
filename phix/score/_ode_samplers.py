"""Runge–Kutta samplers of the probability-flow ODE."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp

from phix._types import Array, Float, PyTree
from phix.score._predict import AbstractPredictor
from phix.score._sample import AbstractOneStep


class Tableau(NamedTuple):
    """An explicit Runge–Kutta method: rows of slopes, weights, nodes."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]


_EULER = Tableau(((),), (1.0,), (0.0,))
_HEUN = Tableau(((), (1.0,)), (0.5, 0.5), (0.0, 1.0))
_RK4 = Tableau(
    ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
    (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    (0.0, 0.5, 0.5, 1.0),
)


class RungeKutta(AbstractOneStep):
    r"""Explicit Runge–Kutta steps of $dx/dt = v(t, x)$, in the time of the path.

    Where a later stage asks for a velocity that the prediction does not determine (a
    data prediction at σ = 0), the step is one of Euler instead.

    **Arguments:**

    - `tableau`: of the method; see `Euler`, `Heun`, `RK4`.
    """

    tableau: Tableau = eqx.field(static=True)
    random: ClassVar[bool] = False

    def prepare(self, path: Any, ts: Float[Array, " times"]) -> PyTree:
        del path
        return ts[:-1], ts[1:]

    def step(
        self,
        predictor: AbstractPredictor,
        x: Float[Array, "*shape"],
        memory: PyTree,
        row: tuple[Array, Array],
        drawn: PyTree,
        cond: PyTree,
    ) -> tuple[Float[Array, "*shape"], PyTree]:
        del drawn
        t, following = row
        h = following - t
        slopes = [predictor.velocity(t, x, cond)]
        whole = predictor.determines(following)
        for a, c in zip(self.tableau.a[1:], self.tableau.c[1:], strict=True):
            ahead = combined(a, slopes)
            # Not evaluated where it would not be finite, so that gradients are.
            stage = jnp.where(whole, t + c * h, t)
            slopes.append(predictor.velocity(stage, x + h * ahead, cond))
        slope = jnp.where(whole, combined(self.tableau.b, slopes), slopes[0])
        return x + h * slope, memory


def combined(weights: tuple[float, ...], slopes: list[Array]) -> Array:
    """The weighted sum of slopes, leaving out the zeros."""
    terms = [w * k for w, k in zip(weights, slopes, strict=False) if w != 0]
    return sum(terms[1:], start=terms[0])


def Euler() -> RungeKutta:
    """Order 1, one evaluation a step."""
    return RungeKutta(_EULER)


def Heun() -> RungeKutta:
    """Order 2, two evaluations a step; on `EDM` the sampler of Karras et al. 2022."""
    return RungeKutta(_HEUN)


def RK4() -> RungeKutta:
    """Order 4, four evaluations a step: for references."""
    return RungeKutta(_RK4)
