"""Ghost nodes: the values a boundary implies outside the grid."""

from typing import Any

import jax.numpy as jnp
from jax import lax

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
    rims = [_on_rim(value, axis, u) for value in values]
    if sides[0].paired:
        before, after = _glued(u, axis, width, sides[0])
    else:
        before, after = (
            _side(
                u,
                axis,
                width,
                side,
                value,
                right=right,
                vertex=vertex,
                spacing=spacing,
                constant_open_ends=constant_open_ends,
            )
            for side, value, right in zip(sides, rims, (False, True), strict=True)
        )
    return lax.concatenate([before, u, after], axis)


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


def _on_rim(value: Any, axis: int, u: Array) -> Array:
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
    return jnp.broadcast_to(value, (*u.shape[:axis], 1, *u.shape[axis + 1 :]))


def _glued(u: Array, axis: int, width: int, boundary: Boundary) -> tuple[Array, Array]:
    n = u.shape[axis]
    before = lax.slice_in_dim(u, n - width, n, axis=axis)
    after = lax.slice_in_dim(u, 0, width, axis=axis)
    if boundary.kind == "antiperiodic":
        return -before, -after
    if boundary.kind == "twisted":
        shift = jnp.asarray(boundary.shift, u.dtype)
        shift = shift.reshape(-1, *(1,) * (u.ndim - 1))
        return before - shift, after + shift
    return before, after


def _side(
    u: Array,
    axis: int,
    width: int,
    boundary: Boundary,
    value: Array,
    *,
    right: bool,
    vertex: bool,
    spacing: float,
    constant_open_ends: bool,
) -> Array:
    """The ghost nodes of one side, in the order in which they stand."""

    def mirrored(start: int, count: int) -> Array:
        # `count` nodes reflected outwards, the first `start` nodes left out.
        n = u.shape[axis]
        low = n - start - count if right else start
        return jnp.flip(lax.slice_in_dim(u, low, low + count, axis=axis), axis)

    number = jnp.arange(1, width + 1, dtype=jnp.finfo(u.dtype).dtype)
    number = number if right else number[::-1]
    number = number.reshape(-1, *(1,) * (u.ndim - axis - 1))
    if boundary.kind == "dirichlet" and vertex and width == 1:
        return value
    if boundary.kind == "dirichlet" and vertex:
        beyond = 2 * value - mirrored(0, width - 1)
        return lax.concatenate([value, beyond] if right else [beyond, value], axis)
    if boundary.kind == "dirichlet":
        return 2 * value - mirrored(0, width)
    if boundary.kind == "neumann" and vertex:
        return mirrored(1, width) + 2 * number * spacing * value
    if boundary.kind == "neumann":
        return mirrored(0, width) + (2 * number - 1) * spacing * value
    end = mirrored(0, 1)
    slope = jnp.zeros_like(end) if constant_open_ends else end - mirrored(1, 1)
    return end + number * slope
