"""Posteriors of measurements by guidance: DPS, ΠGDM and MMPS, which differ in one
covariance."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import jax.scipy.sparse.linalg as jss

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

            tol = 10 * float(jnp.finfo(weighted.dtype).eps)
            weighted, _ = jss.cg(system, near.misfit, tol=tol, maxiter=self.iterations)
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


class _Isotropic(eqx.Module):
    scale: RealScalar

    def __call__(self, denoiser: Denoiser, u: Array) -> Array:
        path, t = denoiser.path, denoiser.t
        prior = jnp.asarray(self.scale, u.dtype) ** 2
        variance = path.variance(t)
        open_ = prior * variance / (path.alpha(t) ** 2 * prior + variance)
        return open_ * path.noise.covariance(u)
