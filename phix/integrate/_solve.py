"""`solve`: one call for equations, bare vector fields and native steppers."""

from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix._errors import Result, is_concrete, require
from phix._types import Array, PyTree, Real, RealScalar
from phix.data import Trajectory
from phix.integrate._adaptive import solve_adaptive
from phix.integrate._courant import Courant
from phix.integrate._fixed import scan_plan
from phix.integrate._plan import Plan, make_plan
from phix.integrate._schemes import (
    default_scheme,
    make_advance,
    nothing,
    with_tolerances,
)
from phix.integrate._split import AbstractSplitScheme
from phix.integrate._symplectic import AbstractSymplectic, hamiltonian_of, step_limit
from phix.integrate._watch import all_finite
from phix.pde import (
    AbstractDiscrete,
    AbstractEquation,
    AbstractHamiltonian,
    AbstractSemilinear,
)
from phix.space import Grid


def solve(
    problem: AbstractEquation | Callable,
    u0: PyTree,
    ts: PyTree,
    *,
    dt: RealScalar | np.ndarray | np.generic | Courant | None = None,
    scheme: dfx.AbstractSolver | None = None,
    args: PyTree = None,
    rtol: RealScalar | None = None,
    atol: RealScalar | None = None,
    memory: int | None = None,
    max_steps: int | None = None,
    throw: bool = True,
) -> Trajectory:
    r"""Integrates an equation, or $\dot u = f(t, u, \text{args})$, and lands on `ts`.

    With `dt`, every interval Δ of `ts` is crossed in n = ⌈Δ/dt⌉ equal steps of one
    `lax.scan`; without, Diffrax chooses the steps to the tolerances and ends one on
    each output time. Nothing is interpolated. Both drivers run the same scheme.

    ```python
    trajectory = solve(lambda t, u, args: -u, jnp.ones(3), [0.0, 0.5, 1.0], dt=0.1)
    ```

    **Arguments:**

    - `problem`: an equation, or a vector field `f(t, u, args) -> du/dt`.
    - `u0`: the state at `ts[0]`: a field `"channels *space"` on the equation's space,
        or for a vector field any PyTree of floating (or complex) arrays.
    - `ts`: output times `"time"`, start included, increasing; non-dimensional. They are
        taken in the precision of `u0`, at least float32.
    - `dt`: the longest step; infinite for one step per interval. A traced `dt` needs
        `max_steps`, and has derivative zero: it only decides how many steps are taken.
        `Courant(C)` chooses them anew at every output time.
    - `scheme`: any Diffrax solver. An equation with a native step has its own.
    - `args`: what varies during the run (forcing, controls, boundary data).
    - `rtol`, `atol`: tolerances per step of the adaptive driver, by default 1e-6 and
        1e-9 (float64), 1e-4 and 1e-6 (float32), node by node; of a semilinear
        equation for the norm of each channel. With `dt`, those of the root finder of
        an implicit scheme that has none of its own: 1e-8 and 1e-11 (float64), 1e-4 and
        1e-6 (float32), `atol` never below what the precision of `u0` can resolve. Very
        stiff problems need float64 there: in float32 Diffrax's root finders stall.
    - `memory`: how many states reverse mode may keep; the rest is recomputed. `None`
        keeps everything with `dt`, and Diffrax's choice of checkpoints without.
    - `max_steps`: the most steps between two output times.
    - `throw`: raise on failure wherever the result is concrete. Traced (`jit`, `vmap`)
        the code is in the record, one for each point of a sweep.

    **Returns:** a `Trajectory` with `us[0] = u0`. States of a point whose parameters
    or start are invalid are NaN; `first_bad_time` is the first time that is not to be
    trusted (for the adaptive driver: the time it got stuck at).

    **Raises:** `ValueError` for a wrong argument; `PhixError` for a failed run.

    !!! tip "Good values"
        Data generation: the default scheme with `dt` at half of
        `equation.stable_step(u0)`. Gradients through n steps: `memory` = 2√n.

    !!! note
        The adaptive driver differentiates in reverse mode only.
    """
    u0 = as_state(problem, u0)
    given, ts = ts, _as_times(ts, u0)
    require(memory is None or memory >= 1, f"`memory` counts states kept; got {memory}")
    require(
        max_steps is None or max_steps >= 1,
        f"`max_steps` must be at least 1; got {max_steps}",
    )
    if isinstance(problem, AbstractDiscrete):
        _refuse_choices(problem, dt=dt, scheme=scheme, rtol=rtol, atol=atol)
        plan = make_plan(ts, problem.dt, max_steps, exact=True, given=given)
    elif dt is None:
        plan = None
    elif isinstance(dt, Courant):
        plan = dt.plan(ts, max_steps)
    else:
        plan = make_plan(ts, dt, max_steps, given=given)
    if scheme is None and not isinstance(problem, AbstractDiscrete):
        scheme = default_scheme(problem)
    if scheme is not None:
        rtol, atol = _tolerances(u0, rtol, atol, plan)
    bound = dt if isinstance(dt, Courant) else None
    trajectory = _run(
        problem, u0, ts, plan, bound, scheme, args, (rtol, atol), memory, max_steps
    )
    if throw and plan is not None:
        _refuse_long_steps(scheme, trajectory, plan)
    return trajectory.throw() if throw else trajectory


@eqx.filter_jit
def _run(problem, u0, ts, plan, bound, scheme, args, tolerances, memory, max_steps):
    """What runs on the device; compiled once per set of shapes and choices."""
    encode, decode, space, params, valid, extra = _facts(problem, u0)
    y0 = encode(u0)
    if plan is None:
        terms = terms_for(problem, scheme)
        by_channel = isinstance(problem, AbstractSemilinear | AbstractHamiltonian)
        us, code, bad, stats = solve_adaptive(
            terms,
            scheme,
            decode,
            y0,
            ts,
            args,
            tolerances,
            by_channel,
            memory,
            max_steps,
        )
    else:
        if isinstance(problem, AbstractDiscrete):
            driver = _native(problem, args)
        else:
            rtol, atol = tolerances
            scheme = with_tolerances(scheme, rtol, atol, y0, plan.h)
            driver = make_advance(terms_for(problem, scheme), scheme, args)
        choose = None if bound is None else bound.chooser(problem)
        us, code, bad, steps = scan_plan(driver, decode, y0, plan, memory, choose)
        stats = {"num_steps": steps, "num_rejected": jnp.zeros_like(steps)}
    us = jtu.tree_map(lambda a, b: jnp.concatenate([a[None], b]), u0, us)
    if plan is not None:
        valid = valid & (jnp.max(plan.h) <= step_limit(scheme, extra))
    invalid = ~(valid & all_finite(u0))
    code = jnp.where(invalid, Result.invalid_parameter, code).astype(jnp.int32)
    bad = jnp.where(invalid, ts[0], bad)
    refused = code == Result.invalid_parameter
    us = jtu.tree_map(lambda u: jnp.where(refused, jnp.nan, u), us)
    return Trajectory(ts, us, space, params, code, stats | extra, bad)


def _facts(problem, u0):
    """What an equation knows and a bare vector field does not."""
    if not isinstance(problem, AbstractEquation):
        same = lambda u: u  # noqa: E731
        return same, same, None, {}, jnp.array(True), {}
    step = problem.stable_step(u0)
    extra = {} if step is None else {"stable_step": jax.lax.stop_gradient(step)}
    valid = jnp.asarray(problem.valid())
    if isinstance(problem, AbstractHamiltonian):
        valid = valid & problem.fits(u0)
    return (
        problem.encode,
        problem.decode,
        problem.space,
        dict(problem.parameters),
        valid,
        extra,
    )


def _refuse_long_steps(scheme, trajectory: Trajectory, plan: Plan) -> None:
    """Raises for a concrete step at which a symplectic scheme is unstable."""
    limit = step_limit(scheme, trajectory.stats)
    if is_concrete(limit, plan.h):
        longest = float(jnp.max(plan.h))
        require(
            longest <= float(limit),
            f"`dt`: steps of {longest:.4g} are beyond the limit {float(limit):.4g} of "
            f"{type(scheme).__name__} on this grid and field; take a smaller dt, or "
            "Splitting4, which follows the linear waves exactly",
        )


def _native(equation: AbstractDiscrete, args: PyTree):
    """An equation's own step, in the form of `make_advance`."""

    def advance(t0, t1, h, y, memory, tables):
        del t1, h, tables
        new = _conform(equation.step(y, t0, args), y, "`step`")
        return new, memory, Result.successful

    return nothing, nothing, advance


def terms_for(problem, scheme: dfx.AbstractSolver) -> PyTree:
    """Diffrax terms whose vector field is checked against the state it moves."""
    if isinstance(scheme, AbstractSymplectic):
        return hamiltonian_of(problem, scheme).terms()
    require(
        isinstance(problem, AbstractSemilinear)
        or not isinstance(scheme, AbstractSplitScheme),
        f"{type(scheme).__name__} wants a linear part apart from the rest, an "
        "AbstractSemilinear (from_symbol; KleinGordon has one, its semilinear()); any "
        "other problem takes dfx.Tsit5() or its default scheme",
    )
    if not isinstance(problem, AbstractEquation):
        return dfx.ODETerm(_Checked(problem))
    terms = problem.terms()
    if isinstance(terms, dfx.MultiTerm) and not isinstance(scheme, AbstractSplitScheme):
        # Any other scheme integrates the sum of both parts.
        parts = terms.terms
        return dfx.ODETerm(
            lambda t, y, args: sum(part.vf(t, y, args) for part in parts)
        )
    if type(terms) is dfx.ODETerm:
        terms = dfx.ODETerm(_Checked(terms.vector_field))
    return terms


class _Checked(eqx.Module):
    """A vector field that must return what its state looks like."""

    field: Callable

    def __call__(self, t, y, args):
        return _conform(self.field(t, y, args), y, "the vector field")


def _conform(new: PyTree, old: PyTree, name: str) -> PyTree:
    """`new` in the dtypes of `old`; anything else about it must already agree."""
    require(
        jtu.tree_structure(new) == jtu.tree_structure(old),
        f"{name} must return a PyTree like the state, {jtu.tree_structure(old)}; got "
        f"{jtu.tree_structure(new)}",
    )

    def leaf(new, old):
        new = jnp.asarray(new)
        require(
            new.shape == old.shape,
            f"{name} must return the shape of the state, {old.shape}; got {new.shape}",
        )
        require(
            jnp.iscomplexobj(old) or not jnp.iscomplexobj(new),
            f"{name} returns complex numbers for a real state; pass a complex `u0`",
        )
        return new.astype(old.dtype)

    return jtu.tree_map(leaf, new, old)


def as_state(problem, u0: PyTree) -> PyTree:
    """`u0` as arrays, checked as far as it can be seen."""

    def leaf(path, x):
        # NumPy looks at the values: under a trace, jnp would make tracers of them.
        concrete = is_concrete(x)
        dtype = jnp.result_type(x)
        require(
            jnp.issubdtype(dtype, jnp.inexact),
            f"`u0` must hold floating or complex numbers; got dtype {dtype}",
        )
        require(
            not concrete or bool(np.all(np.isfinite(np.asarray(x)))),
            f"`u0`{jtu.keystr(path)} is not finite",
        )
        return jnp.asarray(x, dtype)

    u0 = jtu.tree_map_with_path(leaf, u0)
    require(len(jtu.tree_leaves(u0)) > 0, "`u0` holds no array")
    if isinstance(problem, AbstractEquation) and isinstance(problem.space, Grid):
        problem.space.check(u0, "u0")
    if isinstance(problem, AbstractHamiltonian):
        problem.check(u0)
    return u0


def _as_times(ts: PyTree, u0: PyTree) -> Real[Array, " time"]:
    """`ts` in the precision of the state: a step must not change the state's dtype."""
    dtype = jnp.finfo(jnp.result_type(*jtu.tree_leaves(u0), jnp.float32)).dtype
    if is_concrete(ts):
        ts = np.asarray(ts, dtype)
    require(
        jnp.ndim(ts) == 1 and jnp.size(ts) >= 2,
        "`ts` must be a vector of at least two output times, the start included; got "
        f"shape {jnp.shape(ts)}",
    )
    if isinstance(ts, np.ndarray):
        bad = np.flatnonzero(~(np.isfinite(np.diff(ts)) & (np.diff(ts) > 0)))
        require(
            bad.size == 0,
            f"`ts` must be finite and increase (in {dtype}); got "
            f"{[float(t) for i in bad[:1] for t in ts[i : i + 2]]} in succession",
        )
    return jnp.asarray(ts, dtype)


def _tolerances(u0: PyTree, rtol, atol, plan: Plan | None):
    """Tolerances of the adaptive driver, or of the root finder of a fixed step."""
    coarse = any(jnp.finfo(x.dtype).eps > 1e-10 for x in jtu.tree_leaves(u0))
    default = (1e-4, 1e-6) if coarse else (1e-6, 1e-9)
    if plan is not None and not coarse:
        default = (1e-8, 1e-11)
    rtol = default[0] if rtol is None else rtol
    atol = default[1] if atol is None else atol
    for name, value in (("rtol", rtol), ("atol", atol)):
        require(
            not is_concrete(value) or float(value) >= 0,
            f"`{name}` must not be negative; got {value}",
        )
    return rtol, atol


def _refuse_choices(equation: AbstractDiscrete, **choices) -> None:
    """A native stepper has one scheme and one step; nothing else may be asked of it."""
    for name, value in choices.items():
        require(
            value is None,
            f"`{name}` cannot be chosen: {type(equation).__name__} steps by its own "
            f"`step` with its own dt; drop `{name}`",
        )
