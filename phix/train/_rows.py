"""Updates that touch only the rows of a table which the batch is about."""

import math
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import optax

from phix._errors import require
from phix._types import Array, IntScalar, PRNGKeyArray, PyTree
from phix.train._batch import Batch
from phix.train._objective import Metrics
from phix.train._update import AbstractUpdate, GradientUpdate, UpdateState


class RowsUpdate(AbstractUpdate):
    """An update on those rows of a table that are in the batch; see `table_rows`."""

    update: GradientUpdate
    table: Callable = eqx.field(static=True)
    rows: Callable = eqx.field(static=True)
    renumber: Callable = eqx.field(static=True)
    axes: int = eqx.field(static=True)

    def init(self, model: PyTree) -> UpdateState:
        return self.update.init(model)

    def __call__(
        self,
        state: UpdateState,
        batch: Batch | None,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[UpdateState, Metrics]:
        if batch is None:
            raise ValueError("table_rows needs a source: its rows are those of a batch")
        lead = self.table(state.model).shape[: self.axes]
        size = batch.weight.shape[0]
        # A row of that number does not exist: it is read as zero and never written.
        rows, places = jnp.unique(
            self.rows(batch.samples, lead),
            return_inverse=True,
            size=size,
            fill_value=math.prod(lead),
        )
        short = (1,) * (self.axes - 1) + (size,)

        def gather(x: Array, _: Array) -> Array:
            rest = x.shape[self.axes :]
            flat = x.reshape(math.prod(lead), *rest)
            return flat.at[rows].get(mode="fill", fill_value=0).reshape(*short, *rest)

        def scatter(x: Array, new: Array) -> Array:
            rest = x.shape[self.axes :]
            flat = x.reshape(math.prod(lead), *rest)
            new = new.reshape(size, *rest)
            return flat.at[rows].set(new, mode="drop").reshape(x.shape)

        samples = self.renumber(batch.samples, places.reshape(-1))
        own = Batch(samples, batch.weight, batch.position, batch.axis)
        small = self._on_tables(gather, state, state)
        after, metrics = self.update(small, own, step=step, key=key)
        return self._on_tables(scatter, state, after), metrics

    @property
    def per_device(self) -> bool:
        return False

    def _on_tables(
        self, fn: Callable, old: UpdateState, new: UpdateState
    ) -> UpdateState:
        """`new`, its table and what the optimiser remembers of it by
        `fn(of_old, of_new)`."""
        tables = self.table(old.model), self.table(new.model)
        model = eqx.tree_at(self.table, new.model, fn(*tables))
        trained, _ = self.update.split(old.model)
        none = jtu.tree_map(lambda _: False, trained)
        marks = optax.tree_utils.tree_map_params(
            self.update.optimiser,
            lambda _, mark: mark,
            old.optimiser,
            eqx.tree_at(self.table, none, True),
            transform_non_params=lambda _: False,
        )
        memory = jtu.tree_map(
            lambda mark, a, b: fn(a, b) if mark else b,
            marks,
            old.optimiser,
            new.optimiser,
        )
        return UpdateState(model, memory)


def table_rows(
    update: GradientUpdate,
    table: Callable,
    rows: Callable,
    renumber: Callable,
    *,
    axes: int = 1,
) -> RowsUpdate:
    """An update that gathers the rows of a table in the batch, moves them, and puts
    them back.

    Rows outside the batch, and what the optimiser remembers of them, keep every bit. A
    plain update moves them too: Adam by the momentum of steps past, weight decay
    towards zero. Momentum so fades with the visits of a row and not with the steps;
    counts of steps are still those of all.

    **Arguments:**

    - `update`: made by `gradient_update`, with a trained table.
    - `table`: from the model to its table, an array whose first `axes` axes are rows.
    - `rows`: `rows(samples, shape) -> "batch"`, the numbers of the rows in a table of
        that shape, counted in row-major order. Samples may share a row.
    - `renumber`: `renumber(samples, places) -> samples`, the same samples for a table
        of the batch's rows alone, shaped `(1, …, 1, batch)`, in which they are at
        `places`.
    - `axes`: how many axes number the rows.

    **Returns:** an update for `fit`. On a mesh the compiler splits the batch.

    **Raises:** `ValueError` for `axes` below one.
    """
    require(axes >= 1, f"axes must be at least 1, got {axes}")
    return RowsUpdate(update, table, rows, renumber, axes)
