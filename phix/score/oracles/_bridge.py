"""Two-sided interpolants between mixtures, in closed form."""

import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float, PyTree, RealScalar
from phix.score._predict import AbstractPredictor, Denoised
from phix.score._two_sided import AbstractTwoSided
from phix.score.oracles._mixture import Mixture


class Bridge(AbstractPredictor):
    r"""The exact velocity, score and noise of an interpolant between two mixtures.

    Components i of $x_0$ and j of $x_1$ are independent, with probability $p_iq_j$;
    within them $x_0$ and $x_1$ may be correlated. $x_t$ is a mixture of
    $N(\alpha m_i+\beta m_j,\ \alpha^2C_i+\beta^2C_j+\alpha\beta(C_{ij}+C_{ij}^\top)
    +\gamma^2I)$.

    **Arguments:**

    - `source`, `target`: the laws of $x_0$ and $x_1$.
    - `path`: a two-sided interpolant.
    - `cross`: $C_{ij} = \mathrm{Cov}[x_0, x_1]$, "sources targets dim dim"; zero if
        None.
    """

    source: Mixture
    target: Mixture
    path: AbstractTwoSided
    cross: Float[Array, "sources targets dim dim"]

    def __init__(
        self,
        source: Mixture,
        target: Mixture,
        path: AbstractTwoSided,
        cross: Array | None = None,
    ):
        dim = source.means.shape[1]
        require(
            target.means.shape[1] == dim,
            f"`target`: {target.means.shape[1]} dimensions, `source` has {dim}",
        )
        shape = (source.weights.size, target.weights.size, dim, dim)
        cross = jnp.zeros(shape, source.means.dtype) if cross is None else cross
        require(
            cross.shape == shape, f"`cross` must have shape {shape}; got {cross.shape}"
        )
        self.source, self.target, self.path, self.cross = source, target, path, cross

    def predict(
        self, t: RealScalar, x: Float[Array, " dim"], kind: str, cond: PyTree = None
    ) -> Float[Array, " dim"]:
        known = self.denoise(t, x, cond)
        kinds = {
            "data": known.data,
            "noise": known.noise,
            "velocity": known.velocity,
            "score": known.pull,
        }
        require(
            kind in kinds, f"`kind`: a two-sided interpolant has no {kind!r} prediction"
        )
        return kinds[kind]

    def denoise(
        self, t: RealScalar, x: Float[Array, " dim"], cond: PyTree = None
    ) -> Denoised:
        del cond
        c = self.path.at(jnp.asarray(t, x.dtype))
        m0, m1 = self.source.means[:, None], self.target.means[None]
        c0, c1 = self.source.covariances[:, None], self.target.covariances[None]
        both = self.cross + jnp.swapaxes(self.cross, -1, -2)
        eye = jnp.eye(x.size, dtype=x.dtype)
        covariance = c.alpha**2 * c0 + c.beta**2 * c1 + c.alpha * c.beta * both
        covariance = covariance + c.gamma**2 * eye
        apart = x - (c.alpha * m0 + c.beta * m1)
        pulled = jnp.linalg.solve(covariance, apart[..., None])[..., 0]
        _, log_det = jnp.linalg.slogdet(covariance)
        square = jnp.sum(apart * pulled, axis=-1)
        prior = jnp.log(self.source.weights)[:, None] + jnp.log(self.target.weights)
        shares = jax.nn.softmax(prior - 0.5 * (log_det + square), axis=(0, 1))
        # Cov[x₀, x] and Cov[x₁, x], and the gain of either.
        to_0 = c.alpha * c0 + c.beta * self.cross
        to_1 = c.beta * c1 + c.alpha * jnp.swapaxes(self.cross, -1, -2)
        x0 = m0 + jnp.einsum("ijab,ijb->ija", to_0, pulled, precision="highest")
        x1 = m1 + jnp.einsum("ijab,ijb->ija", to_1, pulled, precision="highest")

        def mean(values):
            return jnp.einsum(
                "ij,ija->a",
                shares,
                jnp.broadcast_to(values, x0.shape),
                precision="highest",
            )

        score = -mean(pulled)
        velocity = c.d_alpha * mean(x0) + c.d_beta * mean(x1) - c.gamma_d_gamma * score
        return Denoised(mean(x1), -c.gamma * score, velocity, score)

    def determines(self, t: RealScalar) -> Array:
        return jnp.isfinite(jnp.asarray(t))

    def check_times(self, ts: Float[Array, " times"]) -> None:
        del ts

    def log_prob(self, t: RealScalar, x: Float[Array, " dim"]) -> Float[Array, ""]:
        r"""$\log p_t(x)$."""
        return self.law_at(t).log_prob(x)

    def law_at(self, t: RealScalar) -> Mixture:
        r"""The law of $x_t$."""
        c = self.path.at(t)
        m0, m1 = self.source.means[:, None], self.target.means[None]
        c0, c1 = self.source.covariances[:, None], self.target.covariances[None]
        both = self.cross + jnp.swapaxes(self.cross, -1, -2)
        dim = m0.shape[-1]
        covariance = c.alpha**2 * c0 + c.beta**2 * c1 + c.alpha * c.beta * both
        covariance = covariance + c.gamma**2 * jnp.eye(dim)
        weights = self.source.weights[:, None] * self.target.weights
        return Mixture(
            weights.ravel(),
            (c.alpha * m0 + c.beta * m1).reshape(-1, dim),
            covariance.reshape(-1, dim, dim),
        )
