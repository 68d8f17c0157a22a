"""Error measures against plain NumPy, their zero rule, and misuse."""

import hypothesis as hp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.metrics import relative_l2, rnmse, shock_position


SHAPE = (3, 2, 4, 5)
AXES = {"time": (0,), "channels": (1,), "space": (2, 3)}


def by_numpy(prediction, truth, over):
    axes = sum((AXES[name] for name in over), ())
    error = np.sqrt(np.sum(np.abs(prediction - truth) ** 2, axes))
    return error / np.sqrt(np.sum(np.abs(truth) ** 2, axes))


def check_relative_l2(measure, prediction, truth, over):
    expected = by_numpy(prediction, truth, over)
    measured = measure(jnp.asarray(prediction), jnp.asarray(truth))
    assert measured.shape == expected.shape
    assert np.allclose(measured, expected, rtol=1e-13)


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    return rng.normal(size=SHAPE), rng.normal(size=SHAPE)


@pytest.mark.parametrize(
    "over",
    [("channels", "space"), ("space",), ("time", "channels", "space"), ("time",)],
)
def test_relative_l2_over_named_axes(pair, over):
    check_relative_l2(lambda p, t: relative_l2(p, t, over=over), *pair, over)


def test_a_missing_axis_or_a_squared_norm_is_noticed(pair):
    over = ("channels", "space")
    with pytest.raises(AssertionError):
        check_relative_l2(lambda p, t: relative_l2(p, t) ** 2, *pair, over)
    with pytest.raises(AssertionError):
        check_relative_l2(lambda p, t: relative_l2(p, t, over=("space",)), *pair, over)


def test_complex_fields(pair):
    a, b = pair[0] + 1j * pair[1], pair[1] - 2j * pair[0]
    check_relative_l2(relative_l2, a, b, ("channels", "space"))


def test_rnmse_is_the_mean_over_frames(pair):
    expected = by_numpy(*pair, ("channels", "space")).mean()
    assert np.allclose(rnmse(*map(jnp.asarray, pair)), expected, rtol=1e-13)


@hp.given(scale=st.floats(1e-30, 1e30))
@hp.settings(max_examples=20, deadline=None)
def test_scale_does_not_matter_even_where_squares_overflow(scale):
    truth = jnp.asarray(np.linspace(1, 2, 6).reshape(1, 1, 6), jnp.float32)
    scaled = truth * jnp.float32(scale)
    error = relative_l2(scaled * jnp.float32(1.5), scaled)
    assert np.allclose(error, 0.5, rtol=1e-5)


def test_zero_truth():
    zero, one = jnp.zeros((1, 1, 4)), jnp.ones((1, 1, 4))
    assert relative_l2(zero, zero)[0] == 0
    assert relative_l2(one, zero)[0] == np.inf


def test_a_nan_is_not_hidden():
    bad = jnp.ones((1, 1, 4)).at[0, 0, 1].set(jnp.nan)
    assert np.isnan(relative_l2(bad, jnp.ones((1, 1, 4)))[0])
    assert np.isnan(relative_l2(bad, jnp.zeros((1, 1, 4)))[0])
    assert np.isnan(relative_l2(jnp.ones((1, 1, 4)), bad)[0])


def test_an_infinite_prediction_is_infinitely_wrong():
    bad = jnp.ones((1, 1, 4)).at[0, 0, 1].set(jnp.inf)
    assert relative_l2(bad, jnp.ones((1, 1, 4)))[0] == np.inf


def test_gradient_is_finite_at_a_perfect_prediction():
    truth = jnp.ones((2, 1, 4))
    assert np.all(jax.grad(rnmse)(truth, truth) == 0)


def test_precision_is_kept():
    truth = jnp.ones((2, 1, 4), jnp.float32)
    assert rnmse(truth, truth).dtype == jnp.float32


@pytest.mark.parametrize("shape", [(3, 1, 4), (1, 4), (2, 1, 5)])
def test_nothing_is_broadcast(shape):
    with pytest.raises(ValueError, match="must have one shape"):
        relative_l2(jnp.ones(shape), jnp.ones((2, 1, 4)))


def test_unknown_axis_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'channels'"):
        relative_l2(jnp.ones((2, 1, 4)), jnp.ones((2, 1, 4)), over=("channel",))


def test_shock_is_at_the_left_vertex_of_the_largest_fall():
    u = jnp.array([[[3.0, 3.0, 1.0, 1.0]], [[3.0, 2.9, 2.9, 0.0]]])
    assert np.array_equal(shock_position(u), [[1], [2]])
    assert shock_position(jnp.arange(4.0)) == 0
    assert shock_position(jnp.array([0.0, 5.0, 4.5, 9.0])) == 1


def test_shock_needs_two_vertices():
    with pytest.raises(ValueError, match="two vertices"):
        shock_position(jnp.ones((1, 1)))
