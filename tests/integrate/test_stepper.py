"""Steppers: the steps of `solve`, one by one, with a step that may be traced."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest

from phix.integrate import (
    ARK4,
    EGLM4,
    ETDRK2,
    ETDRK4,
    SBDF2,
    PerStep,
    StepperState,
    make_stepper,
    rollout,
    solve,
)
from phix.integrate._split import nonlinear_part
from phix.num._scan import _sparing, _step_weight
from phix.pde import NavierStokes, Vorticity, from_symbol
from phix.space import Grid
from tests.integrate.manufactured import EQUATION, U0, name_of


SCHEMES = [ETDRK2(), EGLM4(), SBDF2(), ARK4(), dfx.Heun()]


def final(h, scheme):
    stepper, state = make_stepper(EQUATION, U0, h, scheme=scheme)
    return rollout(stepper, state, 4, observe=stepper.observe)[-1]


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_of)
def test_steps_and_their_derivative_by_dt(scheme):
    def value(h):
        u = final(h, scheme)
        return jnp.sum(jnp.abs(u) ** 2), u

    both = jax.jit(jax.value_and_grad(value, has_aux=True))
    h = jnp.asarray(0.1)
    (_, u), slope = both(h)
    wanted = solve(EQUATION, U0, [0.0, 0.4], dt=0.1, scheme=scheme).us[-1]
    assert float(jnp.max(jnp.abs(u - wanted))) <= 1e-13
    (above, _), _ = both(h + 1e-5)
    (below, _), _ = both(h - 1e-5)
    assert np.isclose(slope, (above - below) / 2e-5, rtol=1e-7)


def test_a_step_of_its_own_scheme_and_time():
    """The default scheme; the time is that of the state, or of `t`."""
    stepper, state = make_stepper(EQUATION, U0, 0.1)
    assert name_of(stepper.scheme) == "ETDRK4"
    step = eqx.filter_jit(lambda state, t: stepper(state, t=t))
    later = step(state, state.t)
    assert float(later.t) == 0.1
    again = step(state, jnp.asarray(0.5))
    assert float(again.t) == 0.6
    assert float(jnp.max(jnp.abs(again.y - later.y))) > 1e-3


def test_what_varies_is_handed_to_the_equation():
    def forced(t, y, args, modes):
        return args * jnp.ones_like(y)

    equation = from_symbol(
        lambda modes: modes.laplacian[None], Grid(4, (0.0, 1.0)), nonlinear=forced
    )
    stepper, state = make_stepper(equation, jnp.zeros((1, 4)), 0.5)
    steps = PerStep(jnp.array([1.0, 2.0, 3.0]))
    us = rollout(stepper, state, 3, cond=steps, observe=stepper.observe)
    # The mean is not damped: it sums 0.5 cond.
    np.testing.assert_allclose(np.mean(us, axis=(1, 2)), [0.5, 1.5, 3.0], rtol=1e-12)


def test_a_vector_field_is_stepped_too():
    stepper, state = make_stepper(
        lambda t, u, args: {"q": u["p"], "p": -u["q"]},
        {"q": jnp.ones(()), "p": jnp.zeros(())},
        0.1,
        scheme=dfx.Tsit5(),
    )
    us = rollout(stepper, state, 10, observe=stepper.observe)
    assert abs(float(us["q"][-1]) - np.cos(1.0)) < 1e-7


def test_float32_stays_float32():
    grid = Grid((9, 8), (0.0, 2 * np.pi))
    u0 = jnp.sin(grid.coordinates[:1]).astype(jnp.float32)
    stepper, state = make_stepper(Vorticity(grid, 0.1), u0, 0.1, scheme=EGLM4())
    leaves = jtu.tree_leaves(eqx.filter_jit(stepper)(state))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("f4"), jnp.dtype("c8")}


@pytest.mark.parametrize("dt", [0.0, -0.1, np.inf, np.nan])
def test_a_bad_step(dt):
    with pytest.raises(ValueError, match="`dt` must be a positive finite step"):
        make_stepper(EQUATION, U0, dt)


def check_stages_kept(step, state, stages):
    """Under a budget reverse mode keeps the states of stages, of each step no more."""
    kept = _step_weight(_sparing(lambda y, _: (step(y), None)), state, None)
    assert stages <= kept < stages + 0.1


def one_step(equation, scheme):
    """A step from modes to modes, and modes to start from."""
    grid = equation.space
    rng = np.random.default_rng(0)
    channels = 1 if grid.ndim == 2 else 3
    u0 = jnp.asarray(rng.normal(size=(channels, *grid.shape)))
    stepper, state = make_stepper(equation, u0, 0.1, scheme=scheme)
    return lambda y: stepper(StepperState(state.t, y, ())).y, state.y, stepper


@pytest.mark.parametrize("scheme, stages", [(ETDRK2(), 2), (ETDRK4(), 4)])
def test_reverse_mode_keeps_the_stages_alone(scheme, stages):
    equation = Vorticity(Grid((8, 8), (0.0, 6.0)), 0.01)
    step, y0, stepper = one_step(equation, scheme)
    check_stages_kept(step, y0, stages)

    def plain(y):
        rate = nonlinear_part(equation.terms(), None)
        return scheme.advance(rate, 0.0, stepper.h, y, stepper.tables, ())[0]

    with pytest.raises(AssertionError):
        check_stages_kept(plain, y0, stages)


def test_fields_of_a_flow_are_kept_while_memory_does_not_count():
    step, y0, _ = one_step(NavierStokes(Grid((6,) * 3, (0.0, 6.0)), 0.01), ETDRK2())
    check_stages_kept(step, y0, 2)
    # Three fields of 6³ numbers for each stage.
    kept = _step_weight(lambda y, _: (step(y), None), y0, None)
    assert kept >= 2 * 3 * 6**3 * 8 / y0.nbytes
