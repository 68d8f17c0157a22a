"""Methods that learn a decoder, latent dynamics and one latent for each snapshot."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import nn
from phix._errors import require
from phix._types import Array, IntScalar, PRNGKeyArray, PyTree
from phix.data import Trajectory
from phix.rom._data import Sequence, Snapshot, TrainingData, training_data
from phix.rom._encoder import tabled
from phix.rom._method import AbstractMethod
from phix.rom._model import ReducedModel
from phix.rom._networks import Networks
from phix.rom._training import Training
from phix.rom._velocity import decode_on
from phix.space import Grid
from phix.train import (
    AbstractUpdate,
    AlternatingUpdate,
    ArraySource,
    GradientUpdate,
    RowsUpdate,
    alternating_update,
    ensemble_update,
    fit as train,
    gradient_update,
    per_sample,
    table_rows,
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
        trained = self._train(model, self._chosen_update(data), data, run_key)
        return self._finished(trained, data)

    def _finished(self, trained: ReducedModel, data: TrainingData) -> ReducedModel:
        """The finished model with its latents in a table, and its encoder."""
        model = tabled(trained, data)
        made = self.finish(model, data)
        return eqx.tree_at(
            lambda made: made.encoder, made, model.encoder, is_leaf=lambda x: x is None
        )

    def _chosen_update(self, data: TrainingData) -> AbstractUpdate:
        update = self.update(data)
        if not self.training.rows_only:
            return update
        require(
            self.networks.encoder_width == 0,
            "rows_only: an encoder has no rows of its own; leave it out, or take "
            "encoder_width=0",
        )
        return rows_only(update, isinstance(self.samples(data), Snapshot))

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
    data = training_data(data, parameters=parameters, grid=grid)
    models = eqx.filter_vmap(lambda key: method.networks.build(data, key=key))(keys)
    update = ensemble_update(method._chosen_update(data))
    trained = method._train(models, update, data, jr.fold_in(keys[0], 1))

    def member(i):
        return jax.tree.map(lambda x: x[i] if eqx.is_array(x) else x, trained)

    return [method._finished(member(i), data) for i in range(len(keys))]


def rows_only(update: AbstractUpdate, of_snapshots: bool) -> AbstractUpdate:
    """The update, moving the latents of the batch alone; see `train.table_rows`.

    **Arguments:**

    - `update`: of all parts, or several in turn, one of them called `"latents"`.
    - `of_snapshots`: whether samples are snapshots; else whole trajectories.
    """
    axes = 2 if of_snapshots else 1

    def on_rows(update) -> RowsUpdate:
        return table_rows(update, _table, _rows_of, _renumbered, axes=axes)

    if not isinstance(update, AlternatingUpdate):
        return on_rows(update)
    parts = zip(update.names, update.updates, strict=True)
    return alternating_update(
        {name: on_rows(part) if name == "latents" else part for name, part in parts}
    )


def _table(model):
    return model.latents  # of a model, or of one whose arrays stand for others


def _rows_of(sample: Snapshot | Sequence, shape: tuple[int, ...]) -> Array:
    if isinstance(sample, Sequence):
        return sample.trajectory
    return sample.trajectory * shape[1] + sample.frame


def _renumbered(sample: Snapshot | Sequence, places: Array) -> Snapshot | Sequence:
    places = places.astype(sample.trajectory.dtype)
    if isinstance(sample, Sequence):
        return eqx.tree_at(lambda s: s.trajectory, sample, places)
    zero = jnp.zeros_like(places)
    return eqx.tree_at(lambda s: (s.trajectory, s.frame), sample, (zero, places))


def part_update(
    part: str, loss: Callable, training: Training, share: float
) -> GradientUpdate:
    """Steps of one part of the model: `"decoder"`, `"dynamics"` or `"latents"`."""

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
