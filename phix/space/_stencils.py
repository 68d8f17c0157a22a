"""Finite differences on a `Grid`, second order, with the boundaries built in.

Boundary values (`values`) are owned by the equation: a number for all sides, or one
entry per axis, each for both sides or a pair `(left, right)`; every one is a number or
an array shaped as the field with size 1 along its own axis. A Dirichlet side takes the
value of u, a Neumann side the derivative along the outward normal; the other kinds take
none and ignore it.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from phix._errors import require
from phix._types import Array, Inexact
from phix.space._ghost import extend, face_values
from phix.space._grid import Grid


def pad(
    grid: Grid,
    u: Inexact[Array, " channels *space"],
    axis: int = 0,
    width: int = 1,
    values: Any = 0.0,
    *,
    constant_open_ends: bool = False,
) -> Inexact[Array, "channels ..."]:
    r"""A field with ghost nodes on both sides of one axis.

    Ghost nodes continue u as the boundary says: periodic kinds copy the other side;
    Dirichlet reflects oddly about the value, Neumann evenly about the end with the
    slope of the value; inflow and outflow are continued linearly (zero curvature).

    **Arguments:**

    - `grid`: the grid of `u`.
    - `u`: a field `"channels *space"`.
    - `axis`: which axis of space.
    - `width`: number of ghost nodes on each side.
    - `values`: boundary values: a number for all sides, or one entry per axis, each for
        both sides or a pair `(left, right)`. A Dirichlet side takes the value of u, a
        Neumann side its derivative along the outward normal.
    - `constant_open_ends`: continue inflow and outflow by a constant instead.

    **Returns:** the field with `2 * width` more nodes along `axis`.

    **Raises:** `ValueError` for a field or values that do not fit the grid.
    """
    grid.check(u)
    _check_axis(grid, axis)
    return extend(
        u,
        axis + 1,
        width,
        grid.boundary[axis],
        face_values(values, grid.ndim)[axis],
        vertex=grid.node == "vertex",
        spacing=grid.spacing[axis],
        constant_open_ends=constant_open_ends,
    )


def derivative(
    grid: Grid,
    u: Inexact[Array, " channels *space"],
    axis: int = 0,
    *,
    values: Any = 0.0,
) -> Inexact[Array, " channels *space"]:
    r"""The central difference $(u_{i+1} - u_{i-1})/2h$ along one axis.

    Second order; first order (one-sided) on inflow and outflow ends. Arguments as for
    `pad`.
    """
    padded = pad(grid, u, axis, 1, values)
    return (_shifted(padded, axis, 2) - _shifted(padded, axis, 0)) / (
        2 * grid.spacing[axis]
    )


def gradient(
    grid: Grid, u: Inexact[Array, " channels *space"], *, values: Any = 0.0
) -> Inexact[Array, " channels dim *space"]:
    """All central differences of every channel, `"channels dim *space"`.

    Second order. The gradient of a one-channel field as a vector field is
    `gradient(grid, u)[0]`. Arguments as for `pad`.
    """
    parts = [derivative(grid, u, axis, values=values) for axis in range(grid.ndim)]
    return jnp.stack(parts, axis=1)


def divergence(
    grid: Grid, u: Inexact[Array, " dim *space"], *, values: Any = 0.0
) -> Inexact[Array, " 1 *space"]:
    r"""$\sum_a \partial_a u_a$ of a vector field with one channel per axis.

    Second order, by central differences. Arguments as for `pad`; a value holds for
    every component unless it is an array with channels.

    **Raises:** `ValueError` unless `u` has one channel per axis.
    """
    grid.check(u)
    require(
        u.shape[0] == grid.ndim,
        f"u of shape {u.shape} is no vector field: wanted {grid.ndim} channels, one "
        "per axis",
    )
    parts = [
        derivative(grid, u, axis, values=values)[axis] for axis in range(grid.ndim)
    ]
    return jnp.stack(parts).sum(0, keepdims=True)


def laplacian(
    grid: Grid, u: Inexact[Array, " channels *space"], *, values: Any = 0.0
) -> Inexact[Array, " channels *space"]:
    r"""$\sum_a (u_{i+1} - 2u_i + u_{i-1})/h_a^2$ for every channel.

    Second order, spectrum within $[-\sum_a 4/h_a^2, 0]$. At centre Dirichlet nodes the
    *local* error is of order 0 while the solution of a diffusion problem stays second
    order; on inflow and outflow ends curvature along their axis is zero. Arguments as
    for `pad`.
    """
    total = jnp.zeros_like(u)
    for axis, h in enumerate(grid.spacing):
        padded = pad(grid, u, axis, 1, values)
        neighbours = _shifted(padded, axis, 0) + _shifted(padded, axis, 2)
        total = total + (neighbours - 2 * u) / h**2
    return total


def upwind_difference(
    grid: Grid,
    u: Inexact[Array, " channels *space"],
    right_going: Callable,
    left_going: Callable,
    axis: int = 0,
    *,
    values: Any = 0.0,
) -> Inexact[Array, " channels *space"]:
    r"""The conservative upwind difference of a split flux $f = f^+ + f^-$,

    $$\frac{F_{i+1/2} - F_{i-1/2}}{h},\qquad F_{i+1/2} = f^+(u_i) + f^-(u_{i+1}).$$

    First order, monotone for steps below $h/\max|f'|$, conservative on periodic axes.
    Open ends are continued by a constant: what has left does not come back.

    **Arguments:**

    - `grid`, `u`, `axis`, `values`: as for `pad`.
    - `right_going`: $f^+$, a function of the field with $f^{+\prime} \ge 0$.
    - `left_going`: $f^-$, a function of the field with $f^{-\prime} \le 0$.

    ??? cite "Reference"
        B. Engquist and S. Osher, Stable and entropy satisfying approximations for
        transonic flow calculations, Mathematics of Computation 34 (1980).
    """
    padded = pad(grid, u, axis, 1, values, constant_open_ends=True)
    n = grid.shape[axis]
    upstream = lax.slice_in_dim(padded, 0, n + 1, axis=axis + 1)
    downstream = lax.slice_in_dim(padded, 1, n + 2, axis=axis + 1)
    flux = right_going(upstream) + left_going(downstream)
    return jnp.diff(flux, axis=axis + 1) / grid.spacing[axis]


def hold_inflow(
    grid: Grid, rate: Inexact[Array, " channels *space"]
) -> Inexact[Array, " channels *space"]:
    """A rate of change with zeros on the nodes that an inflow side holds."""
    grid.check(rate, "rate")
    for axis, sides in enumerate(grid.boundary):
        for side, end in zip(sides, (0, -1), strict=True):
            if side.kind == "inflow":
                rim = (slice(None),) * (axis + 1) + (end,)
                rate = rate.at[rim].set(0)
    return rate


def _check_axis(grid: Grid, axis: int) -> None:
    require(0 <= axis < grid.ndim, f"axis must be in 0..{grid.ndim - 1}, got {axis}")


def _shifted(padded: Array, axis: int, start: int) -> Array:
    """`n` nodes of a field padded by one, counted from `start`."""
    return lax.slice_in_dim(
        padded, start, padded.shape[axis + 1] - 2 + start, axis=axis + 1
    )
