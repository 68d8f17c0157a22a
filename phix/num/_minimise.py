"""Optimise until plateau with any Optax transformation, in one loop."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.sparse.linalg as jss
import jax.tree_util as jtu
import optax
from jax import lax

from phix._errors import Result, require
from phix._types import Array, Float, Int, PyTree


class MinimiseSolution(eqx.Module):
    """What `phix.num.minimise` found.

    **Fields:**

    - `x`: the best iterate.
    - `value`: the objective there.
    - `result`: a `phix.Result` code (int32).
    - `num_steps`: evaluations of the objective with its gradient.
    """

    x: PyTree
    value: Float[Array, ""]
    result: Int[Array, ""]
    num_steps: Int[Array, ""]


def minimise(
    fn: Callable[[PyTree, Any], Float[Array, ""]],
    x0: PyTree,
    *,
    args: Any = None,
    optimiser: optax.GradientTransformation | None = None,
    max_steps: int = 1000,
    rtol: float = 1e-4,
    patience: int = 50,
) -> MinimiseSolution:
    r"""Minimises a function by gradient steps until its value stands still.

    $$\min_x f(x,\text{args})$$

    One `lax.while_loop`, so a `vmap` of it is one batched loop. The iterate of the
    least value seen is returned with *its* value, never the last one. The loop stops
    when `patience` steps in a row have not lowered the best value by the fraction
    `rtol`.

    **Arguments:**

    - `fn`: `fn(x, args)` → scalar.
    - `x0`: the first guess, any PyTree of floating arrays.
    - `args`: any PyTree, handed to `fn`.
    - `optimiser`: an Optax transformation; default `optax.adam(0.1)`. Those that search
        along a line (`optax.lbfgs()`) are given the value, gradient and function.
    - `max_steps`: evaluations before giving up.
    - `rtol`: non-dimensional, ≥ 0.
    - `patience`: steps, ≥ 1.

    **Returns:**

    A `MinimiseSolution`. Its code is `successful` (a plateau), `max_steps_reached`, or
    `non_finite` (the value or gradient was not finite; `x` is the best until then).

    `x` and `value` are differentiable in whatever `fn` depends on (`args` or what it
    closes over) by the implicit function theorem, the Hessian being inverted by
    conjugate gradients; the derivative in `x0` is zero. It is as accurate as the
    minimum is: ask for a small `rtol` and use `optax.lbfgs()` where it matters.

    **Raises:**

    `ValueError` for an `x0` that is not floating arrays, an `fn` that is not scalar,
    and limits out of range.

    !!! tip "Good values"

        A sum of squares of few unknowns is a matter for `phix.num.least_squares`, which
        needs some 20 times less work. Smooth and deterministic: `optax.lbfgs()`. Adam's
        rate is about a tenth of the size of `x`.
    """
    optimiser = optax.adam(0.1) if optimiser is None else optimiser
    x0 = jtu.tree_map(jnp.asarray, x0)

    def objective(x):
        return fn(x, args)

    _check(objective, x0, max_steps, rtol, patience)

    def solve(_, x):
        state = _loop(objective, x, optimiser, max_steps, rtol, patience)
        # As floats: custom_root gives an integer a tangent of the wrong type.
        counts = jnp.stack([state.result, state.steps])
        return state.best, counts.astype(state.value.dtype)

    def tangent_solve(hessian, y):
        eps = min(float(jnp.finfo(leaf.dtype).eps) for leaf in jtu.tree_leaves(y))

        def invert(matvec, b):
            return jss.cg(matvec, b, tol=10 * eps)[0]

        # Wrapped once more: the zero first guess inside jss.cg does not transpose.
        return lax.custom_linear_solve(hessian, y, invert, invert, symmetric=True)

    x, counts = lax.custom_root(
        jax.grad(objective), x0, solve, tangent_solve, has_aux=True
    )
    return MinimiseSolution(x, objective(x), *counts.astype(jnp.int32))


class _State(NamedTuple):
    x: PyTree
    optimiser: PyTree
    best: PyTree
    value: Float[Array, ""]  # at `best`
    mark: Float[Array, ""]  # value at the last step that counted as progress
    since: Int[Array, ""]  # steps since then
    result: Int[Array, ""]
    steps: Int[Array, ""]


def _loop(objective, x0, optimiser, max_steps, rtol, patience):
    update = optax.with_extra_args_support(optimiser).update
    running = jnp.asarray(Result.max_steps_reached, jnp.int32)

    def body(s: _State) -> _State:
        value, slope = jax.value_and_grad(objective)(s.x)
        finite = jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(slope))
        better = finite & ((s.steps == 0) | (value < s.value))
        enough = (s.steps == 0) | (value < s.mark - rtol * jnp.abs(s.mark))
        progress = better & enough
        since = jnp.where(progress, 0, s.since + 1)
        change, state = update(
            slope, s.optimiser, s.x, value=value, grad=slope, value_fn=objective
        )
        result = jnp.where(since < patience, running, Result.successful)
        return _State(
            x=optax.apply_updates(s.x, change),
            optimiser=state,
            best=jtu.tree_map(lambda a, b: jnp.where(better, a, b), s.x, s.best),
            value=jnp.where(better, value, s.value),
            mark=jnp.where(progress, value, s.mark),
            since=since,
            result=jnp.where(finite, result, Result.non_finite).astype(jnp.int32),
            steps=s.steps + 1,
        )

    dtype = jax.eval_shape(objective, x0).dtype
    start = _State(
        x=x0,
        optimiser=optimiser.init(x0),
        best=x0,
        value=jnp.asarray(jnp.inf, dtype),
        mark=jnp.asarray(jnp.inf, dtype),
        since=jnp.asarray(0, jnp.int32),
        result=running,
        steps=jnp.asarray(0, jnp.int32),
    )
    return lax.while_loop(
        lambda s: (s.result == running) & (s.steps < max_steps), body, start
    )


def _check(objective, x0, max_steps, rtol, patience):
    leaves = jtu.tree_leaves(x0)
    require(
        bool(leaves) and all(jnp.issubdtype(a.dtype, jnp.floating) for a in leaves),
        f"x0 must be a PyTree of floating arrays, got {jtu.tree_structure(x0)} of "
        f"{[str(a.dtype) for a in leaves]}",
    )
    out = jax.eval_shape(objective, x0)
    require(
        getattr(out, "shape", None) == ()
        and bool(jnp.issubdtype(out.dtype, jnp.floating)),
        f"fn(x, args) must return a floating scalar, got {out}",
    )
    require(max_steps > 0, f"max_steps must be > 0, got {max_steps}")
    require(rtol >= 0, f"rtol must be ≥ 0, got {rtol}")
    require(patience > 0, f"patience must be > 0, got {patience}")
