"""The distance between laws against closed forms and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.metrics import energy_distance


def _check_shifted(distance):
    """Two normal laws in one dimension, δ apart: 2E|δ + √2 z| − 2E|√2 z|."""
    delta = 1.3
    xs, ys = np.random.default_rng(0).normal(size=(2, 3000, 1))
    z = np.linspace(-9, 9, 20001)
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    mean = lambda shift: np.sum(weight * np.abs(shift + np.sqrt(2) * z))  # noqa: E731
    truth = 2 * mean(delta) - 2 * mean(0.0)
    found = distance(jnp.asarray(xs), jnp.asarray(ys + delta))
    # Some five standard errors of 3,000 pairs.
    np.testing.assert_allclose(found, truth, atol=0.09)


def test_normal_laws_that_are_shifted():
    _check_shifted(energy_distance)
    with pytest.raises(AssertionError):  # the root, another common definition
        _check_shifted(lambda xs, ys: jnp.sqrt(energy_distance(xs, ys)))


def test_every_pair_counts_once():
    xs, ys = np.random.default_rng(1).normal(size=(2, 7, 3))
    pair = lambda a, b: np.mean(  # noqa: E731
        [[np.linalg.norm(p - q) for q in b] for p in a]
    )
    truth = 2 * pair(xs, ys) - pair(xs, xs) - pair(ys, ys)
    np.testing.assert_allclose(
        energy_distance(jnp.asarray(xs), jnp.asarray(ys)), truth, rtol=1e-12
    )
    assert energy_distance(jnp.asarray(xs), jnp.asarray(xs)) == 0
    slope = jax.grad(lambda x: energy_distance(x, x))(jnp.asarray(xs))
    assert np.all(np.isfinite(slope))


def test_samples_of_other_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"with one dim; got \(3, 2\) and \(3, 1\)"):
        energy_distance(jnp.ones((3, 2)), jnp.ones((3, 1)))
