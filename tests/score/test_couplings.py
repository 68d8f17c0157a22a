"""Couplings against exact transport; losses of interpolants at their exact fields."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import score
from phix.train import ArraySource
from tests.score.laws import draw, mixture


SOURCE = score.oracles.gaussian(jnp.array([1.0, -0.5]), jnp.diag(jnp.array([0.5, 0.2])))
KEY = jax.random.key(0)


def _check_optimal(coupling):
    """No permutation of six costs less."""
    x0s, x1s = draw(SOURCE, 6), draw(mixture(), 6, 1)
    cost = lambda order: np.sum((np.asarray(x0s) - np.asarray(x1s)[order]) ** 2)  # noqa: E731
    found = np.asarray(coupling(x0s, x1s, key=KEY))
    assert sorted(found) == list(range(6))
    least = min(cost(list(order)) for order in itertools.permutations(range(6)))
    np.testing.assert_allclose(cost(found), least, rtol=1e-12)


def test_pairs_are_optimal():
    _check_optimal(score.OptimalPairs())
    _check_optimal(jax.jit(score.OptimalPairs()))
    with pytest.raises(AssertionError):  # the independent coupling
        _check_optimal(lambda x0s, x1s, *, key: jnp.arange(6))


def _check_plan(epsilon, of):
    """Cov[x₀, x₁] of the plan is that of the Gaussians with the moments of the samples,
    and its marginals are even."""
    pytest.importorskip("ott", reason="ott-jax is an optional extra")
    x0s = draw(SOURCE, 500)
    x1s = draw(score.oracles.gaussian(jnp.zeros(2), jnp.eye(2)), 500, 1)
    plan = score.sinkhorn_plan(x0s, x1s, of, threshold=1e-6)
    np.testing.assert_allclose(jnp.sum(plan, axis=0), 1 / 500, atol=1e-5)
    np.testing.assert_allclose(jnp.sum(plan, axis=1), 1 / 500, atol=1e-5)
    apart0, apart1 = x0s - jnp.mean(x0s, axis=0), x1s - jnp.mean(x1s, axis=0)
    cross = jnp.einsum("ij,ia,jb->ab", plan, apart0, apart1)
    covariances = (jnp.cov(v.T, bias=True) for v in (x0s, x1s))
    wanted = score.oracles.entropic_plan(*covariances, epsilon)
    np.testing.assert_allclose(cross, wanted, atol=0.03)


@pytest.mark.slow
def test_sinkhorn_tends_to_the_entropic_plan_of_gaussians():
    _check_plan(0.5, 0.5)
    with pytest.raises(AssertionError):  # the entropy of another convention
        _check_plan(0.5, 0.125)


def test_sinkhorn_pairs_are_drawn_from_their_plan():
    pytest.importorskip("ott", reason="ott-jax is an optional extra")
    x0s, x1s = draw(SOURCE, 4), draw(mixture(), 4, 1)
    pairs = score.SinkhornPairs(0.5)
    keys = jax.random.split(KEY, 4000)
    found = jax.jit(jax.vmap(lambda key: pairs(x0s, x1s, key=key)))(keys)
    plan = 4 * score.sinkhorn_plan(x0s, x1s, 0.5)
    shares = jnp.mean(jax.nn.one_hot(found, 4), axis=0)
    assert np.all(np.abs(shares - plan) < 5 * np.sqrt(plan / 4000))


def test_a_source_pairs_its_batches():
    data, others = draw(mixture(), 16, 1), draw(SOURCE, 16)
    plain = ArraySource(data)
    source = score.PairedSource(plain, score.OptimalPairs(), score.White())
    draws = jax.jit(lambda step: source.draw(step, key=KEY).samples)
    x0s, x1s = draws(3)
    # The same data in another order, with noise of this step, paired at the least cost.
    np.testing.assert_array_equal(np.sort(x1s, axis=0), np.sort(data, axis=0))
    again = score.OptimalPairs()(x0s, x1s, key=KEY)
    np.testing.assert_array_equal(again, np.arange(16))
    assert not np.allclose(x0s, draws(4)[0])
    # Of pairs, the first parts stay where they are.
    both = score.PairedSource(ArraySource((others, data)), score.OptimalPairs())
    paired = both.draw(0, key=KEY).samples
    np.testing.assert_array_equal(paired[0], others)
    np.testing.assert_array_equal(np.sort(paired[1], axis=0), np.sort(data, axis=0))


class _Scaled(eqx.Module):
    """The exact fields of a bridge, each times a number to be trained."""

    exact: score.oracles.Bridge
    factors: jax.Array

    @property
    def path(self):
        return self.exact.path

    def velocity_net(self, t, x, cond):
        return self.factors[0] * self.exact.predict(t, x, "velocity")

    def noise_net(self, t, x, cond):
        return self.factors[1] * self.exact.predict(t, x, "noise")


BRIDGE = score.oracles.Bridge(SOURCE, mixture(), score.LinearInterpolant())


@eqx.filter_jit
def _slopes(factors, x0s, x1s):
    keys = jax.random.split(jax.random.key(2), x0s.shape[0])
    loss = score.InterpolantLoss()

    def slope(x0, x1, key):
        value = lambda f: loss(_Scaled(BRIDGE, f), (x0, x1), step=0, key=key)[0]  # noqa: E731
        return jax.grad(value)(factors)

    return jax.vmap(slope)(x0s, x1s, keys)


def _check_least(factors):
    x0s, x1s = draw(SOURCE, 4000), draw(mixture(), 4000, 1)
    slopes = _slopes(jnp.array(factors), x0s, x1s)
    error = jnp.std(slopes, axis=0) / np.sqrt(4000)
    assert np.all(np.abs(jnp.mean(slopes, axis=0)) < 5 * error)


def test_the_loss_of_an_interpolant_is_least_at_its_exact_fields():
    _check_least([1.0, 1.0])
    for twin in ([1.2, 1.0], [1.0, -1.0]):
        with pytest.raises(AssertionError):
            _check_least(twin)


def test_a_predictor_of_two_sides_says_what_the_bridge_does():
    velocity = lambda t, x, cond: BRIDGE.predict(t, x, "velocity")  # noqa: E731
    noise = lambda t, x, cond: BRIDGE.predict(t, x, "noise")  # noqa: E731
    both = score.TwoSidedPredictor(velocity, BRIDGE.path, noise)
    x = jnp.array([0.3, -0.6])
    found, wanted = jax.jit(lambda t: (both.denoise(t, x), BRIDGE.denoise(t, x)))(0.4)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
    alone = score.TwoSidedPredictor(velocity, BRIDGE.path)
    np.testing.assert_array_equal(alone.velocity(0.4, x), both.velocity(0.4, x))
    assert np.all(np.isnan(alone.score(0.4, x)))


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("phix.score._couplings._OTT", ("no_such_package",))
    with pytest.raises(ImportError, match=r"pip install \"phix-jax\[ot\]\""):
        score.sinkhorn_plan(jnp.ones((2, 1)), jnp.ones((2, 1)), 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: score.SinkhornPairs(0.0), "`epsilon` must be positive; got 0.0"),
        (
            lambda: score.OptimalPairs()(jnp.ones((3, 2)), jnp.ones((4, 2)), key=KEY),
            "must have one shape",
        ),
        (
            lambda: score.PairedSource(
                ArraySource(jnp.ones((4, 2))), score.OptimalPairs()
            ).draw(0, key=KEY),
            "must give pairs",
        ),
        (
            lambda: score.TwoSidedPredictor(jnp.sin, score.Linear()),
            "`path`: Linear leads from noise to data",
        ),
        (
            lambda: score.TwoSidedPredictor(
                lambda t, x, c: x, score.LinearInterpolant()
            ).predict(0.5, jnp.ones(2), "v_diffusion"),
            "no 'v_diffusion' prediction",
        ),
        (
            lambda: score.InterpolantLoss()(BRIDGE, jnp.ones(2), step=0, key=KEY),
            "must be a pair",
        ),
    ],
)
def test_wrong_calls_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
