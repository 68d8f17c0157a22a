"""Spheres turned at random in many dimensions, and a gauge that spoils their count."""

import jax
import jax.numpy as jnp
import numpy as np

from phix import score
from phix._types import Array, Float, Int, PyTree, RealScalar


def turn(k: int, size: int) -> np.ndarray:
    """An orthogonal matrix whose first k+1 columns hold the sphere."""
    return np.linalg.qr(np.random.default_rng(k).normal(size=(size, size)))[0]


def sphere(k: int, size: int, count: int, seed: int) -> Float[Array, "count size"]:
    """Points of a k-dimensional sphere, of unit variance along each of its k+1 axes."""
    x = np.random.default_rng(seed).normal(size=(count, k + 1))
    x = x * np.sqrt(k + 1) / np.linalg.norm(x, axis=1, keepdims=True)
    return jnp.asarray(x @ turn(k, size)[:, : k + 1].T)


class Sheared(score.AbstractPredictor):
    """A predictor whose circles in a plane turn, each at its own speed, amid two
    levels of noise: on spheres a gauge, which changes no density. Of the velocity
    alone.

    **Arguments:**

    - `predictor`: on `Linear`.
    - `plane`: two orthogonal directions in the span of the sphere.
    - `levels`: of σ/α.
    - `rate`: how fast.
    """

    predictor: score.AbstractPredictor
    plane: Float[Array, "size 2"]
    levels: tuple[float, float]
    rate: float

    @property
    def path(self) -> score.AbstractInterpolant:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the predictor."""
        return self.predictor.path

    def predict(
        self, t: RealScalar, x: Float[Array, " size"], kind: str, cond: PyTree = None
    ) -> Float[Array, " size"]:
        assert kind == "velocity"
        first, second = self.plane.T @ x
        amid = jnp.log(t / (1 - t) / np.sqrt(np.prod(self.levels))) / 0.3
        speed = self.rate * jnp.exp(-(amid**2)) * (first**2 + second**2)
        turning = self.plane @ jnp.stack([-second, first])
        return self.predictor.velocity(t, x, cond) + speed * turning

    def denoise(
        self, t: RealScalar, x: Float[Array, " size"], cond: PyTree = None
    ) -> score.Denoised:
        return self.predictor.denoise(t, x, cond)

    def determines(self, t: RealScalar) -> Array:
        return self.predictor.determines(t)

    def check_times(self, ts: Float[Array, " times"]) -> None:
        self.predictor.check_times(ts)


def sheared(
    predictor: score.AbstractPredictor,
    k: int,
    size: int,
    levels: tuple[float, float],
    rate: float = 20.0,
) -> Sheared:
    """The twin whose densities are the same."""
    plane = jnp.asarray(turn(k, size)[:, :2])
    # The path is a property, which the checker takes for an argument.
    return Sheared(predictor, plane, levels, rate)  # pyright: ignore


def local_dimensions(
    data: Float[Array, "samples size"],
    points: Float[Array, "points size"],
    neighbours: int = 50,
) -> Int[Array, " points"]:
    """Of each point, the principal components of its nearest neighbours that have more
    than a tenth of the variance of the first."""

    def one(x):
        _, nearest = jax.lax.top_k(-jnp.sum((data - x) ** 2, axis=1), neighbours)
        values = jnp.linalg.svd(data[nearest] - x, compute_uv=False) ** 2
        return jnp.sum(values > 0.1 * values[0])

    return jax.lax.map(one, points)
