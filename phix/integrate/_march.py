"""`march`: a watched, possibly random scan of which only the last state is kept."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.lax as lax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu

from phix._errors import require
from phix._types import Array, Int, PRNGKeyArray, PyTree
from phix.integrate._watch import look, start_watch, verdict
from phix.num import checkpointed_scan


# Drawn at once at most; vmapped, by each of the samples.
_NUMBERS = 2**16


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
    draw: Callable | None = None,
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
    - `draw`: `draw(key)`, the noise that a step gets in place of its key. It is drawn
        for several steps at once where it is small, which takes less time: inside the
        loop of a network a normal number costs several times what it does alone.
    - `memory`: states that reverse mode may keep; `None` keeps all.

    **Returns:** a `Marched`.

    **Raises:** `ValueError` for rows of unequal or no length.
    """
    lengths = {leaf.shape[0] for leaf in jtu.tree_leaves(rows)}
    require(
        len(lengths) == 1 and min(lengths) > 0,
        f"`rows` must have one leading axis, the steps, of at least 1; got {lengths}",
    )
    count = lengths.pop()

    def noise(k):
        assert key is not None
        own = jr.fold_in(key, k)
        return own if draw is None else draw(own)

    def body(everything, xs):
        (state, carry, watch), (row, own) = everything, xs
        state, carry = step(state, carry, row, own)
        return (state, carry, look(watch, state, 0)), None

    def alone(everything, xs):
        k, row = xs
        return body(everything, (row, None if key is None else noise(k)))

    def block(everything, xs):
        ks, rows = xs
        return lax.scan(body, everything, (rows, jax.vmap(noise)(ks)))

    start = (state, carry, start_watch(state))
    steps = (jnp.arange(count), rows)
    if memory is not None:
        final, _ = checkpointed_scan(alone, start, steps, memory=memory)
    elif draw is None or key is None:
        final, _ = lax.scan(alone, start, steps)
    else:
        together = _together(count, jax.eval_shape(draw, key))
        blocks = jtu.tree_map(lambda x: x.reshape(-1, together, *x.shape[1:]), steps)
        final, _ = lax.scan(block, start, blocks)
    state, _, watch = final
    code, good = verdict(watch)
    return Marched(state, code, good)


def _together(count: int, drawn: PyTree) -> int:
    """The most steps that divide `count` and whose noise is little."""
    size = sum(x.size for x in jtu.tree_leaves(drawn))
    most = max(1, min(count, _NUMBERS // max(size, 1)))
    return max(k for k in range(1, most + 1) if count % k == 0)
