"""What networks from fields to fields share: their grid, and blocks in a scan."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray, PyTree, RealScalar
from phix.nn._dynamics import AbstractConditioned
from phix.nn._waves import TimeEmbedding
from phix.space import Grid


class AbstractFieldNetwork(AbstractConditioned):
    """A network from fields on a grid to fields on it, conditioned on time and fields.

    - `time`: the embedding of the time.
    - `shape`, `channels`, `cond_channels`: of the fields and of the conditions.
    """

    time: eqx.AbstractVar[TimeEmbedding]
    shape: eqx.AbstractVar[tuple[int, ...]]
    channels: eqx.AbstractVar[int]
    cond_channels: eqx.AbstractVar[int]

    def features(
        self, t: RealScalar, cond: Float[Array, "..."] | None
    ) -> tuple[Array, ...]:
        """The embedding of the time."""
        del cond
        return (self.time(t),)

    def given(
        self, x: Float[Array, " channels *space"], cond: Float[Array, "..."] | None
    ) -> Float[Array, " all *space"]:
        """The field and its conditions, if they have the shapes it was built for."""
        require(
            x.shape == (self.channels, *self.shape),
            f"`x` must have shape {(self.channels, *self.shape)}, as the network was "
            f"built for; got {x.shape}; vmap over many fields",
        )
        wanted = (self.cond_channels, *self.shape) if self.cond_channels else None
        shape = None if cond is None else cond.shape
        require(
            shape == wanted,
            f"`cond` must have shape {wanted}, as the network was built for; got "
            f"{shape}",
        )
        return x if cond is None else jnp.concatenate([x, cond])


def check_grid(grid: Grid, divisor: int, name: str) -> None:
    """Refuses grids of three dimensions, and axes that do not divide."""
    require(grid.ndim in (1, 2), f"`grid` must be 1-D or 2-D, got shape {grid.shape}")
    bad = [n for n in grid.shape if n % divisor]
    require(
        not bad,
        f"`grid`: every axis must divide by {divisor} ({name}); got shape {grid.shape}",
    )


def stacked(build: Callable, count: int, key: PRNGKeyArray) -> PyTree:
    """Equal blocks of different weights as one, with a leading axis."""
    return eqx.filter_vmap(build)(jr.split(key, count))


def through(blocks: PyTree, h: Array, *others: Array, remat: bool) -> Array:
    """A field through stacked blocks, one after the other; compiled once. With `remat`
    a gradient keeps what goes into each block and no more."""
    arrays, static = eqx.partition(blocks, eqx.is_array)

    def step(h, block):
        return eqx.combine(block, static)(h, *others), None

    # In a scan XLA cannot merge the second computation with the first.
    step = jax.checkpoint(step, prevent_cse=False) if remat else step
    return lax.scan(step, h, arrays)[0]


def zeroed(layer: PyTree) -> PyTree:
    """The layer with weights of zero."""
    return jax.tree.map(lambda x: x * 0, layer)
