"""Probability paths between data and noise, and the conversions that follow."""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from phix._errors import eagerly, is_concrete, nearest, require
from phix._types import Array, Bool, Float, RealScalar
from phix.score._base import AbstractNoise


KINDS = ("data", "noise", "score", "velocity", "v_diffusion")
# Ten searches among 64 parts exhaust float64.
_SEARCHES, _PARTS = 10, 64


class Coefficients(NamedTuple):
    r"""What a path is at one time.

    - `alpha`, `sigma`: amplitudes of data and noise.
    - `d_alpha`, `d_sigma`: their derivatives in time.
    - `sigma_d_sigma`: $\sigma\sigma'$, finite also where $\sigma'$ is not.
    """

    alpha: Array
    sigma: Array
    d_alpha: Array
    d_sigma: Array
    sigma_d_sigma: Array


class Prediction(eqx.Module):
    """A value with the name of what it stands for.

    - `value`: of the shape of the state.
    - `kind`: `"data"` $E[x_1|x]$, `"noise"` $E[ε|x]$, `"score"` $∇\\log p$,
        `"velocity"` $α'd+σ'n$, or `"v_diffusion"` $αn-σd$.
    """

    value: Float[Array, "*shape"]
    kind: str = eqx.field(static=True)

    def __check_init__(self):
        check_kind(self.kind)


def check_kind(kind: str, name: str = "kind") -> None:
    """Refuses what is no kind of prediction."""
    require(
        kind in KINDS,
        f"`{name}`: {kind!r} is no kind of prediction{nearest(str(kind), KINDS)}",
    )


class AbstractInterpolant(eqx.Module):
    """Laws between two, with a Gaussian part σ(t) ε: what samplers need to know.

    The direction of time belongs to it: data at `t_data`, what they are made from at
    `t_noise`, whichever is larger.
    """

    t_data: eqx.AbstractVar[float]
    t_noise: eqx.AbstractVar[float]
    noise: eqx.AbstractVar[AbstractNoise]

    @abc.abstractmethod
    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        """The amplitude of the Gaussian part, ≥ 0."""


class AbstractPath(AbstractInterpolant):
    r"""A path $x_t = \alpha(t)\,x_\text{data} + \sigma(t)\,\epsilon$.

    Everything else follows from α, σ and the law of ε.

    A subclass gives `alpha(t)`, `sigma(t)` and `variance(t)` $=\sigma^2$ (from which
    $\sigma\sigma'$ is taken, so that it stays finite where σ is a square root).
    """

    @abc.abstractmethod
    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        """The amplitude of the data."""

    @abc.abstractmethod
    def variance(self, t: RealScalar) -> Float[Array, ""]:
        r"""$\sigma^2$."""

    def at(self, t: RealScalar) -> Coefficients:
        """Amplitudes and their derivatives at one time."""
        t = as_time(t)
        one = jnp.ones_like(t)
        alpha, d_alpha = jax.jvp(self.alpha, (t,), (one,))
        sigma, d_sigma = jax.jvp(self.sigma, (t,), (one,))
        _, twice = jax.jvp(self.variance, (t,), (one,))
        return Coefficients(alpha, sigma, d_alpha, d_sigma, twice / 2)

    def log_snr(self, t: RealScalar) -> Float[Array, ""]:
        r"""$\lambda = \log(\alpha/\sigma)$; falls from data to noise."""
        t = as_time(t)
        return jnp.log(self.alpha(t)) - jnp.log(self.sigma(t))

    def time_at(self, log_snr: RealScalar) -> Float[Array, ""]:
        r"""The time at which λ has a value; that of the nearer end beyond the range.

        A search, and a step of Newton, through which derivatives go too.
        """
        target = lax.stop_gradient(as_time(log_snr))
        ends = jnp.asarray([self.t_data, self.t_noise], target.dtype)
        share = jnp.linspace(0.0, 1.0, _PARTS + 1, dtype=target.dtype)

        def narrow(_, bracket):
            ts = bracket[0] * (1 - share) + bracket[1] * share
            clean = jnp.sum(jax.vmap(self.log_snr)(ts) >= target) - 1
            clean = jnp.clip(clean, 0, _PARTS - 1)
            return lax.dynamic_slice(ts, (clean,), (2,))

        bracket = lax.fori_loop(0, _SEARCHES, narrow, ends)
        t = lax.stop_gradient(jnp.mean(bracket))
        value, slope = jax.jvp(self.log_snr, (t,), (jnp.ones_like(t),))
        step = (value - as_time(log_snr)) / lax.stop_gradient(slope)
        low, high = jnp.min(ends), jnp.max(ends)
        return jnp.clip(t - jnp.where(jnp.isfinite(step), step, 0.0), low, high)

    def drift(self, t: RealScalar) -> Float[Array, ""]:
        r"""$f = \alpha'/\alpha$ of the noising process $dx = f x\,dt + g\,dW$."""
        c = self.at(t)
        return c.d_alpha / c.alpha

    def diffusion(self, t: RealScalar) -> Float[Array, ""]:
        r"""$g^2 = 2\,|\sigma\sigma' - \sigma^2\alpha'/\alpha| = 2\sigma^2|\lambda'|$.

        Half of it is the noise level $\epsilon(t)$ of the reversed process.
        """
        c = self.at(t)
        return 2 * jnp.abs(c.sigma_d_sigma - c.sigma**2 * c.d_alpha / c.alpha)

    def mix(
        self, t: RealScalar, data: Float[Array, "*shape"], noise: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        r"""The point $\alpha\,x_\text{data} + \sigma\,\epsilon$ of the path."""
        t = jnp.asarray(t, data.dtype)
        return self.alpha(t) * data + self.sigma(t) * noise

    def target(
        self,
        t: RealScalar,
        data: Float[Array, "*shape"],
        noise: Float[Array, "*shape"],
        kind: str,
    ) -> Float[Array, "*shape"]:
        """What a prediction of this kind is an average of, for one data and noise."""
        check_kind(kind)
        return _from_pair(self, self.at(jnp.asarray(t, data.dtype)), data, noise, kind)

    def convert(
        self,
        prediction: Prediction,
        t: RealScalar,
        x: Float[Array, "*shape"],
        kind: str,
    ) -> Float[Array, "*shape"]:
        r"""The same prediction as another kind.

        With data d and noise n: $x = \alpha d + \sigma n$, velocity
        $\alpha'd + \sigma'n$, score $-K^{-1}(n-m)/\sigma$ for noise of mean m and
        covariance K, v-diffusion $\alpha n - \sigma d$.

        **Arguments:**

        - `prediction`: at `t` and `x`.
        - `t`, `x`: time and state.
        - `kind`: what is wanted.

        **Returns:** the value. It is not finite where the path leaves it open: noise
        and score say nothing of the data where α = 0, data nothing of the noise where
        σ = 0 (`determines` tells).
        """
        check_kind(kind)
        if prediction.kind == kind:
            return prediction.value
        c = self.at(jnp.asarray(t, x.dtype))
        if prediction.kind == "score" and kind == "velocity":
            # Through σσ': finite at the data end of every path.
            shift = self.noise.covariance(prediction.value)
            ratio = c.d_alpha / c.alpha
            scaled = (c.sigma_d_sigma - c.sigma**2 * ratio) * shift
            drive = c.d_sigma - c.sigma * ratio
            return ratio * x + self.noise.shifted(drive, -scaled)
        return _from_pair(self, c, *_pair(self, c, prediction, x), kind)

    def determines(self, t: RealScalar, kind: str) -> Bool[Array, ""]:
        """Whether a prediction of this kind fixes the velocity at time t."""
        check_kind(kind)
        c = self.at(t)
        gentle = jnp.isfinite(c.d_sigma)
        return {
            "data": c.sigma > 0,
            "noise": (c.alpha > 0) & gentle,
            "score": c.alpha > 0,
            "velocity": jnp.ones_like(gentle),
            "v_diffusion": gentle,
        }[kind]


def _pair(path: AbstractPath, c: Coefficients, prediction: Prediction, x: Array):
    """Data and noise."""
    value = prediction.value
    if prediction.kind == "data":
        return value, (x - c.alpha * value) / c.sigma
    if prediction.kind == "noise":
        return (x - c.sigma * value) / c.alpha, value
    if prediction.kind == "score":
        scaled = path.noise.shifted(
            c.sigma, -(c.sigma**2) * path.noise.covariance(value)
        )
        noise = path.noise.shifted(1.0, -c.sigma * path.noise.covariance(value))
        return (x - scaled) / c.alpha, noise
    if prediction.kind == "v_diffusion":
        norm = c.alpha**2 + c.sigma**2
        data = (c.alpha * x - c.sigma * value) / norm
        return data, (c.sigma * x + c.alpha * value) / norm
    # Velocity. Where σ' is infinite numerator and denominator are multiplied by σ.
    steep = ~jnp.isfinite(c.d_sigma)
    slope = jnp.where(steep, c.sigma_d_sigma, c.d_sigma)
    weight = jnp.where(steep, c.sigma, 1.0)
    wronskian = c.alpha * slope - weight * c.d_alpha * c.sigma
    data = (slope * x - weight * c.sigma * value) / wronskian
    return data, weight * (c.alpha * value - c.d_alpha * x) / wronskian


def _from_pair(
    path: AbstractPath, c: Coefficients, data: Array, noise: Array, kind: str
) -> Array:
    if kind == "data":
        return data
    if kind == "noise":
        return noise
    if kind == "score":
        return -path.noise.precision(noise) / c.sigma
    if kind == "velocity":
        return c.d_alpha * data + c.d_sigma * noise
    return c.alpha * noise - c.sigma * data


def as_time(t: RealScalar) -> Float[Array, ""]:
    """A time as a floating array."""
    t = jnp.asarray(t)
    return t if jnp.issubdtype(t.dtype, jnp.floating) else t.astype(float)


def check_ends(path: AbstractPath) -> None:
    """Refuses a path that does not lead from data to noise, where that can be seen."""
    if not is_concrete(path):
        return
    with eagerly():
        data, noise = path.log_snr(path.t_data), path.log_snr(path.t_noise)
        clean = path.alpha(path.t_data) > 0.5
        leads = bool(data >= 3) and bool(noise <= 1) and bool(clean)
        data, noise = float(data), float(noise)
    require(
        leads,
        f"{type(path).__name__}: log(alpha/sigma) is {data:.3g} at t_data = "
        f"{path.t_data} and {noise:.3g} at t_noise = {path.t_noise}; wanted data there "
        "(above 3, alpha above 1/2) and noise here (below 1). Are the ends exchanged "
        "(`Reversed`)?",
    )
