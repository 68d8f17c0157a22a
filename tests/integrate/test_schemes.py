"""One scheme, two drivers: the scan runs what Diffrax runs."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from phix.integrate import default_scheme, solve
from phix.integrate._schemes import explicit_tableau
from tests.integrate.manufactured import name_of


TS = np.array([0.0, 0.3, 1.0])
U0 = {"q": jnp.array([0.7, -0.2]), "p": jnp.array([0.1, 0.4])}
NEWTON = optx.Newton(rtol=1e-10, atol=1e-10, norm=optx.rms_norm)
CHORD = dfx.VeryChord(rtol=1e-8, atol=1e-8, norm=optx.rms_norm)
SCHEMES = [
    dfx.Euler(),
    dfx.Bosh3(),
    dfx.Tsit5(),
    dfx.Dopri5(),
    dfx.Dopri8(),
    dfx.ReversibleHeun(),
    dfx.ImplicitEuler(root_finder=NEWTON, root_find_max_steps=20),
    dfx.Kvaerno3(root_finder=CHORD, root_find_max_steps=40),
]
ORDERS = [(dfx.Euler(), 1), (dfx.Midpoint(), 2), (dfx.Ralston(), 2), (dfx.Tsit5(), 5)]


def pendulum(t, u, args):
    return {"q": u["p"], "p": args * jnp.cos(t) - jnp.sin(u["q"])}


def by_diffrax(scheme, u0, dt):
    """The same steps by `diffeqsolve`: every step is prescribed."""
    counts = np.ceil(np.diff(TS) / dt - 1e-9).astype(int)
    steps = [np.linspace(a, b, n + 1)[:-1] for a, b, n in zip(TS, TS[1:], counts)]  # noqa: B905
    return dfx.diffeqsolve(
        dfx.ODETerm(pendulum),
        scheme,
        TS[0],
        TS[-1],
        None,
        u0,
        0.5,
        saveat=dfx.SaveAt(ts=TS),
        stepsize_controller=dfx.StepTo(np.concatenate([*steps, TS[-1:]])),
        adjoint=dfx.DirectAdjoint(),
    ).ys


def check_same(ours, theirs, tolerance=1e-12):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert float(jnp.max(jnp.abs(a - b))) <= tolerance


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_of)
def test_scan_equals_diffeqsolve(scheme):
    ours = solve(pendulum, U0, TS, dt=0.11, scheme=scheme, args=0.5).us
    check_same(ours, by_diffrax(scheme, U0, 0.11))


def test_large_states_take_the_same_steps():
    """Above a size the stages are kept apart for the compiler; nothing else changes."""
    u0 = jax.tree.map(lambda x: jnp.linspace(x[0], x[1], 1100), U0)
    ours = solve(pendulum, u0, TS, dt=0.3, scheme=dfx.Heun(), args=0.5).us
    check_same(ours, by_diffrax(dfx.Heun(), u0, 0.3))

    def loss(u0):
        return final(solve(pendulum, u0, TS, dt=0.3, scheme=dfx.Heun(), args=0.5).us)

    few = jax.tree.map(lambda x: x[:2], u0)
    large, small = jax.grad(loss)(u0), jax.grad(loss)(few)
    check_same(jax.tree.map(lambda x: x[:2], large), small)


def test_another_scheme_of_the_same_order_is_told_apart():
    ours = solve(pendulum, U0, TS, dt=0.11, scheme=dfx.Midpoint(), args=0.5).us
    with pytest.raises(AssertionError):
        check_same(ours, by_diffrax(dfx.Heun(), U0, 0.11))


def final(us):
    return jnp.sum(us["q"][-1] ** 2) + jnp.sum(us["p"][1])


def test_gradient_of_unrolled_stages_equals_that_of_diffeqsolve():
    scheme = dfx.Heun()
    ours = jax.grad(
        lambda u0: final(solve(pendulum, u0, TS, dt=0.11, scheme=scheme, args=0.5).us)
    )(U0)
    theirs = jax.grad(lambda u0: final(by_diffrax(scheme, u0, 0.11)))(U0)
    check_same(ours, theirs, 1e-11)


def test_gradient_through_an_implicit_scheme_equals_central_differences():
    scheme = dfx.ImplicitEuler(root_finder=NEWTON, root_find_max_steps=20)

    @jax.jit
    def value(force):
        return final(solve(pendulum, U0, TS, dt=0.2, scheme=scheme, args=force).us)

    slope = (value(0.5 + 1e-4) - value(0.5 - 1e-4)) / 2e-4
    assert np.allclose(jax.grad(value)(0.5), slope, rtol=1e-6)


def observed_order(scheme, dt):
    """The slope of log error over log step for u' = -u + cos t, in closed form."""

    def exact(t):
        return 0.5 * (np.cos(t) + np.sin(t)) + 0.5 * np.exp(-t)

    def error(dt):
        trajectory = solve(
            lambda t, u, args: -u + jnp.cos(t), jnp.ones(1), [0.0, 2.0], dt=dt,
            scheme=scheme,
        )  # fmt: skip
        return abs(float(trajectory.us[-1, 0]) - exact(2.0))

    return np.log2(error(dt) / error(dt / 2))


def check_order(scheme, order, dt):
    assert abs(observed_order(scheme, dt) - order) < 0.25


@pytest.mark.parametrize(("scheme", "order"), ORDERS, ids=name_of)
def test_order_of_convergence(scheme, order):
    check_order(scheme, order, 1 / 16)


def test_a_lost_order_is_noticed():
    with pytest.raises(AssertionError):
        check_order(dfx.Euler(), 2, 1 / 16)


def test_tableau_is_read_only_where_it_tells_everything():
    assert explicit_tableau(dfx.Tsit5()) is not None
    assert explicit_tableau(dfx.Kvaerno3()) is None
    assert explicit_tableau(dfx.ReversibleHeun()) is None

    class Damped(dfx.AbstractERK):
        tableau = dfx.Heun.tableau
        interpolation_cls = dfx.Heun.interpolation_cls

        def order(self, terms):
            return 2

        def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
            raise NotImplementedError

    assert explicit_tableau(Damped()) is None


@pytest.mark.parametrize(
    ("dtype", "stiffness"), [(jnp.float64, 1e4), (jnp.float32, 1e2)]
)
def test_implicit_scheme_without_tolerances_gets_them(dtype, stiffness):
    def stiff(t, u, args):
        return stiffness * (jnp.cos(t) - u) - jnp.sin(t)

    u0 = jnp.ones(1, dtype)
    trajectory = solve(stiff, u0, [0.0, 0.5, 1.0], dt=0.05, scheme=dfx.Kvaerno3())
    assert np.allclose(trajectory.us[1:, 0], np.cos([0.5, 1.0]), atol=1e-5)


def test_failed_inner_solve_is_a_result_code():
    scheme = dfx.ImplicitEuler(root_finder=NEWTON, root_find_max_steps=1)
    trajectory = solve(
        lambda t, u, args: -jnp.exp(5 * u), jnp.ones(1), [0.0, 1.0], dt=0.5,
        scheme=scheme, throw=False,
    )  # fmt: skip
    assert int(trajectory.result) == 5
    assert float(trajectory.first_bad_time) == 0.5


def test_default_scheme_can_be_registered_for_a_refinement():
    class Refined:
        pass

    assert isinstance(default_scheme(pendulum), dfx.Tsit5)
    default_scheme.register(Refined, lambda problem: dfx.Heun())
    assert isinstance(default_scheme(Refined()), dfx.Heun)
