"""A U-Net from fields to fields, conditioned on a time."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.typing import DTypeLike

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.nn._convolution import Convolution, from_patches, periodic_axes, to_patches
from phix.nn._field import AbstractFieldNetwork, check_grid, stacked, through, zeroed
from phix.nn._waves import TimeEmbedding
from phix.space import Grid


class UNet(AbstractFieldNetwork):
    r"""A U-Net $v(t, u)$, or $v(t, u, c)$ with a field c: residual blocks of two
    convolutions, on nodes that grow coarser and fine again.

    $$h \leftarrow h + W_2 * \mathrm{silu}\big(a(t)\,N(W_1 * \mathrm{silu}(N h)) +
    b(t)\big)$$

    with N a group normalisation. On a periodic axis the network goes round: it commutes
    with shifts by `patch` · 2^(levels − 1) nodes. On other axes fields are zero beyond
    the ends, whence it knows where it is. The blocks of one level are one scan.

    **Arguments:**

    - `grid`: 1-D or 2-D; its axes divide by `patch` · 2^(levels − 1).
    - `channels`: of u and of v.
    - `cond_channels`: of c, 0 for none.
    - `widths`: channels of each level, finest first, multiples of 4.
    - `depth`: blocks of a level, on the way down and up.
    - `patch`: cubes of so many nodes a side that are one node of the finest level; 1
        is best, 2 costs a quarter in 2-D.
    - `key`: for the initial weights; the last layer starts at zero, as a predictor that
        knows nothing.
    - `dtype`: of the weights.
    - `remat`: whether a gradient computes the inside of each block anew instead of
        keeping it: more time, less memory.

    **Raises:** `ValueError` for a grid that does not divide, widths that do not, or no
    depth.

    **Good values:** widths (32, 64), depth 2 and patch 2 for 32² nodes on two cores.

    ??? cite "Reference"
        Ronneberger, Fischer, Brox, *U-Net*, MICCAI 2015; Ho, Jain, Abbeel, *Denoising
        diffusion probabilistic models*, NeurIPS 2020, for the time.
    """

    time: TimeEmbedding
    first: Convolution
    down: tuple["_Block", ...]
    coarser: tuple[Convolution, ...]
    middle: "_Block"
    finer: tuple[Convolution, ...]
    up: tuple["_Block", ...]
    norm: eqx.nn.GroupNorm
    last: Convolution
    shape: tuple[int, ...] = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    cond_channels: int = eqx.field(static=True)
    patch: int = eqx.field(static=True)
    remat: bool = eqx.field(static=True)

    def __init__(
        self,
        grid: Grid,
        channels: int = 1,
        cond_channels: int = 0,
        *,
        widths: tuple[int, ...] = (32, 64),
        depth: int = 2,
        patch: int = 1,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
        remat: bool = False,
    ):
        require(
            min(channels, depth, patch, len(widths)) >= 1 and cond_channels >= 0,
            "UNet needs channels, depth, patch and widths of at least 1 and "
            f"cond_channels of at least 0, got {channels}, {depth}, {patch}, {widths} "
            f"and {cond_channels}.",
        )
        require(
            all(w >= 4 and w % 4 == 0 for w in widths),
            f"`widths` must be multiples of 4; got {widths}",
        )
        check_grid(grid, patch * 2 ** (len(widths) - 1), "patch · 2^(levels − 1)")
        self.shape, self.patch, self.remat = tuple(grid.shape), patch, remat
        self.channels, self.cond_channels = channels, cond_channels
        keys = iter(jr.split(key, 4 * len(widths) + 4))
        periodic, cube = periodic_axes(grid), patch**grid.ndim
        known = 4 * max(widths)

        def layer(into, out, size=1):
            return Convolution(
                (into, out), periodic, size=size, key=next(keys), dtype=dtype
            )

        def blocks(width):
            def build(key):
                return _Block(width, known, periodic, key=key, dtype=dtype)

            return stacked(build, depth, next(keys))

        self.time = TimeEmbedding(known, key=next(keys), dtype=dtype)
        self.first = layer((channels + cond_channels) * cube, widths[0], size=3)
        steps, halves = list(itertools.pairwise(widths)), 2**grid.ndim
        self.down = tuple(blocks(w) for w in widths[:-1])
        self.coarser = tuple(layer(halves * a, b) for a, b in steps)
        self.middle = blocks(widths[-1])
        # To the finer nodes, beside what was there on the way down.
        self.finer = tuple(layer(a + b // halves, a) for a, b in steps[::-1])
        self.up = tuple(blocks(w) for w in widths[-2::-1])
        self.norm = _norm(widths[0], dtype)
        self.last = zeroed(layer(widths[0], channels * cube, size=3))

    def apply(
        self,
        x: Float[Array, " channels *space"],
        features: tuple[Array, ...],
        cond: Float[Array, "..."] | None,
    ) -> Float[Array, " channels *space"]:
        """The output at `x`, given the features."""
        h, left = self.first(to_patches(self.given(x, cond), self.patch)), []
        for blocks, coarser in zip(self.down, self.coarser, strict=True):
            h = through(blocks, h, *features, remat=self.remat)
            left.append(h)
            h = coarser(to_patches(h, 2))
        h = through(self.middle, h, *features, remat=self.remat)
        for blocks, finer in zip(self.up, self.finer, strict=True):
            h = finer(jnp.concatenate([left.pop(), from_patches(h, 2)]))
            h = through(blocks, h, *features, remat=self.remat)
        return from_patches(self.last(jax.nn.silu(self.norm(h))), self.patch)


class _Block(eqx.Module):
    norms: tuple[eqx.nn.GroupNorm, eqx.nn.GroupNorm]
    convolutions: tuple[Convolution, Convolution]
    time: eqx.nn.Linear

    def __init__(self, width, known, periodic, *, key, dtype):
        one, two, three = jr.split(key, 3)
        self.norms = (_norm(width, dtype), _norm(width, dtype))
        choices = {"periodic": periodic, "dtype": dtype}
        self.convolutions = (
            Convolution((width, width), **choices, key=one),
            Convolution((width, width), **choices, key=two),
        )
        self.time = eqx.nn.Linear(known, 2 * width, dtype=dtype, key=three)

    def __call__(self, h: Array, time: Array) -> Array:
        scale, shift = jnp.split(self.time(time), 2)
        column = (-1,) + (1,) * (h.ndim - 1)
        first, second = self.convolutions
        inner = self.norms[1](first(jax.nn.silu(self.norms[0](h))))
        inner = inner * (1 + scale.reshape(column)) + shift.reshape(column)
        return h + second(jax.nn.silu(inner))


def _norm(width: int, dtype: DTypeLike | None) -> eqx.nn.GroupNorm:
    return eqx.nn.GroupNorm(4, width, dtype=dtype)
