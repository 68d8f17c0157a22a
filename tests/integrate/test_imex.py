"""IMEX schemes: orders, restarts, damping, what they carry."""

import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest

from phix.integrate import (
    ARK4,
    ARS222,
    ARS443,
    CNAB2,
    SBDF2,
    SBDF3,
    make_stepper,
    solve,
)
from phix.integrate._imex import AbstractIMEXMultistep, MultistepFormula
from phix.integrate._imex_rk import AbstractIMEXRungeKutta, IMEXTableau
from tests.integrate.manufactured import (
    EQUATION,
    U0,
    check_order,
    check_same_in_diffrax,
    exact,
    name_of,
)


ORDERS = [
    (CNAB2(), 2),
    (SBDF2(), 2),
    (SBDF3(), 3),
    (ARS222(), 2),
    (ARS443(), 3),
    (ARK4(), 4),
]


@pytest.mark.parametrize(("scheme", "order"), ORDERS, ids=name_of)
def test_order(scheme, order):
    check_order(scheme, order, (24, 32, 48, 64))


class Lagged(AbstractIMEXMultistep):
    """SBDF2 whose N is taken at the start of the step alone."""

    formula = MultistepFormula(2, (4 / 3, -1 / 3), (2 / 3, 0.0), 2 / 3)


class Uncoupled(AbstractIMEXRungeKutta):
    """Both halves of order 2, but not together: the nodes of N are another's."""

    tableau = IMEXTableau(
        order=2,
        nodes=(0.0, 1.0),
        implicit=((0.0,), (0.5, 0.5)),
        explicit=((), (0.5,)),
        implicit_weights=(0.5, 0.5),
        explicit_weights=(0.0, 1.0),
    )


@pytest.mark.parametrize("scheme", [Lagged(), Uncoupled()], ids=name_of)
def test_a_lost_order_is_noticed(scheme):
    with pytest.raises(AssertionError):
        check_order(scheme, 2, (24, 32, 48, 64))


@pytest.mark.parametrize("scheme", [scheme for scheme, _ in ORDERS], ids=name_of)
def test_solve_equals_diffeqsolve(scheme):
    check_same_in_diffrax(scheme)


@pytest.mark.parametrize(("scheme", "kept"), [(CNAB2(), 1), (SBDF3(), 2)], ids=name_of)
def test_one_array_is_carried_for_every_earlier_step(scheme, kept):
    _, state = make_stepper(EQUATION, U0, 0.1, scheme=scheme)
    shapes = [leaf.shape for leaf in jtu.tree_leaves(state.memory)]
    assert shapes == [state.y.shape] * kept


def growth(scheme, z):
    """The largest factor per step of y' = L y, for z = hL, in NumPy."""
    formula = scheme.formula
    length = len(formula.states)
    row = np.array(formula.states, complex)
    row[0] += formula.explicit * z
    companion = np.eye(length, k=-1, dtype=complex)
    companion[0] = row / (1 - formula.implicit * z)
    return np.abs(np.linalg.eigvals(companion)).max()


@pytest.mark.parametrize(
    ("scheme", "limit"), [(CNAB2(), 1.0), (SBDF2(), 0.1), (SBDF3(), 0.2)], ids=name_of
)
def test_stiff_modes_do_not_grow(scheme, limit):
    assert all(growth(scheme, -z) <= 1 for z in np.geomspace(1e-3, 1e8, 40))
    assert growth(scheme, -1e6) <= limit


def test_undamped_waves_do_not_grow_but_by_sbdf3():
    """What its docstring warns of."""
    waves = 1j * np.geomspace(1e-2, 1e4, 60)
    assert max(growth(CNAB2(), z) for z in waves) <= 1 + 1e-12
    assert max(growth(SBDF2(), z) for z in waves) <= 1 + 1e-12
    assert max(growth(SBDF3(), z) for z in waves) > 1.01


def test_adaptive_steps():
    ts = np.array([0.0, 1.0])
    for rtol in (1e-4, 1e-7):
        tolerance = jnp.asarray(rtol)
        trajectory = solve(
            EQUATION, U0, ts, scheme=ARK4(), rtol=tolerance, atol=tolerance
        )
        y = EQUATION.encode(trajectory.us[-1])
        assert float(jnp.linalg.norm(y - exact(1.0))) <= 10 * rtol
