"""Guided predictors against exact posteriors, dense algebra, and each other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.sparse.linalg as jss
import numpy as np
import pytest
from jax.tree_util import Partial

from bench.score import posteriors
from phix import score
from phix._errors import PhixError
from phix.score._posterior import _solve
from tests.score.laws import KINDS, PATHS, Tagged, inside, mixture, points


RNG = np.random.default_rng(3)
A = jnp.asarray(RNG.normal(size=(2, 3)))
Y = jnp.array([0.7, -0.4])
NOISE = jnp.array([0.3, 0.2])
ROOT = RNG.normal(size=(3, 3))
SEEN = score.Measurement(Partial(jnp.matmul, A), Y, NOISE)


def _gaussian():
    return score.oracles.gaussian(
        jnp.array([0.3, -1.0, 0.2]), jnp.asarray(ROOT @ ROOT.T)
    )


def _check_posterior(law, path, guide, kind="velocity"):
    """What it says is what the posterior law says, carried along the path."""
    exact = law.given(A, Y, jnp.diag(NOISE**2)).along(path)
    guided = score.Guided(Tagged(law.along(path), kind), guide)
    x = jnp.array([0.4, -0.9, 1.3])
    for t in inside(path, 2, 0.1):
        for found, truth in zip(_all(guided, t, x), _all(exact, t, x), strict=True):
            scale = 1 + np.max(np.abs(truth))
            np.testing.assert_allclose(found, truth, atol=1e-8 * scale)


@eqx.filter_jit
def _all(predictor, t, x):
    return (*predictor.denoise(t, x), *(predictor.predict(t, x, k) for k in KINDS))


# Every kind, and paths that differ in the direction of time, their ends and growth.
PAIRS = [
    ("linear", "velocity"),
    ("VP", "noise"),
    ("EDM", "data"),
    pytest.param("Föllmer", "score", marks=pytest.mark.slow),
    pytest.param("reversed VP", "v_diffusion", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_mmps_is_the_posterior_of_gaussian_data(name, kind):
    _check_posterior(_gaussian(), PATHS[name], score.MMPS(SEEN), kind)


def test_another_covariance_is_not_that_posterior():
    unscaled = score.Likelihood(SEEN, lambda denoiser, u: denoiser.push(u))
    with pytest.raises(AssertionError):
        _check_posterior(_gaussian(), PATHS["linear"], unscaled)


def test_pigdm_is_the_posterior_of_data_that_are_all_alike():
    law = score.oracles.gaussian(jnp.zeros(3), 2.25 * jnp.eye(3))
    _check_posterior(law, PATHS["VP"], score.PiGDM(SEEN, 1.5))
    with pytest.raises(AssertionError):
        _check_posterior(law, PATHS["VP"], score.PiGDM(SEEN, 1.0))


def _readings(x):
    return jnp.stack([jnp.sin(x[0]) * x[1], x[1] ** 2, x[0] + x[1]])


CURVED = score.Measurement(_readings, jnp.array([0.2, 0.5, -0.3]), 0.4)


def _dense(exact, t, x, spread):
    """The same gradient by matrices."""
    data = lambda x: exact.predict(t, x, "data")  # noqa: E731
    slope = jax.jacfwd(data)(x)
    near = jax.jacfwd(_readings)(data(x))
    matrix = near @ spread(slope, exact.path.at(t)) @ near.T + 0.16 * jnp.eye(3)
    misfit = CURVED.readings - _readings(data(x))
    return slope.T @ near.T @ jnp.linalg.solve(matrix, misfit)


DENSE = {
    "DPS": (score.DPS(CURVED), lambda slope, c: 0 * slope),
    "PiGDM": (
        score.PiGDM(CURVED, 1.2),
        lambda slope, c: (
            jnp.eye(2) * 1.44 * c.sigma**2 / (1.44 * c.alpha**2 + c.sigma**2)
        ),
    ),
    "MMPS": (score.MMPS(CURVED), lambda slope, c: slope * c.sigma**2 / c.alpha),
}


def _check_dense(guide, spread):
    exact = mixture().along(PATHS["cosine"])
    guided = score.Guided(exact, guide)
    both = jax.jit(
        lambda t, x: (
            guided.score(t, x) - exact.score(t, x),
            _dense(exact, t, x, spread),
        )
    )
    for x in points(3):
        for t in (0.2, 0.7):
            np.testing.assert_allclose(*both(t, x), rtol=1e-7)


@pytest.mark.parametrize(
    "name",
    ["MMPS", *(pytest.param(n, marks=pytest.mark.slow) for n in ("DPS", "PiGDM"))],
)
def test_nonlinear_operators_as_by_matrices(name):
    _check_dense(*DENSE[name])


def test_a_solve_that_is_cut_short_is_not_that_by_matrices():
    with pytest.raises(AssertionError):
        _check_dense(score.MMPS(CURVED, iterations=1), DENSE["MMPS"][1])


class _Coloured(score.AbstractNoise):
    """N(0, K) with a full K."""

    K: jax.Array

    def sample(self, like, *, key):
        return jnp.linalg.cholesky(self.K) @ jax.random.normal(key, like.shape)

    def covariance(self, x):
        return self.K @ x

    def shifted(self, weight, x):
        return x

    def project(self, x):
        return x

    def log_prob(self, x):
        return -0.5 * x @ jnp.linalg.solve(self.K, x)

    def size(self, x):
        return x.size


def _check_coloured(guide):
    """E[x | x_t, y] of Gaussian data, for noise that is not white."""
    C, K = jnp.asarray(ROOT @ ROOT.T), jnp.diag(jnp.array([0.5, 1.0, 2.0]))
    path = score.VP(noise=_Coloured(K))

    def net(log_snr, scaled, cond):
        share = jax.nn.sigmoid(2 * log_snr)
        law = share * C + (1 - share) * K
        return jnp.sqrt(share) * C @ jnp.linalg.solve(law, scaled)

    guided = score.Guided(score.Predictor(net, path, "data"), guide)
    x, t = jnp.array([0.4, -0.9, 1.3]), 0.4
    c = path.at(t)
    both = jnp.concatenate([c.alpha * jnp.eye(3), A])
    spread = jnp.zeros((5, 5)).at[:3, :3].set(c.sigma**2 * K)
    spread = spread.at[3:, 3:].set(jnp.diag(NOISE**2))
    gain = C @ both.T @ jnp.linalg.inv(both @ C @ both.T + spread)
    truth = gain @ jnp.concatenate([x, Y])
    np.testing.assert_allclose(guided.predict(t, x, "data"), truth, rtol=1e-8)


def test_coloured_noise():
    _check_coloured(score.MMPS(SEEN))
    white = score.Likelihood(
        SEEN,
        lambda d, u: d.path.variance(d.t) / d.path.alpha(d.t) * d.push(u),
    )
    with pytest.raises(AssertionError):
        _check_coloured(white)


def _check_distance(method, bound, chains=400):
    """To the exact posterior of the mixture, whose two true sets are 0.002 apart."""
    found = posteriors.distance(method, seed=0, chains=chains)
    assert found <= bound, found


def test_mmps_draws_the_posterior_of_a_mixture():
    _check_distance(posteriors.METHODS["MMPS"], 0.08)
    with pytest.raises(AssertionError):  # without the readings
        _check_distance(posteriors.METHODS["prior"], 0.08)


@pytest.mark.slow
def test_mmps_on_five_seeds_with_dps_beside_it():
    """100 calls, 2,000 chains."""
    for name in ("MMPS", "DPS"):
        found = [posteriors.distance(posteriors.METHODS[name], s) for s in range(5)]
        print(name, found)
        if name == "MMPS":
            assert max(found) <= 0.08


def _diverging():
    seen = score.Measurement(Partial(jnp.matmul, A[:, :2]), Y, 1e-2)
    guided = score.Guided(mixture().along(PATHS["linear"]), score.DPS(seen))
    ts = score.times(PATHS["linear"], 30, "log_snr")
    return guided, jnp.array([0.3, -0.8]), ts


def test_guidance_that_diverges_ends_with_a_code_and_the_step():
    """Long before its numbers overflow; with the same readings MMPS does not."""
    guided, x, ts = _diverging()
    run = score.sample(guided, x, ts, sampler=score.DDIM(), throw=False)
    assert run.result == 1 and 0 < run.failed < 30
    np.testing.assert_allclose(run.first_bad_time, ts[run.failed + 1])
    with pytest.raises(PhixError, match=rf"in step {int(run.failed)}, time"):
        score.sample(guided, x, ts, sampler=score.DDIM())
    exact = score.Guided(guided.predictor, score.MMPS(guided.guide.measurement))
    assert score.sample(exact, x, ts, sampler=score.DDIM()).result == 0


def test_wrong_guidance_is_named():
    guided, x, ts = _diverging()
    with pytest.raises(ValueError, match="'scores' is no kind of prediction"):
        guided.predict(0.4, x, "scores")
    with pytest.raises(ValueError, match="nor a guide; start at"):
        score.sample(guided, x, jnp.array([1.0, 0.5]), sampler=score.DDIM())
    with pytest.raises(ValueError, match="`iterations` must be at least 1"):
        score.MMPS(SEEN, iterations=0)
    with pytest.raises(ValueError, match="`scale` must be positive"):
        score.PiGDM(SEEN, 0.0)
    bridge = score.oracles.Bridge(mixture(), mixture(), score.LinearInterpolant())
    with pytest.raises(ValueError, match="one-sided path; got LinearInterpolant"):
        score.Guided(bridge, score.DPS(SEEN))


def check_ends_early(solve):
    """Where the system shrinks a direction, as no covariance does, nothing is thrown
    away; where it does not, the solution is the exact one."""
    right = jnp.array([1.0, -2.0, 0.5])
    whole = jnp.diag(jnp.array([1.0, 3.0, 20.0]))
    np.testing.assert_allclose(
        solve(lambda v: whole @ v, right), right / jnp.diag(whole), rtol=1e-10
    )
    broken = jnp.diag(jnp.array([1.0, 0.01, -0.9]))
    found = solve(lambda v: broken @ v, right)
    assert jnp.linalg.norm(found) <= jnp.linalg.norm(right)


def test_a_derivative_that_is_no_covariance_does_no_harm():
    check_ends_early(lambda system, b: _solve(system, b, 5))
    with pytest.raises(AssertionError):
        check_ends_early(lambda system, b: jss.cg(system, b, maxiter=5)[0])
