"""Convolutions on grids, as matrix products of shifted fields."""

import itertools
import math
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jax.typing import DTypeLike

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.space import Grid


def periodic_axes(grid: Grid) -> tuple[bool, ...]:
    """Which axes of a grid close upon themselves."""
    return tuple(
        all(side.kind == "periodic" for side in sides) for sides in grid.boundary
    )


class Convolution(eqx.Module):
    r"""$y_o(x) = b_o + \sum_{c,s} W_{ocs}\,u_c(x + s)$, offsets s on a small cube.

    On periodic axes the field goes round: the output of a shifted field is the shifted
    output. On others it is zero beyond the ends.

    One matrix product for all offsets along the last axis, summed over those along the
    others: within a scan XLA's own convolution is slow on CPUs.

    **Arguments:**

    - `channels`: of the input and of the output.
    - `periodic`: one flag for each axis of space.
    - `size`: of the cube, odd.
    - `key`: for the initial weights, uniform in ±1/√fan_in.
    - `dtype`: of the weights.

    **Raises:** `ValueError` for an even size, or no axis.
    """

    weight: Float[Array, "out into *kernel"]
    bias: Float[Array, " out"]
    periodic: tuple[bool, ...] = eqx.field(static=True)

    def __init__(
        self,
        channels: tuple[int, int],
        periodic: Sequence[bool],
        *,
        size: int = 3,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        require(size >= 1 and size % 2 == 1, f"`size` must be odd; got {size}")
        require(len(periodic) >= 1, "`periodic` must have a flag for each axis")
        self.periodic = tuple(map(bool, periodic))
        into, out = channels
        limit = 1 / math.sqrt(into * size ** len(periodic))
        one, other = jr.split(key)
        shape = (out, into, *[size] * len(periodic))
        dtype = jnp.result_type(float) if dtype is None else dtype
        self.weight = jr.uniform(one, shape, dtype, -limit, limit)
        self.bias = jr.uniform(other, (out,), dtype, -limit, limit)

    def __call__(self, u: Float[Array, " in *space"]) -> Float[Array, " out *space"]:
        """The field of the output channels, on the same nodes."""
        out, into, *_, size = self.weight.shape
        ndim, reach = len(self.periodic), size // 2
        require(
            u.ndim == 1 + ndim and u.shape[0] == into,
            f"a convolution of {into} channels on {ndim} axes got shape {u.shape}",
        )
        space, last = u.shape[1:], u.shape[-1]
        for axis, periodic in enumerate(self.periodic):
            width = [(0, 0)] * u.ndim
            width[1 + axis] = (reach, reach)
            u = jnp.pad(u, width, mode="wrap" if periodic else "constant")
        beside = jnp.concatenate([u[..., s : s + last] for s in range(size)])
        # The offsets along the other axes become channels of the product.
        kernel = jnp.moveaxis(self.weight, (0, 1), (-3, -1)).reshape(-1, size * into)
        shifted = jnp.tensordot(kernel, beside, 1)
        shifted = shifted.reshape(*[size] * (ndim - 1), out, *shifted.shape[1:])
        total = self.bias.reshape(-1, *[1] * ndim)
        for offset in itertools.product(range(size), repeat=ndim - 1):
            cut = (slice(s, s + n) for s, n in zip(offset, space, strict=False))
            total = total + shifted[offset][(slice(None), *cut)]
        return total


def to_patches(u: Float[Array, "..."], patch: int) -> Float[Array, "..."]:
    """Cubes of `patch` nodes a side become channels, `patch` times fewer nodes."""
    channels, *space = u.shape
    split = [part for n in space for part in (n // patch, patch)]
    u = u.reshape(channels, *split)
    ndim = len(space)
    inner, outer = (tuple(range(first, 2 * ndim + 1, 2)) for first in (2, 1))
    u = u.transpose(0, *inner, *outer)
    return u.reshape(channels * patch**ndim, *(n // patch for n in space))


def from_patches(u: Float[Array, "..."], patch: int) -> Float[Array, "..."]:
    """The inverse of `to_patches`."""
    channels, *space = u.shape
    ndim = len(space)
    u = u.reshape(channels // patch**ndim, *[patch] * ndim, *space)
    mixed = [axis for a in range(ndim) for axis in (1 + ndim + a, 1 + a)]
    return u.transpose(0, *mixed).reshape(-1, *(n * patch for n in space))
