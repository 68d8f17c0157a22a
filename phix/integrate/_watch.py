"""Watching a run for the first step that goes wrong, at next to no cost."""

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu

from phix._errors import Result
from phix._types import Array, Bool, Int, IntScalar, PyTree


class Watch(eqx.Module):
    """What is known of the steps so far; carried by the scan.

    Asking after every step whether all numbers are finite would be a reduction each
    time, which costs more than a step of a small explicit scheme. So every number
    counts its own finite steps, in the kernel that computes it; the reduction comes
    once, in `verdict`.
    """

    finite: PyTree
    step: Int[Array, ""]
    code: Int[Array, ""]
    failed: Int[Array, ""]


def start_watch(y: PyTree) -> Watch:
    """Before the first step, from the state."""
    counts = [jnp.zeros(x.shape, jnp.int32) for x in _floats(y)]
    zero = jnp.zeros((), jnp.int32)
    return Watch(counts, zero, zero, jnp.full((), jnp.iinfo(jnp.int32).max, jnp.int32))


def look(watch: Watch, y: PyTree, failure: IntScalar) -> Watch:
    """After a step, from the new state and the code of the solver."""
    # A number that was bad once is not counted again, should it recover.
    finite = [
        count + (jnp.isfinite(x) & (count == watch.step))
        for count, x in zip(watch.finite, _floats(y), strict=True)
    ]
    first = (watch.code == 0) & (failure != 0)
    code = jnp.where(first, failure, watch.code).astype(jnp.int32)
    failed = jnp.where(first, watch.step, watch.failed)
    return Watch(finite, watch.step + 1, code, failed)


def verdict(watch: Watch) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """The result code, and how many steps went well before the first bad one."""
    finite = jnp.min(jnp.stack([jnp.min(count) for count in watch.finite]))
    blown_up = (finite < watch.step) & (finite <= watch.failed)
    code = jnp.where(blown_up, Result.non_finite, watch.code)
    return code.astype(jnp.int32), jnp.minimum(finite, watch.failed)


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every number of every floating array is finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in _floats(tree)]))


def _floats(tree: PyTree) -> list[Array]:
    return [x for x in jtu.tree_leaves(tree) if jnp.issubdtype(x.dtype, jnp.inexact)]
