"""Lawson's schemes: orders, exactness for L, the steps that they take."""

import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import Lawson4, Lawson5, solve
from phix.integrate._lawson import AbstractLawson
from phix.pde import from_symbol
from tests.integrate.manufactured import (
    EQUATION,
    SYMBOL,
    U0,
    check_order,
    check_same_in_diffrax,
    name_of,
)


SCHEMES = [Lawson4(), Lawson5()]


class Late(AbstractLawson):
    """Carries slopes from where they are used, not from where they were found."""

    tableau = Lawson4.tableau
    _order = 4

    def advance(self, nonlinear, t, h, y, coefficients, history):
        length, tables = coefficients
        halfway, whole = tables
        a = nonlinear(t, y)
        b = nonlinear(t + 0.5 * h, halfway * (y + 0.5 * length * a))
        c = nonlinear(t + 0.5 * h, halfway * (y + 0.5 * length * b))
        d = nonlinear(t + h, whole * (y + length * c))
        return whole * (y + length / 6 * (a + 2 * b + 2 * c + d)), None, history


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_of)
def test_order(scheme):
    order = scheme.order(None)
    check_order(scheme, order, (8, 12, 16, 24) if order > 4 else (16, 24, 32, 48))


def test_a_slope_carried_from_the_wrong_time_loses_the_order():
    with pytest.raises(AssertionError):
        check_order(Late(), 4)


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_of)
def test_solve_equals_diffeqsolve(scheme):
    check_same_in_diffrax(scheme)


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_of)
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


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_of)
def test_nothing_grows_that_decays(scheme):
    """A damping of e^-400 a step: no exponential is divided by another."""
    stiff = from_symbol(
        lambda modes: -1e4 * jnp.ones((1, 5)),
        EQUATION.space,
        nonlinear=lambda t, y, args, modes: -y,
        keep=1.0,
        complex=True,
    )
    us = solve(stiff, U0, [0.0, 0.4], dt=0.04, scheme=scheme).us
    assert np.abs(us[-1]).max() == 0
