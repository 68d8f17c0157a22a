"""`march`: a watched, possibly random scan of which only the last state is kept."""

from collections.abc import Callable
from typing import NamedTuple

import jax.lax as lax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu

from phix._errors import require
from phix._types import Array, Int, PRNGKeyArray, PyTree
from phix.integrate._watch import look, start_watch, verdict
from phix.num import checkpointed_scan


class Marched(NamedTuple):
    """Where a march arrived.

    - `state`: after the last step.
    - `result`: a `phix.Result` code.
    - `failed`: the first step, from 0, whose state is not finite; beyond the last one
        if all went well.
    """

    state: PyTree
    result: Int[Array, ""]
    failed: Int[Array, ""]


def march(
    step: Callable,
    state: PyTree,
    rows: PyTree,
    *,
    carry: PyTree = None,
    key: PRNGKeyArray | None = None,
    memory: int | None = None,
) -> Marched:
    """Carries a state through a table of steps, random or not, in one plain scan.

    The fixed-step driver of stochastic schemes: step k sees `rows[k]` (times, step
    sizes, coefficients) and a key of its own, `fold_in(key, k)`, so a refined scheme
    need not keep a Brownian path. Nothing is stored but the state.

    ```python
    noisy = lambda x, _, h, key: (x + jnp.sqrt(h) * jr.normal(key, x.shape), None)
    arrived = march(noisy, jnp.zeros(2), jnp.full(50, 0.02), key=key)
    ```

    **Arguments:**

    - `step`: `step(state, carry, row, key) -> (state, carry)`.
    - `state`: any PyTree of arrays; watched for numbers that are not finite.
    - `rows`: a PyTree of arrays with one leading axis, the steps.
    - `carry`: what a step remembers for the next (earlier slopes); not watched.
    - `key`: `None` for a march without randomness, whose steps get `None`.
    - `memory`: states that reverse mode may keep; `None` keeps all.

    **Returns:** a `Marched`.

    **Raises:** `ValueError` for rows of unequal or no length.
    """
    lengths = {leaf.shape[0] for leaf in jtu.tree_leaves(rows)}
    require(
        len(lengths) == 1 and min(lengths) > 0,
        f"`rows` must have one leading axis, the steps, of at least 1; got {lengths}",
    )
    count = jnp.arange(lengths.pop())

    def body(everything, xs):
        state, carry, watch = everything
        k, row = xs
        own = None if key is None else jr.fold_in(key, k)
        state, carry = step(state, carry, row, own)
        return (state, carry, look(watch, state, 0)), None

    start = (state, carry, start_watch(state))
    if memory is None:
        (state, _, watch), _ = lax.scan(body, start, (count, rows))
    else:
        final, _ = checkpointed_scan(body, start, (count, rows), memory=memory)
        state, _, watch = final
    code, good = verdict(watch)
    return Marched(state, code, good)
