"""A look at every point first, so that only those with a hope are run."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax

from phix._errors import Result
from phix._types import Array, Bool, PyTree


def screened(fn: Callable, hopeless: Callable, chunk: int) -> Callable:
    """`vmap` of `fn`, chunk by chunk, over the rows for which `hopeless` is not true.

    The others are moved out of the way first, so that they cost no chunk: their code is
    `Result.hopeless`, their numbers are NaN, or zero where they are integers.

    **Arguments:**

    - `fn`: `fn(*row) -> (code, arrays)`, of one row.
    - `hopeless`: `hopeless(*row) -> bool`.
    - `chunk`: rows at a time.

    **Returns:** `run(*rows)`, of arrays with a leading axis, which gives what
    `vmap(fn)` would.
    """

    def run(*rows: PyTree) -> PyTree:
        size = jtu.tree_leaves(rows)[0].shape[0]
        bad = _judged(hopeless, rows, chunk)
        order = jnp.argsort(bad, stable=True)
        count = size - jnp.sum(bad)
        one = jtu.tree_map(lambda x: x[0], rows)
        blank = jtu.tree_map(lambda s: _blank(s, size), jax.eval_shape(fn, *one))
        codes = jnp.full_like(blank[0], Result.hopeless)

        def body(loop):
            done, out = loop
            place = done + jnp.arange(chunk)
            mine = order[jnp.minimum(place, count - 1)]
            found = jax.vmap(fn)(*jtu.tree_map(lambda x: x[mine], rows))
            # The last with a hope fills the chunk, and is written once.
            at = jnp.where(place < count, mine, size)
            out = jtu.tree_map(lambda x, y: x.at[at].set(y, mode="drop"), out, found)
            return done + chunk, out

        start = (jnp.zeros((), count.dtype), (codes, *blank[1:]))
        return lax.while_loop(lambda loop: loop[0] < count, body, start)[1]

    return run


def _judged(hopeless: Callable, rows: PyTree, chunk: int) -> Bool[Array, " rows"]:
    found = lax.map(lambda row: hopeless(*row), rows, batch_size=chunk)
    return found.astype(bool)


def _blank(shape: jax.ShapeDtypeStruct, size: int) -> Array:
    missing = jnp.nan if jnp.issubdtype(shape.dtype, jnp.inexact) else 0
    return jnp.full((size, *shape.shape), missing, shape.dtype)
