"""Classifier-free guidance, energies and hard constraints, on exact fields."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.integrate import solve_ivp

from phix import score
from phix._errors import PhixError
from phix.space import Grid, masked_sensors
from tests.score.laws import KINDS, PATHS, Tagged, mixture


X, T = jnp.array([0.4, -1.1]), 0.35
MEAN = jnp.array([1.0, 0.5])
NARROW, BROAD = jnp.array([[0.5, 0.2], [0.2, 0.4]]), 2.0 * jnp.eye(2)
LINEAR = PATHS["linear"]


class _Choice(score.AbstractPredictor):
    """One Gaussian with a condition, another without."""

    conditioned: score.oracles.Exact
    free: score.oracles.Exact

    @property
    def path(self):
        return self.free.path

    def predict(self, t, x, kind, cond=None):
        return (self.free if cond is None else self.conditioned).predict(t, x, kind)

    def denoise(self, t, x, cond=None):
        return (self.free if cond is None else self.conditioned).denoise(t, x)

    def determines(self, t):
        return self.free.determines(t)

    def check_times(self, ts):
        self.free.check_times(ts)


def _choice():
    laws = (
        score.oracles.gaussian(MEAN, NARROW),
        score.oracles.gaussian(jnp.zeros(2), BROAD),
    )
    return _Choice(*(law.along(LINEAR) for law in laws))


def _velocity(t, x, mean, covariance):
    """Of Gaussian data on the linear path, in NumPy."""
    law = (1 - t) ** 2 * covariance + t**2 * np.eye(2)
    apart = np.linalg.solve(law, x - (1 - t) * mean)
    return -mean + (t * np.eye(2) - (1 - t) * covariance) @ apart


def _check_classifier_free(guided, w):
    """The flow of the mixed field, which is linear."""

    def field(t, x):
        conditioned = _velocity(t, x, np.asarray(MEAN), np.asarray(NARROW))
        free = _velocity(t, x, np.zeros(2), np.asarray(BROAD))
        return free + w * (conditioned - free)

    truth = solve_ivp(field, (0.8, 0.2), X, rtol=1e-10, atol=1e-12).y[:, -1]
    ts = jnp.linspace(0.8, 0.2, 61)
    drawn = score.sample(guided, X, ts, sampler=score.RK4(), cond="class")
    np.testing.assert_allclose(drawn.x, truth, atol=1e-6)


def test_classifier_free_guidance_is_a_linear_flow():
    guided = score.ClassifierFree(_choice(), 1.5)
    _check_classifier_free(guided, 1.5)
    with pytest.raises(AssertionError):  # the other convention, w + 1
        _check_classifier_free(guided, 0.5)


def test_classifier_free_guidance_is_the_same_in_every_kind():
    guided, path = score.ClassifierFree(_choice(), 1.5), LINEAR
    data = score.Prediction(guided.predict(T, X, "data", "class"), "data")
    for kind in KINDS:
        found = guided.predict(T, X, kind, "class")
        np.testing.assert_allclose(found, path.convert(data, T, X, kind), rtol=1e-10)


SEEN = score.Measurement(
    Partial(jnp.matmul, jnp.array([[0.8, -0.5]])), jnp.array([0.7]), 0.3
)


def _check_energy(weight):
    """The energy log p_t(x) − log p_t(x|y) makes the posterior of any law."""
    path, law = PATHS["VP"], mixture()
    posterior = law.given(SEEN.operator.args[0], SEEN.readings, 0.09 * jnp.eye(1))
    prior, exact = law.along(path), posterior.along(path)

    def energy(t, x, data):
        del data
        return prior.log_prob(t, x) - exact.log_prob(t, x)

    guided = score.Guided(Tagged(prior, "noise"), score.Energy(energy, weight))
    for kind in KINDS:
        found, truth = guided.predict(T, X, kind), exact.predict(T, X, kind)
        np.testing.assert_allclose(found, truth, rtol=1e-9)


def test_the_energy_of_an_exact_classifier_gives_the_posterior():
    _check_energy(1.0)
    with pytest.raises(AssertionError):
        _check_energy(-1.0)


def test_the_energy_of_a_misfit_is_dps():
    prior = mixture().along(LINEAR)

    def energy(t, x, data):
        del t, x
        return 0.5 * jnp.sum(SEEN.linearise(data).misfit ** 2)

    one = score.Guided(prior, score.Energy(energy))
    other = score.Guided(prior, score.DPS(SEEN))
    np.testing.assert_allclose(one.score(T, X), other.score(T, X), rtol=1e-10)


def test_an_energy_that_diverges_ends_with_a_code_and_the_step():
    guided = score.Guided(
        mixture().along(LINEAR), score.Energy(lambda t, x, data: jnp.sum(data**4), 1e3)
    )
    ts = score.times(LINEAR, 30, "log_snr")
    run = score.sample(guided, X, ts, sampler=score.DDIM(), throw=False)
    assert run.result == 1 and 0 < run.failed < 30
    with pytest.raises(PhixError, match=f"step {int(run.failed)}, time"):
        score.sample(guided, X, ts, sampler=score.DDIM())


GRID = Grid((6, 6), (0.0, 1.0))


def _solenoidal(u):
    """The orthogonal projection on fields without divergence, by Fourier modes."""
    k = jnp.stack(jnp.meshgrid(*2 * [jnp.fft.fftfreq(6, 1 / 6)], indexing="ij"))
    k = jnp.where(jnp.abs(k) == 3, 0.0, k)  # waves that have no derivative
    hat = jnp.fft.fft2(u)
    square = jnp.sum(k**2, axis=0)
    along = jnp.sum(k * hat, axis=0) / jnp.where(square > 0, square, 1)
    return jnp.fft.ifft2(hat - k * along).real


def _walls(u):
    return u.at[:, 0].set(0.5).at[:, -1].set(-0.5)


_MASK = np.arange(36).reshape(6, 6) % 5 == 0
_READ = score.Measurement(
    masked_sensors(GRID, _MASK), jnp.linspace(-1.0, 1.0, 16).reshape(2, 8), 0.1
)


def _exact_readings(u):
    return score.fit_readings(_READ, u, level=0.0)


def _isotropic(path):
    """The exact denoiser of white data of deviation 0.7."""

    def net(log_snr, scaled, cond):
        share = jax.nn.sigmoid(2 * log_snr)
        law = 0.49 * share + 1 - share
        return 0.49 * jnp.sqrt(share) * scaled / law

    return score.Predictor(net, path, "data")


def _check_constraint(path, sampler, project, constrained):
    """What the constraint leaves free flows as if there were none."""
    ts = score.times(path, 6)
    x = jax.random.normal(jax.random.key(0), (2, 6, 6))
    drawn = score.sample(constrained, x, ts, sampler=sampler).x
    free = score.sample(_isotropic(path), x, ts, sampler=sampler).x
    np.testing.assert_allclose(project(drawn), drawn, atol=1e-12)
    np.testing.assert_allclose(drawn, project(free), atol=1e-10)


@pytest.mark.parametrize(
    ("project", "sampler"),
    [
        (_solenoidal, score.DDIM()),
        (_walls, score.DPMpp2M()),
        (_exact_readings, score.Euler()),
    ],
)
def test_hard_constraints_hold_to_rounding(project, sampler):
    constrained = score.Constrained(_isotropic(LINEAR), project)
    _check_constraint(LINEAR, sampler, project, constrained)


def test_a_constraint_on_the_state_in_place_of_the_data_is_another():
    class _OnState(score.AbstractPredictor):
        inner: score.AbstractPredictor

        @property
        def path(self):
            return self.inner.path

        def predict(self, t, x, kind, cond=None):
            return self.inner.predict(t, _walls(x), kind)

        def denoise(self, t, x, cond=None):
            return self.inner.denoise(t, _walls(x))

        def determines(self, t):
            return self.inner.determines(t)

        def check_times(self, ts):
            del ts

    with pytest.raises(AssertionError):
        _check_constraint(LINEAR, score.DDIM(), _walls, _OnState(_isotropic(LINEAR)))


def test_constraints_want_a_path_from_noise():
    bridge = score.oracles.Bridge(mixture(), mixture(), score.LinearInterpolant())
    with pytest.raises(ValueError, match="one-sided path; got LinearInterpolant"):
        score.Constrained(bridge, _walls)
