"""A transformer from fields to fields, conditioned on a time."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.typing import DTypeLike

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.nn._convolution import from_patches, periodic_axes, to_patches
from phix.nn._decoder import bias_of
from phix.nn._field import AbstractFieldNetwork, check_grid, stacked, through, zeroed
from phix.nn._low_precision import at_least_float32
from phix.nn._waves import TimeEmbedding
from phix.space import Grid


class DiT(AbstractFieldNetwork):
    r"""A transformer $v(t, u)$, or $v(t, u, c)$ with a field c, of patches of the grid.

    Each block is attention and a perceptron, both with the scale, shift and gate that
    the time gives (adaLN-zero). Places enter by rotation of queries and keys: by whole
    waves of a periodic axis, so that the network commutes with shifts by whole patches;
    by half waves, and as inputs, of other axes. The blocks are one scan.

    **Arguments:**

    - `grid`: 1-D or 2-D; its axes divide by `patch`.
    - `channels`: of u and of v.
    - `cond_channels`: of c, 0 for none.
    - `patch`: nodes along each side of a patch.
    - `width`, `depth`, `heads`: of the tokens, number of blocks, heads of attention;
        the width divides by 2 · heads · (dimensions of the grid).
    - `key`: for the initial weights; gates and the last layer start at zero.
    - `dtype`: of the weights.
    - `remat`: whether a gradient computes the inside of each block anew instead of
        keeping it: more time, less memory.

    **Raises:** `ValueError` for a grid or a width that does not divide, or no depth.

    **Good values:** patch 4, width 128, depth 6, 4 heads for 32² nodes.

    ??? cite "Reference"
        Peebles, Xie, *Scalable diffusion models with transformers*, ICCV 2023; Su et
        al., *RoFormer*, Neurocomputing 2024, for the rotations.
    """

    time: TimeEmbedding
    first: eqx.nn.Linear
    blocks: "_Block"
    modulate: eqx.nn.Linear
    last: eqx.nn.Linear
    periodic: tuple[bool, ...] = eqx.field(static=True)
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
        patch: int = 4,
        width: int = 128,
        depth: int = 6,
        heads: int = 4,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
        remat: bool = False,
    ):
        require(
            min(channels, patch, width, depth, heads) >= 1 and cond_channels >= 0,
            "DiT needs channels, patch, width, depth and heads of at least 1 and "
            f"cond_channels of at least 0, got {channels}, {patch}, {width}, {depth}, "
            f"{heads} and {cond_channels}.",
        )
        require(
            width % (2 * heads * grid.ndim) == 0,
            f"`width` must divide by 2 · heads · {grid.ndim}; got {width} for {heads} "
            "heads",
        )
        check_grid(grid, patch, "patch")
        self.shape, self.patch, self.remat = tuple(grid.shape), patch, remat
        self.channels, self.cond_channels = channels, cond_channels
        self.periodic = periodic_axes(grid)
        cube, known = patch**grid.ndim, 2 * width
        into = (channels + cond_channels) * cube + self.periodic.count(False)
        one, two, three, four, five = jr.split(key, 5)

        def build(key):
            return _Block(width, heads, known, key=key, dtype=dtype)

        self.time = TimeEmbedding(known, key=one, dtype=dtype)
        self.first = eqx.nn.Linear(into, width, dtype=dtype, key=two)
        self.blocks = stacked(build, depth, three)
        self.modulate = zeroed(eqx.nn.Linear(known, 2 * width, dtype=dtype, key=four))
        self.last = zeroed(eqx.nn.Linear(width, channels * cube, dtype=dtype, key=five))

    def apply(
        self,
        x: Float[Array, " channels *space"],
        features: tuple[Array, ...],
        cond: Float[Array, "..."] | None,
    ) -> Float[Array, " channels *space"]:
        """The output at `x`, given the features."""
        patches = to_patches(self.given(x, cond), self.patch)
        places = _places(patches.shape[1:])
        tokens = patches.reshape(patches.shape[0], -1).T
        walled = [
            p for p, goes in zip(places.T, self.periodic, strict=True) if not goes
        ]
        beside = [jnp.asarray(2 * p[:, None] - 1, tokens.dtype) for p in walled]
        h = _linear(self.first, jnp.concatenate([tokens, *beside], axis=1))
        turns = rotations(places, self.periodic, self.blocks.size)
        angles = jnp.asarray(turns, jnp.promote_types(h.dtype, jnp.float32))
        h = through(self.blocks, h, *features, angles, remat=self.remat)
        scale, shift = jnp.split(self.modulate(features[0]), 2)
        h = _normed(h) * (1 + scale) + shift
        out = _linear(self.last, h).T
        return from_patches(out.reshape(-1, *patches.shape[1:]), self.patch)


class _Block(eqx.Module):
    project: eqx.nn.Linear
    join: eqx.nn.Linear
    widen: eqx.nn.Linear
    narrow: eqx.nn.Linear
    modulate: eqx.nn.Linear
    heads: int = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def __init__(self, width, heads, known, *, key, dtype):
        keys = jr.split(key, 5)

        def layer(into, out, key):
            return eqx.nn.Linear(into, out, dtype=dtype, key=key)

        self.project = layer(width, 3 * width, keys[0])
        self.join = layer(width, width, keys[1])
        self.widen = layer(width, 4 * width, keys[2])
        self.narrow = layer(4 * width, width, keys[3])
        self.modulate = zeroed(layer(known, 6 * width, keys[4]))
        self.heads, self.size = heads, width // heads

    def __call__(self, h: Array, time: Array, turns: Array) -> Array:
        a, b, gate, c, d, other = jnp.split(self.modulate(time), 6)
        h = h + gate * self._attend(_normed(h) * (1 + a) + b, turns)
        return h + other * self._think(_normed(h) * (1 + c) + d)

    def _attend(self, h: Array, turns: Array) -> Array:
        queries, keys, values = jnp.split(_linear(self.project, h), 3, axis=1)
        queries, keys, values = (
            x.reshape(-1, self.heads, self.size) for x in (queries, keys, values)
        )
        queries, keys = (_turned(x, turns) for x in (queries, keys))
        logits = jnp.einsum("ihc,jhc->hij", queries, keys) / math.sqrt(self.size)
        shares = jax.nn.softmax(at_least_float32(logits)).astype(h.dtype)
        mixed = jnp.einsum("hij,jhc->ihc", shares, values)
        return _linear(self.join, mixed.reshape(h.shape))

    def _think(self, h: Array) -> Array:
        return _linear(self.narrow, jax.nn.gelu(_linear(self.widen, h)))


def rotations(places: np.ndarray, periodic: Sequence[bool], size: int) -> np.ndarray:
    """Angles of the pairs of numbers in a head: 1, 2, … waves along each axis in turn,
    whole on periodic axes, half on others.

    - `places`: of the tokens in the unit cube, `"tokens dim"`.
    - `size`: numbers in a head.

    Returns `"tokens pairs"`.
    """
    per_axis = size // 2 // len(periodic)
    waves = np.arange(1, per_axis + 1) * np.pi
    return np.concatenate(
        [
            place[:, None] * waves * (2 if goes else 1)
            for place, goes in zip(places.T, periodic, strict=True)
        ],
        axis=1,
    )


def _places(shape: tuple[int, ...]) -> np.ndarray:
    """Of the tokens, in [0, 1)."""
    axes = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def _turned(x: Array, turns: Array) -> Array:
    one, other = jnp.split(x, 2, axis=-1)
    cos, sin = (f(turns)[:, None].astype(x.dtype) for f in (jnp.cos, jnp.sin))
    return jnp.concatenate([one * cos - other * sin, one * sin + other * cos], axis=-1)


def _normed(h: Array) -> Array:
    """Mean 0 and deviation 1 of each token."""
    full = at_least_float32(h)
    full = full - jnp.mean(full, axis=-1, keepdims=True)
    size = jnp.sqrt(jnp.mean(full**2, axis=-1, keepdims=True) + 1e-6)
    return (full / size).astype(h.dtype)


def _linear(layer: eqx.nn.Linear, h: Array) -> Array:
    return h @ layer.weight.T + bias_of(layer)
