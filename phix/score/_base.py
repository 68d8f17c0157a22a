"""Laws of the noise at the far end of a path."""

import abc
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray, RealScalar
from phix.space import GaussianRandomField


class AbstractNoise(eqx.Module):
    r"""A Gaussian law $N(m, K)$ of the noise ε.

    `covariance` is K, `precision` is $K^{-1}(\cdot - m)$, the gradient of $-\log p$; on
    a subspace, the pseudo-inverse.
    """

    @abc.abstractmethod
    def sample(
        self, like: Float[Array, "*shape"], *, key: PRNGKeyArray
    ) -> Float[Array, "*shape"]:
        """Noise of the shape and dtype of `like`."""

    @abc.abstractmethod
    def covariance(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """K x."""

    @abc.abstractmethod
    def shifted(
        self, weight: RealScalar, x: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """x + weight · m."""

    @abc.abstractmethod
    def project(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The orthogonal projection on the subspace where the law lives."""

    @abc.abstractmethod
    def log_prob(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        """The logarithm of the density, on the subspace where there is one."""

    @abc.abstractmethod
    def size(self, x: Float[Array, "*shape"]) -> RealScalar:
        """How many dimensions the law has, for states of this shape."""

    def precision(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        r"""$K^{-1}(x - m)$."""
        return -jax.grad(self.log_prob)(x)


class White(AbstractNoise):
    """Independent standard normal numbers, of whatever shape is asked for."""

    def sample(
        self, like: Float[Array, "*shape"], *, key: PRNGKeyArray
    ) -> Float[Array, "*shape"]:
        return jr.normal(key, like.shape, like.dtype)

    def covariance(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return x

    def shifted(
        self, weight: RealScalar, x: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        del weight
        return x

    def project(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return x

    def log_prob(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        return -0.5 * jnp.sum(x**2) - 0.5 * x.size * math.log(2 * math.pi)

    def size(self, x: Float[Array, "*shape"]) -> RealScalar:
        return x.size


class FieldNoise(AbstractNoise):
    """Noise drawn as a Gaussian random field, smooth where its spectrum falls.

    Networks then never see scales that the data do not have.

    **Arguments:**

    - `field`: a `phix.space.GaussianRandomField` on a periodic grid.

    **Raises:** `ValueError` for a grid that is not periodic.
    """

    field: GaussianRandomField

    def __check_init__(self):
        modes = self.field.modes
        require(
            len(modes.periodic_axes) == len(modes.grid.shape),
            "`field` must live on a periodic grid; got boundaries "
            f"{modes.grid.boundary}",
        )

    def sample(
        self, like: Float[Array, "*shape"], *, key: PRNGKeyArray
    ) -> Float[Array, "*shape"]:
        drawn = self.field.sample(key=key)
        require(
            drawn.shape == like.shape,
            f"the noise is of shape {drawn.shape}, the state of {like.shape}",
        )
        return drawn.astype(like.dtype)

    def covariance(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        modes = self.field.modes
        nodes = math.prod(modes.grid.shape)
        return nodes * modes.to_nodes(self.field.variance * modes.to_modes(x))

    def shifted(
        self, weight: RealScalar, x: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        del weight
        return x

    def project(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        modes = self.field.modes
        return modes.to_nodes(jnp.where(self.field.variance > 0, modes.to_modes(x), 0))

    def log_prob(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        # Of the values at the nodes, whose covariance has the eigenvalues n S.
        modes, nodes = self.field.modes, math.prod(self.field.modes.grid.shape)
        known = self.field.variance > 0
        spread = nodes * jnp.where(known, self.field.variance, 1)
        inverse = jnp.where(known, 1 / spread, 0)
        square = jnp.sum(x * modes.to_nodes(inverse * modes.to_modes(x)))
        volume = jnp.where(known, self._numbers() * jnp.log(2 * math.pi * spread), 0)
        return -0.5 * square - 0.5 * jnp.sum(volume)

    def size(self, x: Float[Array, "*shape"]) -> RealScalar:
        del x
        return jnp.sum(jnp.where(self.field.variance > 0, self._numbers(), 0))

    def _numbers(self) -> Array:
        """Real numbers in each coefficient and its conjugate."""
        modes = self.field.modes
        per_mode = jnp.asarray(modes.weights, self.field.variance.dtype)
        return per_mode * (2 if modes.complex else 1)


class Projected(AbstractNoise):
    """White noise on a subspace: N(0, P) with P an orthogonal projection.

    Divergence-free fields, fields of zero mean: what the data are, the noise is.

    **Arguments:**

    - `projection`: P, linear and symmetric with P² = P, on states of one shape.
    - `rank`: the dimension of its range.
    """

    projection: Callable
    rank: int = eqx.field(static=True)

    def sample(
        self, like: Float[Array, "*shape"], *, key: PRNGKeyArray
    ) -> Float[Array, "*shape"]:
        return self.projection(jr.normal(key, like.shape, like.dtype))

    def covariance(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.projection(x)

    def shifted(
        self, weight: RealScalar, x: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        del weight
        return x

    def project(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.projection(x)

    def log_prob(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        square = jnp.sum(self.projection(x) ** 2)
        return -0.5 * square - 0.5 * self.rank * math.log(2 * math.pi)

    def size(self, x: Float[Array, "*shape"]) -> RealScalar:
        del x
        return self.rank


class Centred(AbstractNoise):
    """Noise about a mean, given or learned.

    **Arguments:**

    - `noise`: the law about zero.
    - `mean`: m, of the shape of the state; a leaf, so that it can be trained.
    """

    noise: AbstractNoise
    mean: Float[Array, "..."]

    def sample(
        self, like: Float[Array, "*shape"], *, key: PRNGKeyArray
    ) -> Float[Array, "*shape"]:
        return self.mean.astype(like.dtype) + self.noise.sample(like, key=key)

    def covariance(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.noise.covariance(x)

    def shifted(
        self, weight: RealScalar, x: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        return self.noise.shifted(weight, x) + weight * self.mean

    def project(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.noise.project(x)

    def log_prob(self, x: Float[Array, "*shape"]) -> Float[Array, ""]:
        return self.noise.log_prob(x - self.mean)

    def size(self, x: Float[Array, "*shape"]) -> RealScalar:
        return self.noise.size(x)
