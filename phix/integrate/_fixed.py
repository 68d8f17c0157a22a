"""Fixed steps: one `lax.scan` over output times, one over the steps between them."""

from collections.abc import Callable

import jax
import jax.lax as lax
import jax.numpy as jnp
import jax.tree_util as jtu

from phix._errors import Result
from phix._types import Array, Bool, Int, PyTree, Real
from phix.integrate._plan import Plan
from phix.num import checkpointed_scan


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every number of every floating array is finite."""
    checks = [
        jnp.all(jnp.isfinite(x))
        for x in jtu.tree_leaves(tree)
        if jnp.issubdtype(x.dtype, jnp.inexact)
    ]
    return jnp.all(jnp.stack(checks)) if len(checks) > 1 else checks[0]


def scan_plan(
    init: Callable,
    advance: Callable,
    decode: Callable,
    y0: PyTree,
    plan: Plan,
    memory: int | None,
) -> tuple[PyTree, Int[Array, ""], Real[Array, ""], Int[Array, ""]]:
    """Runs a plan; `init` and `advance` are those of `make_advance`.

    **Returns:** the decoded states at the ends of the intervals, the result code, the
    first bad time and the number of steps taken.
    """
    outer, inner = _split_memory(memory, plan)

    def interval(carry, xs):
        start, stop, h, count = xs

        def step(carry, j):
            y, hidden, code, good = carry
            t0 = start + jnp.asarray(j, h.dtype) * h
            t1 = jnp.where(j + 1 == count, stop, t0 + h)
            y, hidden, failure = advance(t0, t1, h, y, hidden)
            failure = jnp.where(all_finite(y), failure, Result.non_finite)
            code = jnp.where(code == 0, failure, code).astype(jnp.int32)
            return (y, hidden, code, good + (code == 0)), None

        def masked(carry, j):
            return lax.cond(j < count, step, lambda c, _: (c, None), carry, j)

        body = step if plan.uniform else masked
        carry, _ = _scan(body, carry, jnp.arange(plan.length), inner)
        return carry, decode(carry[0])

    code = jnp.asarray(plan.code, jnp.int32)
    hidden = init(plan.starts[0], plan.starts[0] + plan.h[0], y0)
    carry = (y0, hidden, code, jnp.zeros((), jnp.int32))
    if memory is not None and plan.counts.size > 1:
        interval = jax.checkpoint(interval, prevent_cse=False)
    xs = (plan.starts, plan.stops, plan.h, plan.counts)
    (_, _, code, good), us = _scan(interval, carry, xs, outer)
    time = jnp.where(plan.code == 0, plan.time_of_step(good), plan.starts[0])
    time = jnp.where(code == 0, jnp.inf, time)
    return us, code, lax.stop_gradient(time), jnp.sum(plan.counts, dtype=jnp.int32)


def _scan(body: Callable, carry: PyTree, xs: PyTree, memory: int | None):
    if memory is None:
        return lax.scan(body, carry, xs)
    return checkpointed_scan(body, carry, xs, memory=memory)


def _split_memory(memory: int | None, plan: Plan) -> tuple[int | None, int | None]:
    """How many states the scans over intervals and over steps may keep."""
    if memory is None:
        return None, None
    intervals = plan.counts.size
    if intervals == 1:
        return None, memory
    if plan.length == 1:
        return memory, None
    outer = max(min(intervals, memory // 2), 1)
    return outer, max(memory - outer, 1)
