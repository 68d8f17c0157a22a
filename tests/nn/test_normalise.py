import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from phix import nn


@settings(deadline=None, max_examples=25)
@given(
    low=st.floats(-1e3, 1e3),
    length=st.floats(1e-2, 1e3),
    x=st.lists(st.floats(-1, 1), min_size=1, max_size=5),
)
def test_min_max_maps_the_box_to_the_unit_cube_and_back(low, length, x):
    normaliser = nn.MinMax(jnp.array([low]), jnp.array([low + length]))
    corners = normaliser(jnp.array([[low], [low + length]]))
    np.testing.assert_allclose(corners, [[-1], [1]], atol=1e-9)
    x = jnp.array(x)[:, None]
    np.testing.assert_allclose(normaliser(normaliser.inverse(x)), x, atol=1e-7)


def test_standardiser_of_a_batch_of_trajectories(getkey):
    us = 5 + 3 * np.random.default_rng(0).normal(size=(4, 6, 2, 7, 5))
    normaliser = nn.Standardiser.of(jnp.asarray(us), axis=2)
    z = np.stack([[normaliser(jnp.asarray(u)) for u in row] for row in us])
    np.testing.assert_allclose(z.mean((0, 1, 3, 4)), 0, atol=1e-12)
    np.testing.assert_allclose(z.std((0, 1, 3, 4)), 1, rtol=1e-12)
    np.testing.assert_allclose(normaliser.inverse(jnp.asarray(z[1, 2])), us[1, 2])


def test_degenerate_data_are_refused():
    with pytest.raises(ValueError, match="Standardiser needs std > 0.*does not vary"):
        nn.Standardiser.of(jnp.ones((3, 1)), axis=1)
    with pytest.raises(ValueError, match="MinMax needs upper > lower"):
        nn.MinMax.of(jnp.ones((3, 1)))
