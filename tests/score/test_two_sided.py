"""Two-sided interpolants: exact fields, bridges, transport between Gaussians."""

import functools

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from scipy import stats

from phix import score
from tests.score.laws import PATHS, mixture, points


SOURCE = score.oracles.Mixture(
    [0.5, 0.5], [[3.0, 0.0], [-3.0, 0.0]], [[0.25, 0.0], [0.0, 0.5]]
)
INTERPOLANTS = {
    "linear": score.LinearInterpolant(),
    "trigonometric": score.TrigonometricInterpolant(latent=score.Quadratic()),
    "encoding": score.EncodingDecoding(),
    "mirror": score.Mirror(),
    "bridge": score.SchroedingerBridge(0.5),
}


def _check_fields(bridge, known):
    """Score = ∇log p; ∂ₜ log p + ∇·b + b·s = 0; and η_z = −γs."""
    x = points(3)
    for t in (0.2, 0.4, 0.85):
        exact = jax.vmap(jax.grad(lambda x, t=t: bridge.log_prob(t, x)))(x)
        found = jax.vmap(lambda x, t=t: known(bridge, t, x))(x)
        np.testing.assert_allclose(found.pull, exact, atol=1e-10)
        gamma = bridge.path.sigma(t)
        np.testing.assert_allclose(found.noise, -gamma * exact, atol=1e-10)
        rate = jax.vmap(
            lambda x, t=t: jax.jvp(lambda t: bridge.log_prob(t, x), (t,), (1.0,))[1]
        )(x)
        divergence = jax.vmap(
            lambda x, t=t: jnp.trace(
                jax.jacfwd(lambda x: known(bridge, t, x).velocity)(x)
            )
        )(x)
        flux = divergence + jnp.sum(found.velocity * exact, axis=1)
        np.testing.assert_allclose(rate, -flux, atol=1e-9)


@pytest.mark.parametrize("name", INTERPOLANTS)
def test_exact_fields_solve_the_continuity_equation(name):
    bridge = score.oracles.Bridge(SOURCE, mixture(), INTERPOLANTS[name])
    _check_fields(bridge, score.oracles.Bridge.denoise)


def test_a_mirrored_drift_is_caught():
    """The sign of γγ's turned."""

    def turned(bridge, t, x):
        known = bridge.denoise(t, x)
        extra = 2 * bridge.path.at(t).gamma_d_gamma * known.pull
        return known._replace(velocity=known.velocity + extra)

    bridge = score.oracles.Bridge(SOURCE, mixture(), INTERPOLANTS["linear"])
    with pytest.raises(AssertionError):
        _check_fields(bridge, turned)


@pytest.mark.parametrize("name", INTERPOLANTS)
def test_everything_that_can_be_is_finite_at_the_ends(name):
    path = INTERPOLANTS[name]
    for t in (0.0, 1.0):
        c = path.at(t)
        assert c.gamma == 0
        finite = [c.alpha, c.beta, c.d_alpha, c.d_beta, c.gamma_d_gamma]
        assert np.all(np.isfinite(finite))
        bridge = score.oracles.Bridge(SOURCE, mixture(), path)
        known = bridge.denoise(t, jnp.array([0.3, 1.0]))
        assert np.all(np.isfinite([*known.velocity, *known.noise, *known.pull]))


def _check_marginals(level, sign=1.0):
    """The first coordinate after an SDE, against the CDF, by the test of Kolmogorov
    and Smirnov at the level of 1 %."""
    bridge = score.oracles.Bridge(SOURCE, mixture(), score.LinearInterpolant())
    if sign < 0:
        bridge = _Flipped(bridge)
    count = 1000
    keys = jax.random.split(jax.random.key(5), (2, count))
    start = jax.vmap(lambda key: SOURCE.sample(key=key))(keys[0])
    ts = jnp.linspace(0.0, 1.0, 61)
    sampler = score.StochasticHeun(score.constant(level))
    arrived = jax.vmap(
        lambda x, key: (
            score.sample(bridge, x, ts, sampler=sampler, key=key, throw=False).x
        )
    )(start, keys[1])
    law = mixture()

    def cdf(x):
        spread = np.sqrt(np.asarray(law.covariances)[:, 0, 0])
        z = (x[..., None] - np.asarray(law.means)[:, 0]) / spread
        return stats.norm.cdf(z) @ np.asarray(law.weights)

    statistic = stats.kstest(np.asarray(arrived[:, 0]), cdf).statistic
    assert statistic < 1.63 / np.sqrt(count)


class _Flipped(score.AbstractPredictor):
    """The sign of the score turned."""

    exact: score.oracles.Bridge

    @property
    def path(self):
        return self.exact.path

    def predict(self, t, x, kind, cond=None):
        return self.exact.predict(t, x, kind, cond)

    def denoise(self, t, x, cond=None):
        known = self.exact.denoise(t, x, cond)
        return known._replace(pull=-known.pull)

    def determines(self, t):
        return self.exact.determines(t)

    def check_times(self, ts):
        del ts


@pytest.mark.slow
def test_marginals_do_not_depend_on_the_noise_level():
    for level in (0.0, 1.0):
        _check_marginals(level)
    with pytest.raises(AssertionError):
        _check_marginals(1.0, sign=-1.0)


def _spd(seed, dim=3):
    root = np.random.default_rng(seed).normal(size=(dim, dim))
    return jnp.asarray(root @ root.T / dim + 0.2 * np.eye(dim))


def _drift_asymmetry(epsilon, cross):
    c0, c1 = _spd(0), _spd(1)
    zero = jnp.zeros(3)
    bridge = score.oracles.Bridge(
        score.oracles.gaussian(zero, c0),
        score.oracles.gaussian(zero, c1),
        score.SchroedingerBridge(epsilon),
        cross[None, None],
    )

    def drift(x):
        known = bridge.denoise(0.4, x)
        return known.velocity + epsilon * known.pull

    jacobian = jax.jacfwd(drift)(zero)
    return float(jnp.max(jnp.abs(jacobian - jacobian.T)))


def _check_bridge(epsilon, cross):
    """The density of the plan is f(x₀) g(x₁) exp(x₀·x₁/2ε); the drift is a gradient."""
    joint = np.block([[_spd(0), cross], [cross.T, _spd(1)]])
    coupled = np.linalg.inv(joint)[:3, 3:]
    np.testing.assert_allclose(coupled, -np.eye(3) / (2 * epsilon), atol=1e-10)
    assert _drift_asymmetry(epsilon, cross) < 1e-10


@pytest.mark.parametrize("epsilon", [0.05, 0.5, 2.0])
def test_the_entropic_plan_makes_the_bridge(epsilon):
    plan = score.oracles.entropic_plan
    _check_bridge(epsilon, plan(_spd(0), _spd(1), epsilon))
    for other in (jnp.zeros((3, 3)), plan(_spd(0), _spd(1), 2 * epsilon)):
        with pytest.raises(AssertionError):
            _check_bridge(epsilon, other)
    # The independent coupling fails by its drift alone, too.
    assert _drift_asymmetry(epsilon, jnp.zeros((3, 3))) > 0.01


def test_the_entropic_plan_tends_to_the_optimal_one():
    c0, c1 = _spd(0), _spd(1)
    plan = score.oracles.entropic_plan(c0, c1, 1e-9)
    np.testing.assert_allclose(plan, c0 @ score.oracles.optimal_map(c0, c1), atol=1e-7)


def _check_transport(distance, transport):
    c0, c1 = (np.asarray(_spd(s)) for s in (0, 1))
    m0, m1 = np.zeros(3), np.array([1.0, -2.0, 0.5])
    half = scipy.linalg.sqrtm(c0)
    bures = np.trace(c0 + c1 - 2 * np.real(scipy.linalg.sqrtm(half @ c1 @ half)))
    found = distance(*map(jnp.asarray, (m0, c0, m1, c1)))
    np.testing.assert_allclose(found, 5.25 + bures, rtol=1e-10)
    move = transport(jnp.asarray(c0), jnp.asarray(c1))
    np.testing.assert_allclose(move, move.T, atol=1e-10)
    np.testing.assert_allclose(move @ c0 @ move.T, c1, atol=1e-10)
    # The cost of the map is the distance.
    np.testing.assert_allclose(
        np.trace((move - np.eye(3)) @ c0 @ (move - np.eye(3))), bures, rtol=1e-9
    )


def test_transport_between_gaussians():
    _check_transport(score.oracles.wasserstein2, score.oracles.optimal_map)
    with pytest.raises(AssertionError):  # commuting covariances taken for granted
        _check_transport(
            score.oracles.wasserstein2,
            lambda c0, c1: score.oracles.optimal_map(c0, c0) @ jnp.linalg.cholesky(c1),
        )


def _kl_and_bound(epsilon, broken=1.0):
    """N(0,1) → N(0,¼) with the drift changed by x/5: the KL of the end, by moments, and
    (1/4ε)∫E|δb|²."""
    path = score.SchroedingerBridge(1.0)  # γ² = 2t(1−t)
    one = lambda v: score.oracles.gaussian(jnp.zeros(1), jnp.array([[v]]))  # noqa: E731
    bridge = score.oracles.Bridge(one(1.0), one(0.25), path)

    def drift(t):
        def at(x):
            known = bridge.denoise(t, x)
            return known.velocity + epsilon * known.pull

        return jax.jacfwd(at)(jnp.zeros(1))[0, 0]

    def field(t, y, _):
        variance, cost = y
        slope = drift(t)
        exact = bridge.law_at(t).covariances[0, 0, 0]
        return (
            2 * (slope + 0.2) * variance + 2 * epsilon,
            broken * 0.04 * exact / (4 * epsilon),
        )

    solution = dfx.diffeqsolve(
        dfx.ODETerm(field),
        dfx.Tsit5(),
        0.0,
        1.0,
        1e-3,
        (1.0, 0.0),
        stepsize_controller=dfx.PIDController(rtol=1e-9, atol=1e-10),
    )
    variance, bound = (float(v[-1]) for v in solution.ys)
    ratio = 0.25 / variance
    return 0.5 * (ratio - 1 - np.log(ratio)), bound


def _check_bound(kl_and_bound):
    for epsilon, kl, bound in ((0.1, 0.0260, 0.0750), (2.0, 0.00036, 0.00375)):
        found = kl_and_bound(epsilon)
        assert found[0] <= found[1]
        np.testing.assert_allclose(found, (kl, bound), rtol=0.03)


def test_the_error_of_an_sde_is_bounded_by_that_of_its_drift():
    _check_bound(_kl_and_bound)
    with pytest.raises(AssertionError):
        _check_bound(functools.partial(_kl_and_bound, broken=0.1))


def test_wrong_calls_are_named():
    bridge = score.oracles.Bridge(SOURCE, mixture(), score.LinearInterpolant())
    x, ts = jnp.ones(2), jnp.array([0.0, 1.0])
    with pytest.raises(ValueError, match="on LinearInterpolant take Heun"):
        score.sample(bridge, x, ts, sampler=score.DDIM())
    with pytest.raises(ValueError, match="no 'v_diffusion' prediction"):
        bridge.predict(0.5, x, "v_diffusion")
    with pytest.raises(ValueError, match="`cross` must have shape"):
        score.oracles.Bridge(SOURCE, mixture(), bridge.path, jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match="`scale` must be positive"):
        score.Brownian(-1.0)
    with pytest.raises(ValueError, match="`epsilon` must be positive; got 0.0"):
        score.SchroedingerBridge(0.0)
    with pytest.raises(ValueError, match="`level` must not be negative"):
        score.constant(-0.1)
    with pytest.raises(ValueError, match="one-sided path"):
        score.OnPath(bridge, PATHS["VP"])
