"""Predictors that are guided: the score of the prior and the gradient of a log law."""

import abc
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float, PyTree, RealScalar
from phix.score._path import AbstractPath, Coefficients, check_kind
from phix.score._predict import AbstractPredictor, Denoised


# Noise of deviation 1 is never larger: a state where it seems so has left every law.
_FARTHEST = 1e5


class Denoiser(NamedTuple):
    r"""The mean of the data $d(x) = E[x_\text{data}|x_t=x]$ near a state.

    - `t`, `x`: time and state.
    - `data`: d(x).
    - `push`: $u\mapsto\nabla d\,u$.
    - `pull`: its adjoint.
    - `path`: on which it lives.
    """

    t: Array
    x: Array
    data: Array
    push: Callable
    pull: Callable
    path: AbstractPath

    def covariance(self, u: Array) -> Array:
        r"""$\mathrm{Cov}[x_\text{data}|x_t]\,u = (\sigma^2/\alpha)\,\nabla d\,Ku$."""
        ratio = self.path.variance(self.t) / self.path.alpha(self.t)
        return ratio * self.push(self.path.noise.covariance(u))


class AbstractGuide(eqx.Module):
    """Where to go, beyond what the prior says."""

    @abc.abstractmethod
    def gradient(self, denoiser: Denoiser) -> Array:
        r"""$\nabla_x\log h_t(x)$, to be added to the score."""


class AbstractOnPrior(AbstractPredictor):
    """A predictor made of another, which must live on a one-sided path.

    - `predictor`: of the prior.
    """

    predictor: eqx.AbstractVar[AbstractPredictor]

    def __check_init__(self):
        require_one_sided(self.predictor)

    @property
    def path(self) -> AbstractPath:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the predictor."""
        return require_one_sided(self.predictor)

    def check_times(self, ts: Float[Array, " times"]) -> None:
        self.predictor.check_times(ts)


class Guided(AbstractOnPrior):
    r"""A predictor of $p_t(x)\,h_t(x)$: any sampler draws with it.

    The score is $\nabla\log p_t + \nabla\log h_t$ and the other kinds follow. It is
    that of a posterior where h is the likelihood of readings given $x_t$.

    ```python
    posterior = score.Guided(predictor, score.MMPS(seen))
    ts = score.times(path, 50, "log_snr")
    x = score.start(path, like, ts[0], key=key)
    score.sample(posterior, x, ts, sampler=score.DDIM()).x
    ```

    **Arguments:**

    - `predictor`: of the prior, exact or learned, of any kind.
    - `guide`: such as `MMPS(measurement)` or `Energy(fn)`.

    Start where α > 0. A guide that diverges, or drives a state to where its noise would
    be 10⁵ standard deviations, ends the run of `sample` with the code `non_finite` and
    the step.

    **Raises:** `ValueError` for a predictor between two laws.
    """

    predictor: AbstractPredictor
    guide: AbstractGuide

    def predict(
        self, t: RealScalar, x: Float[Array, "*shape"], kind: str, cond: PyTree = None
    ) -> Float[Array, "*shape"]:
        check_kind(kind)
        known, gradient = self._guided(t, x, cond)
        if kind == "score":
            return self.predictor.predict(t, x, kind, cond) + gradient
        if kind == "v_diffusion":
            moved = self._moved(t, known, gradient)
            return self.path.target(t, moved.data, moved.noise, kind)
        return getattr(self._moved(t, known, gradient), kind)

    def denoise(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Denoised:
        return self._moved(t, *self._guided(t, x, cond))

    def determines(self, t: RealScalar) -> Array:
        path = self.path
        return self.predictor.determines(t) & path.determines(t, "score")

    def _guided(self, t, x, cond):
        t = jnp.asarray(t, x.dtype)

        def data_and_all(x):
            known = self.predictor.denoise(t, x, cond)
            return known.data, known

        data, push, known = jax.linearize(data_and_all, x, has_aux=True)
        transposed = jax.linear_transpose(push, x)

        def pull(v):
            return transposed(v)[0]

        denoiser = Denoiser(t, x, data, push, pull, self.path)
        gradient = self.guide.gradient(denoiser)
        return known, jnp.where(self._likely(known), gradient, jnp.nan)

    def _likely(self, known: Denoised) -> Array:
        """Whether the prior can still take the state for one of its own."""
        noise = self.path.noise
        square = jnp.sum(
            noise.shifted(-1.0, known.noise) * noise.precision(known.noise)
        )
        return square < _FARTHEST**2 * noise.size(known.noise)

    def _moved(self, t, known: Denoised, gradient: Array) -> Denoised:
        c = self.path.at(jnp.asarray(t, gradient.dtype))
        shift = self.path.noise.covariance(gradient)
        return Denoised(
            known.data + c.sigma**2 / c.alpha * shift,
            known.noise - c.sigma * shift,
            known.velocity - _rate(c) * shift,
            known.pull + shift,
        )


def _rate(c: Coefficients) -> Array:
    r"""$\sigma\sigma' - \sigma^2\alpha'/\alpha$: of the score in the velocity."""
    return c.sigma_d_sigma - c.sigma**2 * c.d_alpha / c.alpha


def require_one_sided(predictor: AbstractPredictor) -> AbstractPath:
    """The path of a predictor, which must lead from noise to data."""
    path = predictor.path
    require(
        isinstance(path, AbstractPath),
        f"`predictor`: must live on a one-sided path; got {type(path).__name__}",
    )
    assert isinstance(path, AbstractPath)
    return path
