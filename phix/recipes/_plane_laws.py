"""Laws in the plane: samples, densities where there are any, distances from them."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix._types import Array, Float, Int, PRNGKeyArray
from phix.metrics import energy_distance
from phix.recipes._plane_choices import Checkerboard, Components, Law, Mixture, Moons
from phix.score import oracles


class PlaneLaw(eqx.Module):
    """A law of mean zero and unit mean square, $E|x|^2/2 = 1$.

    - `exact`: all that is known of it, or `None`.
    """

    one: Callable
    exact: oracles.Mixture | None

    def draw(self, count: int, key: PRNGKeyArray) -> Float[Array, "count 2"]:
        """Samples."""
        return _drawn(self.one, jr.split(key, count))

    def apart(
        self, xs: Float[Array, "samples 2"], key: PRNGKeyArray, sets: int = 2
    ) -> float:
        """The energy distance of samples from as many true ones, the mean over so many
        true sets."""
        found = [
            energy_distance(xs.astype(float), self.draw(len(xs), one))
            for one in jr.split(key, sets)
        ]
        return float(jnp.mean(jnp.stack(found)))

    def floor(self, count: int, key: PRNGKeyArray) -> float:
        r"""What that of two true sets of so many samples is on the average:
        $2E|x-x'|/\text{count}$, from 100,000 pairs."""
        xs, ys = (self.draw(100_000, one) for one in jr.split(key))
        return float(2 * jnp.mean(jnp.linalg.norm(xs - ys, axis=1)) / count)


@eqx.filter_jit
def _drawn(one: Callable, keys: Array) -> Array:
    return jax.vmap(lambda key: one(key=key))(keys)


def true_samples(
    law: oracles.Mixture, count: int, key: PRNGKeyArray
) -> Float[Array, "count dim"]:
    """Samples of a mixture."""
    return _drawn(law.sample, jr.split(key, count))


def make_law(choice: Law) -> PlaneLaw:
    """The law that a config chooses, standardised."""
    if isinstance(choice, Moons):
        return PlaneLaw(_moons(choice.noise), None)
    exact = standardised(mixture_of(choice))
    return PlaneLaw(exact.sample, exact)


def mixture_of(choice: Components) -> oracles.Mixture:
    """A law of components as it is chosen, not standardised."""
    if isinstance(choice, Mixture):
        covariances = [[[xx, xy], [xy, yy]] for xx, xy, yy in choice.covariances]
        return oracles.Mixture(choice.weights, choice.means, covariances)
    if isinstance(choice, Checkerboard):
        means = _dark_squares(choice.squares)
        variance = (choice.blur / 3) ** 2
    else:
        angles = 2 * np.pi * np.arange(choice.components) / choice.components
        means = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        variance = choice.spread**2
    return oracles.Mixture(np.ones(len(means)), means, variance * np.eye(2))


def standardised(law: oracles.Mixture) -> oracles.Mixture:
    """The law of mean zero and unit mean square."""
    scale = jnp.sqrt(jnp.trace(law.covariance) / law.means.shape[1])
    means = (law.means - law.mean) / scale
    return oracles.Mixture(law.weights, means, law.covariances / scale**2)


def draw_labelled(
    law: oracles.Mixture, count: int, key: PRNGKeyArray
) -> tuple[Float[Array, "count dim"], Int[Array, " count"]]:
    """Samples, and the number of the component that each is of; covariances must be
    positive definite."""
    which, inside = jr.split(key)
    labels = jr.categorical(which, jnp.log(law.weights), shape=(count,))
    z = jr.normal(inside, (count, law.means.shape[1]))
    spread = jnp.linalg.cholesky(law.covariances)[labels]
    return law.means[labels] + jnp.einsum("kij,kj->ki", spread, z), labels


def component(law: oracles.Mixture, k: int) -> oracles.Mixture:
    """One component of a mixture alone."""
    return oracles.gaussian(law.means[k], law.covariances[k])


def _dark_squares(squares: int) -> list[tuple[float, float]]:
    places = range(squares)
    dark = [(i, j) for i in places for j in places if (i + j) % 2 == 0]
    inside = (np.arange(3) + 0.5) / 3
    return [(i + a, j + b) for i, j in dark for a in inside for b in inside]


def _moons(noise: float) -> Callable:
    # Upper half circle about 0, lower one about (1, ½); each is the other turned by π
    # about the middle (½, ¼), from which the mean square is that of the upper one.
    middle = jnp.array([0.5, 0.25])
    square = 1 + 0.5**2 + 0.25**2 - 1 / np.pi + 2 * noise**2
    scale = float(np.sqrt(square / 2))

    def one(*, key: PRNGKeyArray) -> Float[Array, " 2"]:
        coin, place, off = jr.split(key, 3)
        angle = jr.uniform(place, maxval=np.pi)
        upper = jnp.stack([jnp.cos(angle), jnp.sin(angle)]) - middle
        x = jnp.where(jr.bernoulli(coin), upper, -upper)
        return (x + noise * jr.normal(off, (2,))) / scale

    return one
