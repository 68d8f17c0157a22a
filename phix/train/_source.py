"""Where batches come from: data on the device, drawn as a pure function of the step."""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
from jax import lax

from phix._errors import require
from phix._types import Array, Bool, Int, IntScalar, PRNGKeyArray, PyTree, Real
from phix.parallel import batch_size as count_rows
from phix.train._batch import Batch


class AbstractSource(eqx.Module):
    """Draws the batch of a step; pure, so the data position of a run is its step."""

    @abc.abstractmethod
    def draw(self, step: IntScalar, *, key: PRNGKeyArray) -> Batch:
        """The batch of update number `step`; `key` is the same for the whole run."""


class AbstractEpochs(AbstractSource):
    """A source whose every epoch visits each sample exactly once, in an order drawn for
    that epoch.

    If the batch size does not divide the number of samples, the last batch of an epoch
    is filled up with samples of weight zero. The order costs O(batch): it is a keyed
    bijection (see `shuffled`), never a sorted array of all samples.
    """

    batch_size: eqx.AbstractVar[int]

    @property
    @abc.abstractmethod
    def num_samples(self) -> int:
        """Number of samples in an epoch."""

    @property
    def num_batches(self) -> int:
        """Number of batches in an epoch."""
        return math.ceil(self.num_samples / self.batch_size)

    def index(self, step: IntScalar, *, key: PRNGKeyArray) -> Int[Array, " batch"]:
        """Which samples the batch of a step is made of; what fills it up included."""
        if self.batch_size == self.num_samples:
            return jnp.arange(self.num_samples, dtype=jnp.int32)
        rank = jnp.minimum(self._rank(step), self.num_samples - 1)
        epoch = jnp.asarray(step, jnp.int32) // self.num_batches
        return shuffled(rank, self.num_samples, key=jr.fold_in(key, epoch))

    def inside(self, step: IntScalar) -> Bool[Array, " batch"]:
        """Which places of the batch of a step are not there to fill it up."""
        return self._rank(step) < self.num_samples

    def _rank(self, step: IntScalar) -> Int[Array, " batch"]:
        """Places in the epoch, those beyond its end included."""
        place = jnp.asarray(step, jnp.int32) % self.num_batches
        return place * self.batch_size + jnp.arange(self.batch_size, dtype=jnp.int32)


class ArraySource(AbstractEpochs):
    """Batches of samples held in arrays on the device.

    **Arguments:**

    - `samples`: any pytree of arrays with the same leading axis.
    - `batch_size`: samples in a batch; `None` takes all, in their own order.
    - `weight`: weight of each sample in the mean, shape `(samples,)`; ones if `None`.

    **Raises:** `ValueError` if the leading axes differ or the batch size is not
    positive.
    """

    samples: PyTree
    weight: Real[Array, " samples"]
    batch_size: int = eqx.field(static=True)

    def __init__(
        self,
        samples: PyTree,
        batch_size: int | None = None,
        *,
        weight: Real[Array, " samples"] | None = None,
    ):
        samples = jtu.tree_map(jnp.asarray, samples)
        num_samples = count_rows(samples, name="samples")
        require(num_samples > 0, "samples: the leading axis is empty.")
        if weight is None:
            weight = jnp.ones(num_samples, real_dtype(samples))
        require(
            weight.shape == (num_samples,),
            f"weight: got shape {weight.shape}; wanted ({num_samples},).",
        )
        self.samples = samples
        self.weight = weight
        self.batch_size = checked_size(batch_size, num_samples)

    @property
    def num_samples(self) -> int:
        """Number of samples in an epoch."""
        return self.weight.shape[0]

    def draw(self, step: IntScalar, *, key: PRNGKeyArray) -> Batch:
        position = jnp.arange(self.batch_size, dtype=jnp.int32)
        if self.batch_size == self.num_samples:
            return Batch(self.samples, self.weight, position)
        index = self.index(step, key=key)
        samples, weight = jtu.tree_map(
            lambda x: jnp.take(x, index, axis=0), (self.samples, self.weight)
        )
        return Batch(samples, jnp.where(self.inside(step), weight, 0), position)


def checked_size(batch_size: int | None, num_samples: int) -> int:
    """The size of batches of so many samples: all of them if `None`."""
    size = num_samples if batch_size is None else batch_size
    require(
        size > 0,
        f"batch_size: got {batch_size}; give a positive number, or None for all.",
    )
    return min(size, num_samples)


def shuffled(
    rank: Int[Array, " n"], num_samples: int, *, key: PRNGKeyArray
) -> Int[Array, " n"]:
    """Where a keyed permutation of `num_samples` sends each `rank`, in O(n).

    A Feistel network on pairs (l, r) in Z_a x Z_b with ab >= num_samples, walked on
    until it lands inside. A pair of rounds is l += F(r) mod a, r += F(l) mod b, hence
    a bijection whatever the hash F.

    **Arguments:**

    - `rank`: integers in `[0, num_samples)`.
    - `num_samples`: size of the permutation.
    - `key`: names the permutation.

    **Returns:** distinct integers in `[0, num_samples)` for distinct ranks.

    ??? cite "Reference"
        Black and Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002.
    """
    a = math.isqrt(num_samples - 1) + 1
    b = -(-num_samples // a)
    rounds = jr.bits(key, (8, 2), jnp.uint32)

    def permute(x):
        left, right = x // b, x % b
        for mix_left, mix_right in rounds:
            left = (left + _hash(right ^ mix_left) % a) % a
            right = (right + _hash(left ^ mix_right) % b) % b
        return left * b + right

    def outside(x):
        return jnp.any(x >= num_samples)

    def walk(x):
        return jnp.where(x >= num_samples, permute(x), x)

    a, b = jnp.uint32(a), jnp.uint32(b)
    index = lax.while_loop(outside, walk, permute(rank.astype(jnp.uint32)))
    return index.astype(jnp.int32)


def _hash(x: Array) -> Array:
    """Mixes the bits of unsigned 32-bit integers (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def real_dtype(samples: PyTree) -> jnp.dtype:
    """The real dtype that goes with the samples; float32 if none is inexact."""
    dtypes = [x.dtype for x in jax.tree.leaves(samples) if eqx.is_inexact_array(x)]
    if not dtypes:
        return jnp.dtype(jnp.float32)
    return jnp.finfo(jnp.result_type(*dtypes)).dtype
