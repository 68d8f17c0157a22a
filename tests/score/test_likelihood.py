"""Densities, codes and Jacobians of the probability flow against closed forms."""

import functools

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import score
from phix.space import GaussianRandomField, Grid
from tests.score.laws import PATHS, Moved, Tagged, mixture


X = jnp.array([0.4, -0.9])
TIGHT = dict(rtol=1e-11, atol=1e-12)


def _check_density(predictor, **choices):
    found = score.log_likelihood(predictor, X, **choices, **TIGHT).log_prob
    np.testing.assert_allclose(found, mixture().log_prob(X), atol=1e-8)


def test_the_density_of_a_mixture():
    """On the linear path the noisy end is the noise, exactly."""
    exact = mixture().along(PATHS["linear"])
    _check_density(exact)
    with pytest.raises(AssertionError):
        hidden = lambda t, x: jax.lax.stop_gradient(exact.velocity(t, x))  # noqa: E731
        _check_density(Moved(exact, hidden))


def test_the_density_on_a_path_that_keeps_some_data():
    path = PATHS["VE"]
    exact = mixture().along(path)
    clean = path.sigma(path.t_data)  # noise left on the data
    end = functools.partial(exact.log_prob, path.t_noise)
    found = score.log_likelihood(exact, X, end=end, **TIGHT).log_prob
    np.testing.assert_allclose(found, exact.log_prob(path.t_data, X), atol=1e-8)
    assert clean == pytest.approx(0.01)


def test_estimated_divergences_are_unbiased():
    """Of the linear flow of a Gaussian: the estimate is exact but for the cross terms,
    whose mean over all four signs is zero."""
    covariance = jnp.array([[1.0, 0.6], [0.6, 0.8]])
    exact = score.oracles.gaussian(jnp.zeros(2), covariance).along(PATHS["linear"])
    fixed = dict(dt=0.02, scheme=dfx.Heun())
    exactly = score.log_likelihood(exact, X, **fixed).log_prob

    def estimate(key):
        return score.log_likelihood(exact, X, probes=2, key=key, **fixed).log_prob

    found = jax.vmap(estimate)(jax.random.split(jax.random.key(0), 400))
    error = np.std(found) / np.sqrt(400)
    assert error > 1e-3
    assert abs(np.mean(found) - exactly) < 4 * error


SPREAD = 0.5
SUBSPACE = score.Projected(
    lambda x: jnp.array([0.6, 0.8]) * (0.6 * x[0] + 0.8 * x[1]), 1
)
FIELD = score.FieldNoise(
    GaussianRandomField(Grid(8, (0.0, 1.0)).modes(1.0), lambda k: jnp.exp(-k / 9))
)


def _like_the_noise(noise):
    """Data N(0, s² K) on the trigonometric path, where ε and data know each other."""

    def net(log_snr, x, cond):
        ratio = jnp.exp(log_snr)
        root = jnp.sqrt((ratio * SPREAD) ** 2 + 1) * jnp.sqrt(1 + ratio**2)
        return (1 - SPREAD**2) * ratio / root * noise.project(x)

    path = score.Trigonometric(noise=noise)
    return score.Predictor(net, path, "v_diffusion", scale=SPREAD)


def _check_on_subspace(noise, like, along):
    x = SPREAD * noise.sample(like, key=jax.random.key(0))
    found = score.log_likelihood(_like_the_noise(along), x, **TIGHT).log_prob
    wanted = noise.log_prob(x / SPREAD) - noise.size(x) * jnp.log(SPREAD)
    np.testing.assert_allclose(found, wanted, atol=1e-8)


@pytest.mark.parametrize(
    ("noise", "like"), [(SUBSPACE, jnp.zeros(2)), (FIELD, jnp.zeros((1, 8)))]
)
def test_the_density_where_noise_lives_on_a_subspace(noise, like):
    _check_on_subspace(noise, like, noise)
    with pytest.raises(AssertionError):  # as if it filled the space
        _check_on_subspace(noise, like, score.White())


def test_a_density_is_differentiated():
    def nats(mean):
        law = score.oracles.gaussian(mean, 0.3 * jnp.eye(2))
        exact = law.along(PATHS["linear"])
        return score.log_likelihood(exact, X, dt=0.01, scheme=dfx.Heun()).log_prob

    slope = jax.grad(nats)(jnp.zeros(2))
    np.testing.assert_allclose(slope, X / 0.3, rtol=1e-4)


def test_a_code_is_decoded():
    exact = mixture().along(PATHS["VP"])
    code = score.flow(exact, X, (0.0, 1.0), **TIGHT).x
    back = score.flow(exact, code, (1.0, 0.0), **TIGHT).x
    np.testing.assert_allclose(back, X, atol=1e-7)


MEAN = jnp.array([0.5, -0.2, 0.1])
COVARIANCE = jnp.array([[1.0, 0.3, 0.0], [0.3, 0.6, 0.1], [0.0, 0.1, 0.2]])


def _check_flow_map(flow_map):
    path = PATHS["trigonometric"]
    exact = score.oracles.gaussian(MEAN, COVARIANCE).along(path)
    x = jnp.array([0.4, -0.9, 1.3])
    there = score.flow(exact, x, (0.1, 0.8), **TIGHT).x
    np.testing.assert_allclose(flow_map(path, 0.1, 0.8, x), there, atol=1e-9)


def test_the_flow_map_of_a_gaussian():
    def exactly(path, start, stop, x):
        return score.oracles.flow_map(path, MEAN, COVARIANCE, start, stop, x)

    _check_flow_map(exactly)
    path, x = PATHS["trigonometric"], jnp.array([0.4, -0.9, 1.3])
    halfway = exactly(path, 0.4, 0.8, exactly(path, 0.1, 0.4, x))
    np.testing.assert_allclose(halfway, exactly(path, 0.1, 0.8, x), atol=1e-10)
    with pytest.raises(AssertionError):
        _check_flow_map(lambda path, start, stop, x: exactly(path, stop, start, x))


def test_bits_are_those_of_uniform_bytes():
    """A density even over 256 values of [−1, 1] costs eight bits."""
    log_prob = jnp.asarray(-10 * np.log(2.0))
    np.testing.assert_allclose(score.bits_per_dim(log_prob, 10, 128.0), 8.0)


def test_wrong_calls_are_named():
    exact = mixture().along(PATHS["linear"])
    with pytest.raises(ValueError, match="go together"):
        score.log_likelihood(exact, X, probes=2)
    with pytest.raises(ValueError, match="`probes` must be ≥ 1"):
        score.log_likelihood(exact, X, probes=0, key=jax.random.key(0))
    data = Tagged(exact, "data")  # says nothing of the noise at σ = 0
    with pytest.raises(ValueError, match=r"from path.time_at\(7.0\)"):
        score.log_likelihood(data, X)
    inside = [PATHS["linear"].time_at(r) for r in (7.0, -7.0)]
    end = functools.partial(exact.log_prob, inside[1])
    found = score.log_likelihood(data, X, span=tuple(inside), end=end, **TIGHT)
    wanted = exact.log_prob(inside[0], X)
    np.testing.assert_allclose(found.log_prob, wanted, atol=1e-7)


def _law_of_k(k, dim):
    variances = np.where(np.arange(dim) < k, np.linspace(1.0, 2.0, dim), 0.0)
    turn, _ = np.linalg.qr(np.random.default_rng(k).normal(size=(dim, dim)))
    covariance = turn * variances @ turn.T
    return jnp.asarray((covariance + covariance.T) / 2), jnp.asarray(turn)


VE = score.VE(1e-3, 10.0)
LEVELS = (0.02, 0.004)


@pytest.mark.parametrize("k", [2, 5, 10])
def test_the_dimension_of_a_subspace(k):
    covariance, turn = _law_of_k(k, 20)
    law = score.oracles.gaussian(jnp.zeros(20), covariance)
    x = law.sample(key=jax.random.key(k))
    found = score.intrinsic_dimension(law.along(VE), x, LEVELS)
    assert found.dimension == k
    # Closed form of every singular value, the last one at σ = 0.004.
    c = np.sort(np.linalg.eigvalsh(covariance))[::-1]
    wanted = np.sqrt((np.maximum(c, 0) + 0.004**2) / (np.maximum(c, 0) + 100))
    np.testing.assert_allclose(found.singular_values, wanted, atol=1e-4)


def _sheared(exact, rate):
    """A gauge in a plane of the data, where p is isotropic: every circle turns at a
    speed of its own, for a while amid the levels; no density changes."""

    def field(t, x):
        plane = jnp.array([-x[1], x[0]]) * jnp.sum(x[:2] ** 2)
        amid = jnp.log(exact.path.sigma(t) / 0.009) / 0.3
        turning = jnp.zeros_like(x).at[:2].set(jnp.exp(-(amid**2)) * plane)
        return exact.velocity(t, x) + rate * turning

    return Moved(exact, field)


@pytest.mark.slow
def test_a_shearing_gauge_keeps_the_density_and_spoils_the_dimension():
    law = score.oracles.gaussian(jnp.zeros(3), jnp.diag(jnp.array([1.0, 1.0, 0.0])))
    exact = law.along(VE)
    x = jnp.array([1.2, 0.9, 0.0])
    assert score.intrinsic_dimension(exact, x, LEVELS).dimension == 2
    sheared = _sheared(exact, 20.0)
    assert score.intrinsic_dimension(sheared, x, LEVELS).dimension != 2
    span = (VE.time_at(-np.log(0.004)), 1.0)
    nats = [
        score.log_likelihood(
            p, x, span=span, end=functools.partial(exact.log_prob, 1.0), **TIGHT
        ).log_prob
        for p in (exact, sheared)
    ]
    np.testing.assert_allclose(nats[1], nats[0], atol=1e-6)


def _check_gauge(matrix):
    """A r = A S⁻¹x added to the score keeps covariance and likelihood."""
    exact = score.oracles.gaussian(MEAN, COVARIANCE).along(score.VE(0.01, 10.0))

    def field(t, x):
        added = 0.5 * exact.path.diffusion(t) * (matrix @ exact.score(t, x))
        return exact.velocity(t, x) + added

    changed = Moved(exact, field)
    jacobian = jax.jacfwd(
        lambda x: score.flow(changed, x, (1.0, 0.0), dt=0.002, scheme=dfx.Dopri8()).x
    )(MEAN)
    start, stop = (exact.law_at(t).covariance for t in (1.0, 0.0))
    np.testing.assert_allclose(jacobian @ start @ jacobian.T, stop, atol=1e-8)
    x = jnp.array([0.4, -0.9, 1.3])
    end = functools.partial(exact.log_prob, 1.0)
    found = score.log_likelihood(changed, x, end=end, **TIGHT).log_prob
    np.testing.assert_allclose(found, exact.log_prob(0.0, x), atol=1e-6)


@pytest.mark.slow
def test_linear_gauges_keep_covariance_and_density():
    draw = np.random.default_rng(0).normal(size=(3, 3))
    _check_gauge(jnp.asarray(0.3 * (draw - draw.T)))
    with pytest.raises(AssertionError):
        _check_gauge(jnp.asarray(0.3 * (draw + draw.T)))
    with pytest.raises(AssertionError):  # free of divergence, but across levels of p
        _check_gauge(jnp.asarray(0.3 * (draw - draw.T)) @ COVARIANCE)


def _check_shear(rate, wanted):
    """r = |x|²Jx beside data N(0, I), which do not move: singular values and density
    after unit time."""
    exact = score.oracles.gaussian(jnp.zeros(2), jnp.eye(2)).along(
        PATHS["trigonometric"]
    )
    turning = lambda t, x: rate * jnp.sum(x**2) * jnp.array([-x[1], x[0]])  # noqa: E731
    x = jnp.array([1.0, 0.5])
    moved = Moved(exact, turning)
    _, jacobians = score.flow_jacobian(moved, x, np.array([0.0, 1.0]), **TIGHT)
    found = np.linalg.svd(jacobians[1], compute_uv=False)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    nats = score.log_likelihood(moved, x, **TIGHT).log_prob
    np.testing.assert_allclose(nats, exact.log_prob(0.0, x), atol=1e-8)


@pytest.mark.slow
def test_a_shear_is_seen_by_the_jacobian_alone():
    turned = 1.25 + np.sqrt(1.25**2 + 1)  # of a shear by 2|x|² = 2.5
    _check_shear(1.0, [turned, 1 / turned])
    _check_shear(0.0, [1.0, 1.0])
    with pytest.raises(AssertionError):
        _check_shear(1.0, [1.0, 1.0])
