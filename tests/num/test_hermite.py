"""Cubic interpolation from values and slopes."""

import jax.numpy as jnp
import numpy as np
import pytest

from phix.num import hermite


def knots_of(intervals):
    """Uneven, from 0 to 2."""
    return 2 * (jnp.arange(intervals + 1) / intervals) ** 1.5


def check_cubic(interpolate):
    """A cubic comes back, between the knots and beyond them."""
    curve = np.polynomial.Polynomial([0.3, -1.2, 0.7, 2.0])
    knots, t = knots_of(3), jnp.linspace(-0.1, 2.1, 23)
    values = jnp.stack([curve(knots), -curve(knots)], axis=1)
    slopes = jnp.stack([curve.deriv()(knots), -curve.deriv()(knots)], axis=1)
    found = interpolate(t, knots, values, slopes)
    np.testing.assert_allclose(found[:, 0], curve(t), atol=1e-12)
    np.testing.assert_allclose(found[:, 1], -curve(t), atol=1e-12)


def test_cubics_come_back():
    check_cubic(hermite)
    with pytest.raises(AssertionError):
        check_cubic(lambda t, knots, values, slopes: hermite(t, knots, values, -slopes))


def check_order(interpolate, order):
    t, errors = jnp.linspace(0.0, 2.0, 501), []
    for intervals in (10, 20, 40):
        knots = knots_of(intervals)
        found = interpolate(t, knots, jnp.sin(knots), jnp.cos(knots))
        errors.append(float(jnp.max(jnp.abs(found - jnp.sin(t)))))
    np.testing.assert_array_less(order - 0.2, -np.diff(np.log2(errors)))


def test_order_four():
    check_order(hermite, 4)
    with pytest.raises(AssertionError):
        check_order(lambda t, knots, values, _: jnp.interp(t, knots, values), 4)
