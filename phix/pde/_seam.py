"""Whether a field and its potential suit the seams of a grid."""

import math

import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float
from phix.pde._potentials import AbstractPotential
from phix.space import Grid


def seam(
    grid: Grid, phi: Float[Array, " 1 *space"], axis: int
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The largest step of φ across the seam of an axis, and what is allowed.

    Twice the largest step between neighbours is allowed: a kink on sides that do not
    fit its charge jumps by far more. Sides that are not glued have no seam.
    """
    side = grid.boundary[axis][0]
    if not side.paired or grid.shape[axis] < 3:
        return jnp.zeros((), phi.dtype), jnp.ones((), phi.dtype)
    u = jnp.moveaxis(phi, axis + 1, -1)
    sign = -1 if side.kind == "antiperiodic" else 1
    beyond = sign * u[..., 0] + float(grid.twist[0, axis])
    inside = jnp.max(jnp.abs(jnp.diff(u, axis=-1)))
    rounding = 64 * jnp.finfo(phi.dtype).eps * (1 + jnp.max(jnp.abs(u)))
    return jnp.max(jnp.abs(beyond - u[..., -1])), 2 * inside + rounding


def require_fitting(grid: Grid, phi: Float[Array, " 1 *space"], axis: int) -> None:
    """Raises `ValueError` for a φ that jumps at a seam, naming the sides that fit."""
    gap, allowed = seam(grid, phi, axis)
    if bool(gap <= allowed):
        return
    u = np.moveaxis(np.asarray(phi), axis + 1, -1)
    first, last = u[..., 0], u[..., -1]
    turns = round(float(np.mean(last - first)) / (2 * math.pi))
    sides = {
        "'periodic'": first,
        "'antiperiodic'": -first,
        f"Twisted({2 * turns} * math.pi)": first + 2 * math.pi * turns,
    }
    fitting = [
        name
        for name, beyond in sides.items()
        if np.abs(beyond - last).max() <= float(allowed)
        and (turns != 0 or "Twisted" not in name)
    ]
    remedy = (
        f"it fits boundary={fitting[0]}"
        if fitting
        else "take a longer box, or a pair of kinks (kink_antikink)"
    )
    raise ValueError(
        f"u does not fit the grid: along axis {axis}, which is "
        f"{grid.boundary[axis][0].kind}, phi jumps by {float(gap):.3g} at the seam and "
        f"by at most {float(allowed) / 2:.3g} between neighbours; {remedy}"
    )


def require_symmetric(grid: Grid, potential: AbstractPotential) -> None:
    """Raises `ValueError` unless V looks alike on both sides of every seam."""
    phi = jnp.asarray([-1.3, -0.4, 0.0, 0.6, 1.7])
    for axis, (left, _) in enumerate(grid.boundary):
        if left.kind not in ("antiperiodic", "twisted"):
            continue
        gain = float(grid.twist[0, axis])
        there = -phi if left.kind == "antiperiodic" else phi + gain
        here, beyond = potential(phi), potential(there)
        if not is_concrete(here, beyond):
            continue
        wanted = (
            "be even, V(-phi) = V(phi)"
            if left.kind == "antiperiodic"
            else f"repeat, V(phi + {gain:.6g}) = V(phi)"
        )
        require(
            bool(jnp.allclose(here, beyond, rtol=1e-4, atol=1e-5)),
            f"potential does not suit axis {axis}, which is {left.kind}: V must "
            f"{wanted}",
        )
