"""What networks from fields to fields share: their grid, and blocks in a scan."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.random as jr
from jax import lax

from phix._errors import require
from phix._types import Array, PRNGKeyArray, PyTree
from phix.space import Grid


def check_grid(grid: Grid, divisor: int, name: str) -> None:
    """Refuses grids of three dimensions, and axes that do not divide."""
    require(grid.ndim in (1, 2), f"`grid` must be 1-D or 2-D, got shape {grid.shape}")
    bad = [n for n in grid.shape if n % divisor]
    require(
        not bad,
        f"`grid`: every axis must divide by {divisor} ({name}); got shape {grid.shape}",
    )


def check_field(
    x: Array, cond: Array | None, channels: int, cond_channels: int, shape: tuple
) -> None:
    """Refuses a field or conditions of another shape than the network was built for."""
    require(
        x.shape == (channels, *shape),
        f"`x` must have shape {(channels, *shape)}, as the network was built for; got "
        f"{x.shape}; vmap over many fields",
    )
    wanted = (cond_channels, *shape) if cond_channels else None
    given = None if cond is None else cond.shape
    require(
        given == wanted,
        f"`cond` must have shape {wanted}, as the network was built for; got {given}",
    )


def stacked(build: Callable, count: int, key: PRNGKeyArray) -> PyTree:
    """Equal blocks of different weights as one, with a leading axis."""
    return eqx.filter_vmap(build)(jr.split(key, count))


def through(blocks: PyTree, h: Array, *others: Array) -> Array:
    """A field through stacked blocks, one after the other; compiled once."""
    arrays, static = eqx.partition(blocks, eqx.is_array)

    def step(h, block):
        return eqx.combine(block, static)(h, *others), None

    return lax.scan(step, h, arrays)[0]


def zeroed(layer: PyTree) -> PyTree:
    """The layer with weights of zero."""
    return jax.tree.map(lambda x: x * 0, layer)
