"""Posteriors of measurements by guidance: DPS, ΠGDM and MMPS, which differ in one
covariance."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import lax

from phix._errors import is_concrete, require
from phix._types import Array, RealScalar
from phix.score._guide import AbstractGuide, Denoiser
from phix.score._measure import Measurement


class Likelihood(AbstractGuide):
    r"""$p(y|x_t) \approx N(A(d),\ AVA^\top+\Sigma)$ with d the mean of the data given
    $x_t$, A linearised there.

    $$\nabla\log h_t = \nabla d^\top A^\top(AVA^\top+\Sigma)^{-1}(y - A(d))$$

    `DPS`, `PiGDM` and `MMPS` are its three settings. The system is solved by conjugate
    gradients without any matrix.

    **Arguments:**

    - `measurement`: y, A, Σ.
    - `spread`: `spread(denoiser, u)` gives Vu; `None` for V = 0.
    - `iterations`: of conjugate gradients, at most.
    """

    measurement: Measurement
    spread: Callable | None = None
    iterations: int = eqx.field(static=True, default=10)

    def __check_init__(self):
        require(
            self.iterations >= 1,
            f"`iterations` must be at least 1; got {self.iterations}",
        )

    def gradient(self, denoiser: Denoiser) -> Array:
        near = self.measurement.linearise(denoiser.data)
        weighted, spread = near.misfit, self.spread
        if spread is not None:

            def system(v):
                return v + near.push(spread(denoiser, near.pull(v)))

            weighted = _solve(system, near.misfit, self.iterations)
        return denoiser.pull(near.pull(weighted))


def DPS(measurement: Measurement) -> Likelihood:
    r"""V = 0: as if $x_t$ fixed the data; too sure of the readings while it is noisy.

    The gradient of $-|y-A(d)|^2/2\sigma_y^2$ itself, with no factor to tune and the
    same for any number of steps; not the steps of fixed length of the paper. It takes
    some $|A|^2/\sigma_y^2$ steps, or diverges.

    ??? cite "Reference"
        Chung et al., *Diffusion posterior sampling for general noisy inverse problems*,
        ICLR 2023.
    """
    return Likelihood(measurement)


def PiGDM(
    measurement: Measurement, scale: RealScalar = 1.0, iterations: int = 10
) -> Likelihood:
    r"""$V = r_t^2K$ with $r_t^2 = s^2\sigma^2/(\alpha^2s^2+\sigma^2)$: what a prior
    $N(0, s^2K)$ leaves open, K the covariance of the noise.

    **Arguments:**

    - `measurement`: y, A, Σ.
    - `scale`: s, the standard deviation of the data.
    - `iterations`: of conjugate gradients, which cost no evaluation of the denoiser.

    ??? cite "Reference"
        Song, Vahdat, Mardani, Kautz, *Pseudoinverse-guided diffusion models for inverse
        problems*, ICLR 2023, with the noise of the readings.
    """
    require(
        not is_concrete(scale) or float(scale) > 0,
        f"`scale` must be positive; got {scale}",
    )
    return Likelihood(measurement, _Isotropic(scale), iterations)


def MMPS(measurement: Measurement, iterations: int = 10) -> Likelihood:
    r"""$V = (\sigma^2/\alpha)\,\nabla d\,K$, the covariance of the data given $x_t$.

    Exact for Gaussian data and linear A. One derivative of the denoiser for each
    iteration.

    **Arguments:**

    - `measurement`: y, A, Σ.
    - `iterations`: of conjugate gradients: as many as readings for exact denoisers; 1
        to 5 for networks, whose derivative is not quite symmetric.

    ??? cite "Reference"
        Rozet, Andry, Lanusse, Louppe, *Learning diffusion priors from observations by
        expectation maximization*, NeurIPS 2024; the same covariance in Boys et
        al., *Tweedie moment projected diffusions*, TMLR 2024.
    """
    return Likelihood(measurement, Denoiser.covariance, iterations)


class _State(NamedTuple):
    done: Array
    found: Array
    residual: Array
    direction: Array
    square: Array  # of the residual
    sound: Array


def _solve(system: Callable, right: Array, iterations: int) -> Array:
    """Conjugate gradients for 1 + AVAᵀ, a system that stretches every direction.

    A derivative of a network is no covariance everywhere. Where the system shrinks a
    direction the solve ends with what it has, lest the guide throw the state away.
    """
    enough = (10 * float(jnp.finfo(right.dtype).eps)) ** 2 * jnp.sum(right**2)

    def going(s: _State) -> Array:
        return (s.done < iterations) & (s.square > enough) & s.sound

    def step(system: Callable, s: _State) -> _State:
        pushed = system(s.direction)
        curvature = jnp.sum(s.direction * pushed)
        least = (1 - 1e-3) * jnp.sum(s.direction**2)
        sound = curvature >= least
        length = jnp.where(sound, s.square / jnp.where(sound, curvature, 1), 0)
        residual = s.residual - length * pushed
        square = jnp.sum(residual**2)
        direction = residual + square / s.square * s.direction
        found = s.found + length * s.direction
        return _State(s.done + 1, found, residual, direction, square, sound)

    def solve(system: Callable, right: Array) -> Array:
        start = _State(
            jnp.zeros((), jnp.int32),
            jnp.zeros_like(right),
            right,
            right,
            jnp.sum(right**2),
            jnp.ones((), bool),
        )
        return lax.while_loop(going, lambda s: step(system, s), start).found

    return lax.custom_linear_solve(system, right, solve, symmetric=True)


class _Isotropic(eqx.Module):
    scale: RealScalar

    def __call__(self, denoiser: Denoiser, u: Array) -> Array:
        path, t = denoiser.path, denoiser.t
        prior = jnp.asarray(self.scale, u.dtype) ** 2
        variance = path.variance(t)
        open_ = prior * variance / (path.alpha(t) ** 2 * prior + variance)
        return open_ * path.noise.covariance(u)
