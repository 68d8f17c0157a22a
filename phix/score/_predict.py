"""Predictors: one field under five names, exact or learned, on any path."""

import abc
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp

from phix._errors import is_concrete, require
from phix._types import Array, Float, PyTree, RealScalar
from phix.score._path import (
    AbstractInterpolant,
    AbstractPath,
    Prediction,
    as_time,
    check_kind,
)


# Beyond these, noise or data are lost in rounding; networks see no more.
_LARGEST_LOG_SNR = 20.0
_RANGE_SLACK = 1e-3


class Denoised(NamedTuple):
    """All that one evaluation tells a sampler; what is not used costs nothing.

    - `data`: the mean of the data.
    - `noise`: that of the noise.
    - `velocity`: dx/dt of the probability flow.
    - `pull`: the score, multiplied by the covariance of the noise.
    """

    data: Array
    noise: Array
    velocity: Array
    pull: Array


class AbstractPredictor(eqx.Module):
    """A function of time and state that gives any kind of prediction on its path."""

    path: eqx.AbstractVar[AbstractInterpolant]

    @abc.abstractmethod
    def predict(
        self,
        t: RealScalar,
        x: Float[Array, "*shape"],
        kind: str,
        cond: PyTree = None,
    ) -> Float[Array, "*shape"]:
        """The prediction of a kind at time t and state x."""

    @abc.abstractmethod
    def denoise(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Denoised:
        """Data, noise and velocity, for the price of one evaluation."""

    @abc.abstractmethod
    def determines(self, t: RealScalar) -> Array:
        """Whether the velocity at time t is known; see `AbstractPath.determines`."""

    @abc.abstractmethod
    def check_times(self, ts: Float[Array, " times"]) -> None:
        """Refuses times at which the predictor was never trained."""

    def velocity(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Float[Array, "*shape"]:
        """dx/dt of the probability flow."""
        return self.predict(t, x, "velocity", cond)

    def score(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Float[Array, "*shape"]:
        r"""$\nabla\log p_t(x)$."""
        return self.predict(t, x, "score", cond)


def denoised(
    path: AbstractPath, prediction: Prediction, t: RealScalar, x: Array
) -> Denoised:
    """All that a prediction of one kind tells, by the conversions of its path."""
    data, noise, velocity = (
        path.convert(prediction, t, x, kind) for kind in ("data", "noise", "velocity")
    )
    return Denoised(data, noise, velocity, pull_of(path, t, noise))


def pull_of(path: AbstractInterpolant, t: RealScalar, noise: Array) -> Array:
    """K ∇log p = −(n − m)/σ; NaN where σ = 0."""
    sigma = path.sigma(jnp.asarray(t, noise.dtype))
    noisy = sigma > 0
    # The double where keeps derivatives finite for those who mask it.
    pull = -path.noise.shifted(-1.0, noise) / jnp.where(noisy, sigma, 1)
    return jnp.where(noisy, pull, jnp.nan)


class Predictor(AbstractPredictor):
    r"""A network that predicts one kind, conditioned on the log signal-to-noise ratio.

    $$\text{prediction} = F\big(\lambda,\ x/\sqrt{\alpha^2 s^2 + \sigma^2},\
    \text{cond}\big),\qquad \lambda = \log(\alpha/\sigma)\in[-20, 20]$$

    Input of unit variance and a clock that belongs to no schedule: `on` samples a
    trained network on another path.

    **Arguments:**

    - `net`: `net(log_snr, x, cond)`, of the shape of x.
    - `path`: that of the training.
    - `kind`: what the network predicts.
    - `scale`: s, the standard deviation of the data.
    - `log_snr_range`: the range seen in training; that of the whole path if None.

    **Raises:** `ValueError` for an unknown kind.

    **Good values:** `"velocity"` on flow-matching paths, `"v_diffusion"` on those of
    unit variance, `"data"` or `"noise"` where baselines want them. A `"noise"` network
    cannot start where α = 0, see `AbstractPath.determines`.
    """

    net: Callable
    path: AbstractPath
    kind: str = eqx.field(static=True)
    scale: RealScalar = 1.0
    log_snr_range: tuple[float, float] | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_kind(self.kind)

    def raw(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Prediction:
        """What the network says, with its kind."""
        t = jnp.asarray(t, x.dtype)
        alpha, sigma = self.path.alpha(t), self.path.sigma(t)
        bound = _LARGEST_LOG_SNR
        log_snr = jnp.clip(self.path.log_snr(t), -bound, bound)
        scaled = x / jnp.sqrt((alpha * self.scale) ** 2 + sigma**2)
        value = self.net(log_snr, scaled, cond)
        require(
            value.shape == x.shape,
            f"`net` must return the shape of the state, {x.shape}; got {value.shape}",
        )
        return Prediction(value, self.kind)

    def predict(
        self,
        t: RealScalar,
        x: Float[Array, "*shape"],
        kind: str,
        cond: PyTree = None,
    ) -> Float[Array, "*shape"]:
        return self.path.convert(self.raw(t, x, cond), t, x, kind)

    def denoise(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Denoised:
        raw = self.raw(t, x, cond)
        return denoised(self.path, raw, t, x)

    def determines(self, t: RealScalar) -> Array:
        return self.path.determines(t, self.kind)

    def check_times(self, ts: Float[Array, " times"]) -> None:
        if self.log_snr_range is None or not is_concrete(self.path, ts):
            return
        low, high = self.log_snr_range
        seen = [float(self.path.log_snr(t)) for t in ts]
        bad = [r for r in seen if not low - _RANGE_SLACK <= r <= high + _RANGE_SLACK]
        require(
            not bad,
            f"`ts`: log(alpha/sigma) = {bad[0] if bad else 0:.4g} is outside "
            f"[{low:.4g}, {high:.4g}], where the network was trained; end the times "
            "at path.time_at of these, or train on the new schedule",
        )


class OnPath(AbstractPredictor):
    r"""A predictor of one path used on another, which need not be that of its training.

    At equal λ the laws of two paths differ by a scale $r = \sqrt{\alpha^2+\sigma^2}$
    alone, so data and noise are asked at the time of equal λ and the scaled state.

    **Arguments:**

    - `predictor`: on its own path.
    - `path`: the new one, with noise of the same law.
    """

    predictor: AbstractPredictor
    path: AbstractPath

    def __check_init__(self):
        require(
            isinstance(self.predictor.path, AbstractPath),
            "`predictor`: must live on a one-sided path; got "
            f"{type(self.predictor.path).__name__}",
        )

    @property
    def trained(self) -> AbstractPath:
        """The path of the training."""
        path = self.predictor.path
        assert isinstance(path, AbstractPath)
        return path

    def predict(
        self,
        t: RealScalar,
        x: Float[Array, "*shape"],
        kind: str,
        cond: PyTree = None,
    ) -> Float[Array, "*shape"]:
        known = self.denoise(t, x, cond)
        return self.path.target(t, known.data, known.noise, kind)

    def denoise(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Denoised:
        t = jnp.asarray(t, x.dtype)
        old = self._old_time(t)
        here, there = (
            jnp.hypot(path.alpha(s), path.sigma(s))
            for path, s in ((self.path, t), (self.trained, old))
        )
        known = self.predictor.denoise(old, x * (there / here), cond)
        velocity = self.path.target(t, known.data, known.noise, "velocity")
        return Denoised(
            known.data, known.noise, velocity, pull_of(self.path, t, known.noise)
        )

    def determines(self, t: RealScalar) -> Array:
        return self.predictor.determines(self._old_time(t))

    def check_times(self, ts: Float[Array, " times"]) -> None:
        old = self.trained
        if is_concrete(old, self.path, ts):
            ends = [float(old.log_snr(t)) for t in (old.t_noise, old.t_data)]
            seen = [float(self.path.log_snr(t)) for t in ts]
            bad = [r for r in seen if not ends[0] - 1e-3 <= r <= ends[1] + 1e-3]
            require(
                not bad,
                f"`ts`: log(alpha/sigma) = {bad[0] if bad else 0:.4g} is outside "
                f"[{ends[0]:.4g}, {ends[1]:.4g}], the range of the path of training, "
                f"{type(old).__name__}; end the times at path.time_at of these",
            )
            self.predictor.check_times(jnp.stack([self._old_time(t) for t in ts]))

    def _old_time(self, t):
        return self.trained.time_at(self.path.log_snr(as_time(t)))
