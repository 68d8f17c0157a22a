"""Fields known by their coefficients: anywhere in the box, and on other grids."""

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from phix._errors import require
from phix._types import Array, Float, Inexact
from phix.space._halfwaves import HalfWaves
from phix.space._interpolation import is_inside
from phix.space._modes import Modes


def spectral_evaluate(
    modes: Modes,
    c: Inexact[Array, " channels *modes"],
    x: Float[Array, "points dim"],
) -> Inexact[Array, "channels points"]:
    r"""The field of the coefficients at any points, by the exact sum over all modes.

    $$u(x) = \sum_k c_k \prod_a \phi_{k_a}(x_a)$$

    At the nodes it gives what `modes.to_nodes` gives, between them the interpolant of
    least oscillation: the highest wave of an even number of nodes counts as a cosine.

    ```python
    modes = grid.modes()
    value = phix.space.spectral_evaluate(modes, modes.to_modes(u), x)
    ```

    **Arguments:**

    - `modes`: the modes, from `grid.modes(...)`.
    - `c`: coefficients `"channels *modes"`.
    - `x`: points `"points dim"`. Periodic axes continue past the box.

    **Returns:** `"channels points"`, real unless the modes are of complex fields, in
    the precision of `c`; differentiable in `c` and `x`. One axis is summed at a time:
    the cost is points × modes, the memory that divided by the modes of the longest
    axis.

    **Raises:** `ValueError` for coefficients or points of another shape, and for a
    point outside the box along an axis that is not periodic; where `x` is traced, such
    a point gives NaN.
    """
    grid = modes.grid
    _check(modes, c)
    require(
        x.ndim == 2 and x.shape[1] == grid.ndim,
        f"x must be points of shape (points, {grid.ndim}), got {x.shape}",
    )
    inside = jnp.ones(x.shape[0], bool)
    for axis in modes.trig_axes:
        if not grid.boundary[axis][0].paired:
            inside = inside & is_inside(x[:, axis], *grid.extent[axis])
    tables = [_waves(modes, axis, x[:, axis], c) for axis in range(grid.ndim)]
    weights = jnp.asarray(modes.weights, jnp.finfo(c.dtype).dtype)
    order = sorted(range(grid.ndim), key=lambda axis: -modes.shape[axis])
    values = jnp.moveaxis(c * weights, [axis + 1 for axis in order], range(1, c.ndim))
    values = _sum_over("ck...,pk->cp...", values, tables[order[0]])
    for axis in order[1:]:
        values = _sum_over("cpk...,pk->cp...", values, tables[axis])
    return jnp.where(inside, values if modes.complex else values.real, jnp.nan)


def spectral_resample(
    modes: Modes, c: Inexact[Array, " channels *modes"], onto: Modes
) -> Inexact[Array, " channels *others"]:
    """The coefficients of the same field on other modes of the same box.

    Waves that `onto` does not have are dropped, those that `modes` does not have are
    zero; where both hold the field, nothing is lost. Fields change resolution by

    ```python
    coarse, fine = Grid(32, box).modes(), Grid(48, box).modes()
    finer = fine.to_nodes(spectral_resample(coarse, coarse.to_modes(u), fine))
    ```

    **Arguments:**

    - `modes`: the modes of `c`.
    - `c`: coefficients `"channels *modes"`.
    - `onto`: the modes wanted. Number and place of the nodes and the kept fraction may
        differ, extent and boundary may not.

    **Returns:** the coefficients on `onto`, in the precision of `c`. The highest wave
    of an even number of nodes is a cosine: it is shared between both signs on a finer
    grid, and both signs add to it on a coarser one.

    **Raises:** `ValueError` for another box, boundary, or kind of field, and for
    coefficients of another shape.
    """
    _check(modes, c)
    _check_same_box(modes, onto)
    for axis in modes.trig_axes:
        c = _pad(c, axis, 0, onto.shape[axis] - modes.shape[axis])
    # The half axis last: its highest wave on `onto` takes the negative waves as well,
    # which are found by mirroring what the other axes have become.
    for axis in modes.periodic_axes:
        c = _both_signs(modes, c, axis)
        fewer = onto.highest(axis) - modes.highest(axis)
        c = _pad(c, axis, 0 if axis == modes.half_axis else fewer, fewer)
        c = _to_first_node(modes, onto, c, axis)
        c = _one_sign(onto, c, axis)
    return onto.truncate(c)


def mirrored(modes: Modes, c: Array) -> Array:
    """The coefficients of the waves −k along all periodic axes but the half one."""
    for axis in modes.periodic_axes:
        if axis != modes.half_axis:
            c = jnp.flip(c, axis + 1)
            if modes.has_nyquist(axis):  # −n/2 stands for n/2 too
                c = jnp.roll(c, 1, axis + 1)
    return c


_sum_over = functools.partial(jnp.einsum, precision=lax.Precision.HIGHEST)


def _check(modes: Modes, c: Array) -> None:
    require(
        c.ndim == modes.grid.ndim + 1 and c.shape[1:] == modes.shape,
        f"c of shape {c.shape} does not hold coefficients of these modes: wanted "
        f"(channels, {', '.join(map(str, modes.shape))})",
    )


def _check_same_box(modes: Modes, onto: Modes) -> None:
    for name, here, there in (
        ("extent", modes.grid.extent, onto.grid.extent),
        ("boundary", modes.grid.boundary, onto.grid.boundary),
        ("complex", modes.complex, onto.complex),
    ):
        require(
            here == there,
            f"onto must have the same {name} as modes: {here} here, {there} there",
        )


def _waves(modes: Modes, axis: int, x: Array, c: Array) -> Array:
    """Every mode of one axis at the points: "points modes"."""
    grid, dtype = modes.grid, jnp.finfo(c.dtype).dtype
    kappa = modes.wavenumbers[axis].ravel()
    if grid.boundary[axis][0].kind == "antiperiodic":
        turns = (x - grid.origin[axis]) / grid.lengths[axis]
        turns = (turns - 2 * jnp.floor(turns / 2)).astype(dtype)
        return HalfWaves().table(2 * math.pi * turns, kappa.size)
    if axis in modes.trig_axes:
        odd = grid.boundary[axis][0].kind == "dirichlet"
        x = (x - grid.extent[axis][0]).astype(dtype)
        return (jnp.sin if odd else jnp.cos)(x[:, None] * jnp.asarray(kappa, dtype))
    # Within one period the phase keeps its digits however far the point lies.
    turns = (x - grid.origin[axis]) / grid.lengths[axis]
    turns = (turns - jnp.floor(turns)).astype(dtype)
    k = jnp.asarray(np.rint(kappa * grid.lengths[axis] / (2 * math.pi)), dtype)
    phase = 2 * math.pi * turns[:, None] * k
    lone = 2 * jnp.abs(k) == grid.shape[axis]
    return lax.complex(jnp.cos(phase), jnp.where(lone, 0, jnp.sin(phase)))


def _pad(c: Array, axis: int, before: int, after: int) -> Array:
    """Zeros at both ends of an axis; negative numbers cut instead."""
    padding = [(0, 0, 0)] * c.ndim
    padding[axis + 1] = (before, after, 0)
    return lax.pad(c, jnp.zeros((), c.dtype), padding)


def _both_signs(modes: Modes, c: Array, axis: int) -> Array:
    """The coefficient of the highest wave halved between n/2 and −n/2."""
    if not modes.has_nyquist(axis):
        return c
    if axis == modes.half_axis:
        return c.at[_at(c, axis, -1)].multiply(0.5)
    lone = 0.5 * c[_at(c, axis, 0)]
    return jnp.concatenate(
        [lone, lax.slice_in_dim(c, 1, None, axis=axis + 1), lone], axis + 1
    )


def _one_sign(onto: Modes, c: Array, axis: int) -> Array:
    """The inverse of `_both_signs`."""
    if not onto.has_nyquist(axis):
        return c
    top = c[_at(c, axis, -1)]
    if axis == onto.half_axis:
        return c.at[_at(c, axis, -1)].add(jnp.conj(mirrored(onto, top)))
    c = c.at[_at(c, axis, 0)].add(top)
    return lax.slice_in_dim(c, 0, -1, axis=axis + 1)


def _at(c: Array, axis: int, place: int) -> tuple[slice, ...]:
    """The slice, of width one, at the start (0) or the end (-1) of an axis."""
    index = [slice(None)] * c.ndim
    index[axis + 1] = slice(0, 1) if place == 0 else slice(-1, None)
    return tuple(index)


def _to_first_node(modes: Modes, onto: Modes, c: Array, axis: int) -> Array:
    """Phases counted from the first node of `onto` in place of that of `modes`."""
    shift = onto.grid.origin[axis] - modes.grid.origin[axis]
    if shift == 0:
        return c
    top = onto.highest(axis)
    k = np.arange(0 if axis == onto.half_axis else -top, top + 1)
    turn = np.exp(2j * math.pi * k * (shift / modes.grid.lengths[axis]))
    shape = [1] * c.ndim
    shape[axis + 1] = k.size
    return c * jnp.asarray(turn.reshape(shape), c.dtype)
