"""Levenberg–Marquardt in one loop, differentiable by the implicit function theorem."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jax import lax

from phix._errors import Result, is_concrete, nearest, require
from phix._types import Array, Bool, Float, Int, RealScalar
from phix.num._lstsq import damped_lstsq
from phix.num._matmul import matmul
from phix.num._norm import norm


class LeastSquaresSolution(eqx.Module):
    r"""What `phix.num.least_squares` found, and the work it took.

    **Fields:**

    - `x`: the best iterate, "r".
    - `residual_norm`: $\|\rho(x)\|_2$ there.
    - `result`: a `phix.Result` code (int32).
    - `num_iterations`: steps tried, accepted or not.
    - `num_residuals`, `num_jacobians`: evaluations. In evaluations of the model a
        residual costs 1 and a Jacobian `1 + r`.
    """

    x: Float[Array, " r"]
    residual_norm: Float[Array, ""]
    result: Int[Array, ""]
    num_iterations: Int[Array, ""]
    num_residuals: Int[Array, ""]
    num_jacobians: Int[Array, ""]


def least_squares(
    residual: Callable[[Float[Array, " r"], Any], Float[Array, " m"]],
    x0: Float[Array, " r"],
    *,
    args: Any = None,
    rtol: float | None = None,
    atol: float = 0.0,
    max_iterations: int = 100,
    damping: RealScalar = 1.0,
    jacobian: Callable[[Float[Array, " r"], Any], Float[Array, "m r"]] | None = None,
    factor: str = "qr",
) -> LeastSquaresSolution:
    r"""Nonlinear least squares by Levenberg–Marquardt.

    $$\min_x \tfrac12\|\rho(x,\text{args})\|_2^2$$

    One `lax.while_loop`, so a `vmap` of it is one batched loop; each iteration costs
    one residual and, only after an accepted step that did not end the loop, one
    Jacobian, by forward mode if none is given. The damping follows Nielsen's gain-ratio
    rule and is relative to the Jacobian's size, as in `phix.num.damped_lstsq`. The loop
    stops when

    - the linear model at the last iterate promised to lower $\|\rho\|^2$ by at most the
      fraction `rtol` (that step is still taken), or
    - a step is shorter than `rtol` times $\|x\|$, or
    - $\|\rho\|\le$ `atol`, or $\varepsilon\|\rho(x_0)\|$, $\varepsilon$ the machine
      epsilon.

    **Arguments:**

    - `residual`: `residual(x, args)` → "m", in the precision of `x`.
    - `x0`: the first guess, "r".
    - `args`: any PyTree, handed to `residual`.
    - `rtol`: non-dimensional; default √ε (3.5e-4 in float32, 1.5e-8 in float64).
    - `atol`: in the unit of the residual.
    - `max_iterations`: steps tried before giving up.
    - `damping`: the first damping, > 0, non-dimensional. Large values begin with short
        steps down the gradient and stay in the basin of `x0`; small ones begin with
        Gauss–Newton steps.
    - `jacobian`: `jacobian(x, args)` → "m r", where there is a cheaper way to it than r
        pushes through `residual`.
    - `factor`: `"qr"` of the Jacobian, which serves whatever its condition; or
      `"cholesky"` of $J^\top J$, several times faster for r beyond twenty. Its steps
      lose what the condition number squared times the machine epsilon says; the
      gradient, and so the minimum, do not.

    **Returns:**

    A `LeastSquaresSolution`. Its code is `successful`, `not_converged` (after
    `max_iterations`) or `non_finite` (the residual or Jacobian at the best iterate, or
    every residual around it, is not finite); `x` is the best iterate in every case.

    `x` and `residual_norm` are differentiable, forward and reverse, in whatever
    `residual` depends on (`args` or what it closes over) by the implicit function
    theorem with the exact Hessian of the objective; the derivative in `x0` is zero. It
    is as accurate as the stationarity of `x` is, and not finite where the Hessian is
    singular.

    **Raises:**

    `ValueError` for an `x0` or residual that is not a vector, a tolerance out of range,
    an unknown factor, or `"cholesky"` with fewer equations than unknowns.

    !!! tip "Good values"

        The defaults far from the solution (the latent of a neural decoder from
        `x0 = 0`); `damping=1e-3` near it saves a few steps. Where the objective has
        many minima start from several `x0` under one `vmap`.

    ??? cite "Reference"

        K. Madsen, H. B. Nielsen, O. Tingleff, *Methods for Non-Linear Least Squares
        Problems*, DTU 2004, algorithm 3.16.
    """
    x0 = jnp.asarray(x0)
    _check(residual, x0, args, rtol, atol, max_iterations, damping)
    require(factor in _FACTORS, f"unknown factor {factor!r}{nearest(factor, _FACTORS)}")
    eps = float(jnp.finfo(x0.dtype).eps)
    rtol = eps**0.5 if rtol is None else rtol

    def fn(x):
        return residual(x, args)

    def pushed(x):
        """The residual and its Jacobian."""
        if jacobian is None:
            return _push_all(fn, x)
        return fn(x), jacobian(x, args)

    def stationarity(z):
        """Zero at z = (x, ‖ρ‖): the norm is a root too, hence differentiable."""
        x, size = z[:-1], z[-1]
        slope = jax.grad(lambda y: jnp.sum(fn(y) ** 2) / 2)(x)
        return jnp.append(slope, size - norm(fn(x)))

    def solve(_, z):
        tools = pushed, *_FACTORS[factor]
        state = _loop(fn, tools, z[:-1], (rtol, atol, eps), max_iterations, damping)
        size = jnp.sqrt(2 * state.cost)
        counts = (state.result, state.tried, state.residuals, state.jacobians)
        # As floats: custom_root gives an integer a tangent of the wrong type.
        return jnp.append(state.x, size), jnp.stack(counts).astype(size.dtype)

    def tangent_solve(linear, y):
        matrix = jax.vmap(linear, out_axes=1)(jnp.eye(y.size, dtype=y.dtype))
        return jnp.linalg.solve(matrix, y)

    z0 = jnp.append(x0, jnp.zeros((), x0.dtype))
    z, counts = lax.custom_root(stationarity, z0, solve, tangent_solve, has_aux=True)
    return LeastSquaresSolution(z[:-1], z[-1], *counts.astype(jnp.int32))


class _State(NamedTuple):
    """The best iterate with its linear model ½‖R δ + c‖², and the step to try next."""

    x: Float[Array, " r"]
    cost: Float[Array, ""]
    R: Float[Array, "k r"]
    c: Float[Array, " k"]
    step: Float[Array, " r"]
    predicted: Float[Array, ""]  # reduction of the cost the linear model expects
    damping: Float[Array, ""]
    growth: Float[Array, ""]
    target: Float[Array, ""]  # a cost at which to stop
    done: Bool[Array, ""]
    result: Int[Array, ""]
    tried: Int[Array, ""]
    residuals: Int[Array, ""]
    jacobians: Int[Array, ""]


def _loop(fn, tools, x0, tolerances, max_iterations, damping):
    def running(s: _State):
        return ~s.done & (s.tried < max_iterations)

    start = _start(fn, x0, damping)
    return lax.while_loop(running, lambda s: _iterate(fn, tools, s, tolerances), start)


def _start(fn, x0, damping) -> _State:
    """The first pass evaluates `x0`, as a step of zero from an infinite cost."""
    zero, count = jnp.zeros((), x0.dtype), jnp.zeros((), jnp.int32)
    rows = min(jax.eval_shape(fn, x0).size, x0.size)
    return _State(
        x=x0,
        cost=zero + jnp.inf,
        R=jnp.zeros((rows, x0.size), x0.dtype),
        c=jnp.zeros(rows, x0.dtype),
        step=jnp.zeros_like(x0),
        predicted=zero + 1,
        damping=zero + damping,
        growth=zero + 2,
        target=zero,
        done=jnp.asarray(False),
        result=count + Result.not_converged,
        tried=count,
        residuals=count,
        jacobians=count,
    )


def _iterate(fn, tools, s: _State, tolerances) -> _State:
    pushed, linear_model, solve_damped = tools
    rtol, atol, eps = tolerances
    first = s.residuals == 0
    trial = s.x + s.step
    rho = fn(trial)
    cost = jnp.sum(rho * rho) / 2
    finite = jnp.isfinite(cost)
    accept = finite & (cost < s.cost)
    target = jnp.where(first, jnp.maximum(atol**2 / 2, eps**2 * cost), s.target)
    short = norm(s.step) <= rtol * norm(s.x)
    flat = jnp.sum(s.c**2) <= 2 * rtol * s.cost
    converged = finite & ((cost <= target) | ~first & (short | flat))
    more = accept & ~converged

    R, c = lax.cond(more, lambda: linear_model(pushed, trial), lambda: (s.R, s.c))
    R = _once_known(c, R)
    broken = ~jnp.all(jnp.isfinite(R))
    failed = ~finite & (first | short) | broken
    gain = jnp.where(accept, (s.cost - cost) / s.predicted, -1)
    damping, growth = _next_damping(s, gain, first, eps)
    step, predicted = _step(solve_damped, R, c, damping)
    code = jnp.where(converged, Result.successful, Result.not_converged)
    return _State(
        x=jnp.where(accept, trial, s.x),
        cost=jnp.where(accept, cost, s.cost),
        R=R,
        c=c,
        step=step,
        predicted=predicted,
        damping=damping,
        growth=growth,
        target=target,
        done=converged | failed,
        result=jnp.where(failed, Result.non_finite, code).astype(jnp.int32),
        tried=s.tried + ~first,
        residuals=s.residuals + 1,
        jacobians=s.jacobians + more,
    )


def _once_known(c, R):
    """R, or NaN beside a c that is not finite: the step then waits for c.

    Under vmap the linear algebra of both would run at once, and jaxlib's batched
    kernels, which wait in a pool of threads for helpers from that same pool, would on
    two cores stand still for ever.
    """
    return jnp.where(jnp.all(jnp.isfinite(c)), R, jnp.nan)


def _next_damping(s: _State, gain, first, eps):
    """Nielsen's rule, for the squared damping: smooth in the gain, no thresholds."""
    shrink = jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
    factor = jnp.where(gain > 0, shrink, s.growth)
    square = s.damping**2 * jnp.where(first, 1, factor)
    growth = jnp.where(gain > 0, 2, 2 * s.growth)
    return jnp.sqrt(jnp.clip(square, eps**2, eps**-2)), growth


def _step(solve_damped, R, c, damping):
    """The minimiser of the damped linear model, and what the model expects of it."""
    step = solve_damped(R, -c, damping=damping)
    weight = damping**2 * jnp.sum(R * R) / step.size
    return step, jnp.sum(matmul(R, step) ** 2) / 2 + weight * jnp.sum(step**2)


def _linear_model(pushed, x):
    """R and c = Qᵀρ of the Jacobian's QR: all that steps from `x` need of it."""
    rho, J = pushed(x)
    Q, R = jnp.linalg.qr(J)
    return R, matmul(Q.T, rho)


def _normal_model(pushed, x):
    """The same by the Cholesky factor of JᵀJ, raised by what round-off makes of it."""
    rho, J = pushed(x)
    require(
        J.shape[0] >= J.shape[1],
        f"factor='cholesky' needs as many equations as unknowns, got {J.shape}; take "
        "'qr'",
    )
    gram = matmul(J.T, J)
    floor = 10 * jnp.finfo(J.dtype).eps * jnp.trace(gram)
    R = jnp.linalg.cholesky(_raised(gram, floor)).T
    return R, jsl.solve_triangular(R, matmul(J.T, rho), trans="T")


def _normal_step(R, b, *, damping):
    """As `damped_lstsq`, by the normal equations of a triangular R."""
    square = damping**2 * jnp.sum(R * R) / R.shape[1]
    lower = jnp.linalg.cholesky(_raised(matmul(R.T, R), square))
    return jsl.cho_solve((lower, True), matmul(R.T, b))


def _raised(gram, square):
    return gram + square * jnp.eye(gram.shape[0], dtype=gram.dtype)


_FACTORS = {
    "qr": (_linear_model, damped_lstsq),
    "cholesky": (_normal_model, _normal_step),
}


def _push_all(fn, x):
    """The residual and its Jacobian by forward mode."""

    def push(v):
        return jax.jvp(fn, (x,), (v,))

    return jax.vmap(push, out_axes=(None, 1))(jnp.eye(x.size, dtype=x.dtype))


def _check(residual, x0, args, rtol, atol, max_iterations, damping):
    require(
        x0.ndim == 1 and jnp.issubdtype(x0.dtype, jnp.floating),
        f"x0 must be a floating vector 'r', got shape {x0.shape}, dtype {x0.dtype}",
    )
    out = jax.eval_shape(lambda x: residual(x, args), x0)
    require(
        hasattr(out, "shape") and len(out.shape) == 1 and out.dtype == x0.dtype,
        f"residual(x, args) must return a vector of dtype {x0.dtype}, got {out}; ravel "
        "it, and give x0 in the precision of args",
    )
    require(rtol is None or rtol >= 0, f"rtol must be ≥ 0, got {rtol}")
    require(atol >= 0, f"atol must be ≥ 0, got {atol}")
    require(max_iterations > 0, f"max_iterations must be > 0, got {max_iterations}")
    if is_concrete(damping):
        require(float(damping) > 0, f"damping must be > 0, got {float(damping)}")
