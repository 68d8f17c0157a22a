"""`rollout`: any stepper, scanned."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.lax as lax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu

from phix._errors import require
from phix._types import Array, PRNGKeyArray, PyTree, Real
from phix.num import checkpointed_scan


class PerStep(eqx.Module):
    """Marks a condition that changes from step to step.

    **Arguments:**

    - `values`: a PyTree of arrays whose leading axis counts the steps, `"n ..."`.
    """

    values: PyTree


def rollout(
    step: Callable,
    state: PyTree,
    n: int,
    *,
    ts: Real[Array, " n"] | None = None,
    cond: PyTree = None,
    key: PRNGKeyArray | None = None,
    observe: Callable | None = None,
    memory: int | None = None,
) -> PyTree:
    r"""Applies a stepper n times and stacks what is seen.

    ```python
    states = rollout(lambda state: 0.5 * state, jnp.ones(3), 10)  # "10 3"
    ```

    **Arguments:**

    - `step`: `step(state, *, t=None, cond=None, key=None) -> state`. It is handed only
        the keywords that are given here, so `step(state)` is enough without them.
    - `state`: any PyTree of arrays (a field, a window of frames, field and hidden).
    - `n`: how many steps.
    - `ts`: the time handed to each step as `t`.
    - `cond`: handed to every step; `PerStep(values)` hands `values[k]` to step k.
    - `key`: step k gets `fold_in(key, k)`, so a longer rollout begins like a shorter.
    - `observe`: `observe(state)` is what is kept of a state, all of it by default.
    - `memory`: how many states reverse mode may keep; the rest is recomputed. `None`
        keeps everything; 2√n is a good value for long rollouts.

    **Returns:** the observed states after steps 1 … n, stacked on a new leading axis.
    The initial state is not among them.

    **Raises:** `ValueError` for lengths that do not agree with `n` and for a step that
    changes the structure, shape or dtype of the state.
    """
    require(n >= 1, f"`n` must be at least one step; got {n}")
    require(memory is None or memory >= 1, f"`memory` counts states kept; got {memory}")
    if isinstance(cond, PerStep):
        for leaf in jtu.tree_leaves(eqx.filter(cond.values, eqx.is_array)):
            require(
                leaf.ndim >= 1 and leaf.shape[0] == n,
                f"`cond`: PerStep values need a leading axis of n = {n} steps; got an "
                f"array of shape {leaf.shape}",
            )
    require(
        ts is None or ts.shape == (n,),
        f"`ts` must hold one time per step, shape ({n},); got "
        f"{None if ts is None else ts.shape}",
    )
    state = jtu.tree_map(lambda x: lax.convert_element_type(x, x.dtype), state)
    return _rollout(step, state, n, ts, cond, key, observe, memory)


@eqx.filter_jit
def _rollout(step, state, n, ts, cond, key, observe, memory):
    changing = isinstance(cond, PerStep)
    # Static leaves of a condition (a name, a flag) are the same at every step.
    varying, fixed = eqx.partition(cond.values if changing else None, eqx.is_array)

    def body(state, xs):
        k, t, now = xs
        keywords = {}
        if t is not None:
            keywords["t"] = t
        if cond is not None:
            keywords["cond"] = eqx.combine(now, fixed) if changing else cond
        if key is not None:
            keywords["key"] = jr.fold_in(key, k)
        new = step(state, **keywords)
        _check_like(new, state)
        return new, new if observe is None else observe(new)

    xs = (jnp.arange(n), ts, varying)
    if memory is None:
        return lax.scan(body, state, xs)[1]
    return checkpointed_scan(body, state, xs, memory=memory)[1]


def _check_like(new: PyTree, old: PyTree) -> None:
    """A stepper maps a state to one of the same structure, shapes and dtypes."""
    shapes = lambda tree: jtu.tree_map(  # noqa: E731
        lambda x: (jnp.shape(x), jnp.result_type(x)), tree
    )
    same = jtu.tree_structure(new) == jtu.tree_structure(old)
    require(
        same and shapes(new) == shapes(old),
        "`step` must return a state like the one it was given; it was given "
        f"{jax.eval_shape(lambda: old)} and returned {jax.eval_shape(lambda: new)}",
    )
