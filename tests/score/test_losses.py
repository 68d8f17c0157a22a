"""Losses: their least is where theory says; a small network trained through `fit`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from phix import score
from phix.metrics import energy_distance
from phix.nn import TimeMLP
from phix.train import ArraySource, fit, per_sample
from tests.score.laws import KINDS, PATHS, Tagged, draw, mixture


COVARIANCE = jnp.array([[1.0, 0.4], [0.4, 0.5]])
SCORE = jnp.linalg.inv(COVARIANCE)


def _mean_loss(loss, model, data):
    keys = jax.random.split(jax.random.key(3), data.shape[0])
    return jnp.mean(
        jax.vmap(lambda x, key: loss(model, x, step=0, key=key)[0])(data, keys)
    )


def _check_least(loss, matrix):
    """The mean loss of the score −Mx of Gaussian data has no slope at M = C⁻¹ but what
    the sampling leaves: five standard errors."""
    data = draw(score.oracles.gaussian(jnp.zeros(2), COVARIANCE), 20_000)
    keys = jax.random.split(jax.random.key(3), 20_000)

    def slope(x, key):
        def value(m):
            return loss(lambda x: -m @ x, x, step=0, key=key)[0]

        return jax.grad(value)(matrix)

    slopes = jax.vmap(slope)(data, keys)
    error = jnp.std(slopes, axis=0) / np.sqrt(20_000)
    assert np.all(np.abs(jnp.mean(slopes, axis=0)) < 5 * error)


@pytest.mark.parametrize(
    ("loss", "smoothed"),
    [
        (score.explicit_score_loss, 0.0),
        (score.sliced_score_loss, 0.0),
        (score.DenoisingScoreLoss(0.5), 0.25),
    ],
)
def test_score_matching_finds_the_score(loss, smoothed):
    wanted = jnp.linalg.inv(COVARIANCE + smoothed * jnp.eye(2))
    _check_least(loss, wanted)
    with pytest.raises(AssertionError):
        _check_least(loss, 1.1 * wanted)


class _Scaled(eqx.Module):
    """An exact prediction, times a number to be trained."""

    tagged: Tagged
    factor: jax.Array

    @property
    def path(self):
        return self.tagged.path

    @property
    def kind(self):
        return self.tagged.kind

    def predict(self, t, x, kind, cond=None):
        return self.factor * self.tagged.predict(t, x, kind, cond)


def _check_matching(loss, kind, factor):
    path = PATHS["linear"]
    data = draw(mixture(), 4000)
    keys = jax.random.split(jax.random.key(3), 4000)
    model = _Scaled(Tagged(mixture().along(path), kind), jnp.asarray(factor))

    def slope(x, key):
        def value(factor):
            scaled = eqx.tree_at(lambda m: m.factor, model, factor)
            return loss(scaled, x, step=0, key=key)[0]

        return jax.grad(value)(model.factor)

    slopes = jax.vmap(slope)(data, keys)
    error = jnp.std(slopes) / np.sqrt(4000)
    assert abs(jnp.mean(slopes)) < 5 * error


@pytest.mark.parametrize("kind", KINDS)
def test_matching_in_every_kind_has_its_least_at_the_exact_prediction(kind):
    times = score.UniformTimes(margin=0.05)
    loss = score.MatchingLoss(times=times, antithetic=True)
    _check_matching(loss, kind, 1.0)
    with pytest.raises(AssertionError):
        _check_matching(loss, kind, 1.2)


def test_antithetic_pairs_lower_the_variance():
    """Of the score, whose target grows as 1/σ."""
    exact = Tagged(mixture().along(PATHS["linear"]), "score")
    keys = jax.random.split(jax.random.key(1), 4000)
    x = jnp.array([0.2, 0.5])
    fixed = lambda path, *, key, dtype: jnp.asarray(0.05, dtype)  # noqa: E731

    def spread(antithetic):
        loss = score.MatchingLoss(times=fixed, antithetic=antithetic)
        factor = jnp.asarray(1.0)

        def slope(factor, key):
            return loss(_Scaled(exact, factor), x, step=0, key=key)[0]

        return float(jnp.std(jax.vmap(lambda k: jax.grad(slope)(factor, k))(keys)))

    assert spread(True) < 0.75 * spread(False)


def test_weights_are_their_formulas():
    path, t = PATHS["EDM"], 0.3
    np.testing.assert_allclose(score.min_snr(5.0)(path, t), 5.0)
    np.testing.assert_allclose(score.min_snr(50.0)(path, t), 1 / 0.09)
    wanted = (0.09 + 0.25) / (0.3 * 0.5) ** 2
    np.testing.assert_allclose(score.edm_weight(0.5)(path, t), wanted)
    np.testing.assert_allclose(score.sigma_squared(path, t), 0.09)
    assert np.isfinite(score.min_snr(5.0)(PATHS["linear"], 0.0))


def test_times_are_drawn_from_their_laws():
    keys = jax.random.split(jax.random.key(0), 4000)

    def drawn(times, path):
        return jax.vmap(lambda k: times(path, key=k, dtype=jnp.float64))(keys)

    t = drawn(score.UniformTimes(margin=0.1), PATHS["flow matching"])
    assert t.min() >= 0.0 and t.max() <= 0.9
    np.testing.assert_allclose(t.mean(), 0.45, atol=0.02)
    t = drawn(score.LogNormalTimes(), PATHS["EDM"])
    np.testing.assert_allclose(jnp.mean(jnp.log(t)), -1.2, atol=0.1)
    np.testing.assert_allclose(jnp.std(jnp.log(t)), 1.2, atol=0.1)
    t = drawn(score.LogitNormalTimes(0.5, 0.8), PATHS["linear"])
    logit = jnp.log(t / (1 - t))
    np.testing.assert_allclose(logit.mean(), 0.5, atol=0.06)
    t = drawn(score.PowerTimes(2.0), PATHS["linear"])
    np.testing.assert_allclose(t.mean(), 1 / 3, atol=0.02)


def _asymmetry(net):
    x = jnp.array([0.3, -0.8, 0.1])
    jacobian = jax.jacfwd(lambda x: net(0.5, x))(x)
    return jnp.max(jnp.abs(jacobian - jacobian.T)) / jnp.max(jnp.abs(jacobian))


@pytest.mark.parametrize("law", [score.UniformTimes(), score.PowerTimes()])
def test_the_data_themselves_are_never_drawn(law, monkeypatch):
    """The least number that a generator gives is zero."""
    zero = lambda key, shape, dtype: jnp.zeros(shape, dtype)  # noqa: E731
    monkeypatch.setattr(jax.random, "uniform", zero)
    path = score.Linear()
    drawn = law(path, key=jax.random.key(0), dtype=jnp.float32)
    assert drawn == path.t_noise


def test_conservative_networks_are_gradients():
    net = TimeMLP(3, width=8, depth=2, key=jax.random.key(0))
    weight = jax.random.normal(jax.random.key(1), net.last.weight.shape)
    net = eqx.tree_at(lambda n: n.last.weight, net, weight)
    assert _asymmetry(score.Conservative(net)) < 1e-6
    assert _asymmetry(net) > 1e-2
    # The penalty sees the same: its mean is |J − Jᵀ|² of a linear field.
    matrix = jnp.array([[1.0, 2.0], [-1.0, 0.5]])
    keys = jax.random.split(jax.random.key(0), 64)
    found = jax.vmap(
        lambda key: score.curl_penalty(lambda x: matrix @ x, jnp.ones(2), key=key)
    )(keys)
    np.testing.assert_allclose(jnp.mean(found), 18.0)


def _train(steps, width):
    law = mixture()
    path = score.Linear()
    net = TimeMLP(2, width=width, depth=3, key=jax.random.key(0), dtype=jnp.float32)
    model = score.Predictor(net, path, "velocity", scale=1.3)
    data = draw(law, 20_000, 11).astype(jnp.float32)
    schedule = optax.cosine_decay_schedule(3e-3, steps)
    done = fit(
        model,
        per_sample(score.MatchingLoss()),
        ArraySource(data, 256),
        optimiser=optax.adam(schedule),
        steps=steps,
        key=jax.random.key(1),
        ema=0.995,
        progress=False,
    )
    return done.ema


def _trained_distance(model, count=2000):
    ts = score.times(model.path, 40).astype(jnp.float32)
    keys = jax.random.split(jax.random.key(2), count)

    def one(key):
        noise = score.start(model.path, jnp.zeros(2, jnp.float32), key=key)
        return score.sample(model, noise, ts, sampler=score.Heun(), throw=False).x

    drawn = jax.vmap(one)(keys).astype(float)
    return energy_distance(drawn, draw(mixture(), count, 12))


def test_training_through_fit_lowers_the_distance():
    before = _trained_distance(_train(1, 32), 300)
    after = _trained_distance(_train(400, 32), 300)
    assert after < 0.2 * before


@pytest.mark.slow
def test_a_trained_network_reaches_the_distance_of_true_samples():
    """Three times that of two true sets of samples, the mean over five pairs."""
    true = [draw(mixture(), 2000, 20 + i) for i in range(10)]
    pairs = zip(true[::2], true[1::2], strict=True)
    floor = np.mean([energy_distance(a, b) for a, b in pairs])
    found = _trained_distance(_train(6000, 128))
    print("energy distance", found, "of two true sets", floor)
    assert found < 3 * floor


def _check_error_curve(curve):
    """What no velocity can predict of Gaussian data on the linear path."""
    c = jnp.array([2.5, 0.3])
    law = score.oracles.gaussian(jnp.zeros(2), jnp.diag(c))
    model = Tagged(law.along(score.Linear()), "velocity")
    data = draw(law, 4000)
    keys = jax.random.split(jax.random.key(3), 4000)
    for t in (0.1, 0.5, 0.8):
        fixed = lambda path, *, key, dtype, t=t: jnp.asarray(t, dtype)  # noqa: E731
        loss = score.MatchingLoss(times=fixed, kind="velocity")
        values = jax.vmap(lambda x, key, loss=loss: loss(model, x, step=0, key=key)[0])(
            data, keys
        )
        error = jnp.std(values) / np.sqrt(4000)
        assert abs(jnp.mean(values) - jnp.mean(curve(c, t))) < 3 * error


def test_the_error_that_is_left_is_its_closed_form():
    _check_error_curve(lambda c, t: c / ((1 - t) ** 2 * c + t**2))
    with pytest.raises(AssertionError):  # time turned
        _check_error_curve(lambda c, t: c / (t**2 * c + (1 - t) ** 2))
