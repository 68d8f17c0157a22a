"""The networks of `diffusion_principles`, and the exact field with labels."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import score
from phix._types import Array, Float, PyTree, RealScalar
from phix.nn import TimeMLP
from phix.recipes._plane_laws import component, draw_labelled
from phix.recipes._score_training import Fits, perceptron
from phix.recipes.diffusion_principles import DiffusionPrinciplesRecipe
from phix.score import oracles
from phix.train import ArraySource


PATH = score.Linear()
# The ends of training and sampling: beyond, the state is noise, or the data.
LOG_SNR = (-4.5, 4.5)
_TIMES = score.UniformTimes(margin=0.01)


class View(eqx.Module):
    """What a network predicts, and the loss it learns from."""

    kind: str = eqx.field(static=True)
    loss: Callable


VIEWS = {
    "denoising: noise": View("noise", score.MatchingLoss(times=_TIMES)),
    "denoising: data": View(
        "data", score.MatchingLoss(times=_TIMES, weight=score.min_snr(100.0))
    ),
    "score": View(
        "score", score.MatchingLoss(times=_TIMES, weight=score.sigma_squared)
    ),
    "flow: velocity": View("velocity", score.MatchingLoss(times=_TIMES)),
}


class Spanned(eqx.Module):
    """A perceptron of a time and a state, told how far to go: the net of a `FlowMap`.

    It is told times themselves: derivatives of the log signal-to-noise ratio have no
    bound.

    **Arguments:**

    - `net`: of two conditions, the span and its end.
    """

    net: TimeMLP

    def __call__(
        self, t: RealScalar, s: RealScalar, x: Float[Array, " dim"], cond: PyTree
    ) -> Float[Array, " dim"]:
        """The mean velocity from t to s."""
        del cond
        return self.net(t, x, jnp.stack([s - t, s]).astype(x.dtype))


class Labelled(score.AbstractPredictor):
    """What is exact of a mixture with the component as a label, a unit vector; zeros
    are no label.

    **Arguments:**

    - `free`: of the mixture.
    - `parts`: of each component.
    """

    free: oracles.Exact
    parts: list[oracles.Exact]

    @property
    def path(self) -> score.AbstractPath:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the mixture."""
        return self.free.path

    def predict(
        self, t: RealScalar, x: Float[Array, " dim"], kind: str, cond: PyTree = None
    ) -> Float[Array, " dim"]:
        return self._mixed([p.predict(t, x, kind) for p in self._all], cond)

    def denoise(
        self, t: RealScalar, x: Float[Array, " dim"], cond: PyTree = None
    ) -> score.Denoised:
        return self._mixed([p.denoise(t, x) for p in self._all], cond)

    def determines(self, t: RealScalar) -> Array:
        return self.free.determines(t)

    def check_times(self, ts: Float[Array, " times"]) -> None:
        self.free.check_times(ts)

    @property
    def _all(self) -> list[oracles.Exact]:
        return [self.free, *self.parts]

    def _mixed(self, known: list, cond: Float[Array, " labels"]):
        """One of them; a mean of weights that add to one holds in every kind."""
        shares = jnp.concatenate([1 - jnp.sum(cond, keepdims=True), cond])
        return jax.tree.map(
            lambda *values: jnp.tensordot(shares, jnp.stack(values), 1), *known
        )


def labelled(law: oracles.Mixture) -> Labelled:
    """The exact predictor with labels."""
    parts = [component(law, k).along(PATH) for k in range(law.weights.size)]
    # The path is a property, which the checker takes for an argument.
    return Labelled(law.along(PATH), parts)  # pyright: ignore


class Models(eqx.Module):
    """All that is fitted: each view, the network with labels, and the flow map."""

    views: dict[str, score.Predictor]
    guided: score.Predictor
    flow_map: score.FlowMap


def fit_models(
    recipe: DiffusionPrinciplesRecipe, law: oracles.Mixture, fits: Fits
) -> Models:
    """The same network for each view, on the same data and batches."""
    root = jr.key(recipe.seed)
    xs, labels = draw_labelled(law, recipe.data, jr.fold_in(root, 0))
    xs = xs.astype(jnp.float32)
    training, key = recipe.training, jr.fold_in(root, 2)
    net = perceptron(recipe.network, 2, key=jr.fold_in(root, 1))
    views = {}
    for name, view in VIEWS.items():
        views[name] = fits(
            view.kind,
            training,
            score.Predictor(net=net, path=PATH, kind=view.kind),
            view.loss,
            ArraySource(xs, training.batch_size),
            key=key,
        )
    flow = VIEWS["flow: velocity"]
    size = law.weights.size
    seen = jr.bernoulli(jr.fold_in(root, 3), 1 - recipe.guidance.dropped, labels.shape)
    conds = jax.nn.one_hot(labels, size, dtype=jnp.float32) * seen[:, None]
    net = perceptron(recipe.network, 2, size, key=jr.fold_in(root, 4))
    guided = fits(
        "labels",
        training,
        score.Predictor(net=net, path=PATH, kind=flow.kind),
        flow.loss,
        ArraySource((xs, conds), training.batch_size),
        key=key,
    )
    net = perceptron(recipe.network, 2, 2, key=jr.fold_in(root, 5))
    teacher = views["flow: velocity"]
    flow_map = fits(
        "flow_map",
        recipe.distillation,
        score.FlowMap(net=Spanned(net), path=PATH),
        score.LagrangianLoss(teacher=teacher),
        ArraySource(xs, recipe.distillation.batch_size),
        key=key,
    )
    return Models(views, guided, flow_map)
