"""Cubic splines as matrices."""

import numpy as np
import pytest

from phix.num import spline_weights


def knots_of(intervals):
    """Uneven, from 0 to 2."""
    return 2 * (np.arange(intervals + 1) / intervals) ** 1.5


def lines(t, knots):
    """Piecewise linear."""
    units = np.eye(len(knots))
    return np.stack([np.interp(t, knots, unit) for unit in units], axis=1)


def check_cubic(weights):
    curve = np.polynomial.Polynomial([0.3, -1.2, 0.7, 2.0])
    knots, t = knots_of(5), np.linspace(0.0, 2.0, 23)
    np.testing.assert_allclose(weights(t, knots) @ curve(knots), curve(t), atol=1e-12)


def test_cubics_come_back():
    check_cubic(spline_weights)
    with pytest.raises(AssertionError):
        check_cubic(lines)


def check_order(weights, order):
    t, errors = np.linspace(0.0, 2.0, 501), []
    for intervals in (10, 20, 40):
        knots = knots_of(intervals)
        errors.append(np.max(np.abs(weights(t, knots) @ np.sin(knots) - np.sin(t))))
    np.testing.assert_array_less(order - 0.2, -np.diff(np.log2(errors)))


def test_order_four():
    check_order(spline_weights, 4)
    with pytest.raises(AssertionError):
        check_order(lines, 4)


def test_few_knots_are_joined_by_what_they_determine():
    t = np.linspace(0.0, 1.0, 5)
    np.testing.assert_allclose(spline_weights(t, np.array([0.0, 1.0]))[:, 1], t)
    three = np.array([0.0, 0.4, 1.0])
    np.testing.assert_allclose(spline_weights(t, three) @ three**2, t**2, atol=1e-14)


@pytest.mark.parametrize("knots", [[0.5], [0.0, 1.0, 1.0], [1.0, 0.0]])
def test_bad_knots(knots):
    with pytest.raises(ValueError, match="increasing"):
        spline_weights(np.array([0.5]), np.array(knots))
