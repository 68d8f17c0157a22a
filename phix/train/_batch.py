"""What one update sees of the data, and how its sums cross a mesh."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax

from phix._types import Array, Int, PyTree, Real


class Batch(eqx.Module):
    """Samples with a leading batch axis, their weights and their places in the batch.

    Inside a sharded update a batch is one device's part of the whole; `position` still
    counts through the whole batch, so that random keys do not depend on the number of
    devices, and `axis` names the mesh axis over which `reduce` sums.

    **Arguments:**

    - `samples`: any pytree of arrays with leading axis `batch`.
    - `weight`: weight of each sample, shape `(batch,)`; padding weighs zero.
    - `position`: place of each sample in the whole batch, shape `(batch,)`.
    - `axis`: name of the mesh axis the batch is split over, or `None`.
    """

    samples: PyTree
    weight: Real[Array, " batch"]
    position: Int[Array, " batch"]
    axis: str | None = eqx.field(static=True, default=None)

    def reduce(self, tree: PyTree) -> PyTree:
        """Sums `tree` over the devices that share this batch, in one all-reduce."""
        return tree if self.axis is None else fused_psum(tree, self.axis)

    def pad(self, multiple: int) -> "Batch":
        """Repeats the last sample with weight zero up to a multiple of `multiple`."""
        size = self.weight.shape[0]
        extra = -size % multiple
        if extra == 0:
            return self
        index = jnp.minimum(jnp.arange(size + extra), size - 1)
        weight = jnp.concatenate([self.weight, jnp.zeros(extra, self.weight.dtype)])
        samples = jtu.tree_map(lambda x: jnp.take(x, index, axis=0), self.samples)
        position = jnp.take(self.position, index)
        return Batch(samples, weight, position, self.axis)

    def part(self, axis: str, num_parts: int) -> "Batch":
        """This device's part of the batch, inside a `shard_map` over `axis`."""
        whole = self.pad(num_parts)
        size = whole.weight.shape[0] // num_parts
        start = lax.axis_index(axis) * size
        arrays = (whole.samples, whole.weight, whole.position)
        arrays = jtu.tree_map(
            lambda x: lax.dynamic_slice_in_dim(x, start, size), arrays
        )
        return Batch(*arrays, axis)


def fused_psum(tree: PyTree, axis: str) -> PyTree:
    """`lax.psum` of a pytree with one reduction for each dtype in it."""
    leaves, treedef = jtu.tree_flatten(jtu.tree_map(jnp.asarray, tree))
    out: list = [None] * len(leaves)
    for dtype in sorted({leaf.dtype.name for leaf in leaves}):
        places = [i for i, leaf in enumerate(leaves) if leaf.dtype.name == dtype]
        flat = jnp.concatenate([leaves[i].ravel() for i in places])
        flat = lax.psum(flat, axis)
        offset = 0
        for i in places:
            size = leaves[i].size
            part = lax.slice(flat, (offset,), (offset + size,))
            out[i] = part.reshape(leaves[i].shape)
            offset += size
    return jtu.tree_unflatten(treedef, out)


def batch_of(samples: PyTree, weight: Array | None = None) -> Batch:
    """A batch of all `samples`, weighing one each unless told."""
    size = jax.tree.leaves(samples)[0].shape[0]
    weight = jnp.ones(size) if weight is None else weight
    return Batch(samples, weight, jnp.arange(size, dtype=jnp.int32))
