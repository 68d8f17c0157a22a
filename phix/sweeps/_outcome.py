"""What a function of one point returns, as named arrays and a result code."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix._errors import Result, require
from phix._types import Array, Int, PyTree
from phix.data import Trajectory
from phix.space import Grid


POINT = "point"
RESERVED = ("status", "chunk_size", POINT)
_SPACE = ("x", "y", "z")


def outcome(out: PyTree) -> tuple[Int[Array, ""], dict[str, Array]]:
    """The result code of a point, and its arrays by name.

    The code is the first that a record (or dictionary) in `out` carries as its `result`
    and is not success; without any, `non_finite` if some number is not finite.
    """
    parts = jax.tree.leaves(out, is_leaf=lambda x: _result(x) is not None)
    results = [code for x in parts if (code := _result(x)) is not None]
    arrays = {name: array for name, array, _ in _named(out)}
    if not results:
        floats = [x for x in arrays.values() if eqx.is_inexact_array(x)]
        good = [jnp.all(jnp.isfinite(x)) for x in floats]
        fine = jnp.all(jnp.stack(good)) if good else True
        return jnp.where(fine, 0, Result.non_finite).astype(jnp.int32), arrays
    code = jnp.zeros((), jnp.int32)
    for result in results:
        code = jnp.where(code == 0, result, code).astype(jnp.int32)
    return code, arrays


@dataclasses.dataclass(frozen=True)
class Column:
    """One array of a point: its shape, type and names of its axes."""

    shape: tuple[int, ...]
    dtype: np.dtype
    axes: tuple[str, ...]


def columns(out: PyTree) -> dict[str, Column]:
    """What `outcome` will give for each point, from the shapes of one."""
    found: dict[str, Column] = {}
    for name, array, axes in _named(out):
        require(
            np.dtype(array.dtype).kind in "fciub",
            f"fn: {name} has dtype {array.dtype}, which a store cannot hold",
        )
        require(
            0 not in array.shape,
            f"fn: {name} of shape {array.shape} is empty; leave it out",
        )
        require(name not in found, f"fn: returns two arrays of the name {name!r}")
        found[name] = Column(tuple(array.shape), np.dtype(array.dtype), axes)
    require(len(found) > 0, "fn: returns no array")
    return found


def coordinates(out: PyTree) -> dict[str, np.ndarray]:
    """The coordinates of the grid, if the result is one trajectory on a grid."""
    if not (isinstance(out, Trajectory) and isinstance(out.space, Grid)):
        return {}
    grid = out.space
    facts = zip(grid.shape, grid.origin, grid.spacing, strict=True)
    lines = [first + h * np.arange(n) for n, first, h in facts]
    return dict(zip(_SPACE, lines, strict=False))


def _result(x: Any) -> Any:
    """The result code that a record carries; None for what has none."""
    code = x.get("result") if isinstance(x, dict) else None
    if isinstance(x, eqx.Module):
        code = getattr(x, "result", None)
    if code is None or not _is_array(code) or code.shape != ():
        return None
    return code if np.dtype(code.dtype).kind == "i" else None


def _named(out: PyTree):
    """(name, array, names of its axes) of every array."""
    leaves, _ = jtu.tree_flatten_with_path(
        out, is_leaf=lambda x: isinstance(x, Trajectory)
    )
    for path, leaf in leaves:
        name = ".".join(_key(entry) for entry in path)
        if isinstance(leaf, Trajectory):
            yield from _of_trajectory(f"{name}." if name else "", leaf)
        elif _is_array(leaf):
            yield name or "value", leaf, _plain_axes(name or "value", leaf)


def _of_trajectory(prefix: str, trajectory: Trajectory):
    us = trajectory.us if isinstance(trajectory.us, dict) else {"u": trajectory.us}
    grid = trajectory.space
    for name, u, _ in _named(us):
        axes = ("time", *_plain_axes(name, u)[1:])
        if isinstance(grid, Grid) and grid.ndim <= len(_SPACE):
            axes = ("time", "channel", *_SPACE[: grid.ndim])
        yield prefix + name, u, _prefixed(prefix, axes)
    yield f"{prefix}t", trajectory.ts, _prefixed(prefix, ("time",))
    yield f"{prefix}first_bad_time", trajectory.first_bad_time, ()
    for name, value, axes in _named(trajectory.stats):
        yield prefix + name, value, axes


def _prefixed(prefix: str, axes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + axis for axis in axes)


def _plain_axes(name: str, array: Any) -> tuple[str, ...]:
    return tuple(f"{name}_{axis}" for axis in range(len(array.shape)))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | jax.ShapeDtypeStruct)


def _key(entry: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
