"""Fixed steps: one `lax.scan` over output times, one over the steps between them."""

from collections.abc import Callable

import jax
import jax.lax as lax
import jax.numpy as jnp

from phix._types import Array, Int, PyTree, Real
from phix.integrate._plan import Plan
from phix.integrate._watch import look, start_watch, verdict
from phix.num import checkpointed_scan


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
            y, hidden, watch = carry
            t0 = start + jnp.asarray(j, h.dtype) * h
            t1 = jnp.where(j + 1 == count, stop, t0 + h)
            y, hidden, failure = advance(t0, t1, h, y, hidden)
            return (y, hidden, look(watch, y, failure)), None

        def masked(carry, j):
            return lax.cond(j < count, step, lambda c, _: (c, None), carry, j)

        body = step if plan.uniform else masked
        carry, _ = _scan(body, carry, jnp.arange(plan.length), inner)
        return carry, decode(carry[0])

    hidden = init(plan.starts[0], plan.starts[0] + plan.h[0], y0)
    carry = (y0, hidden, start_watch(y0))
    if memory is not None and plan.counts.size > 1:
        interval = jax.checkpoint(interval, prevent_cse=False)
    xs = (plan.starts, plan.stops, plan.h, plan.counts)
    (_, _, watch), us = _scan(interval, carry, xs, outer)
    code, good = verdict(watch)
    time = jnp.where(plan.code == 0, plan.time_of_step(good), plan.starts[0])
    code = jnp.where(plan.code == 0, code, plan.code).astype(jnp.int32)
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
