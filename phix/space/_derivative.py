"""Derivatives at the nodes by FFT, along every axis whose sides are glued together."""

import math

import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix._types import Array, Inexact
from phix.space._grid import Grid


def spectral_derivative(
    grid: Grid, u: Inexact[Array, " channels *space"], axis: int = 0
) -> Inexact[Array, " channels *space"]:
    r"""$\partial u/\partial x_a$ at the nodes, exact for every wave of the grid.

    Along periodic, antiperiodic and twisted axes; the derivative of a twisted field is
    periodic. Two FFTs.

    **Arguments:**

    - `grid`: the grid of `u`.
    - `u`: a field `"channels *space"`.
    - `axis`: which axis of space.

    **Returns:** the derivative, shaped as `u`. That of the wave n/2 of an even number
    of nodes on a periodic axis is zero.

    **Raises:** `ValueError` for another shape, or an axis with walls or open ends.
    """
    grid.check(u)
    side = grid.boundary[axis][0]
    require(
        side.paired,
        f"axis {axis} is {side.kind}: the spectral derivative wants periodic, "
        "antiperiodic or twisted sides; use phix.space.derivative",
    )
    n, length = grid.shape[axis], grid.lengths[axis]
    half = 0.5 if side.kind == "antiperiodic" else 0.0
    waves = np.fft.fftfreq(n, 1 / n) + half
    waves = np.where((2 * np.abs(waves) == n) & (half == 0), 0, waves)
    # An antiperiodic field is a periodic one times half a turn.
    turn = np.exp(-2j * math.pi * half * np.arange(n) / n)
    kind = jnp.result_type(u.dtype, jnp.complex64)
    turn, symbol = (
        jnp.asarray(table, kind) for table in (turn, 2j * math.pi / length * waves)
    )
    u = jnp.moveaxis(u, axis + 1, -1)
    slope = jnp.asarray(np.atleast_1d(side.shift), u.dtype) / length
    slope = slope.reshape(-1, *(1,) * grid.ndim)
    periodic = u - slope * jnp.arange(n, dtype=u.dtype) * (length / n)
    out = jnp.conj(turn) * jnp.fft.ifft(symbol * jnp.fft.fft(turn * periodic))
    out = (out if jnp.iscomplexobj(u) else out.real) + slope
    return jnp.moveaxis(out, -1, axis + 1)
