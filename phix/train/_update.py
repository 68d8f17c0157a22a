"""What one step of training does."""

import abc
from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import optax
from jax.sharding import Mesh

from phix import nn
from phix._errors import require
from phix._types import IntScalar, PRNGKeyArray, PyTree
from phix.parallel import keeps_weight_parts
from phix.train._batch import Batch
from phix.train._objective import Metrics, PerSample, value_and_gradient


Optimiser = optax.GradientTransformation


class UpdateState(eqx.Module):
    """The model as it stands, and what the optimiser remembers."""

    model: PyTree
    optimiser: PyTree


class AbstractUpdate(eqx.Module):
    """One step of training: a pure function from state and batch to state.

    The state is any pytree with an attribute `model`. `per_device` says that the
    update, given one device's part of the batch, reduces what it needs with
    `batch.reduce`; otherwise it is given the whole batch and the compiler splits it.
    """

    @abc.abstractmethod
    def init(self, model: PyTree) -> PyTree:
        """The state before the first step."""

    @abc.abstractmethod
    def __call__(
        self, state: PyTree, batch: Batch | None, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[PyTree, Metrics]:
        """The state after the step, and scalars worth logging, among them `loss`."""

    @property
    @abc.abstractmethod
    def per_device(self) -> bool:
        """Whether the update may run on each device's part of the batch."""


class GradientUpdate(AbstractUpdate):
    """One optimiser step on the gradient of an objective; see `gradient_update`."""

    objective: Callable
    optimiser: optax.GradientTransformationExtraArgs
    trainable: PyTree | Callable
    mesh: Mesh | None = eqx.field(static=True, default=None)

    def init(self, model: PyTree) -> UpdateState:
        trained, _ = self.split(model)
        require(
            len(jax.tree.leaves(trained)) > 0,
            "trainable: selects no array of the model; give a pytree of Booleans, or a "
            "function from the model to one.",
        )
        return UpdateState(model, self.optimiser.init(trained))

    def __call__(
        self,
        state: UpdateState,
        batch: Batch | None,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[UpdateState, Metrics]:
        trained, rest = self.split(state.model)
        value, metrics, gradient = value_and_gradient(
            self.objective, trained, rest, batch, step=step, key=key, mesh=self.mesh
        )
        change, memory = self.optimiser.update(
            gradient, state.optimiser, trained, value=value
        )
        model = eqx.combine(optax.apply_updates(trained, change), rest)
        size = optax.tree.norm(trained)
        metrics = {
            "loss": value,
            **metrics,
            "grad_norm": optax.tree.norm(gradient),
            "update_ratio": optax.tree.norm(change) / jnp.where(size > 0, size, 1),
        }
        return UpdateState(model, memory), metrics

    @property
    def per_device(self) -> bool:
        return isinstance(self.objective, PerSample)

    def split(self, model: PyTree) -> tuple[PyTree, PyTree]:
        """The trained arrays of a model, and the rest."""
        spec = self.trainable
        # A pytree of Booleans shaped like a network is callable too, but no leaf.
        if callable(spec) and jtu.all_leaves([spec]):
            spec = spec(model)
        return eqx.partition(model, spec)


def on_mesh(update: AbstractUpdate, mesh: Mesh | None) -> AbstractUpdate:
    """The update for a mesh on which weights lie in parts: its gradients are taken
    there. On any other it is the same."""
    if not keeps_weight_parts(mesh):
        return update

    def is_gradient(x):
        return isinstance(x, GradientUpdate)

    def told(x):
        if not is_gradient(x):
            return x
        return GradientUpdate(x.objective, x.optimiser, x.trainable, mesh)

    return jtu.tree_map(told, update, is_leaf=is_gradient)


def gradient_update(
    objective: Callable,
    optimiser: optax.GradientTransformation
    | Mapping[str, optax.GradientTransformation],
    *,
    trainable: PyTree | Callable | None = None,
    labels: Callable | None = None,
) -> GradientUpdate:
    """The usual update: gradient of `objective`, then one step of `optimiser`.

    **Arguments:**

    - `objective`: `objective(model, batch, *, step, key) -> (value, metrics)`. One made
        by `per_sample` is split over the devices of a mesh; any other sees the whole
        batch.
    - `optimiser`: an Optax transformation (schedules and clipping live there), or a
        dict of them by label.
    - `trainable`: which arrays are trained: a pytree of Booleans, or a function from
        the model to one. The default trains all inexact arrays but those of
        normalisers.
    - `labels`: with a dict of optimisers, a function from the trained part of the
        model to a pytree of labels.

    **Returns:** an update with `init(model) -> state` and
    `update(state, batch, *, step, key) -> (state, metrics)`; the metrics are `loss`,
    those of the objective, `grad_norm`, and `update_ratio`, the length of the step
    over that of the trained arrays (good values: 1e-4 to 1e-2).

    **Raises:** `ValueError` if only one of a dict and `labels` is given.
    """
    many = isinstance(optimiser, Mapping)
    require(
        many == (labels is not None),
        "labels: give a labelling function exactly when optimiser is a dict of "
        f"transformations; got optimiser of type {type(optimiser).__name__} and "
        f"labels={labels!r}.",
    )
    if many:
        optimiser = optax.partition({**optimiser}, labels)
    if trainable is None:
        trainable = nn.trainable
    return GradientUpdate(
        objective, optax.with_extra_args_support(optimiser), trainable
    )
