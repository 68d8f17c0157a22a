"""Paths, noise laws and conversions against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import score
from phix.space import GaussianRandomField, Grid
from tests.score.laws import KINDS, PATHS, inside


FIVE = ("linear", "trigonometric", "VP", "EDM", "Föllmer")


@pytest.mark.parametrize("name", PATHS)
def test_signal_to_noise_falls_and_is_inverted(name):
    path = PATHS[name]
    ts = jnp.asarray(inside(path, 9))
    levels = jax.vmap(path.log_snr)(ts)
    assert np.all(np.diff(levels) < 0)
    back = jax.vmap(path.time_at)(levels)
    np.testing.assert_allclose(back, ts, rtol=1e-10)
    slope = jax.vmap(jax.grad(path.time_at))(levels)
    wanted = 1 / jax.vmap(jax.grad(path.log_snr))(ts)
    np.testing.assert_allclose(slope, wanted, rtol=1e-8)


@pytest.mark.parametrize("name", PATHS)
def test_nothing_but_the_slope_of_a_square_root_is_infinite_at_the_ends(name):
    path = PATHS[name]
    for t in (path.t_data, path.t_noise):
        c = path.at(t)
        finite = [c.alpha, c.sigma, c.d_alpha, c.sigma_d_sigma]
        assert np.all(np.isfinite(finite))
        assert np.isfinite(c.d_sigma) or (c.sigma == 0 and np.isinf(c.d_sigma))


def test_drift_and_diffusion_are_those_of_the_literature():
    t = 0.3
    beta = 0.1 + (20 - 0.1) * t
    np.testing.assert_allclose(PATHS["VP"].drift(t), -beta / 2, rtol=1e-12)
    np.testing.assert_allclose(PATHS["VP"].diffusion(t), beta, rtol=1e-12)
    growth = np.log(30.0 / 0.01)
    g2 = 2 * growth * (0.01 * np.exp(growth * t)) ** 2
    np.testing.assert_allclose(PATHS["VE"].diffusion(t), g2, rtol=1e-12)
    np.testing.assert_allclose(PATHS["EDM"].diffusion(t), 2 * t, rtol=1e-12)
    # 2σ²|λ'| on the linear path.
    np.testing.assert_allclose(PATHS["linear"].diffusion(t), 2 * t / (1 - t))


def test_the_cosine_path_is_its_formula():
    t, s = 0.37, 0.008
    f = lambda t: np.cos((t + s) / (1 + s) * np.pi / 2) ** 2  # noqa: E731
    path = score.Cosine(s)
    np.testing.assert_allclose(path.alpha(t) ** 2, f(t) / f(0), rtol=1e-13)
    np.testing.assert_allclose(path.variance(t), 1 - f(t) / f(0), rtol=1e-12)


def _check_conversions(path, convert):
    rng = np.random.default_rng(3)
    data, noise = (jnp.asarray(rng.normal(size=4)) for _ in range(2))
    ts = jnp.asarray(inside(path))
    x = jax.vmap(lambda t: path.mix(t, data, noise))(ts)
    truth = {
        kind: jax.vmap(lambda t, kind=kind: path.target(t, data, noise, kind))(ts)
        for kind in KINDS
    }

    def converted(value, kind, other):
        given = lambda v: score.Prediction(v, kind)  # noqa: E731
        return jax.vmap(lambda v, t, x: convert(path, given(v), t, x, other))(
            value, ts, x
        )

    for kind in KINDS:
        for other in KINDS:
            there = converted(truth[kind], kind, other)
            back = converted(there, other, kind)
            for found, wanted in ((there, truth[other]), (back, truth[kind])):
                size = np.max(np.abs(wanted), axis=1, keepdims=True)
                assert np.all(np.abs(found - wanted) <= 1e-12 * size), (kind, other)


@pytest.mark.parametrize("name", FIVE)
def test_every_kind_becomes_every_other_and_comes_back(name):
    _check_conversions(PATHS[name], type(PATHS[name]).convert)


def test_a_wrong_conversion_is_caught():
    def flipped(path, given, t, x, kind):
        value = path.convert(given, t, x, kind)
        return -value if (given.kind, kind) == ("data", "score") else value

    with pytest.raises(AssertionError):
        _check_conversions(PATHS["VP"], flipped)


def test_a_velocity_is_converted_where_the_slope_of_sigma_is_infinite():
    path = PATHS["Föllmer"]
    x = jnp.array([0.4, -2.0])
    data = path.convert(score.Prediction(jnp.ones(2), "velocity"), 1.0, x, "data")
    np.testing.assert_allclose(data, x)


GRID = Grid((8,), ((0.0, 1.0),))
FIELD = GaussianRandomField(GRID.modes(1.0), lambda k: jnp.exp(-((k / 20) ** 2)))


def _without_mean(x):
    return x - jnp.mean(x)


NOISES = {
    "field": score.FieldNoise(FIELD),
    "projected": score.Projected(_without_mean, 7),
    "centred": score.Centred(score.White(), jnp.linspace(-1.0, 2.0, 8)[None]),
}


def _check_score_of_noise(noise, covariance):
    """For data that are one point, p_t is the law of the noise itself."""
    path = score.VP(noise=noise)
    t, data = 0.4, jnp.sin(jnp.arange(8.0))[None]
    like = jnp.zeros((1, 8))
    drawn = noise.sample(like, key=jax.random.key(2))
    x = path.mix(t, data, drawn)
    sigma = path.sigma(t)

    def log_prob(x):
        return noise.log_prob((x - path.alpha(t) * data) / sigma)

    truth = jax.grad(log_prob)(x)
    given = score.Prediction(drawn, "noise")
    np.testing.assert_allclose(path.convert(given, t, x, "score"), truth, atol=1e-10)
    # And back, through the covariance.
    recovered = noise.shifted(1.0, -sigma * covariance(truth))
    np.testing.assert_allclose(recovered, drawn, atol=1e-10)
    back = path.convert(score.Prediction(truth, "score"), t, x, "noise")
    np.testing.assert_allclose(back, drawn, atol=1e-10)
    velocity = path.target(t, data, drawn, "velocity")
    through = path.convert(score.Prediction(truth, "score"), t, x, "velocity")
    np.testing.assert_allclose(through, velocity, atol=1e-9)


@pytest.mark.parametrize("name", NOISES)
def test_scores_of_coloured_noise(name):
    noise = NOISES[name]
    _check_score_of_noise(noise, noise.covariance)
    with pytest.raises(AssertionError):
        _check_score_of_noise(noise, lambda x: 2 * noise.covariance(x))


def test_noise_has_the_covariance_it_claims():
    keys = jax.random.split(jax.random.key(0), 4000)
    like = jnp.zeros((1, 8))
    for noise in NOISES.values():
        drawn = jax.vmap(lambda k, n=noise: n.sample(like, key=k))(keys)[:, 0]
        basis = jnp.eye(8)[:, None]
        wanted = jax.vmap(noise.covariance)(basis)[:, 0]
        found = np.cov(drawn.T)
        variance = np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2
        assert np.all(np.abs(found - wanted) <= 5 * np.sqrt(variance / 4000) + 1e-12)


def _check_density(noise, log_prob):
    """The normal density where the covariance, whose matrix is at hand, is not zero."""
    matrix = jax.vmap(noise.covariance)(jnp.eye(8)[:, None])[:, 0]
    sizes, axes = np.linalg.eigh(matrix)
    sizes, axes = sizes[sizes > 1e-12], axes[:, sizes > 1e-12]
    x = noise.sample(jnp.zeros((1, 8)), key=jax.random.key(1))
    along = axes.T @ noise.shifted(-1.0, x)[0]
    wanted = -0.5 * np.sum(along**2 / sizes + np.log(2 * np.pi * sizes))
    np.testing.assert_allclose(log_prob(x), wanted, rtol=1e-10)
    assert noise.size(x) == len(sizes)
    np.testing.assert_allclose(noise.project(x)[0], axes @ (axes.T @ x[0]), atol=1e-12)


@pytest.mark.parametrize("name", NOISES)
def test_densities_are_those_of_the_values(name):
    noise = NOISES[name]
    _check_density(noise, noise.log_prob)
    with pytest.raises(AssertionError):
        _check_density(noise, lambda x: noise.log_prob(x) + 0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: score.Prediction(jnp.ones(2), "nois"), "did you mean 'noise'"),
        (lambda: score.Predictor(lambda *a: a[1], PATHS["VP"], "x0"), "`kind`: 'x0'"),
        (lambda: score.MatchingLoss("scores"), "did you mean 'score'"),
        (
            lambda: PATHS["VP"].convert(
                score.Prediction(jnp.ones(2), "data"), 0.5, jnp.ones(2), "x0"
            ),
            "`kind`: 'x0' is no kind of prediction",
        ),
        (lambda: score.DenoisingScoreLoss(0.0), "`sigma` must be positive; got 0.0"),
        (lambda: score.VE(0.0, 30.0), "`sigma_min` must be positive; got 0.0"),
        (lambda: score.VE(30.0, 0.01), "wanted data there"),
        (lambda: score.VP(20.0, -1.0), "`beta_max` must be positive; got -1"),
        (lambda: score.FlowMatching(1.5), "wanted data there"),
        (lambda: score.times(PATHS["VP"], 0), "`steps` must be at least 1"),
        (lambda: score.times(PATHS["VP"], 4, "lambda"), "`spacing`: 'lambda'"),
        (
            lambda: score.FieldNoise(
                GaussianRandomField(
                    Grid((8,), ((0.0, 1.0),), boundary="dirichlet").modes(1.0),
                    lambda k: jnp.exp(-k),
                )
            ),
            "periodic grid",
        ),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
