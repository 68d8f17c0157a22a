"""Lawson's schemes: orders, and exponentials that only decay."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import Lawson3, Lawson4, Lawson5, LawsonBS5, solve
from phix.integrate._etdrk import AbstractETDRK
from phix.pde import from_symbol
from tests.integrate.manufactured import (
    EQUATION,
    U0,
    check_order,
    check_same_in_diffrax,
    name_of,
)


ORDERS = [(Lawson3(), 3), (Lawson4(), 4), (Lawson5(), 5), (LawsonBS5(), 5)]
SCHEMES = [scheme for scheme, _ in ORDERS]


class Late(AbstractETDRK):
    """Carries slopes from the start of the step, not from where they were found."""

    tableau = Lawson4.tableau

    def coefficients(self, symbol, h):
        tables, weights = super().coefficients(symbol, h), Lawson4.tableau.weights
        decay = tables[-1][0]
        late = tuple(h * entry[0] * decay for entry in weights)
        return (*tables[:-1], (decay, late))


@pytest.mark.parametrize(("scheme", "order"), ORDERS, ids=name_of)
def test_order(scheme, order):
    check_order(scheme, order, (8, 12, 16, 24) if order > 4 else (16, 24, 32, 48))


def test_a_slope_carried_from_the_wrong_time_loses_the_order():
    with pytest.raises(AssertionError):
        check_order(Late(), 4)


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_of)
def test_solve_equals_diffeqsolve(scheme):
    check_same_in_diffrax(scheme)


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


def check_waves(scheme, limit):
    """Waves that N alone turns: they grow beyond a limit of h|λ|, not below."""
    none, one = jnp.zeros((1, 1)), jnp.asarray(1.0)
    tables = scheme.coefficients(none, one)

    def growth(size):
        def turn(t, y):
            return 1j * size * y

        return jnp.abs(scheme.advance(turn, 0.0, one, none + 1.0, tables, ())[0])

    sizes = jnp.linspace(0.0, limit, 200)
    assert jnp.max(jax.vmap(growth)(sizes)) <= 1 + 1e-12
    assert growth(1.01 * limit) > 1


def test_waves_are_stable_as_far_as_they_can_be():
    """Kinnmark and Gray: no polynomial of order 3 and degree 5 reaches beyond √15."""
    check_waves(Lawson3(), math.sqrt(15))
    check_waves(Lawson4(), math.sqrt(8))


def test_limits_that_are_too_high_or_too_low_are_noticed():
    with pytest.raises(AssertionError):
        check_waves(Lawson4(), math.sqrt(15))
    with pytest.raises(AssertionError):
        check_waves(Lawson3(), math.sqrt(8))
