"""One function, many inputs, many devices."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from phix._errors import nearest, require
from phix._types import PyTree
from phix.parallel._mesh import BATCH_AXIS, batch_axes, num_batch_parts
from phix.parallel._rows import batch_size, pad_batch
from phix.pde import AbstractDiscrete


_PARTITIONS = ("shard", "auto")


def batch_map(
    fn: Callable,
    mesh: Mesh | None = None,
    *,
    partition: str = "shard",
    chunk: int | None = None,
) -> Callable:
    """`vmap` over the devices of a mesh: each maps `fn` over its part of the batch.

    Every array in the arguments needs the same leading batch axis; what is not an
    array (the grid of an equation, a scheme) passes through. What all samples share is
    closed over. A batch that the devices do not divide is padded and cut. Without a
    mesh this is `eqx.filter_vmap`. The result may be jitted, differentiated and mapped
    again; keep it and call it often, for it holds the compiled code.

    **Arguments:**

    - `fn`: a function of one sample.
    - `mesh`: from `make_mesh`, or `None`.
    - `partition`: `"shard"` runs each device on its own, with no communication
        (explicit schemes, FFTs, `num.least_squares`); `"auto"` leaves the partition to
        the compiler (implicit Diffrax schemes, Lineax, Optimistix, which fail under
        `shard_map`).
    - `chunk`: how many samples a device maps together; it takes its part of the batch
        chunk by chunk in one program. All at once if `None`. Chunks bound the memory,
        and on CPUs those that fit the cache are several times faster.

    **Returns:** the mapped function.

    **Raises:** `ValueError` for an unknown partition, a chunk below one, batch axes
    that differ, or an equation that runs on the host (`host=True`).

    !!! example
        ```python
        solve_all = batch_map(lambda nu: solve(equation.replace(nu=nu), u0, ts), mesh)
        trajectories = solve_all(jnp.linspace(0.1, 1.0, 100))
        ```
    """
    require(
        partition in _PARTITIONS,
        f"partition: got {partition!r}{nearest(partition, _PARTITIONS)}.",
    )
    require(chunk is None or chunk >= 1, f"chunk: got {chunk}, wanted at least 1.")
    mapped = eqx.filter_vmap(fn)
    if mesh is None:
        if chunk is None:
            return mapped
        return eqx.filter_jit(functools.partial(_on_one_device, mapped, chunk))
    require(
        BATCH_AXIS in mesh.axis_names,
        f"mesh: has axes {mesh.axis_names}; wanted one named {BATCH_AXIS!r}, see "
        "make_mesh.",
    )
    run = _sharded if partition == "shard" else _automatic
    inner = eqx.filter_jit(functools.partial(run, mapped, mesh, chunk))

    @functools.wraps(fn)
    def on_mesh(*args: PyTree) -> PyTree:
        refuse_host(fn, args)
        arrays, static = eqx.partition(args, eqx.is_array)
        size = batch_size(arrays, name="args")
        padded = eqx.combine(pad_batch(arrays, num_batch_parts(mesh)), static)
        out, rest = eqx.partition(inner(padded), eqx.is_array)
        return eqx.combine(jtu.tree_map(lambda x: x[:size], out), rest)

    return on_mesh


def _on_one_device(mapped: Callable, chunk: int, *args: PyTree) -> PyTree:
    arrays, static = eqx.partition(args, eqx.is_array)
    run, statics = _arrays_only(mapped, static)
    return eqx.combine(_in_turn(run, arrays, chunk), statics[0])


def _sharded(mapped: Callable, mesh: Mesh, chunk: int | None, args: PyTree) -> PyTree:
    arrays, static = eqx.partition(args, eqx.is_array)
    run, statics = _arrays_only(mapped, static)
    spec = PartitionSpec(batch_axes(mesh))
    # The default check of varying axes fails in Diffrax loops, and silently sums
    # gradients of what is replicated.
    out = jax.shard_map(
        lambda arrays: _in_turn(run, arrays, chunk),
        mesh=mesh,
        in_specs=spec,
        out_specs=spec,
        check_vma=False,
    )(arrays)
    return eqx.combine(out, statics[0])


def _automatic(mapped: Callable, mesh: Mesh, chunk: int | None, args: PyTree) -> PyTree:
    sharding = NamedSharding(mesh, PartitionSpec(batch_axes(mesh)))
    arrays, static = eqx.partition(args, eqx.is_array)
    run, statics = _arrays_only(mapped, static)

    def constrained(arrays):
        arrays = lax.with_sharding_constraint(arrays, sharding)
        return lax.with_sharding_constraint(run(arrays), sharding)

    out = _in_turn(constrained, arrays, chunk, num_batch_parts(mesh))
    return eqx.combine(lax.with_sharding_constraint(out, sharding), statics[0])


def _arrays_only(mapped: Callable, static: PyTree) -> tuple[Callable, list]:
    """The map of arrays to arrays; what else comes out is put into the list."""
    statics: list[Any] = []

    def run(arrays):
        out = mapped(*eqx.combine(arrays, static))
        out, rest = eqx.partition(out, eqx.is_array)
        statics.append(rest)
        return out

    return run, statics


def _in_turn(
    run: Callable, arrays: PyTree, chunk: int | None, devices: int = 1
) -> PyTree:
    """`run`, of `chunk` rows from the part of each of the devices at a time."""
    size = batch_size(arrays, name="args")
    if chunk is None or size <= chunk * devices:
        return run(arrays)
    rows = pad_batch(arrays, chunk * devices)

    def split(x):
        x = x.reshape(devices, -1, chunk, *x.shape[1:])
        return jnp.moveaxis(x, 1, 0).reshape(-1, devices * chunk, *x.shape[3:])

    def join(x):
        x = x.reshape(x.shape[0], devices, chunk, *x.shape[2:])
        return jnp.moveaxis(x, 0, 1).reshape(-1, *x.shape[3:])[:size]

    return jtu.tree_map(join, lax.map(run, jtu.tree_map(split, rows)))


def _captured(fn: Callable) -> tuple:
    """What a function reaches besides its arguments, as far as Python can tell."""
    if isinstance(fn, functools.partial):
        return (fn.args, fn.keywords, *_captured(fn.func))
    if inspect.ismethod(fn):
        return (fn.__self__, *_captured(fn.__func__))
    if not inspect.isfunction(fn):
        return (fn,)
    try:
        names = inspect.getclosurevars(fn)
    except ValueError:  # a cell still empty
        return ()
    return (*names.nonlocals.values(), *names.globals.values())


def refuse_host(fn: Callable, *args: PyTree) -> None:
    """Refuses an equation with `host=True` among the arguments of a function, or what
    it reaches besides: its step runs in Python and cannot be shared over devices."""

    def is_equation(x):
        return isinstance(x, AbstractDiscrete)

    for leaf in jax.tree.leaves((args, _captured(fn)), is_leaf=is_equation):
        require(
            not (is_equation(leaf) and leaf.host),
            f"batch_map: {type(leaf).__name__} has host=True, so its step runs in "
            "Python and cannot be shared over devices; map it without a mesh, or write "
            "the step in JAX.",
        )
