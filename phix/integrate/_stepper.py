"""A step of fixed length as an object, for `rollout` and for loops of one's own."""

from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, PRNGKeyArray, PyTree, Real, RealScalar
from phix.integrate._schemes import default_scheme, make_advance
from phix.integrate._solve import as_state, terms_for
from phix.pde import AbstractDiscrete, AbstractEquation


class StepperState(eqx.Module):
    """The time, the encoded state and what the scheme remembers."""

    t: Real[Array, ""]
    y: PyTree
    memory: PyTree


class Stepper(eqx.Module):
    """One step of an equation by a scheme; made by `make_stepper`."""

    equation: AbstractEquation | Callable
    scheme: dfx.AbstractSolver
    h: Real[Array, ""]
    tables: PyTree

    def __call__(
        self,
        state: StepperState,
        *,
        t: RealScalar | None = None,
        cond: PyTree = None,
        key: PRNGKeyArray | None = None,
    ) -> StepperState:
        """The state one step later; `cond` is handed to the equation as `args`."""
        del key
        now = state.t if t is None else jnp.asarray(t, state.t.dtype)
        terms = terms_for(self.equation, self.scheme)
        _, _, advance = make_advance(terms, self.scheme, cond)
        y, memory, _ = advance(
            now, now + self.h, self.h, state.y, state.memory, self.tables
        )
        return StepperState(now + self.h, y, memory)

    def observe(self, state: StepperState) -> PyTree:
        """The field of a state, for `rollout(..., observe=stepper.observe)`."""
        if isinstance(self.equation, AbstractEquation):
            return self.equation.decode(state.y)
        return state.y


def make_stepper(
    problem: AbstractEquation | Callable,
    u0: PyTree,
    dt: RealScalar | np.ndarray | np.generic,
    *,
    scheme: dfx.AbstractSolver | None = None,
    t0: RealScalar = 0.0,
    args: PyTree = None,
) -> tuple[Stepper, StepperState]:
    """A stepper of fixed length dt, and its state at the start.

    `solve` lands on given times; here the number of steps is given and the step may be
    traced: results are differentiable with respect to `dt`, as to the initial field,
    the parameters and the forcing. The tables of the scheme are computed here, once.

    ```python
    stepper, state = make_stepper(equation, u0, dt=0.01)
    fields = rollout(stepper, state, 100, observe=stepper.observe)
    ```

    **Arguments:**

    - `problem`: an equation, or a vector field `f(t, u, args) -> du/dt`.
    - `u0`: the field, or state, at `t0`; its precision is that of the run.
    - `dt`: the step, positive; may be traced.
    - `scheme`: any Diffrax solver of fixed steps; that of the equation if None.
    - `t0`: the time of `u0`.
    - `args`: what the equation is handed at the start; `rollout` hands `cond` later.

    **Returns:** the stepper and a state; `stepper.observe(state)` is the field.

    **Raises:** `ValueError` for dt that is not positive, or an equation that has a step
    of its own.
    """
    require(
        not isinstance(problem, AbstractDiscrete),
        f"{type(problem).__name__} steps by its own `step`; hand that to rollout",
    )
    require(
        not is_concrete(dt) or 0 < float(dt) < np.inf,
        f"`dt` must be a positive finite step; got {dt}",
    )
    u0 = as_state(problem, u0)
    y0 = problem.encode(u0) if isinstance(problem, AbstractEquation) else u0
    scheme = default_scheme(problem) if scheme is None else scheme
    dtype = jnp.finfo(jnp.result_type(*jtu.tree_leaves(u0), jnp.float32)).dtype
    t, h = jnp.asarray(t0, dtype), jnp.asarray(dt, dtype)
    terms = terms_for(problem, scheme)
    prepare, init, _ = make_advance(terms, scheme, args)
    tables = prepare(t, h, y0)
    return (
        Stepper(problem, scheme, h, tables),
        StepperState(t, y0, init(t, h, y0, tables)),
    )
