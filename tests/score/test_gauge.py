"""Splitting a field: Pythagoras on an exact gauge, and its negative twin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.score import dimension
from phix import score
from tests.score.laws import draw, mixture


def _stirred(x):
    """r = J∇ψ / p: p r is free of divergence, whatever ψ."""
    slope = jax.grad(lambda x: jnp.exp(-jnp.sum((x - 0.3) ** 2)))(x)
    return jnp.array([-slope[1], slope[0]]) * 0.05 / jnp.exp(mixture().log_prob(x))


def _pushed(x):
    """A remainder that moves the density."""
    return jax.grad(lambda x: jnp.exp(-jnp.sum((x - 0.3) ** 2)))(x)


def _check_split(remainder):
    law = mixture()
    xs = draw(law, 4000)
    field = lambda x: jax.grad(law.log_prob)(x) + remainder(x)  # noqa: E731
    found = score.gauge_decomposition(field, law.log_prob, xs)
    assert found.residual < 1e-16
    np.testing.assert_allclose(
        found.fraction, found.remainder / found.field, rtol=1e-12
    )
    # E[∇φ·r] = 0, to three standard errors.
    gradient = jax.vmap(jax.grad(law.log_prob))(xs)
    cross = jnp.sum(gradient * jax.vmap(remainder)(xs), axis=1)
    slack = 3 * 2 * jnp.std(cross) / np.sqrt(xs.shape[0])
    assert abs(found.field - found.conservative - found.remainder) < slack


@pytest.mark.slow
def test_a_gauge_is_orthogonal_to_the_score():
    _check_split(_stirred)
    with pytest.raises(AssertionError):
        _check_split(_pushed)


def _check_dimension(predictor, k):
    """Exact at every point."""
    found = dimension.dimensions(predictor, k, 4)
    assert np.all(found == k), found


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 5, 10])
def test_a_trained_gradient_finds_the_dimension_of_a_sphere(k):
    """In 20 dimensions; a gauge that shears, and changes no density, spoils it."""
    model = dimension.trained(k, conservative=True)
    _check_dimension(model, k)
    with pytest.raises(AssertionError):
        twin = dimension.sheared(model, k, dimension.DIM, dimension.LEVELS)
        _check_dimension(twin, k)
