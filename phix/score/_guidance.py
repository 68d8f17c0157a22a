"""Guidance without measurements: classifier-free, by an energy, by hard constraints."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from phix._types import Array, Float, PyTree, RealScalar
from phix.score._guide import AbstractGuide, AbstractOnPrior, Denoiser
from phix.score._path import AbstractInterpolant, Prediction
from phix.score._predict import AbstractPredictor, Denoised, denoised


class ClassifierFree(AbstractPredictor):
    r"""$F_\varnothing + w\,(F_\text{cond} - F_\varnothing)$, in any kind of prediction.

    Two evaluations. For w other than 0 and 1 what is drawn is *not* the law
    $p\,p(\text{cond}|x)^{w-1}$, although every score is that of such a product.

    **Arguments:**

    - `predictor`: trained with and without conditions.
    - `weight`: w; 0 without the condition, 1 with it, more to exaggerate it.
    - `null`: what stands for no condition.

    ??? cite "Reference"
        Ho, Salimans, *Classifier-free diffusion guidance*, 2022; w is their 1 + w.
    """

    predictor: AbstractPredictor
    weight: RealScalar
    null: PyTree = None

    @property
    def path(self) -> AbstractInterpolant:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the predictor."""
        return self.predictor.path

    def predict(
        self, t: RealScalar, x: Float[Array, "*shape"], kind: str, cond: PyTree = None
    ) -> Float[Array, "*shape"]:
        free = self.predictor.predict(t, x, kind, self.null)
        return self._between(free, self.predictor.predict(t, x, kind, cond))

    def denoise(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Denoised:
        free = self.predictor.denoise(t, x, self.null)
        return jax.tree.map(self._between, free, self.predictor.denoise(t, x, cond))

    def determines(self, t: RealScalar) -> Array:
        return self.predictor.determines(t)

    def check_times(self, ts: Float[Array, " times"]) -> None:
        self.predictor.check_times(ts)

    def _between(self, free: Array, conditioned: Array) -> Array:
        return free + jnp.asarray(self.weight, free.dtype) * (conditioned - free)


class Energy(AbstractGuide):
    r"""$\log h_t(x) = -w\,E(t, x, d(x))$ with d the mean of the data given x.

    **Arguments:**

    - `energy`: `energy(t, x, data)` gives a number: of the data alone where one wants
        less of something, of t and x for minus the log of a classifier of noisy states.
    - `weight`: w.

    **Good values:** energies that grow no faster than the square of their argument; a
    guide that diverges ends the run with a code.
    """

    energy: Callable
    weight: RealScalar = 1.0

    def gradient(self, denoiser: Denoiser) -> Array:
        at_state, at_data = jax.grad(self.energy, argnums=(1, 2))(
            denoiser.t, denoiser.x, denoiser.data
        )
        weight = jnp.asarray(self.weight, at_state.dtype)
        return -weight * (at_state + denoiser.pull(at_data))


class Constrained(AbstractOnPrior):
    r"""A predictor whose data obey a constraint: $d \leftarrow P(d)$, and the noise
    $(x - \alpha d)/\sigma$ follows.

    Divergence-free fields, values at a boundary, exact readings:

    ```python
    walls = lambda u: u.at[:, 0].set(0.0).at[:, -1].set(0.0)
    exact = lambda u: score.fit_readings(seen, u, level=0.0)
    score.Constrained(predictor, walls)
    ```

    Samples obey it to rounding where σ = 0 at the last time and the sampler ends on the
    predicted data (`DDIM`, `DPMpp2M` for affine constraints; on `Linear` also `Euler`).

    **Arguments:**

    - `predictor`: of any kind.
    - `project`: P, a function of the data with P(P(d)) = P(d).

    **Raises:** `ValueError` for a predictor between two laws.
    """

    predictor: AbstractPredictor
    project: Callable

    def predict(
        self, t: RealScalar, x: Float[Array, "*shape"], kind: str, cond: PyTree = None
    ) -> Float[Array, "*shape"]:
        return self.path.convert(self._projected(t, x, cond), t, x, kind)

    def denoise(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Denoised:
        return denoised(self.path, self._projected(t, x, cond), t, x)

    def determines(self, t: RealScalar) -> Array:
        return self.predictor.determines(t) & self.path.determines(t, "data")

    def _projected(self, t, x, cond) -> Prediction:
        data = self.predictor.predict(t, x, "data", cond)
        return Prediction(self.project(data), "data")
