"""Exponential schemes of several steps: orders from the first step on, restarts."""

from typing import ClassVar

import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest

from phix.integrate import (
    EGLM4,
    EGLM5,
    EGLM6,
    ETDAB2,
    ETDAB3,
    ETDAB4,
    make_stepper,
    solve,
)
from phix.integrate._begin import lagrange
from phix.integrate._multistep import AbstractExponentialMultistep
from tests.integrate.manufactured import (
    EQUATION,
    U0,
    check_order,
    check_same_in_diffrax,
    exact,
    name_of,
)


ORDERS = [
    (ETDAB2(), 2),
    (ETDAB3(), 3),
    (ETDAB4(), 4),
    (EGLM4(), 4),
    (EGLM5(), 5),
    (EGLM6(), 6),
]


@pytest.mark.parametrize(("scheme", "order"), ORDERS, ids=name_of)
def test_order(scheme, order):
    check_order(scheme, order)


class Unstarted(AbstractExponentialMultistep):
    """As if N had not changed before the start."""

    steps: ClassVar[int] = 4
    stages: ClassVar[tuple[float, ...]] = ()

    def start(self, nonlinear, t, h, y, coefficients):
        return (nonlinear(t, y),) * 3


def test_a_careless_start_loses_the_order():
    with pytest.raises(AssertionError):
        check_order(Unstarted(), 4)


@pytest.mark.parametrize("scheme", [scheme for scheme, _ in ORDERS], ids=name_of)
def test_solve_equals_diffeqsolve(scheme):
    check_same_in_diffrax(scheme)


@pytest.mark.parametrize("scheme", [ETDAB3(), EGLM5()], ids=name_of)
def test_order_across_output_times_of_another_step_each(scheme):
    ts = np.array([0.0, 0.37, 0.5, 1.0])
    errors = []
    for dt in (1 / 32, 1 / 64):
        us = solve(EQUATION, U0, ts, dt=dt, scheme=scheme).us
        errors.append(float(jnp.max(jnp.abs(EQUATION.encode(us[-1]) - exact(1.0)))))
    assert np.log2(errors[0] / errors[1]) >= scheme.order(None) - 0.2


@pytest.mark.parametrize(("scheme", "kept"), [(ETDAB3(), 2), (EGLM6(), 4)], ids=name_of)
def test_only_earlier_rates_are_carried(scheme, kept):
    _, state = make_stepper(EQUATION, U0, 0.1, scheme=scheme)
    shapes = [leaf.shape for leaf in jtu.tree_leaves(state.memory)]
    assert shapes == [state.y.shape] * kept


def test_interpolating_polynomials():
    nodes = (0.0, -1.0, -2.0, 0.5)
    values = np.vander(nodes, 4, increasing=True) @ lagrange(nodes).T
    np.testing.assert_allclose(values, np.eye(4), atol=1e-14)
