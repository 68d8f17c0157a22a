"""Ghost nodes: the values a boundary implies outside the grid."""

from typing import Any

import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Inexact
from phix.space._boundary import Boundary


def extend(
    u: Inexact[Array, "..."],
    axis: int,
    width: int,
    sides: tuple[Boundary, Boundary],
    values: tuple[Any, Any],
    *,
    vertex: bool,
    spacing: float,
    constant_open_ends: bool = False,
) -> Inexact[Array, "..."]:
    """`u` with `width` ghost nodes on both sides of one array axis."""
    n = u.shape[axis]
    require(
        n > width,
        f"an axis with {n} nodes is too short for {width} ghost nodes on each side",
    )
    inwards = jnp.moveaxis(u, axis, 0)
    rim = (1, *inwards.shape[1:])
    left, right = (_on_rim(value, axis, rim, u) for value in values)
    arguments = (width, vertex, spacing, constant_open_ends)
    if sides[0].paired:
        before, after = _glued(inwards, width, sides[0])
    else:
        before = _side(inwards, sides[0], left, *arguments)[::-1]
        after = _side(inwards[::-1], sides[1], right, *arguments)
    return jnp.moveaxis(jnp.concatenate([before, inwards, after]), 0, axis)


def face_values(values: Any, ndim: int) -> tuple[tuple[Any, Any], ...]:
    """Boundary values as one pair `(left, right)` per axis."""
    if not isinstance(values, tuple | list):
        return ((values, values),) * ndim
    flat_pair = ndim == 1 and len(values) == 2
    entries = (values,) if flat_pair else tuple(values)
    pairs = tuple(
        tuple(entry) if isinstance(entry, tuple | list) else (entry, entry)
        for entry in entries
    )
    require(
        len(pairs) == ndim and all(len(pair) == 2 for pair in pairs),
        "values must be a number, or have one entry (or pair) per axis: "
        f"{ndim} wanted, got {len(pairs)}",
    )
    return pairs


def lengthen(value: Any, axis: int) -> Any:
    """A boundary value for a field with one ghost node more at both ends of an axis."""
    if jnp.ndim(value) == 0 or jnp.shape(value)[axis] == 1:
        return value
    widths = [(1, 1) if place == axis else (0, 0) for place in range(jnp.ndim(value))]
    return jnp.pad(jnp.asarray(value), widths, mode="edge")


def _on_rim(value: Any, axis: int, rim: tuple[int, ...], u: Array) -> Array:
    """A boundary value as an array that spans one layer of ghost nodes."""
    value = jnp.asarray(value, u.dtype)
    fits = value.ndim in (0, u.ndim) and all(
        have == 1 or (have == want and place != axis)
        for place, (have, want) in enumerate(zip(value.shape, u.shape, strict=False))
    )
    require(
        fits,
        "boundary values must be numbers, or arrays shaped as the field with size 1 "
        f"along their own axis; got shape {value.shape} for a field of {u.shape}",
    )
    value = jnp.moveaxis(value, axis, 0) if value.ndim else value
    return jnp.broadcast_to(value, rim)


def _glued(u: Array, width: int, boundary: Boundary) -> tuple[Array, Array]:
    before, after = u[-width:], u[:width]
    if boundary.kind == "antiperiodic":
        return -before, -after
    if boundary.kind == "twisted":
        shift = jnp.asarray(boundary.shift, u.dtype)
        shift = shift.reshape(-1, *(1,) * (u.ndim - 2))
        return before - shift, after + shift
    return before, after


def _side(
    u: Array,
    boundary: Boundary,
    value: Array,
    width: int,
    vertex: bool,
    spacing: float,
    constant_open_ends: bool,
) -> Array:
    """Ghost nodes of one side, nearest first; `u` is ordered from that side inwards."""
    number = jnp.arange(1, width + 1, dtype=jnp.finfo(u.dtype).dtype)
    number = number.reshape(-1, *(1,) * (u.ndim - 1))
    if boundary.kind == "dirichlet" and vertex:
        return jnp.concatenate([value, 2 * value - u[: width - 1]])
    if boundary.kind == "dirichlet":
        return 2 * value - u[:width]
    if boundary.kind == "neumann" and vertex:
        return u[1 : width + 1] + 2 * number * spacing * value
    if boundary.kind == "neumann":
        return u[:width] + (2 * number - 1) * spacing * value
    return u[:1] + number * (0 if constant_open_ends else 1) * (u[:1] - u[1:2])
