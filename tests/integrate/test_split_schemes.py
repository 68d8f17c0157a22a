"""Schemes of a linear and a nonlinear part: orders, solitons, stiffness, tolerances."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import (
    EGLM6,
    ETDAB2,
    ETDRK1,
    ETDRK2,
    ETDRK3,
    ETDRK4,
    Lawson3,
    Lawson4,
    Lawson5,
    LawsonBS5,
    solve,
)
from phix.integrate._etdrk import AbstractETDRK, tabulate
from phix.integrate._split import nonlinear_part
from phix.pde import Diffusion, from_symbol
from phix.space import Grid
from tests.integrate.manufactured import (
    EQUATION,
    SYMBOL,
    U0,
    check_order,
    check_same_in_diffrax,
    exact,
    name_of,
)


ORDERS = [(ETDRK1(), 1), (ETDRK2(), 2), (ETDRK3(), 3), (ETDRK4(), 4)]


class RealParts(AbstractETDRK):
    """ETDRK4 with the real parts of φ, seen in a public code."""

    tableau = ETDRK4.tableau

    def coefficients(self, symbol, h):
        rows = tabulate(self.tableau, symbol, h)
        real = [[None if a is None else a.real for a in entries] for _, entries in rows]
        return tuple((row[0], entries) for row, entries in zip(rows, real, strict=True))


@pytest.mark.parametrize(("scheme", "order"), ORDERS, ids=name_of)
def test_order(scheme, order):
    check_order(scheme, order, (24, 32, 48, 64) if order < 3 else (16, 24, 32, 48))


def test_real_parts_of_phi_lose_the_order():
    with pytest.raises(AssertionError):
        check_order(RealParts(), 4)


@pytest.mark.parametrize("scheme", [scheme for scheme, _ in ORDERS], ids=name_of)
def test_solve_equals_diffeqsolve(scheme):
    check_same_in_diffrax(scheme)


def test_backwards_in_diffeqsolve():
    """There and back: N is asked for at the right times, and h is negative."""
    scheme = ETDRK4()

    @jax.jit
    def go(t0, t1, y):
        h = (t1 - t0) / 32
        return dfx.diffeqsolve(EQUATION.terms(), scheme, t0, t1, h, y).ys[-1]

    with pytest.warns(UserWarning, match="Complex dtype"):
        back = go(1.0, 0.0, exact(1.0))
    assert float(jnp.max(jnp.abs(back - exact(0.0)))) <= 1e-4


def soliton(x, t, speed=2.0):
    """u_t + 6 u u_x + u_xxx = 0."""
    return 0.5 * speed / np.cosh(0.5 * np.sqrt(speed) * (x - speed * t)) ** 2


def _airy(modes):
    return -modes.derivative(0, 3)[None]


def _steepening(t, y, args, modes):
    return -3 * modes.derivative(0) * modes.to_modes(modes.to_nodes(y) ** 2)


KDV = from_symbol(_airy, Grid(256, (-20.0, 20.0)), nonlinear=_steepening)


def check_soliton(scheme):
    x = np.asarray(KDV.space.points[:, 0])
    errors = []
    for dt in (2e-2, 1e-2, 1e-3):
        us = solve(KDV, jnp.asarray(soliton(x, 0.0))[None], [0.0, 1.0], dt=dt,
                   scheme=scheme).us  # fmt: skip
        errors.append(np.abs(us[-1, 0] - soliton(x, 1.0)).max())
    assert errors[-1] <= 1e-7
    assert np.log2(errors[0] / errors[1]) >= 3.8


def test_soliton():
    check_soliton(ETDRK4())


def test_soliton_by_real_parts():
    with pytest.raises(AssertionError):
        check_soliton(RealParts())


@pytest.mark.parametrize(
    "scheme",
    [ETDRK4(), ETDAB2(), EGLM6(), Lawson3(), Lawson4(), Lawson5(), LawsonBS5()],
    ids=name_of,
)
def test_linear_problems_are_exact_at_any_step(scheme):
    linear = from_symbol(
        lambda modes: jnp.asarray(10 * SYMBOL)[None],
        EQUATION.space,
        keep=1.0,
        complex=True,
    )
    us = solve(linear, U0, [0.0, 3.0], dt=np.inf, scheme=scheme).us
    wanted = np.exp(30 * SYMBOL) * EQUATION.encode(U0)
    np.testing.assert_allclose(linear.encode(us[-1]), wanted, atol=1e-13)


def _heat(modes):
    return modes.laplacian[None]


def _source(t, y, args, modes):
    """So that u = x (1 - x) e^t; not zero at the walls, where modes want zeros."""
    x = jnp.asarray(modes.grid.points[:, 0])[None]
    u, w = modes.to_nodes(y), x * (1 - x) * jnp.exp(t)
    rest = w + 2 * jnp.exp(t) - 1 / (1 + w**2)
    return modes.to_modes(1 / (1 + u**2) + rest)


def stiff_order(scheme):
    grid = Grid(63, (0.0, 1.0), boundary="dirichlet")
    equation = from_symbol(_heat, grid, nonlinear=_source, keep=1.0)
    x = grid.points[:, 0]
    errors = []
    for steps in (8, 16):
        us = solve(equation, jnp.asarray(x * (1 - x))[None], [0.0, 1.0], dt=1 / steps,
                   scheme=scheme).us  # fmt: skip
        fine = solve(equation, us[0], [0.0, 1.0], dt=1 / 256, scheme=scheme).us
        errors.append(np.abs(us[-1] - fine[-1]).max())
    return np.log2(errors[0] / errors[1])


def test_stiff_order():
    """M. Hochbruck and A. Ostermann, SIAM J. Numer. Anal. 43 (2005) 1069, section 6."""
    assert stiff_order(ETDRK4()) >= 2.8
    assert stiff_order(ETDRK2()) < 2.8


TOLERANCES = (1e-4, 1e-6, 1e-8)
BURGERS = from_symbol(
    lambda modes: (0.03 * modes.laplacian - 0.02 * modes.derivative(0, 3))[None],
    Grid(64, (0.0, 2 * np.pi)),
    nonlinear=lambda t, y, args, modes: (
        -0.5 * modes.derivative(0) * modes.to_modes(modes.to_nodes(y) ** 2)
    ),
)


def check_tolerances(scheme):
    """Errors follow the tolerance, and steps its fourth root."""
    u0 = jnp.sin(BURGERS.space.points[:, 0])[None]
    ts = np.array([0.0, 0.5, 2.0])
    true = solve(BURGERS, u0, ts, dt=1e-3).us[-1]
    errors, counts = [], []
    for rtol in TOLERANCES:
        run = solve(BURGERS, u0, ts, scheme=scheme, rtol=jnp.asarray(rtol), atol=1e-12)
        size = jnp.linalg.norm(true)
        errors.append(float(jnp.linalg.norm(run.us[-1] - true) / size) / rtol)
        counts.append(int(run.stats["num_steps"]))
        assert int(run.stats["num_rejected"]) > 0
    assert all(0.05 < e < 5 for e in errors)
    growth = np.log(counts[-1] / counts[0]) / np.log(TOLERANCES[0] / TOLERANCES[-1])
    assert 0.2 <= growth <= 0.3


def test_tolerances():
    check_tolerances(ETDRK4())


class Overconfident(AbstractETDRK):
    """Its error is estimated a thousand times too small."""

    tableau = ETDRK4.tableau

    def advance(self, nonlinear, t, h, y, coefficients, history):
        y1, error, history = ETDRK4().advance(nonlinear, t, h, y, coefficients, history)
        return y1, 1e-3 * error, history


def test_a_wrong_error_estimate_is_noticed():
    with pytest.raises(AssertionError):
        check_tolerances(Overconfident())


def test_schemes_without_an_estimate_refuse_adaptive_steps():
    with pytest.raises(RuntimeError, match="does not provide error estimates"):
        solve(EQUATION, U0, [0.0, 1.0], scheme=ETDAB2())


@pytest.mark.parametrize(
    "problem", [lambda t, u, args: -u, Diffusion(Grid(8, (0.0, 1.0)), 0.1)]
)
def test_a_problem_in_one_piece_is_refused(problem):
    with pytest.raises(ValueError, match="ETDAB2 wants a linear part apart"):
        solve(problem, jnp.ones((1, 8)), [0.0, 1.0], dt=0.1, scheme=ETDAB2())


def test_complex_rates_of_a_real_state():
    terms = dfx.MultiTerm(
        dfx.ODETerm(lambda t, y, args: -y),
        dfx.ODETerm(lambda t, y, args: 1j * y),
    )
    with pytest.raises(ValueError, match="complex"):
        nonlinear_part(terms, None)(0.0, jnp.ones(3))


def test_new_numbers_are_not_compiled_again():
    traces = []

    def forced(t, y, args, modes, size):
        traces.append(1)
        return size * jnp.cos(t) * y

    def damped(modes, size):
        return size * modes.laplacian[None]

    equation = from_symbol(damped, Grid(8, (0.0, 1.0)), nonlinear=forced, size=1.0)
    u0 = jnp.ones((1, 8))
    solve(equation, u0, [0.0, 1.0], dt=0.1, scheme=ETDAB2())
    count = len(traces)
    solve(equation.replace(size=2.0), 2 * u0, [1.0, 2.0], dt=0.1, scheme=ETDAB2())
    assert len(traces) == count
