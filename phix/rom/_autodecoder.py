"""Methods that learn a decoder, latent dynamics and one latent for each snapshot."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import nn
from phix._types import Array, IntScalar, PRNGKeyArray, PyTree
from phix.data import Trajectory
from phix.rom._data import Snapshot, TrainingData, training_data
from phix.rom._method import AbstractMethod
from phix.rom._model import ReducedModel
from phix.rom._networks import Networks, Training
from phix.rom._velocity import decode_on
from phix.space import Grid
from phix.train import (
    AbstractUpdate,
    ArraySource,
    GradientUpdate,
    ensemble_update,
    fit as train,
    gradient_update,
    per_sample,
)


class AbstractAutoDecoder(AbstractMethod):
    """A decoder network with a table of latents, found by training.

    - `networks`, `training`: sizes, and how long.
    """

    networks: eqx.AbstractVar[Networks]
    training: eqx.AbstractVar[Training]

    @abc.abstractmethod
    def update(self, data: TrainingData) -> AbstractUpdate:
        """What one step of training does."""

    @abc.abstractmethod
    def samples(self, data: TrainingData) -> PyTree:
        """What batches are drawn from."""

    @abc.abstractmethod
    def finish(self, model: ReducedModel, data: TrainingData) -> ReducedModel:
        """The model as `invert` and `forecast` use it."""

    def fit(self, data: TrainingData, *, key: PRNGKeyArray | None) -> ReducedModel:
        """The trained model of the data."""
        if key is None:
            raise ValueError("weights are drawn at random: give fit a key")
        model = self.networks.build(data, key=key)
        run_key = jr.fold_in(key, 1)
        return self.finish(self._train(model, self.update(data), data, run_key), data)

    def _train(
        self,
        model: ReducedModel,
        update: AbstractUpdate,
        data: TrainingData,
        key: PRNGKeyArray,
    ) -> ReducedModel:
        choices = self.training
        source = ArraySource(self.samples(data), choices.batch_size)
        return train(
            model,
            update,
            source,
            steps=choices.steps,
            key=key,
            checkpoint=choices.checkpoint,
            log=choices.log,
            progress=choices.progress,
        ).model


def fit_ensemble(
    method: AbstractAutoDecoder,
    data: TrainingData | Trajectory | tuple,
    *,
    keys: Array,
    parameters: tuple[str, ...] = (),
    grid: Grid | None = None,
) -> list[ReducedModel]:
    """One model for each key, trained side by side under one `vmap`.

    The members share the batches and the compiled program.

    **Arguments:**

    - `method`: for example `PhiROM(…)`.
    - `data`, `parameters`, `grid`: as for `fit`.
    - `keys`: of the initial weights, "members"; the first one is that of the run too.

    **Returns:** the models.
    """
    if not isinstance(data, TrainingData):
        data = training_data(data, parameters=parameters, grid=grid)
    models = eqx.filter_vmap(lambda key: method.networks.build(data, key=key))(keys)
    update = ensemble_update(method.update(data))
    trained = method._train(models, update, data, jr.fold_in(keys[0], 1))

    def member(i):
        return jax.tree.map(lambda x: x[i] if eqx.is_array(x) else x, trained)

    return [method.finish(member(i), data) for i in range(len(keys))]


def part_update(
    part: str, loss: Callable, training: Training, share: float
) -> GradientUpdate:
    """AdamW on one part of the model: `"decoder"`, `"dynamics"` or `"latents"`."""

    def only(model: ReducedModel) -> ReducedModel:
        none = jax.tree.map(lambda _: False, model)
        chosen = getattr(nn.trainable(model), part)
        return eqx.tree_at(lambda m: getattr(m, part), none, chosen)

    objective = per_sample(loss, chunk=training.chunk)
    return gradient_update(objective, training.optimiser(share), trainable=only)


def reconstruction_loss(grid: Grid) -> Callable:
    r"""$\lVert D(X, \alpha) - u \rVert^2$ over the number of values, of one snapshot.

    **Returns:** `loss(model, snapshot, *, step, key) -> (value, {})`.
    """

    def loss(
        model: ReducedModel, sample: Snapshot, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict[str, Array]]:
        del step, key
        latent = model.latents[sample.trajectory, sample.frame]
        field = decode_on(model.decoder, grid, latent)
        return jnp.mean((field - sample.field) ** 2), {}

    return loss
