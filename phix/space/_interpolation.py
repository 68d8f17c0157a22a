"""Multilinear interpolation between the nodes of a uniform grid."""

import itertools

import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Bool, Float, Inexact
from phix.space._boundary import Boundary


def multilinear(
    u: Inexact[Array, " channels *space"], position: Float[Array, "points dim"]
) -> Inexact[Array, "channels points"]:
    """`u` at fractional node numbers `position`."""
    last_cell = jnp.asarray([n - 2 for n in u.shape[1:]])
    cell = jnp.clip(jnp.floor(position).astype(last_cell.dtype), 0, last_cell)
    fraction = (position - cell).astype(jnp.finfo(u.dtype).dtype)
    total = jnp.zeros((), u.dtype)
    for corner in itertools.product((0, 1), repeat=position.shape[1]):
        nodes = tuple(cell[:, axis] + up for axis, up in enumerate(corner))
        weight = jnp.ones((), fraction.dtype)
        for axis, up in enumerate(corner):
            weight = weight * (fraction[:, axis] if up else 1 - fraction[:, axis])
        total = total + weight * u[(slice(None), *nodes)]
    return total


def wrap(
    x: Float[Array, " points"], low: float, high: float, boundary: Boundary
) -> tuple[Float[Array, " points"], Array | float, Array | float]:
    """A coordinate brought back into its period, with the sign and the number of
    constants that the field gains on the way."""
    turns = jnp.floor((x - low) / (high - low))
    inside = x - turns * (high - low)
    if boundary.kind == "antiperiodic":
        return inside, 1 - 2 * jnp.mod(turns, 2), 0.0
    return inside, 1.0, turns if boundary.kind == "twisted" else 0.0


def is_inside(
    x: Float[Array, " points"], low: float, high: float
) -> Bool[Array, " points"]:
    """Whether a coordinate lies in the box, up to the rounding of its precision."""
    slack = 8 * float(jnp.finfo(x.dtype).eps) * (abs(low) + abs(high))
    if is_concrete(x):
        outside = np.asarray((x < low - slack) | (x > high + slack))
        require(
            not outside.any(),
            f"x: {outside.sum()} of {outside.size} points lie outside [{low}, {high}]",
        )
    return (x >= low - slack) & (x <= high + slack)
