"""Fixed steps: one `lax.scan` over output times, one over the steps between them."""

import dataclasses
from collections.abc import Callable

import jax
import jax.lax as lax
import jax.numpy as jnp
import jax.tree_util as jtu

from phix._errors import Result
from phix._types import Array, Int, PyTree, Real
from phix.integrate._plan import Plan
from phix.integrate._watch import look, start_watch, verdict
from phix.num import checkpointed_scan


# Of the steps of an interval, at most so many are left out together.
_BLOCK = 16


def scan_plan(
    method: tuple[Callable, Callable, Callable],
    decode: Callable,
    y0: PyTree,
    plan: Plan,
    memory: int | None,
    choose: Callable | None = None,
) -> tuple[PyTree, Int[Array, ""], Real[Array, ""], Int[Array, ""]]:
    """Runs a plan by the functions of `make_advance`.

    What a scheme prepares for a step length it prepares once where all steps are alike,
    otherwise anew, with its memory, for every interval. `choose(y, span, most)` says,
    where it is given, how many steps an interval takes, and whether these are too few.

    **Returns:** the decoded states at the ends of the intervals, the result code, the
    first bad time and the number of steps taken.
    """
    outer, inner = _split_memory(memory, plan)
    prepare, init, advance = method
    tables = prepare(plan.starts[0], plan.h[0], y0)
    hidden = init(plan.starts[0], plan.h[0], y0, tables)
    restarts = not plan.constant and len(jtu.tree_leaves(tables)) > 0

    def interval(carry, xs):
        start, stop, h, count = xs
        current, few = tables, False
        if choose is not None:
            count, few = choose(carry[0], stop - start, plan.length)
            h = (stop - start) / count.astype(h.dtype)
        if restarts:
            y, hidden, watch = carry
            current = prepare(start, h, y)
            carry = y, init(start, h, y, current), watch

        def step(carry, j):
            y, hidden, watch = carry
            t0 = start + jnp.asarray(j, h.dtype) * h
            t1 = jnp.where(j + 1 == count, stop, t0 + h)
            y, hidden, failure = advance(t0, t1, h, y, hidden, current)
            failure = jnp.where(few, Result.max_steps_reached, failure)
            return (y, hidden, look(watch, y, failure)), None

        def masked(carry, j):
            return lax.cond(j < count, step, lambda c, _: (c, None), carry, j)

        if plan.uniform or inner is not None:
            body = step if plan.uniform else masked
            carry, _ = _scan(body, carry, jnp.arange(plan.length), inner)
        else:
            carry = _in_blocks(masked, carry, plan.length, count)
        return carry, (decode(carry[0]), h, count)

    carry = (y0, hidden, start_watch(y0))
    if memory is not None and plan.counts.size > 1:
        interval = jax.checkpoint(interval, prevent_cse=False)
    xs = (plan.starts, plan.stops, plan.h, plan.counts)
    (_, _, watch), (us, h, counts) = _scan(interval, carry, xs, outer)
    plan = dataclasses.replace(plan, h=h, counts=counts)
    code, good = verdict(watch)
    time = jnp.where(plan.code == 0, plan.time_of_step(good), plan.starts[0])
    code = jnp.where(plan.code == 0, code, plan.code).astype(jnp.int32)
    time = jnp.where(code == 0, jnp.inf, time)
    return us, code, lax.stop_gradient(time), jnp.sum(plan.counts, dtype=jnp.int32)


def _in_blocks(
    masked: Callable, carry: PyTree, length: int, count: Int[Array, ""]
) -> PyTree:
    """All steps of an interval; blocks of them that are not needed go as one.

    Each step that is left out alone costs a copy of the state. (Under `vmap` nothing is
    left out, and up to a step for each block is added.)
    """
    size = -(-length // -(-length // _BLOCK))

    def block(carry, first):
        def run(carry):
            return lax.scan(masked, carry, first + jnp.arange(size))[0]

        return lax.cond(first < count, run, lambda carry: carry, carry), None

    return lax.scan(block, carry, jnp.arange(0, length, size))[0]


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
