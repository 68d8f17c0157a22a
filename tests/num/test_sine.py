"""Sines and cosines of single precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.num import cosine, sine
from phix.num._sine import _reduced


def check_error(function, truth, largest):
    """Within 3e-7 of the truth, worked out in double precision."""
    x = np.random.default_rng(0).uniform(-largest, largest, 20_000).astype(np.float32)
    found = np.asarray(function(jnp.asarray(x)), np.float64)
    np.testing.assert_allclose(found, truth(x.astype(np.float64)), rtol=0, atol=3e-7)


@pytest.mark.parametrize("largest", [1e-3, 1.0, 10.0, 1e4])
def test_error(largest):
    check_error(sine, np.sin, largest)
    check_error(cosine, np.cos, largest)


def test_without_a_reduction_in_parts_the_error_is_larger():
    def careless(x):
        turns = jnp.round(x / jnp.float32(np.pi))
        return jnp.cos(np.pi * turns) * sine(x - turns * jnp.float32(np.pi))

    with pytest.raises(AssertionError):
        check_error(careless, np.sin, 1e4)


def test_small_numbers_keep_all_their_digits():
    x = jnp.asarray([0.0, 1e-30, -3e-10, 2e-4], jnp.float32)
    np.testing.assert_allclose(sine(x), np.sin(np.asarray(x, np.float64)), rtol=2e-7)


def test_what_cannot_be_reduced_stays_bounded():
    x = jnp.asarray([1e9, -1e20, 3e38], jnp.float32)
    assert jnp.all(jnp.abs(sine(x)) <= 1.001)
    assert jnp.all(jnp.abs(cosine(x)) <= 1.001)
    assert jnp.all(jnp.isnan(sine(jnp.asarray([jnp.inf, jnp.nan], jnp.float32))))


def check_derivatives(function, order):
    """The fourth derivative is the function itself, and forward and reverse agree."""
    x = jnp.linspace(-4.0, 5.0, 41, dtype=jnp.float32)
    found = function
    for _ in range(order):
        found = jax.grad(found)
    np.testing.assert_allclose(jax.vmap(found)(x), function(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("function", [sine, cosine])
def test_derivatives(function):
    check_derivatives(function, 4)
    with pytest.raises(AssertionError):
        check_derivatives(function, 2)
    x, dx = jnp.float32(0.7), jnp.float32(1.0)
    _, forward = jax.jvp(function, (x,), (dx,))
    assert forward == jax.grad(function)(x)


def test_double_precision_is_that_of_jax():
    x = jnp.linspace(-4.0, 5.0, 41, dtype=jnp.float64)
    assert jnp.array_equal(sine(x), jnp.sin(x))
    assert jnp.array_equal(cosine(x), jnp.cos(x))


def test_the_rest_is_at_most_half_a_turn():
    rest, sign = _reduced(jnp.linspace(-50.0, 50.0, 999, dtype=jnp.float32))
    assert jnp.max(jnp.abs(rest)) <= np.pi / 2 + 1e-6
    assert set(np.unique(sign)) == {-1.0, 1.0}
