"""The exact predictors against autodiff, quadrature and the equations they solve."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import score
from phix.num import divergence
from tests.score.laws import KINDS, PATHS, inside, mixture, points
from tests.truth import mixtures


def _log_density(path, t, x):
    """log p_t by its formula, in NumPy."""
    alpha, sigma = float(path.alpha(t)), float(path.sigma(t))
    covariances = alpha**2 * mixtures.COVARIANCES + sigma**2 * np.eye(2)
    return np.log(
        mixtures.density(x, mixtures.WEIGHTS, alpha * mixtures.MEANS, covariances)
    )


def _check_predictions(path, predict):
    """Score = ∇log p; data by Tweedie's formula; velocity from both."""
    exact = mixture().along(path)
    x = points(4)
    for t in inside(path):
        log_p = jax.vmap(lambda x, t=t: exact.log_prob(t, x))(x)
        np.testing.assert_allclose(log_p, _log_density(path, t, x), rtol=1e-10)
        gradient = jax.vmap(jax.grad(lambda x, t=t: exact.log_prob(t, x)))(x)
        truth = {"score": gradient}
        c = path.at(t)
        truth["data"] = (x + c.sigma**2 * gradient) / c.alpha
        truth["noise"] = -c.sigma * gradient
        truth["velocity"] = c.d_alpha * truth["data"] + c.d_sigma * truth["noise"]
        truth["v_diffusion"] = c.alpha * truth["noise"] - c.sigma * truth["data"]
        for kind in KINDS:
            value = jax.vmap(lambda x, t=t, k=kind: predict(exact, t, x, k))(x)
            # Relative to the larger of the two terms that Tweedie's formula subtracts.
            scale = np.max(np.abs(x)) / float(c.alpha) + np.max(np.abs(truth[kind]))
            np.testing.assert_allclose(value, truth[kind], atol=1e-10 * scale)


@pytest.mark.parametrize("name", PATHS)
def test_exact_predictions(name):
    _check_predictions(PATHS[name], score.oracles.Exact.predict)


def test_a_wrong_sign_is_caught():
    def flipped(exact, t, x, kind):
        value = exact.predict(t, x, kind)
        return -value if kind == "noise" else value

    with pytest.raises(AssertionError):
        _check_predictions(PATHS["linear"], flipped)


def _check_fokker_planck(exact, score_of, tolerance):
    """∂ₜs + ∇(∇·v + v·s) = 0 of the score under the probability flow."""
    x = points(3)

    def residual(t, x):
        _, ds = jax.jvp(lambda t: score_of(t, x), (t,), (1.0,))

        def rate(x):
            velocity = lambda x: exact.velocity(t, x)  # noqa: E731
            return divergence(velocity)(x) + velocity(x) @ exact.score(t, x)

        return ds + jax.grad(rate)(x)

    for t in inside(exact.path, 3, 0.1):
        left = jax.vmap(lambda x, t=t: residual(t, x))(x)
        assert np.max(np.abs(left)) < tolerance


def test_the_score_solves_its_fokker_planck_equation():
    exact = mixture().along(PATHS["trigonometric"])
    _check_fokker_planck(exact, exact.score, 1e-6)
    with pytest.raises(AssertionError):  # a schedule that is late
        _check_fokker_planck(exact, lambda t, x: exact.score(t**1.1, x), 1e-2)


OPERATOR = np.array([[0.8, -0.5]])
READINGS = np.array([0.7])
NOISE = np.array([[0.09]])


def _check_posterior(posterior):
    def weight(x):
        prior = mixtures.density(
            x, mixtures.WEIGHTS, mixtures.MEANS, mixtures.COVARIANCES
        )
        return prior * np.exp(-((x @ OPERATOR[0] - READINGS[0]) ** 2) / (2 * 0.09))

    _, mean, covariance = mixtures.moments_by_quadrature(weight)
    np.testing.assert_allclose(posterior.mean, mean, atol=1e-8)
    np.testing.assert_allclose(posterior.covariance, covariance, atol=1e-8)


def test_the_posterior_of_a_linear_measurement_is_that_of_quadrature():
    given = mixture().given(
        jnp.asarray(OPERATOR), jnp.asarray(READINGS), jnp.asarray(NOISE)
    )
    _check_posterior(given)
    # Negative twin: the components keep their prior weights.
    law = mixture()
    unweighted = score.oracles.Mixture(law.weights, given.means, given.covariances)
    with pytest.raises(AssertionError):
        _check_posterior(unweighted)


def test_samples_have_the_moments_of_the_law():
    law = mixture()
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = jax.vmap(lambda key: law.sample(key=key))(keys)
    error = 5 * np.sqrt(np.diag(law.covariance) / 20_000)
    assert np.all(np.abs(jnp.mean(drawn, axis=0) - law.mean) < error)
    np.testing.assert_allclose(np.cov(drawn.T), law.covariance, atol=0.06)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_velocities_are_finite_at_both_ends(name, dtype):
    law = jax.tree.map(lambda x: x.astype(dtype), mixture())
    exact = law.along(PATHS[name])
    for t in (exact.path.t_data, exact.path.t_noise):
        for kind in KINDS:
            value = exact.predict(t, jnp.array([0.3, -4.0], dtype), kind)
            assert value.dtype == dtype
            assert np.all(np.isfinite(value)), kind


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], np.ones(2), np.eye(2)), "`means` must have shape"),
        (([1.0, 1.0], np.ones((1, 2)), np.eye(2)), "one for each mean"),
        (([1.0], np.ones((1, 2)), np.eye(3)), "`covariances` must have shape"),
        (([-1.0], np.ones((1, 2)), np.eye(2)), "`weights` must all be positive"),
        (([1.0], np.ones((1, 2)), np.triu(np.ones((2, 2)))), "must be symmetric"),
        (([1.0], np.ones((1, 2)), np.diag([1.0, -0.1])), "negative eigenvalues"),
    ],
)
def test_wrong_laws_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        score.oracles.Mixture(*arguments)


def test_exact_predictions_want_white_noise():
    path = score.Linear(noise=score.Projected(lambda x: x, 2))
    with pytest.raises(ValueError, match="White noise"):
        mixture().along(path)
