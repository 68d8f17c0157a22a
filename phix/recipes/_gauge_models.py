"""The networks of `gauge_freedom`, their losses, and projections on gradients."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score
from phix._types import Array, Float, IntScalar, PRNGKeyArray, RealScalar
from phix.recipes._gauge_sphere import sphere
from phix.recipes._plane_measures import states
from phix.recipes._score_training import Fits, perceptron
from phix.recipes.gauge_freedom import GaugeFreedomRecipe
from phix.train import ArraySource


PATH = score.Linear()
FREE, GRADIENT, PENALISED = "unconstrained", "conservative", "curl-penalised"
TIMES = score.UniformTimes(margin=0.01)
# Of noise, λ = log(α/σ), at which gauges are measured, and times about them.
LEVELS = np.linspace(-3.0, 3.0, 7)
_AROUND = score.LogNormalTimes(0.0, 2.0)


class Curled(eqx.Module):
    r"""A loss and $w\,\sigma^2\lVert J - J^\top\rVert^2/d$ of the predicted noise.

    **Arguments:**

    - `loss`: a `MatchingLoss`, at whose times the curl is taken too.
    - `weight`: w.
    """

    loss: score.MatchingLoss
    weight: float

    def __call__(
        self,
        model: score.Predictor,
        sample: Array,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[Array, dict]:
        """The loss of one sample, with the penalty as a metric."""
        keys = jr.split(key, 4)
        value, _ = self.loss(model, sample, step=step, key=keys[0])
        path = model.path
        t = self.loss.times(path, key=keys[1], dtype=sample.dtype)
        x = path.mix(t, sample, jr.normal(keys[2], sample.shape, sample.dtype))
        curl = score.curl_penalty(
            lambda x: model.predict(t, x, "noise"), x, key=keys[3]
        )
        curl = path.variance(t) * curl / sample.size
        return value + self.weight * curl, {"curl": curl}


class Projecting(eqx.Module):
    r"""$\sigma^2|s - \nabla\phi|^2/d$ of a conservative predictor: at its least ∇φ is
    the conservative part of s at every level of noise.

    **Arguments:**

    - `field`: whose score s is; no part of what is trained.
    """

    field: score.AbstractPredictor

    def __call__(
        self,
        model: score.Predictor,
        sample: Array,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[Array, dict]:
        """The loss of one sample, with no metrics."""
        del step
        first, second = jr.split(key)
        t = _AROUND(model.path, key=first, dtype=sample.dtype)
        x = model.path.mix(t, sample, jr.normal(second, sample.shape, sample.dtype))
        wanted = jax.lax.stop_gradient(self.field.predict(t, x, "noise"))
        return jnp.mean((model.predict(t, x, "noise") - wanted) ** 2), {}


def potential(predictor: score.Predictor, t: RealScalar) -> Callable:
    r"""φ(x) with $\nabla\phi$ the score of a conservative predictor of noise at t."""
    path, net = predictor.path, predictor.net
    assert isinstance(net, score.Conservative) and predictor.kind == "noise"
    alpha, sigma = path.alpha(t), path.sigma(t)
    unit = jnp.hypot(alpha * predictor.scale, sigma)

    def phi(x):
        return -unit / sigma * net.energy(path.log_snr(t), x / unit)

    return phi


def decomposition(
    field: score.AbstractPredictor,
    onto: score.Predictor,
    data: Float[Array, "samples dim"],
    ts: Float[Array, " times"],
    key: Array,
) -> score.Gauge:
    """The split of a score at each of the times, "times"."""
    return _decomposition(field, onto, data, ts, key)


@eqx.filter_jit
def _decomposition(field, onto, data, ts, key):
    def at(t):
        xs = states(PATH, t, data, key)
        return score.gauge_decomposition(
            lambda x: field.score(t, x), potential(onto, t), xs
        )

    return jax.lax.map(at, ts)


def three(recipe: GaugeFreedomRecipe, size: int, loss, kind: str, key: Array) -> dict:
    """Of each kind of network, the predictor before training and its loss."""
    net = perceptron(recipe.network, size, key=key)
    plain = score.Predictor(net=net, path=PATH, kind=kind)
    gradient = score.Predictor(net=score.Conservative(net), path=PATH, kind=kind)
    return {
        FREE: (plain, loss),
        GRADIENT: (gradient, loss),
        PENALISED: (plain, Curled(loss, recipe.curl_weight)),
    }


def fit_plane(
    recipe: GaugeFreedomRecipe, data: Array, fits: Fits
) -> dict[str, score.Predictor]:
    """The three networks on a law in the plane, which predict noise."""
    loss = score.MatchingLoss(times=TIMES)
    return _fit_three(recipe, "plane", data, "noise", loss, fits)


def fit_sphere(recipe: GaugeFreedomRecipe, fits: Fits) -> dict[str, score.Predictor]:
    """The three networks on a sphere, which predict data, at low noise mostly."""
    choice = recipe.sphere
    data = sphere(choice.dimension, choice.ambient, choice.data, recipe.seed + 1)
    loss = score.MatchingLoss(
        times=score.LogNormalTimes(-1.7, 0.9), weight=score.edm_weight(1.0)
    )
    return _fit_three(recipe, "sphere", data, "data", loss, fits)


def _fit_three(recipe, name, data, kind, loss, fits) -> dict[str, score.Predictor]:
    root = jr.fold_in(jr.key(recipe.seed), 20 + len(name))
    blanks = three(recipe, data.shape[1], loss, kind, jr.fold_in(root, 0))
    source = ArraySource(data.astype(jnp.float32), recipe.training.batch_size)
    return {
        one: fits(
            f"{name}-{one}",
            recipe.training,
            blank,
            loss,
            source,
            key=jr.fold_in(root, 1),
        )
        for one, (blank, loss) in blanks.items()
    }


def project(
    recipe: GaugeFreedomRecipe,
    name: str,
    field: score.AbstractPredictor,
    start: score.Predictor,
    data: Array,
    fits: Fits,
) -> score.Predictor:
    """The conservative part of a score, beginning at a conservative predictor."""
    return fits(
        f"potential-{name}",
        recipe.projection,
        start,
        Projecting(field),
        ArraySource(data.astype(jnp.float32), recipe.projection.batch_size),
        key=jr.fold_in(jr.key(recipe.seed), 30),
    )
