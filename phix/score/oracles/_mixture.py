"""Gaussian mixtures with full covariances: everything about them in closed form."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float, PRNGKeyArray, PyTree, RealScalar
from phix.num import matmul
from phix.score._base import White
from phix.score._path import AbstractPath, check_kind
from phix.score._predict import AbstractPredictor, Denoised


_HIGHEST = jax.lax.Precision.HIGHEST


class Mixture(eqx.Module):
    r"""$p(x) = \sum_k w_k N(x; m_k, C_k)$.

    ```python
    law = score.oracles.Mixture([0.3, 0.7], [[-2.0, 0.0], [1.0, 1.0]], eye)
    exact = law.along(score.Linear())  # score, velocity, … at every time
    ```

    **Arguments:**

    - `weights`: w, positive; divided by their sum. "components".
    - `means`: m, "components dim".
    - `covariances`: C, symmetric and positive semi-definite, "components dim dim", or
        one "dim dim" for all.

    **Raises:** `ValueError` for shapes that do not agree, weights that are not
    positive, and covariances that are not symmetric or have a negative eigenvalue.
    """

    weights: Float[Array, " components"]
    means: Float[Array, "components dim"]
    covariances: Float[Array, "components dim dim"]

    def __init__(self, weights, means, covariances):
        means = jnp.asarray(means)
        means = means.astype(jnp.result_type(means, 1.0))
        require(
            means.ndim == 2,
            f"`means` must have shape (components, dim); got {means.shape}",
        )
        number, dim = means.shape
        weights = jnp.asarray(weights, means.dtype)
        covariances = jnp.asarray(covariances, means.dtype)
        require(
            weights.shape == (number,),
            f"`weights` must have shape ({number},), one for each mean; got "
            f"{weights.shape}",
        )
        require(
            covariances.shape in ((dim, dim), (number, dim, dim)),
            f"`covariances` must have shape ({number}, {dim}, {dim}) or ({dim}, {dim});"
            f" got {covariances.shape}",
        )
        covariances = jnp.broadcast_to(covariances, (number, dim, dim))
        _check_values(weights, covariances)
        self.weights = weights / jnp.sum(weights)
        self.means = means
        self.covariances = covariances

    @property
    def mean(self) -> Float[Array, " dim"]:
        """The mean of the law."""
        return matmul(self.weights, self.means)

    @property
    def covariance(self) -> Float[Array, "dim dim"]:
        """The covariance of the law."""
        apart = self.means - self.mean
        inside = self.covariances + apart[:, :, None] * apart[:, None, :]
        return jnp.tensordot(self.weights, inside, 1, precision=_HIGHEST)

    def sample(self, *, key: PRNGKeyArray) -> Float[Array, " dim"]:
        """One draw."""
        choice, noise = jr.split(key)
        k = jr.categorical(choice, jnp.log(self.weights))
        z = jr.normal(noise, self.means.shape[1:], self.means.dtype)
        return self.means[k] + matmul(root(self.covariances[k]), z)

    def log_prob(self, x: Float[Array, " dim"]) -> Float[Array, ""]:
        """The logarithm of the density."""
        return _Spectral.of(self, _eigen(self), 1.0, 0.0).log_prob(x)

    def along(self, path: AbstractPath) -> "Exact":
        """The predictor that knows this law, on a path with white noise."""
        return Exact(self, path)

    def given(
        self,
        operator: Float[Array, "sensors dim"],
        readings: Float[Array, " sensors"],
        noise: Float[Array, "sensors sensors"],
    ) -> "Mixture":
        r"""The posterior $p(x\,|\,y = Ax + N(0, R))$, again a mixture.

        Each component by its Kalman gain $CA^\top(ACA^\top+R)^{-1}$, its weight by the
        density of y.

        **Arguments:**

        - `operator`: A.
        - `readings`: y.
        - `noise`: R, positive definite unless the law itself makes up for it.
        """

        def one(mean, covariance):
            cross = matmul(covariance, operator.T)
            spread = matmul(operator, cross) + noise
            gain = jnp.linalg.solve(spread, cross.T).T
            off = readings - matmul(operator, mean)
            updated = covariance - matmul(gain, cross.T)
            _, log_det = jnp.linalg.slogdet(spread)
            square = matmul(off, jnp.linalg.solve(spread, off))
            evidence = -0.5 * (square + log_det)
            return mean + matmul(gain, off), 0.5 * (updated + updated.T), evidence

        means, covariances, evidence = jax.vmap(one)(self.means, self.covariances)
        log_weights = jnp.log(self.weights) + evidence
        return Mixture(jax.nn.softmax(log_weights), means, covariances)


def gaussian(
    mean: Float[Array, " dim"], covariance: Float[Array, "dim dim"]
) -> Mixture:
    """The mixture of one component."""
    mean = jnp.asarray(mean)
    return Mixture(jnp.ones(1), mean[None], covariance)


class Exact(AbstractPredictor):
    r"""The exact predictions of a mixture on a path with white noise.

    At time t the components are $N(\alpha m_k, \alpha^2C_k + \sigma^2I)$. Each kind
    has a formula of its own, so every one is finite wherever it exists: at both ends,
    velocity included where σ' is infinite.

    **Arguments:**

    - `law`: of the data.
    - `path`: one-sided, with `White` noise.

    **Raises:** `ValueError` for another noise.
    """

    law: Mixture
    path: AbstractPath
    eigen: tuple[Float[Array, "components dim"], Float[Array, "components dim dim"]]

    def __init__(self, law: Mixture, path: AbstractPath):
        require(
            isinstance(path.noise, White),
            "`path`: the exact predictions are those for White noise; got "
            f"{type(path.noise).__name__}",
        )
        self.law, self.path = law, path
        self.eigen = _eigen(law)

    def predict(
        self,
        t: RealScalar,
        x: Float[Array, " dim"],
        kind: str,
        cond: PyTree = None,
    ) -> Float[Array, " dim"]:
        del cond
        check_kind(kind)
        data, score, c = self._data_and_score(t, x)
        if kind == "data":
            return data
        if kind == "score":
            return score
        if kind == "noise":
            return -c.sigma * score
        if kind == "velocity":
            return c.d_alpha * data - c.sigma_d_sigma * score
        return -c.alpha * c.sigma * score - c.sigma * data

    def denoise(
        self, t: RealScalar, x: Float[Array, " dim"], cond: PyTree = None
    ) -> Denoised:
        del cond
        data, score, c = self._data_and_score(t, x)
        velocity = c.d_alpha * data - c.sigma_d_sigma * score
        return Denoised(data, -c.sigma * score, velocity, score)

    def determines(self, t: RealScalar) -> Array:
        return jnp.isfinite(jnp.asarray(t))

    def check_times(self, ts: Float[Array, " times"]) -> None:
        del ts

    def log_prob(self, t: RealScalar, x: Float[Array, " dim"]) -> Float[Array, ""]:
        r"""$\log p_t(x)$."""
        c = self.path.at(jnp.asarray(t, x.dtype))
        return _Spectral.of(self.law, self.eigen, c.alpha, c.sigma).log_prob(x)

    def law_at(self, t: RealScalar) -> Mixture:
        r"""The law of $x_t$."""
        c = self.path.at(t)
        eye = jnp.eye(self.law.means.shape[1], dtype=self.law.means.dtype)
        return Mixture(
            self.law.weights,
            c.alpha * self.law.means,
            c.alpha**2 * self.law.covariances + c.sigma**2 * eye,
        )

    def _data_and_score(self, t, x):
        c = self.path.at(jnp.asarray(t, x.dtype))
        spectral = _Spectral.of(self.law, self.eigen, c.alpha, c.sigma)
        apart = spectral.apart(x)
        pulled = apart / spectral.variances
        shares = spectral.shares(apart)
        score = -spectral.back(shares, pulled)
        within = c.alpha * spectral.back(shares, spectral.eigenvalues * pulled)
        mean = matmul(shares, self.law.means)
        return mean + within, score, c


class _Spectral(eqx.Module):
    """A mixture scaled by α with white noise of amplitude σ, in its eigenvectors."""

    law: Mixture
    alpha: Array
    eigenvalues: Float[Array, "components dim"]
    vectors: Float[Array, "components dim dim"]
    variances: Float[Array, "components dim"]

    @classmethod
    def of(
        cls, law: Mixture, eigen: tuple, alpha: RealScalar, sigma: RealScalar
    ) -> "_Spectral":
        eigenvalues, vectors = eigen
        variances = alpha**2 * eigenvalues + sigma**2
        return cls(law, jnp.asarray(alpha), eigenvalues, vectors, variances)

    def apart(self, x: Array) -> Array:
        """x − αm in the eigenvectors of every component."""
        difference = x - self.alpha * self.law.means
        return jnp.einsum("kji,kj->ki", self.vectors, difference, precision=_HIGHEST)

    def back(self, shares: Array, coefficients: Array) -> Array:
        """The mean over the components of vectors in their eigenvectors."""
        return jnp.einsum(
            "k,kij,kj->i", shares, self.vectors, coefficients, precision=_HIGHEST
        )

    def logits(self, apart: Array) -> Array:
        """Log weight and density of every component, without the powers of 2π."""
        terms = jnp.log(self.variances) + apart**2 / self.variances
        return jnp.log(self.law.weights) - 0.5 * jnp.sum(terms, axis=1)

    def shares(self, apart: Array) -> Array:
        """The probabilities of the components."""
        return jax.nn.softmax(self.logits(apart))

    def log_prob(self, x: Array) -> Array:
        constant = 0.5 * x.size * math.log(2 * math.pi)
        return jax.nn.logsumexp(self.logits(self.apart(x))) - constant


def _eigen(law: Mixture) -> tuple[Array, Array]:
    values, vectors = jnp.linalg.eigh(law.covariances)
    return jnp.maximum(values, 0.0), vectors


def root(covariance: Float[Array, "dim dim"]) -> Float[Array, "dim dim"]:
    """The symmetric square root of a positive semi-definite matrix."""
    values, vectors = jnp.linalg.eigh(covariance)
    scaled = vectors * jnp.sqrt(jnp.maximum(values, 0.0))
    return matmul(scaled, vectors.T)


def _check_values(weights, covariances) -> None:
    if not is_concrete(weights, covariances):
        return
    weights, covariances = np.asarray(weights), np.asarray(covariances)
    require(bool(np.all(weights > 0)), f"`weights` must all be positive; got {weights}")
    slack = 100 * np.finfo(covariances.dtype).eps * np.max(np.abs(covariances))
    turned = np.swapaxes(covariances, 1, 2)
    require(
        bool(np.all(np.abs(covariances - turned) <= slack)),
        "`covariances` must be symmetric",
    )
    lowest = np.min(np.linalg.eigvalsh(covariances))
    require(
        bool(lowest >= -slack),
        f"`covariances` must not have negative eigenvalues; the lowest is {lowest:.3g}",
    )
