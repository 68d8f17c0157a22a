"""Entropies and densities against closed forms and SciPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st

from phix.metrics import (
    kernel_density,
    renyi_entropy,
    shannon_entropy,
    tsallis_entropy,
)


SIGMA = 1.7
H = 0.05
X = H * np.arange(-600, 600)
GAUSSIAN = jnp.asarray(3.0 * np.exp(-(X**2) / (2 * SIGMA**2)))  # not normalised
ORDERS = (0.5, 2.0, 10.0)


def _renyi_of_gaussian(order):
    if order == 1:
        return 0.5 * math.log(2 * math.pi * math.e * SIGMA**2)
    return 0.5 * math.log(2 * math.pi * SIGMA**2) + math.log(order) / (2 * (order - 1))


def _check_gaussian(shannon, renyi, tsallis):
    """The differential entropies of a Gaussian; trapezoids are exact to rounding."""
    assert abs(shannon(GAUSSIAN, H) - _renyi_of_gaussian(1)) < 1e-12
    for order in ORDERS:
        wanted = _renyi_of_gaussian(order)
        assert abs(renyi(GAUSSIAN, order, H) - wanted) < 1e-12
        power = math.exp((1 - order) * wanted)  # the integral of the density's power
        assert abs(tsallis(GAUSSIAN, order, H) - (1 - power) / (order - 1)) < 1e-12


def test_differential_entropies_of_a_gaussian():
    _check_gaussian(shannon_entropy, renyi_entropy, tsallis_entropy)


def _without_spacing(entropy):
    """A density summed without dx, as published for these fields."""

    def wrong(weights, *order_and_spacing):
        *order, h = order_and_spacing
        density = weights / (h * weights.sum())
        if entropy is shannon_entropy:
            return -jnp.sum(density * jnp.log(density))
        total = jnp.sum(density ** order[0])
        if entropy is renyi_entropy:
            return jnp.log(total) / (1 - order[0])
        return (1 - total) / (order[0] - 1)

    return wrong


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_sums_without_spacing_are_caught(broken):
    functions = [shannon_entropy, renyi_entropy, tsallis_entropy]
    functions[broken] = _without_spacing(functions[broken])
    with pytest.raises(AssertionError):
        _check_gaussian(*functions)


def _check_discrete(shannon, renyi, tsallis):
    """Equal weights; one weight alone; agreement with SciPy."""
    n = 7
    equal, alone = jnp.ones(n), jnp.zeros(n).at[3].set(2.0)
    uneven = np.arange(1.0, n + 1)
    assert abs(shannon(equal) - math.log(n)) < 1e-14
    assert shannon(alone) == 0
    wanted = scipy.stats.entropy(uneven)
    assert abs(shannon(jnp.asarray(uneven)) - wanted) < 1e-14
    for order in ORDERS:
        assert abs(renyi(equal, order) - math.log(n)) < 1e-14
        assert abs(tsallis(equal, order) - (1 - n ** (1 - order)) / (order - 1)) < 1e-13
        assert renyi(alone, order) == 0 and tsallis(alone, order) == 0


def test_discrete_entropies():
    _check_discrete(shannon_entropy, renyi_entropy, tsallis_entropy)
    # Negative twins: in bits; a sign; a density that is not normalised.
    bits = lambda w: shannon_entropy(w) / math.log(2)  # noqa: E731
    with pytest.raises(AssertionError):
        _check_discrete(bits, renyi_entropy, tsallis_entropy)
    turned = lambda w, a: -renyi_entropy(w, a)  # noqa: E731
    with pytest.raises(AssertionError):
        _check_discrete(shannon_entropy, turned, tsallis_entropy)
    raw = lambda w, q: (1 - jnp.sum(w**q)) / (q - 1)  # noqa: E731
    with pytest.raises(AssertionError):
        _check_discrete(shannon_entropy, renyi_entropy, raw)


_weights = st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4).map(np.array)


@settings(max_examples=30, deadline=None)
@given(_weights, st.floats(0.01, 10.0))
def test_what_holds_for_any_weights(weights, h):
    w = jnp.asarray(weights)
    discrete = [float(renyi_entropy(w, order)) for order in (0.5, 1.0, 2.0, 5.0)]
    assert all(a >= b - 1e-12 for a, b in zip(discrete[:-1], discrete[1:], strict=True))
    assert discrete[-1] >= -1e-12 and discrete[0] <= math.log(w.size) + 1e-12
    for order, value in zip((0.5, 1.0, 2.0), discrete[:3], strict=True):
        assert abs(float(renyi_entropy(w, order, h)) - value - math.log(h)) < 1e-10
    near = float(tsallis_entropy(w, 1 + 1e-6))
    assert abs(near - float(tsallis_entropy(w, 1.0))) < 1e-4
    pair = jnp.outer(w, w[::-1]).ravel()  # independent parts
    one = float(tsallis_entropy(w, 2.0))
    assert abs(float(tsallis_entropy(pair, 2.0)) - (2 * one - one**2)) < 1e-12


def test_frames_have_an_entropy_each_and_empty_nodes_a_gradient():
    frames = jnp.stack([GAUSSIAN, GAUSSIAN**2])
    assert shannon_entropy(frames, H).shape == (2,)
    for entropy in (
        shannon_entropy,
        lambda w: renyi_entropy(w, 0.5),
        lambda w: tsallis_entropy(w, 0.5),
    ):
        assert np.isfinite(jax.grad(entropy)(jnp.array([0.0, 1.0, 2.0]))).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: shannon_entropy(jnp.array([1.0, -1.0])), "not negative.*lowest -1.0"),
        (lambda: shannon_entropy(jnp.array([1.0, jnp.nan])), "must be finite"),
        (lambda: shannon_entropy(jnp.zeros((2, 3))), "somewhere positive"),
        (lambda: shannon_entropy(jnp.ones(3), -0.1), "`spacing` must be positive"),
        (lambda: renyi_entropy(jnp.ones(3), 0.0), "`order` must be positive.*got 0.0"),
        (lambda: tsallis_entropy(jnp.ones(3), math.inf), "`order` must be positive"),
        (lambda: kernel_density(jnp.ones(1), jnp.ones(1)), "at least two.*got 1"),
        (lambda: kernel_density(jnp.ones(3), jnp.ones(1)), "`bandwidth` must be pos"),
        (lambda: kernel_density(jnp.ones(3), jnp.ones(1), -1.0), "got -1.0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def _check_density(density):
    rng = np.random.default_rng(1)
    samples, points = rng.normal(size=200) ** 3, np.linspace(-9, 9, 50)
    wanted = scipy.stats.gaussian_kde(samples, "scott")
    found = density(jnp.asarray(samples), jnp.asarray(points))
    np.testing.assert_allclose(found, wanted(points), rtol=1e-12, atol=1e-15)


def test_a_density_is_that_of_scipy():
    _check_density(kernel_density)
    # Negative twin: the deviation that divides by n.
    with pytest.raises(AssertionError):
        _check_density(lambda s, x: kernel_density(s, x, jnp.std(s) * s.size**-0.2))
