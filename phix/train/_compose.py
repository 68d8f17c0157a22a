"""Updates made of updates: one after the other, or many side by side."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu

from phix._errors import require
from phix._types import IntScalar, PRNGKeyArray, PyTree
from phix.train._batch import Batch
from phix.train._objective import Metrics
from phix.train._rows import RowsUpdate
from phix.train._update import AbstractUpdate, GradientUpdate, UpdateState


class AlternatingUpdate(AbstractUpdate):
    """Several updates in turn on one batch; see `alternating_update`."""

    names: tuple[str, ...] = eqx.field(static=True)
    updates: tuple[GradientUpdate | RowsUpdate, ...]

    def init(self, model: PyTree) -> UpdateState:
        memories = tuple(update.init(model).optimiser for update in self.updates)
        return UpdateState(model, memories)

    def __call__(
        self,
        state: UpdateState,
        batch: Batch | None,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[UpdateState, Metrics]:
        model, memories, metrics, losses = state.model, [], {}, []
        keys = jr.split(key, len(self.updates))
        parts = zip(self.names, self.updates, state.optimiser, keys, strict=True)
        for name, update, memory, own_key in parts:
            after, found = update(
                UpdateState(model, memory), batch, step=step, key=own_key
            )
            model = after.model
            memories.append(after.optimiser)
            losses.append(found["loss"])
            metrics |= {f"{name}/{k}": v for k, v in found.items()}
        total = jnp.sum(jnp.stack(losses))
        return UpdateState(model, tuple(memories)), {"loss": total, **metrics}

    @property
    def per_device(self) -> bool:
        return all(update.per_device for update in self.updates)


def alternating_update(
    updates: Mapping[str, GradientUpdate | RowsUpdate],
) -> AlternatingUpdate:
    """Several optimisers on several parts of a model, in turn, on the same batch.

    Each update sees the model as the one before left it, and moves what its own
    `trainable` selects.

    **Arguments:**

    - `updates`: name to an update made by `gradient_update` or `table_rows`, in the
        order in which they are to run.

    **Returns:** an update for `fit`; its metrics are `loss`, the sum of all losses, and
    those of each update as `"name/metric"`.

    **Raises:** `ValueError` if there are no updates.
    """
    require(len(updates) > 0, "updates is empty: give at least one")
    return AlternatingUpdate(tuple(updates), tuple(updates.values()))


class EnsembleUpdate(AbstractUpdate):
    """One update for many models at once; see `ensemble_update`."""

    update: AbstractUpdate

    def init(self, model: PyTree) -> UpdateState:
        return eqx.filter_vmap(self.update.init)(model)

    def __call__(
        self,
        state: UpdateState,
        batch: Batch | None,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[UpdateState, Metrics]:
        def one(state, key):
            return self.update(state, batch, step=step, key=key)

        count = jtu.tree_leaves(eqx.filter(state, eqx.is_array))[0].shape[0]
        state, metrics = eqx.filter_vmap(one)(state, jr.split(key, count))
        means = {name: jnp.mean(values) for name, values in metrics.items()}
        return state, means

    @property
    def per_device(self) -> bool:
        return self.update.per_device


def ensemble_update(update: AbstractUpdate) -> EnsembleUpdate:
    """Trains many models side by side, each with random numbers of its own.

    The members share every batch and one compiled program; the metrics are means over
    them.

    **Arguments:**

    - `update`: of one model.

    **Returns:** an update whose model is a pytree with a leading axis of members on
    every array, such as `eqx.filter_vmap(make)(keys)` gives.
    """
    return EnsembleUpdate(update)
