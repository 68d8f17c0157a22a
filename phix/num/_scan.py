"""A scan whose reverse mode keeps few states, by nested checkpointing."""

import contextvars
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Jaxpr, Var

from phix._errors import require
from phix._types import Array, Float


DEAR = "phix_dear"
_frugal = contextvars.ContextVar("frugal", default=False)


def dear(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The same array, which plain reverse mode had better keep than compute anew.

    For what costs more time than its memory does, inside of a step whose derivative
    keeps arrays by name, as those of the split schemes do (`DEAR` is the name). Where
    `checkpointed_scan` is given a budget, memory counts: the array is computed anew.
    """
    return x if _frugal.get() else checkpoint_name(x, DEAR)


def checkpointed_scan(
    f: Callable,
    init: Any,
    xs: Any = None,
    *,
    length: int | None = None,
    memory: int | None = None,
) -> tuple[Any, Any]:
    r"""`jax.lax.scan` whose gradient keeps at most `memory` states.

    The loop of $n$ steps becomes $L$ nested loops of $\approx n^{1/L}$; reverse mode
    keeps the states at which the segments start and computes the others again. Memory
    falls from $n$ states to $L\,n^{1/L}$, time rises by $L-1$ forward passes. The
    fewest levels that fit the budget are taken. Values and derivatives are those of the
    plain scan, to round-off.

    **Arguments:**

    - `f`, `init`, `xs`, `length`: as in `jax.lax.scan`; any number of steps.
    - `memory`: states the gradient may keep, in sizes of the carry; `None` is the plain
        scan. A step that needs several arrays for its derivative (the stages of a
        Runge–Kutta scheme, the activations of a network) counts as that many states: it
        is measured by tracing the derivative of `f`. What a single step needs, the
        outputs `ys` and the gradient itself come on top.

    **Returns:**

    The final carry and the stacked outputs.

    **Raises:**

    `ValueError` if `memory` is too small for the number of steps, with the least that
    serves.

    !!! tip "Good values"

        `memory` = $2\sqrt n$ states takes two levels and one more forward pass,
        $3\sqrt[3]n$ three levels and two: 64 or 30 for 1,000 steps. The least is about
        $2\log_2 n$.

    ??? cite "Reference"

        A. Griewank, A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, ch. 12.
    """
    if memory is None:
        return lax.scan(f, init, xs, length=length)
    steps = _num_steps(xs, length)
    if steps == 0:
        return lax.scan(f, init, xs, length=length)
    f = _sparing(f)
    weight = _step_weight(f, init, jtu.tree_map(lambda leaf: leaf[0], xs))
    counts = _plan(steps, memory, weight)
    return _nested(f, init, xs, steps, counts)


def _sparing(f):
    """The step in which nothing is `dear`."""

    def step(carry, x):
        before = _frugal.set(True)
        try:
            return f(carry, x)
        finally:
            _frugal.reset(before)

    return step


def _num_steps(xs, length):
    lengths = {leaf.shape[0] for leaf in jtu.tree_leaves(xs)}
    lengths |= set() if length is None else {length}
    require(
        len(lengths) == 1,
        "xs and length must tell one number of steps, got "
        + (", ".join(map(str, sorted(lengths))) or "neither"),
    )
    return lengths.pop()


def _step_weight(f, carry, x):
    """How many carries the derivative of one step needs, at least one.

    Counts what the derivative of `f` saves, also for the differentiable arrays that `f`
    closes over, except arrays that are the same in every step.
    """
    g, constants = jax.closure_convert(f, carry, x)
    moving, still = eqx.partition((carry, x, constants), eqx.is_inexact_array)

    def saved(moving):
        def outputs(moving):
            carry, x, constants = eqx.combine(moving, still)
            return eqx.filter(g(carry, x, *constants), eqx.is_inexact_array)

        return jtu.tree_leaves(jax.vjp(outputs, moving)[1])

    jaxpr = jax.make_jaxpr(saved)(moving).jaxpr
    carries = len(jtu.tree_leaves(moving[0]))
    # The inputs x and the constants are stored anyway, once.
    stored = {*jaxpr.invars[carries:]}
    changing = _changing(jaxpr, [True] * len(jaxpr.invars))
    kept = {v for v, yes in zip(jaxpr.outvars, changing, strict=True) if yes} - stored
    state = sum(leaf.nbytes for leaf in jtu.tree_leaves(moving[0]))
    return max(1.0, sum(_bytes(v.aval) for v in kept) / max(state, 1))


def _bytes(aval: Any) -> int:
    return aval.size * aval.dtype.itemsize


def _changing(jaxpr: Jaxpr, inputs: list[bool]) -> list[bool]:
    """Which outputs depend on the `inputs` that change from step to step.

    XLA keeps the others once or never, such as the blanks that the derivative of a
    conditional saves for the branch not taken: hence the look inside conditionals.
    """
    known = {v for v, yes in zip(jaxpr.invars, inputs, strict=True) if yes}

    def of(atoms):
        return [isinstance(v, Var) and v in known for v in atoms]

    for eqn in jaxpr.eqns:
        changing = of(eqn.invars)
        if eqn.primitive.name == "cond":
            inside = [_changing(b.jaxpr, changing[1:]) for b in eqn.params["branches"]]
            outputs = [any(flags) for flags in zip(*inside, strict=True)]
        else:
            outputs = [any(changing)] * len(eqn.outvars)
        known |= {v for v, yes in zip(eqn.outvars, outputs, strict=True) if yes}
    return of(jaxpr.outvars)


def _plan(steps, memory, weight):
    """The numbers of segments, outermost first, of the fewest levels that fit."""
    least = math.inf
    for levels in range(math.ceil(math.log2(max(steps, 2))) + 2):
        for slack in (0.3, 0.0):
            counts = _counts(steps, levels, weight, slack)
            kept = _kept(steps, counts, weight)
            if kept <= memory:
                return counts
            least = min(least, kept)
    raise ValueError(
        f"memory={memory} states is too small for {steps} steps, give at least "
        f"{math.ceil(least)}"
    )


def _counts(steps, levels, weight, slack):
    """Segments at every level; the innermost is 1/weight of the others in length.

    Within the slack a divisor is taken: it leaves no tail to compile and keep.
    """
    counts = []
    for level in range(levels, 0, -1):
        ideal = (steps * weight) ** (1 / (level + 1))
        low, high = math.floor((1 - slack) * ideal), math.ceil((1 + slack) * ideal)
        near = range(max(1, low), high + 1)
        count = min(near, key=lambda q: (steps % q > 0, abs(q - ideal)))
        count = min(count, steps)
        counts.append(count)
        steps //= count
    return tuple(counts)


def _kept(steps, counts, weight):
    """States kept at the worst moment; one step's own are not counted."""
    if not counts:
        return weight * (steps - 1)
    inner = _kept(steps // counts[0], counts[1:], weight)
    return counts[0] + max(inner, steps % counts[0])


def _nested(f, init, xs, steps, counts):
    if not counts:
        return lax.scan(f, init, xs, length=steps)
    count, size = counts[0], steps // counts[0]
    head = jtu.tree_map(
        lambda leaf: leaf[: count * size].reshape(count, size, *leaf.shape[1:]), xs
    )
    # Inside a scan nothing can be merged across the checkpoint, so no barrier is asked.
    segment = jax.checkpoint(
        lambda carry, x: _nested(f, carry, x, size, counts[1:]), prevent_cse=False
    )
    carry, ys = lax.scan(segment, init, head, length=count)
    ys = jtu.tree_map(lambda y: y.reshape(count * size, *y.shape[2:]), ys)
    if count * size == steps:
        return carry, ys
    tail = jtu.tree_map(lambda leaf: leaf[count * size :], xs)
    # Fewer steps than segments: kept one by one they cost no more memory than these.
    step = jax.checkpoint(f, prevent_cse=False)
    carry, last = lax.scan(step, carry, tail, length=steps - count * size)
    return carry, jtu.tree_map(lambda y, z: jnp.concatenate([y, z]), ys, last)
