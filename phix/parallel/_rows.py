"""The leading axis that samples of a batch share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from phix._errors import require
from phix._types import PyTree


def batch_size(tree: PyTree, *, name: str = "tree") -> int:
    """Length of the leading axis common to all arrays of a pytree.

    **Arguments:**

    - `tree`: a pytree; what is not an array is left out.
    - `name`: what an error calls it.

    **Raises:** `ValueError` if the arrays have no common leading axis.
    """
    shapes = [x.shape for x in jax.tree.leaves(tree) if eqx.is_array(x)]
    same = len({shape[:1] for shape in shapes}) == 1 and shapes[0] != ()
    require(
        same,
        f"{name}: every array needs the same leading batch axis; got shapes {shapes}.",
    )
    return shapes[0][0]


def pad_batch(tree: PyTree, multiple: int) -> PyTree:
    """Repeats the last row of every array up to a multiple of `multiple` rows.

    **Arguments:**

    - `tree`: a pytree of arrays with a common leading axis.
    - `multiple`: usually a number of devices.
    """
    size = batch_size(tree)
    if size % multiple == 0:
        return tree
    index = jnp.minimum(jnp.arange(size + -size % multiple), size - 1)
    return jtu.tree_map(lambda x: jnp.take(x, index, axis=0), tree)
