"""Transport between Gaussians in closed form: distances, plans, flow maps."""

import jax
import jax.numpy as jnp

from phix._types import Array, Float, PyTree, RealScalar
from phix.num import matmul
from phix.score._flow_maps import AbstractFlowMap
from phix.score._path import AbstractPath
from phix.score.oracles._mixture import root


_HIGHEST = jax.lax.Precision.HIGHEST


def _product(*matrices: Array) -> Array:
    return jnp.linalg.multi_dot(matrices, precision=_HIGHEST)


def wasserstein2(
    mean0: Float[Array, " dim"],
    covariance0: Float[Array, "dim dim"],
    mean1: Float[Array, " dim"],
    covariance1: Float[Array, "dim dim"],
) -> Float[Array, ""]:
    r"""The *squared* distance of Wasserstein between two Gaussians (Bures).

    $$W_2^2 = |m_0-m_1|^2 + \mathrm{tr}\big(C_0 + C_1
    - 2(C_0^{1/2}C_1C_0^{1/2})^{1/2}\big)$$
    """
    half = root(covariance0)
    cross = jnp.trace(root(_product(half, covariance1, half)))
    traces = jnp.trace(covariance0) + jnp.trace(covariance1)
    return jnp.sum((mean0 - mean1) ** 2) + traces - 2 * cross


def optimal_map(
    covariance0: Float[Array, "dim dim"], covariance1: Float[Array, "dim dim"]
) -> Float[Array, "dim dim"]:
    r"""The symmetric T with $TC_0T = C_1$, the optimal map of centred Gaussians.

    **Arguments:**

    - `covariance0`: positive definite.
    - `covariance1`: positive semi-definite.
    """
    half = root(covariance0)
    inner = root(_product(half, covariance1, half))
    inverse = jnp.linalg.inv(half)
    return _product(inverse, inner, inverse)


def entropic_plan(
    covariance0: Float[Array, "dim dim"],
    covariance1: Float[Array, "dim dim"],
    epsilon: RealScalar,
) -> Float[Array, "dim dim"]:
    r"""$\mathrm{Cov}[x_0, x_1]$ of the plan with entropy 2ε between two Gaussians.

    $$C = \tfrac12\big(S_0^{1/2}DS_0^{-1/2} - 2\epsilon I\big),\quad
    D = (4S_0^{1/2}S_1S_0^{1/2} + 4\epsilon^2I)^{1/2}$$

    With `SchroedingerBridge(epsilon)` it gives the bridge of $\sqrt{2\epsilon}\,W$.

    ??? cite "Reference"
        Janati, Muzellec, Peyré, Cuturi, *Entropic optimal transport between unbalanced
        Gaussian measures has a closed form*, NeurIPS 2020, theorem 1.
    """
    half = root(covariance0)
    eye = jnp.eye(covariance0.shape[0], dtype=covariance0.dtype)
    inner = 4 * _product(half, covariance1, half) + 4 * epsilon**2 * eye
    middle = _product(half, root(inner), jnp.linalg.inv(half))
    return 0.5 * (middle - 2 * epsilon * eye)


def flow_map(
    path: AbstractPath,
    mean: Float[Array, " dim"],
    covariance: Float[Array, "dim dim"],
    start: RealScalar,
    stop: RealScalar,
    x: Float[Array, " dim"],
) -> Float[Array, " dim"]:
    r"""Where the probability flow of Gaussian data takes x from one time to another.

    In each eigenvector of C: $\alpha_sm + \big(\tfrac{\alpha_s^2c+\sigma_s^2}
    {\alpha_t^2c+\sigma_t^2}\big)^{1/2}(x-\alpha_tm)$.
    """
    values, vectors = jnp.linalg.eigh(covariance)
    here, there = path.at(start), path.at(stop)
    ratio = (there.alpha**2 * values + there.sigma**2) / (
        here.alpha**2 * values + here.sigma**2
    )
    apart = matmul(vectors.T, x - here.alpha * mean)
    return there.alpha * mean + jnp.matmul(
        vectors, jnp.sqrt(ratio) * apart, precision=_HIGHEST
    )


class GaussianMap(AbstractFlowMap):
    r"""The exact flow map of Gaussian data, and its mean velocity.

    In each eigenvector of C, with $\rho^2 = \alpha^2c+\sigma^2$:
    $\Psi_{t\to s}(x) = \alpha_sm + (\rho_s/\rho_t)(x-\alpha_tm)$.

    **Arguments:**

    - `mean`, `covariance`: m and C.
    - `path`: one-sided, with white noise.
    """

    mean: Float[Array, " dim"]
    covariance: Float[Array, "dim dim"]
    path: AbstractPath

    def average(
        self,
        t: RealScalar,
        s: RealScalar,
        x: Float[Array, " dim"],
        cond: PyTree = None,
    ) -> Float[Array, " dim"]:
        del cond
        t, s = jnp.asarray(t, x.dtype), jnp.asarray(s, x.dtype)
        values, vectors = jnp.linalg.eigh(self.covariance)
        here, there = self.path.at(t), self.path.at(s)
        before, after = (
            jnp.sqrt(c.alpha**2 * values + c.sigma**2) for c in (here, there)
        )
        # The quotients of differences, whose limits are the derivatives.
        moves = s != t
        length = jnp.where(moves, s - t, 1)
        pull = here.alpha * here.d_alpha * values + here.sigma_d_sigma
        shift = jnp.where(moves, (there.alpha - here.alpha) / length, here.d_alpha)
        growth = jnp.where(moves, (after - before) / length, pull / before)
        apart = matmul(vectors.T, x - here.alpha * self.mean)
        stretched = matmul(vectors, growth / before * apart)
        return shift * self.mean + stretched
