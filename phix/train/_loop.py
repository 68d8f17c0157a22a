"""Many updates in one dispatch: the compiled part of `fit`."""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from phix._errors import require
from phix._types import Array, Bool, Int, PRNGKeyArray, PyTree
from phix.parallel import (
    BATCH_AXIS,
    batch_axes,
    keeps_weight_parts,
    num_batch_parts,
    place_weights,
)
from phix.train._batch import Batch
from phix.train._source import AbstractSource
from phix.train._update import AbstractUpdate


class Program(eqx.Module):
    """All that the compiled loop needs and does not change.

    `static` is the part of the update's state that is not arrays; `capacity` bounds
    the number of updates in one dispatch.
    """

    update: AbstractUpdate
    source: AbstractSource | None
    monitors: tuple[Callable, ...]
    static: PyTree
    ema: float | None
    mesh: Mesh | None = eqx.field(static=True)
    capacity: int = eqx.field(static=True)


class Carry(eqx.Module):
    """All that changes: the arrays of the update's state, and the averaged model."""

    state: PyTree
    ema: PyTree


class Span(eqx.Module):
    """Which updates to do: `count` of them from `start`; monitors run when logged:
    on the first update, the last one of the run and every `log_every`."""

    key: PRNGKeyArray
    start: Int[Array, ""]
    count: Int[Array, ""]
    log_every: Int[Array, ""]
    last: Int[Array, ""]


class Outcome(eqx.Module):
    """What happened: `done` good updates, and a row of scalars for each.

    If not `ok`, update number `done` of the span was not finite: its row is recorded,
    and the carry is the one that led to it. A batch that weighs nothing is counted as
    done and moves nothing; its loss, 0/0, is NaN.
    """

    done: Int[Array, ""]
    ok: Bool[Array, ""]
    rows: dict[str, Array]


@eqx.filter_jit(donate="all-except-first")
def advance(fixed: tuple[Program, Span], carry: Carry) -> tuple[Carry, Outcome]:
    """Runs a span of updates. The span's length is traced: one compilation serves all
    lengths, so how a run is cut into spans cannot change its bits."""
    program, span = fixed
    if not _each_alone(program):
        return _loop(program, span, carry)
    arrays, static = eqx.partition(program, eqx.is_array)
    return jax.shard_map(
        lambda arrays, span, carry: _loop(eqx.combine(arrays, static), span, carry),
        mesh=program.mesh,
        in_specs=PartitionSpec(),
        out_specs=PartitionSpec(),
        check_vma=False,
    )(arrays, span, carry)


def _each_alone(program: Program) -> bool:
    """Whether every device does the whole update, on its part of the batch. Where the
    weights lie in parts, only gradients are taken so."""
    alone = program.mesh is not None and program.update.per_device
    return alone and not keeps_weight_parts(program.mesh)


def _loop(program: Program, span: Span, carry: Carry) -> tuple[Carry, Outcome]:
    # One trace serves both the shapes of the metrics and the loop.
    one = jax.jit(lambda carry, step: _step(program, span, carry, step))
    _, metrics, _ = jax.eval_shape(one, carry, span.start)
    rows = {k: jnp.zeros((program.capacity,), m.dtype) for k, m in metrics.items()}

    def going(loop):
        done, ok, _, _ = loop
        return ok & (done < span.count)

    def body(loop):
        done, _, carry, rows = loop
        new, metrics, empty = one(carry, span.start + done)
        rows = {name: rows[name].at[done].set(metrics[name]) for name in rows}
        finite = _finite(new.state.model, metrics["loss"])
        moved = partial(_keep, finite & ~empty)
        carry = jtu.tree_map_with_path(moved, carry, new)
        if keeps_weight_parts(program.mesh):
            carry = place_weights(program.mesh, carry)
        ok = finite | empty
        return done + ok.astype(done.dtype), ok, carry, rows

    start = (jnp.int32(0), jnp.asarray(True), carry, rows)
    done, ok, carry, rows = lax.while_loop(going, body, start)
    return carry, Outcome(done, ok, rows)


def _step(
    program: Program, span: Span, carry: Carry, step: Int[Array, ""]
) -> tuple[Carry, dict[str, Array], Bool[Array, ""]]:
    """What comes of one update, its scalars, and whether its batch weighs nothing."""
    key_data, key_update = jr.split(span.key)
    key = jr.fold_in(key_update, step)
    batch, empty = None, jnp.asarray(False)
    if program.source is not None:
        whole = program.source.draw(step, key=key_data)
        batch, empty = _share(program, whole), jnp.all(whole.weight == 0)
    state = eqx.combine(carry.state, program.static)
    new, metrics = program.update(state, batch, step=step, key=key)
    metrics = dict(metrics)
    for monitor in program.monitors:
        metrics |= _monitored(monitor, state.model, span, step, key)
    metrics = {name: jnp.asarray(m) for name, m in metrics.items()}
    arrays = eqx.filter(new, eqx.is_array)
    ema = None
    if program.ema is not None:
        ema = _average(carry.ema, arrays.model, program.ema, step)
    return Carry(arrays, ema), metrics, empty


def _share(program: Program, batch: Batch) -> Batch:
    """The batch as the update wants it: whole, or this device's part of it."""
    mesh = program.mesh
    if mesh is None:
        return batch
    if _each_alone(program):
        return batch.part(BATCH_AXIS, mesh.shape[BATCH_AXIS])
    sharding = NamedSharding(mesh, PartitionSpec(batch_axes(mesh)))
    return lax.with_sharding_constraint(batch.pad(num_batch_parts(mesh)), sharding)


def _monitored(monitor, model, span, step, key) -> dict[str, Array]:
    """The monitor's scalars on logged steps, zeros (never shown) on the others."""

    def watch():
        return jtu.tree_map(jnp.asarray, monitor(model, step=step, key=key))

    shapes = jax.eval_shape(watch)
    number = step + 1
    logged = (number % span.log_every == 0) | (number == 1) | (number == span.last)
    return lax.cond(
        logged,
        watch,
        lambda: jtu.tree_map(lambda s: jnp.zeros(s.shape, s.dtype), shapes),
    )


def _finite(model: PyTree, loss: Array) -> Bool[Array, ""]:
    checks = [jnp.all(jnp.isfinite(loss))]
    for leaf in jax.tree.leaves(model):
        if eqx.is_inexact_array(leaf):
            checks.append(jnp.all(jnp.isfinite(leaf)))
    return jnp.all(jnp.stack(checks))


def _keep(ok: Bool[Array, ""], path: tuple, old: Array, new: Array) -> Array:
    require(
        (old.shape, old.dtype) == (new.shape, new.dtype),
        f"update: changed {jtu.keystr(path)} from {old.dtype}{list(old.shape)} to "
        f"{new.dtype}{list(new.shape)}; shapes and dtypes of a state must stay.",
    )
    return lax.select(ok, new, old)


def _average(ema: PyTree, model: PyTree, decay: float, step: Int[Array, ""]) -> PyTree:
    """Moves the average to the model by 1 - min(decay, (1 + step) / (10 + step))."""

    def move(old, new):
        if not eqx.is_inexact_array(new):
            return new
        real = jnp.finfo(new.dtype).dtype
        count = step.astype(real)
        rate = 1 - jnp.minimum(jnp.asarray(decay, real), (1 + count) / (10 + count))
        return old + rate * (new - old)

    return jtu.tree_map(move, ema, model)
