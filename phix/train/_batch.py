"""What one update sees of the data, and how its sums cross a mesh."""

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax

from phix._types import Array, Int, PyTree, Real
from phix.parallel import pad_batch


class Batch(eqx.Module):
    """Samples with a leading batch axis, their weights and their places in the batch.

    Inside a sharded update a batch is one device's part of the whole; `position` still
    counts through the whole batch, so that random keys do not depend on the number of
    devices, and `axis` names the mesh axis over which `reduce` sums.

    **Arguments:**

    - `samples`: any pytree of arrays with leading axis `batch`.
    - `weight`: weight of each sample, shape `(batch,)`; padding weighs zero.
    - `position`: place of each sample in the whole batch, shape `(batch,)`.
    - `axis`: name of the mesh axis the batch is split over, several, or `None`.
    """

    samples: PyTree
    weight: Real[Array, " batch"]
    position: Int[Array, " batch"]
    axis: str | tuple[str, ...] | None = eqx.field(static=True, default=None)

    def reduce(self, tree: PyTree) -> PyTree:
        """Sums `tree` over the devices that share this batch, in one all-reduce."""
        return tree if self.axis is None else fused_psum(tree, self.axis)

    def pad(self, multiple: int) -> "Batch":
        """Repeats the last sample with weight zero up to a multiple of `multiple`."""
        size = self.weight.shape[0]
        padded = pad_batch(self, multiple)
        real = jnp.arange(padded.weight.shape[0]) < size
        weight = jnp.where(real, padded.weight, 0)
        return Batch(padded.samples, weight, padded.position, self.axis)

    def part(self, axis: str, num_parts: int) -> "Batch":
        """This device's part of the batch, inside a `shard_map` over `axis`."""
        whole = self.pad(num_parts)
        size = whole.weight.shape[0] // num_parts
        start = lax.axis_index(axis) * size

        def mine(tree):
            return jtu.tree_map(
                lambda x: lax.dynamic_slice_in_dim(x, start, size), tree
            )

        own = mine(whole)
        return Batch(own.samples, own.weight, own.position, axis)


def fused_psum(tree: PyTree, axis: str | tuple[str, ...]) -> PyTree:
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
