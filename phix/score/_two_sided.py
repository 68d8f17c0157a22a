"""Interpolants between two laws of any kind, with a Gaussian part in between."""

import abc
import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import is_concrete, require
from phix._types import Array, Float, RealScalar
from phix.score._base import AbstractNoise, White
from phix.score._path import AbstractInterpolant, as_time


class TwoSidedCoefficients(NamedTuple):
    r"""What a two-sided interpolant is at one time.

    - `alpha`, `beta`, `gamma`: amplitudes of $x_0$, $x_1$ and of the Gaussian part.
    - `d_alpha`, `d_beta`: derivatives.
    - `gamma_d_gamma`: $\gamma\gamma'$, finite where $\gamma'$ is not.
    """

    alpha: Array
    beta: Array
    gamma: Array
    d_alpha: Array
    d_beta: Array
    gamma_d_gamma: Array

    @property
    def d_gamma(self) -> Array:
        r"""$\gamma'$; infinite where γ is a square root at its zero."""
        still = self.gamma_d_gamma == 0
        safe = jnp.where(still, 1.0, self.gamma)
        return jnp.where(still, 0.0, self.gamma_d_gamma / safe)


class AbstractLatent(eqx.Module):
    """The variance γ² of the Gaussian part as a function of time, 0 at both ends."""

    @abc.abstractmethod
    def variance(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """γ²."""


class Brownian(AbstractLatent):
    r"""$\gamma^2 = a\,t(1-t)$, a Brownian bridge.

    **Arguments:**

    - `scale`: a > 0; 2ε in a Schrödinger bridge.
    """

    scale: RealScalar = 1.0

    def __check_init__(self):
        require(
            not is_concrete(self.scale) or float(self.scale) > 0,
            f"`scale` must be positive; got {self.scale}",
        )

    def variance(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return self.scale * t * (1 - t)


class Quadratic(AbstractLatent):
    r"""$\gamma = t(1-t)$, smooth at both ends."""

    def variance(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return (t * (1 - t)) ** 2


class SineSquared(AbstractLatent):
    r"""$\gamma = \sin^2\pi t$."""

    def variance(self, t: Float[Array, ""]) -> Float[Array, ""]:
        # As sines of the distance to either end: exactly zero at both.
        return (jnp.sin(math.pi * t) * jnp.sin(math.pi * (1 - t))) ** 2


class NoLatent(AbstractLatent):
    r"""$\gamma = 0$: a deterministic interpolant, without score."""

    def variance(self, t: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.zeros_like(t)


class AbstractTwoSided(AbstractInterpolant):
    r"""$x_t = \alpha x_0 + \beta x_1 + \gamma z$ from $x_0$ at t = 0 to $x_1$ at 1.

    For any coupling of $x_0$ and $x_1$, with z standard normal and independent. Its
    velocity is $b = E[\alpha'x_0 + \beta'x_1|x] - \gamma\gamma's$, its score
    $s = -E[z|x]/\gamma$. γ is called `sigma` where samplers ask.

    ??? cite "Reference"
        Albergo, Boffi, Vanden-Eijnden, *Stochastic interpolants*, arXiv:2303.08797.
    """

    latent: eqx.AbstractVar[AbstractLatent]

    @abc.abstractmethod
    def weights(self, t: Float[Array, ""]) -> tuple[Array, Array]:
        """α and β."""

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        """γ."""
        return jnp.sqrt(self.latent.variance(as_time(t)))

    def at(self, t: RealScalar) -> TwoSidedCoefficients:
        """Amplitudes and their derivatives at one time."""
        t = as_time(t)
        one = jnp.ones_like(t)
        (alpha, beta), (d_alpha, d_beta) = jax.jvp(self.weights, (t,), (one,))
        square, twice = jax.jvp(self.latent.variance, (t,), (one,))
        return TwoSidedCoefficients(
            alpha, beta, jnp.sqrt(square), d_alpha, d_beta, twice / 2
        )

    def mix(
        self,
        t: RealScalar,
        x0: Float[Array, "*shape"],
        x1: Float[Array, "*shape"],
        z: Float[Array, "*shape"],
    ) -> Float[Array, "*shape"]:
        """The point of the interpolant."""
        c = self.at(jnp.asarray(t, x0.dtype))
        return c.alpha * x0 + c.beta * x1 + c.gamma * z


class LinearInterpolant(AbstractTwoSided):
    r"""$\alpha = 1-t,\ \beta = t$.

    **Arguments:**

    - `latent`: γ.
    """

    latent: AbstractLatent = Brownian()
    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=1.0)
    t_noise: float = eqx.field(static=True, default=0.0)

    def weights(self, t: Float[Array, ""]) -> tuple[Array, Array]:
        return 1 - t, t


class TrigonometricInterpolant(AbstractTwoSided):
    r"""$\alpha = \sqrt{1-\gamma^2}\cos\tfrac{\pi t}2$, $\beta = \sqrt{1-\gamma^2}
    \sin\tfrac{\pi t}2$: the variance is kept where both laws have the same.

    **Arguments:**

    - `latent`: γ < 1.
    """

    latent: AbstractLatent = Brownian()
    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=1.0)
    t_noise: float = eqx.field(static=True, default=0.0)

    def weights(self, t: Float[Array, ""]) -> tuple[Array, Array]:
        rest = jnp.sqrt(1 - self.latent.variance(t))
        half = math.pi / 2
        return rest * jnp.sin(half * (1 - t)), rest * jnp.sin(half * t)


class EncodingDecoding(AbstractTwoSided):
    r"""$\cos^2\pi t$ of $x_0$ until t = ½, then of $x_1$: pure noise in between.

    $\gamma = \sin^2\pi t$.
    """

    latent: AbstractLatent = SineSquared()
    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=1.0)
    t_noise: float = eqx.field(static=True, default=0.0)

    def weights(self, t: Float[Array, ""]) -> tuple[Array, Array]:
        wave = jnp.cos(math.pi * t) ** 2
        early = t <= 0.5
        return jnp.where(early, wave, 0.0), jnp.where(early, 0.0, wave)


class Mirror(AbstractTwoSided):
    r"""$x_t = x_1 + \gamma z$: the data come back to themselves.

    **Arguments:**

    - `latent`: γ.
    """

    latent: AbstractLatent = Brownian()
    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=1.0)
    t_noise: float = eqx.field(static=True, default=0.0)

    def weights(self, t: Float[Array, ""]) -> tuple[Array, Array]:
        return jnp.zeros_like(t), jnp.ones_like(t)


def SchroedingerBridge(epsilon: RealScalar) -> LinearInterpolant:
    r"""The linear interpolant with $\gamma^2 = 2\epsilon t(1-t)$.

    Coupled by the entropic plan of 2ε (`oracles.entropic_plan` between Gaussians) it is
    the Schrödinger bridge of $\sqrt{2\epsilon}\,W$; from a point, the Föllmer process.

    **Arguments:**

    - `epsilon`: ε > 0.

    **Raises:** `ValueError` for an ε that is not positive.
    """
    require(
        not is_concrete(epsilon) or float(epsilon) > 0,
        f"`epsilon` must be positive; got {epsilon} (without noise: `NoLatent`)",
    )
    return LinearInterpolant(latent=Brownian(2 * epsilon))
