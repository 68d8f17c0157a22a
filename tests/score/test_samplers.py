"""Samplers on the exact field of a mixture: orders, ends, marginals, bad input."""

import functools
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from phix import score
from phix._errors import PhixError
from phix.integrate import solve
from tests.score.laws import KINDS, PATHS, Tagged, mixture, points


LINEAR = score.Linear()
ORDERS = {
    "Euler": (score.Euler(), "time", (50, 100), 1.0, 0.15),
    "Heun": (score.Heun(), "time", (50, 100), 2.0, 0.15),
    "RK4": (score.RK4(), "time", (50, 100), 4.0, 0.2),
    "DDIM": (score.DDIM(), "log_snr", (40, 80), 1.0, 0.15),
    "DPM2": (score.DPM2(), "log_snr", (40, 80), 2.0, 0.25),
    "2M": (score.DPMpp2M(), "log_snr", (80, 160), 2.0, 0.2),
    "AB3": (score.ExponentialAB(3), "log_snr", (80, 160), 3.0, 0.35),
    "AB2 in data": (score.ExponentialAB(2, "data"), "log_snr", (80, 160), 2.0, 0.25),
}
# From σ = 0.98 to 0.01: neither end is special.
RANGE = (float(np.log(0.02 / 0.98)), float(np.log(99.0)))


@functools.cache
def _problem():
    """States at the noisy end, and where the flow takes them."""
    exact = mixture().along(LINEAR)
    ends = [LINEAR.time_at(r) for r in RANGE]
    noise = points(16)
    x = LINEAR.alpha(ends[0]) * mixture().mean + LINEAR.sigma(ends[0]) * noise
    flow = lambda s, x, _: -jax.vmap(lambda x: exact.velocity(-s, x))(x)  # noqa: E731
    ts = [-float(t) for t in ends]
    arrived = solve(flow, x, ts, rtol=1e-11, atol=1e-13)
    return exact, x, arrived.us[-1]


def _error(sampler, spacing, steps):
    exact, x, truth = _problem()
    ts = score.times(LINEAR, steps, spacing, log_snr_range=RANGE)
    draw = lambda x: score.sample(exact, x, ts, sampler=sampler, throw=False).x  # noqa: E731
    return float(jnp.sqrt(jnp.mean((jax.vmap(draw)(x) - truth) ** 2)))


def _observed(sampler, spacing, counts):
    coarse, fine = (_error(sampler, spacing, n) for n in counts)
    return np.log2(coarse / fine)


def _check_order(sampler, spacing, counts, order, slack):
    assert abs(_observed(sampler, spacing, counts) - order) <= slack


@pytest.mark.parametrize("name", ORDERS)
def test_observed_orders(name):
    _check_order(*ORDERS[name])


def test_a_broken_scheme_loses_its_order():
    late = score.RungeKutta(score.Tableau(((), (1.0,)), (0.6, 0.4), (0.0, 1.0)))
    with pytest.raises(AssertionError):
        _check_order(late, "time", (50, 100), 2.0, 0.15)


def test_ten_steps_of_2m_beat_ten_of_ddim_twice():
    error = {s: _error(s, "log_snr", 10) for s in (score.DPMpp2M(), score.DDIM())}
    assert error[score.DPMpp2M()] < 0.5 * error[score.DDIM()]


def test_first_order_multistep_is_ddim():
    exact, x, _ = _problem()
    ts = score.times(LINEAR, 6)
    arrived = [
        score.sample(exact, x[0], ts, sampler=s).x
        for s in (score.DDIM(), score.ExponentialAB(1), score.ExponentialAB(1, "data"))
    ]
    np.testing.assert_allclose(arrived[1], arrived[0], rtol=1e-12)
    np.testing.assert_allclose(arrived[2], arrived[0], rtol=1e-12)


def test_ddim_is_euler_on_the_linear_path():
    exact, x, _ = _problem()
    ts = score.times(LINEAR, 6)
    a, b = (
        score.sample(exact, x[0], ts, sampler=s).x
        for s in (score.DDIM(), score.Euler())
    )
    np.testing.assert_allclose(a, b, rtol=1e-12)


SAMPLERS = {
    "Euler": score.Euler(),
    "Heun": score.Heun(),
    "RK4": score.RK4(),
    "DDIM": score.DDIM(),
    "DPM2": score.DPM2(),
    "2M": score.DPMpp2M(),
    "AB3": score.ExponentialAB(3),
    "Euler-Maruyama": score.EulerMaruyama(),
    "stochastic Heun": score.StochasticHeun(score.constant(0.5)),
    "predictor-corrector": score.PredictorCorrector(score.DDIM()),
}


def _first_time(path, kind):
    """The noisy end, or just before it where this kind says nothing of the data."""
    if bool(path.determines(path.t_noise, kind)):
        return path.t_noise
    return float(path.time_at(-7.0))


def _runs():
    """Every sampler with every path, and every kind, precision and number of steps
    with each of both."""
    for i, sampler in enumerate(SAMPLERS):
        for j, path in enumerate(PATHS):
            kind = KINDS[(i + j) % len(KINDS)]
            dtype = (jnp.float32, jnp.float64)[(i + j) % 2]
            yield sampler, path, kind, dtype, (1, 3)[(i + j // 2) % 2]


def _check_run(sampler, name, kind, dtype, steps):
    law = jax.tree.map(lambda x: x.astype(dtype), mixture())
    path = PATHS[name]
    predictor = Tagged(law.along(path), kind)
    first = _first_time(path, kind)
    like = jnp.array([0.5, -0.2], dtype)
    with jax.disable_jit():  # many short runs: compiling would take minutes
        x = score.start(path, like, first, key=jax.random.key(0))
        share = np.linspace(0.0, 1.0, steps + 1)
        ts = jnp.asarray(first + (path.t_data - first) * share, dtype)
        drawn = score.sample(
            predictor, x, ts, sampler=SAMPLERS[sampler], key=jax.random.key(1)
        )
    assert drawn.x.dtype == dtype
    assert np.all(np.isfinite(drawn.x)), (sampler, name, kind, steps)


# Slow: Heun's is a tableau as are Euler's and RK4's; the corrector runs DDIM.
ALIKE = ("Heun", "DDIM")


@pytest.mark.parametrize(
    "sampler",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ALIKE else ())
        for name in SAMPLERS
    ],
)
def test_any_prediction_path_and_sampler_to_the_very_end(sampler):
    """From the noisy end to the data, where σ may be 0."""
    for run in _runs():
        if run[0] == sampler:
            _check_run(*run)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_predictions_paths_and_precisions(sampler):
    """The whole product."""
    for name, kind, dtype, steps in itertools.product(
        PATHS, KINDS, (jnp.float32, jnp.float64), (1, 3)
    ):
        _check_run(sampler, name, kind, dtype, steps)


def test_one_step_over_the_noisy_end_is_refused_where_nothing_is_known():
    with pytest.raises(ValueError, match="says nothing"):
        score.sample(
            Tagged(mixture().along(LINEAR), "noise"),
            jnp.ones(2),
            jnp.array([1.0, 0.0]),
            sampler=score.DDIM(),
        )


def _bad(**changes):
    given = dict(
        predictor=mixture().along(LINEAR),
        x=jnp.ones(2),
        ts=jnp.array([1.0, 0.5]),
        sampler=score.DDIM(),
    )
    return {**given, **changes}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (_bad(ts=jnp.array([0.0, 1.0])), "lead from noise"),
        (_bad(ts=jnp.array([1.0, 1.0])), "without standing still"),
        (
            _bad(predictor=mixture().along(score.Linear(t_data=1.0, t_noise=0.0))),
            "Are the ends exchanged",
        ),
        (_bad(ts=jnp.array([1.0])), "at least two times"),
        (_bad(x=jnp.ones(2, int)), "`x` must be floating"),
        (_bad(sampler=score.EulerMaruyama()), "`key`: EulerMaruyama draws noise"),
    ],
)
def test_wrong_calls_are_named(arguments, message):
    predictor, x = arguments.pop("predictor"), arguments.pop("x")
    with pytest.raises(ValueError, match=message):
        score.sample(predictor, x, arguments.pop("ts"), **arguments)


def test_known_times_are_checked_where_the_predictor_is_traced():
    exact = Tagged(mixture().along(LINEAR), "velocity")

    @eqx.filter_jit
    def drawn(exact, x, ts):
        ts = np.linspace(1.0, 0.0, 4) if ts is None else ts
        return score.sample(exact, x, jnp.asarray(ts), sampler=score.DDIM()).x

    x, ts = jnp.array([0.5, -0.2]), jnp.linspace(1.0, 0.0, 4)
    np.testing.assert_allclose(drawn(exact, x, None), drawn(exact, x, ts), rtol=1e-12)
    known = jnp.array([0.0, 1.0])
    with pytest.raises(ValueError, match="lead from noise"):
        eqx.filter_jit(
            lambda exact: score.sample(exact, x, known, sampler=score.DDIM())
        )(exact)


def _network(log_snr, x, cond):
    del cond
    return jnp.tanh(log_snr) * x


def test_a_schedule_beyond_the_range_of_training_is_refused():
    trained = score.Predictor(_network, PATHS["VE"], "data", log_snr_range=(-2.0, 4.0))
    short = score.times(PATHS["VE"], 3, "log_snr", log_snr_range=(-1.9, 3.9))
    x = jnp.ones(2)
    score.sample(trained, x, short, sampler=score.DDIM())
    long = score.times(PATHS["VE"], 3, "log_snr", log_snr_range=(-3.0, 3.9))
    with pytest.raises(ValueError, match=r"outside \[-2, 4\]"):
        score.sample(trained, x, long, sampler=score.DDIM())
    with pytest.raises(ValueError, match=r"outside \[-2, 4\]"):
        score.log_likelihood(trained, x)
    # Swapped: from VE, whose λ ends at 4.6, to a path that begins at −∞.
    whole = score.Predictor(_network, PATHS["VE"], "data")
    swapped = score.OnPath(whole, LINEAR)
    with pytest.raises(ValueError, match="the range of the path of training, VE"):
        score.sample(swapped, x, score.times(LINEAR, 3), sampler=score.DDIM())


def test_a_predictor_is_the_same_on_another_path():
    """Exact on VP, used on the linear path: exact there."""
    exact = mixture().along(LINEAR)
    swapped = score.OnPath(Tagged(mixture().along(PATHS["VP"]), "velocity"), LINEAR)
    for t in (0.05, 0.4, 0.9):
        for kind in KINDS:
            x = jnp.array([0.3, -0.8])
            np.testing.assert_allclose(
                swapped.predict(t, x, kind), exact.predict(t, x, kind), rtol=1e-8
            )


class _Signed(score.AbstractPredictor):
    """An exact predictor whose score has a sign of its own."""

    exact: score.oracles.Exact
    sign: jax.Array

    @property
    def path(self):
        return self.exact.path

    def predict(self, t, x, kind, cond=None):
        return self.exact.predict(t, x, kind, cond)

    def denoise(self, t, x, cond=None):
        known = self.exact.denoise(t, x, cond)
        return known._replace(pull=self.sign * known.pull)

    def determines(self, t):
        return self.exact.determines(t)

    def check_times(self, ts):
        del ts


THREE = score.oracles.Mixture(
    [1 / 3, 1 / 3, 1 / 3], [[-6.0], [0.0], [6.0]], [[[0.5]], [[0.33]], [[0.5]]]
)


@eqx.filter_jit
def _arrived(predictor, sampler, count):
    keys = jax.random.split(jax.random.key(5), (2, count))
    ts = jnp.linspace(1.0, 0.0, 201)

    def one(start, key):
        x = score.start(LINEAR, jnp.zeros(1), key=start)
        return score.sample(predictor, x, ts, sampler=sampler, key=key, throw=False).x

    return jax.vmap(one)(*keys)[:, 0]


def _check_marginal(level, sign=1.0, count=4000):
    """The test of Kolmogorov and Smirnov against the CDF, at the level of 1 %."""
    predictor = _Signed(THREE.along(LINEAR), jnp.asarray(sign))
    found = _arrived(predictor, score.StochasticHeun(score.constant(level)), count)
    spread = np.sqrt(np.asarray(THREE.covariances)[:, 0, 0])

    def cdf(x):
        z = (np.asarray(x)[:, None] - np.asarray(THREE.means)[:, 0]) / spread
        return np.mean(stats.norm.cdf(z), axis=1)

    statistic = stats.kstest(np.asarray(found), cdf).statistic
    assert statistic < 1.63 / np.sqrt(count)


def test_the_law_of_an_sde_does_not_depend_on_its_noise_level():
    for level in (0.0, 0.5, 5.0):
        _check_marginal(level)
    with pytest.raises(AssertionError):
        _check_marginal(0.5, sign=-1.0)


@pytest.mark.parametrize("sampler", [score.StochasticHeun(), score.EulerMaruyama()])
def test_derivatives_go_through_the_last_step_to_the_data(sampler):
    """Where σ = 0 the score is not known, and not needed."""
    exact = Tagged(mixture().along(LINEAR), "velocity")
    ts = jnp.array([0.9, 0.5, 0.0])

    def last(x):
        drawn = score.sample(exact, x, ts, sampler=sampler, key=jax.random.key(3))
        return jnp.sum(drawn.x)

    x, step = jnp.array([0.3, -0.2]), jnp.array([1e-5, 0.0])
    difference = (last(x + step) - last(x - step)) / 2e-5
    np.testing.assert_allclose(jax.grad(last)(x)[0], difference, rtol=1e-6)


def test_a_run_that_blows_up_says_in_which_step():
    def wild(log_snr, x, cond):
        return jnp.where(log_snr > 0, jnp.inf, x)

    predictor = score.Predictor(wild, LINEAR, "velocity")
    ts = jnp.array([1.0, 0.7, 0.4, 0.1])
    call = functools.partial(score.sample, predictor, jnp.ones(2), ts)
    drawn = call(sampler=score.Euler(), throw=False)
    assert drawn.result == 1 and drawn.failed == 2
    np.testing.assert_allclose(drawn.first_bad_time, 0.1)
    with pytest.raises(PhixError, match="step 2, time 0.1"):
        call(sampler=score.Euler())
