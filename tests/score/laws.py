"""Laws, paths and small helpers that the tests of scores share."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from phix import score
from phix.score._predict import denoised
from tests.truth import mixtures


PATHS = {
    "linear": score.Linear(),
    "flow matching": score.FlowMatching(),
    "trigonometric": score.Trigonometric(),
    "cosine": score.Cosine(),
    "VP": score.VP(),
    "VE": score.VE(0.01, 30.0),
    "EDM": score.EDM(0.002, 30.0),
    "Föllmer": score.Foellmer(),
    "reversed VP": score.Reversed(score.VP()),
}
KINDS = ("data", "noise", "score", "velocity", "v_diffusion")


@functools.cache
def mixture() -> score.oracles.Mixture:
    return score.oracles.Mixture(mixtures.WEIGHTS, mixtures.MEANS, mixtures.COVARIANCES)


def inside(path, count: int = 5, margin: float = 1e-3) -> np.ndarray:
    """Times away from both ends."""
    share = np.linspace(margin, 1 - margin, count)
    return path.t_data + (path.t_noise - path.t_data) * share


class Tagged(score.AbstractPredictor):
    """What an exact predictor says of one kind, as a network would: the rest follows
    by the conversions of the path."""

    exact: score.oracles.Exact
    kind: str

    @property
    def path(self):
        return self.exact.path

    def predict(self, t, x, kind, cond=None):
        del cond
        raw = score.Prediction(self.exact.predict(t, x, self.kind), self.kind)
        return self.path.convert(raw, t, x, kind)

    def denoise(self, t, x, cond=None):
        raw = score.Prediction(self.exact.predict(t, x, self.kind), self.kind)
        return denoised(self.path, raw, t, x)

    def determines(self, t):
        return self.path.determines(t, self.kind)

    def check_times(self, ts):
        del ts


class Moved(score.AbstractPredictor):
    """A velocity of its own, as `field(t, x)`, beside all else that is exact."""

    exact: score.oracles.Exact
    field: Callable

    @property
    def path(self):
        return self.exact.path

    def predict(self, t, x, kind, cond=None):
        assert kind == "velocity" and cond is None
        return self.field(t, x)

    def denoise(self, t, x, cond=None):
        return self.exact.denoise(t, x, cond)

    def determines(self, t):
        return self.exact.determines(t)

    def check_times(self, ts):
        del ts


def points(count: int, seed: int = 0) -> jnp.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, 2))
    return jnp.asarray(1.5 * drawn)


def draw(law, count: int, seed: int = 0):
    return jax.vmap(lambda key: law.sample(key=key))(
        jax.random.split(jax.random.key(seed), count)
    )
