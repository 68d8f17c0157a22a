"""Flow maps: the exact one of a Gaussian has no defect and no loss; another has."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from phix import score
from phix.metrics import energy_distance
from phix.train import ArraySource, fit, per_sample
from tests.score.laws import PATHS, draw, mixture


MEAN, COVARIANCE = jnp.array([0.5, -0.2]), jnp.array([[1.0, 0.4], [0.4, 0.3]])
LAW = score.oracles.gaussian(MEAN, COVARIANCE)
X = jnp.array([0.4, -0.9])


def _exact(path):
    return score.oracles.GaussianMap(MEAN, COVARIANCE, path)


def _late(path):
    """The map of other data."""
    return score.oracles.GaussianMap(MEAN, 1.2 * COVARIANCE, path)


# Data at either end, and an infinite slope of σ at the data.
NAMES = (
    "linear",
    pytest.param("flow matching", marks=pytest.mark.slow),
    pytest.param("VP", marks=pytest.mark.slow),
)


def _times(path):
    low, high = path.t_data, path.t_noise
    return tuple(low + (high - low) * share for share in (0.8, 0.5, 0.3))


@eqx.filter_jit
def _seen(flow_map, path, t, r, s):
    exact = LAW.along(path)
    return (
        flow_map(t, s, X) - score.oracles.flow_map(path, MEAN, COVARIANCE, t, s, X),
        flow_map.velocity(t, X) - exact.velocity(t, X),
        score.eulerian_defect(flow_map, exact.velocity(t, X), t, s, X),
        score.lagrangian_defect(flow_map, exact.velocity, t, s, X),
        score.semigroup_defect(flow_map, t, r, s, X),
    )


def _check_map(flow_map, path):
    for defect in _seen(flow_map, path, *_times(path)):
        np.testing.assert_allclose(defect, 0, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_the_map_of_a_gaussian_has_no_defect(name):
    _check_map(_exact(PATHS[name]), PATHS[name])
    with pytest.raises(AssertionError):
        _check_map(_late(PATHS[name]), PATHS[name])


@pytest.mark.parametrize("defect", ["eulerian", "lagrangian", "semigroup"])
def test_each_defect_sees_another_map(defect):
    """Not of its law alone: a bend that is the identity at s = t."""
    path = PATHS["linear"]
    exact = LAW.along(path)

    def bent(t, s, x, cond=None):
        return _exact(path)(t, s, x) + 0.1 * (s - t) ** 2 * jnp.sin(x)

    t, r, s = _times(path)
    found = jax.jit(
        {
            "eulerian": lambda x: score.eulerian_defect(
                bent, exact.velocity(t, x), t, s, x
            ),
            "lagrangian": lambda x: score.lagrangian_defect(
                bent, exact.velocity, t, s, x
            ),
            "semigroup": lambda x: score.semigroup_defect(bent, t, r, s, x),
        }[defect]
    )(X)
    assert np.max(np.abs(found)) > 1e-3


LADDER = jnp.array([0.9, 0.6, 0.4, 0.1])
INSIDE = score.UniformSpans(margin=0.05)
LOSSES = {
    "MeanFlow": lambda teacher, _: score.MeanFlowLoss(INSIDE, teacher),
    "consistency": lambda _, exact: score.ConsistencyLoss(LADDER, exact),
    "continuous consistency": lambda teacher, _: score.MeanFlowLoss(
        score.SpansToData(score.UniformTimes(0.05)), teacher
    ),
    "Lagrangian": lambda teacher, _: score.LagrangianLoss(INSIDE, teacher),
    "progressive": lambda _, exact: score.ProgressiveLoss(INSIDE, exact),
}


@eqx.filter_jit
def _values(loss, model):
    keys = jax.random.split(jax.random.key(0), 8)
    return jax.vmap(lambda key: loss(model, X, step=0, key=key)[0])(keys)


@eqx.filter_jit
def _all_values(model):
    exact = LAW.along(PATHS["linear"]), _exact(PATHS["linear"])
    return {name: _values(make(*exact), model) for name, make in LOSSES.items()}


def _check_no_loss(values):
    np.testing.assert_allclose(values, 0, atol=1e-20)


@pytest.mark.parametrize("name", LOSSES)
def test_the_exact_map_has_no_loss_under_an_exact_teacher(name):
    path = PATHS["linear"]
    _check_no_loss(_all_values(_exact(path))[name])
    with pytest.raises(AssertionError):
        _check_no_loss(_all_values(_late(path))[name])


class _Bent(score.AbstractFlowMap):
    """The exact map with two errors to be trained away: in the velocity, and in how it
    changes on the way."""

    exact: score.oracles.GaussianMap
    errors: jax.Array

    @property
    def path(self):
        return self.exact.path

    def average(self, t, s, x, cond=None):
        known = self.exact.average(t, s, x)
        return known * (1 + self.errors[0] + self.errors[1] * (s - t))


@eqx.filter_jit
def _slopes(loss, errors, data):
    keys = jax.random.split(jax.random.key(3), data.shape[0])

    def slope(x, key):
        def value(errors):
            model = _Bent(_exact(PATHS["linear"]), errors)
            return loss(model, x, step=0, key=key)[0]

        return jax.grad(value)(errors)

    return jax.vmap(slope)(data, keys)


def _check_stationary(loss, errors):
    """Without a teacher the mean slope of the loss vanishes at the exact map: five
    standard errors."""
    root = np.linalg.cholesky(COVARIANCE)
    data = MEAN + np.random.default_rng(0).normal(size=(2000, 2)) @ root.T
    slopes = np.asarray(_slopes(loss, jnp.array(errors), data))
    error = np.std(slopes, axis=0) / np.sqrt(2000)
    assert np.all(np.abs(np.mean(slopes, axis=0)) < 5 * error)


# Errors that each objective, and not only the matching of the velocity, must see.
@pytest.mark.parametrize(
    ("loss", "twin"),
    [
        (score.MeanFlowLoss(INSIDE), [0.0, 0.3]),
        pytest.param(score.LagrangianLoss(INSIDE), [0.0, 0.3], marks=pytest.mark.slow),
        pytest.param(score.ProgressiveLoss(INSIDE), [0.2, 0.0], marks=pytest.mark.slow),
    ],
)
def test_without_a_teacher_the_exact_map_is_stationary(loss, twin):
    _check_stationary(loss, [0.0, 0.0])
    with pytest.raises(AssertionError):
        _check_stationary(loss, twin)


def test_mean_flow_squares_the_eulerian_defect():
    path = PATHS["linear"]
    fixed = lambda path, *, key, dtype: (jnp.asarray(0.8), jnp.asarray(0.3))  # noqa: E731
    teacher, model = LAW.along(path), _late(path)
    loss = score.MeanFlowLoss(fixed, teacher)
    key = jax.random.key(0)

    @jax.jit
    def both(key):
        noise = path.noise.sample(X, key=jax.random.split(key)[1])
        x = path.mix(0.8, X, noise)
        defect = score.eulerian_defect(model, teacher.velocity(0.8, x), 0.8, 0.3, x)
        return loss(model, X, step=0, key=key)[0], jnp.mean(defect**2)

    np.testing.assert_allclose(*both(key), rtol=1e-10)


def _check_distilled(teacher):
    """DDIM is exact for data that are a point: two of its steps are one."""
    point = score.oracles.gaussian(MEAN, jnp.zeros((2, 2)))
    exact = score.oracles.GaussianMap(MEAN, jnp.zeros((2, 2)), PATHS["VP"])
    loss = score.ProgressiveLoss(INSIDE, teacher(point.along(PATHS["VP"])))
    _check_no_loss(_values(loss, exact))


@pytest.mark.slow
def test_two_steps_of_ddim_are_progressive_distillation():
    _check_distilled(lambda exact: score.StepMap(exact, score.DDIM()))
    with pytest.raises(AssertionError):  # whose steps are not exact
        _check_distilled(lambda exact: score.StepMap(exact, score.Euler()))


def test_a_step_is_that_of_its_sampler():
    exact, ts = mixture().along(PATHS["VP"]), jnp.array([0.7, 0.4])
    steps = score.StepMap(exact, score.Heun())
    found = jax.jit(
        lambda x: (
            steps(0.7, 0.4, x),
            x - 0.3 * steps.average(0.7, 0.4, x),
            score.sample(exact, x, ts, sampler=score.Heun(), throw=False).x,
            steps.velocity(0.7, x),
            exact.velocity(0.7, x),
        )
    )(X)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-12)
    np.testing.assert_allclose(found[1], found[2], rtol=1e-12)
    np.testing.assert_allclose(found[3], found[4], rtol=1e-12)


def _check_jumps(flow_map, number):
    path = PATHS["VP"]
    ts = jnp.linspace(1.0, 0.0, number + 1)
    arrived = score.jump(flow_map, X, ts)
    wanted = score.oracles.flow_map(path, MEAN, COVARIANCE, 1.0, 0.0, X)
    assert arrived.result == 0
    np.testing.assert_allclose(arrived.x, wanted, atol=1e-10)


@pytest.mark.parametrize("number", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_jumps_of_any_number_end_at_the_same_place(number):
    _check_jumps(_exact(PATHS["VP"]), number)
    with pytest.raises(AssertionError):
        _check_jumps(_late(PATHS["VP"]), number)


def test_spans_lead_to_the_data():
    keys = jax.random.split(jax.random.key(0), 2000)
    for path in (PATHS["linear"], PATHS["flow matching"]):
        spans = functools.partial(score.UniformSpans(0.25, 0.1), path)
        draws = jax.jit(jax.vmap(lambda k, f=spans: f(key=k, dtype=jnp.float64)))
        t, s = map(np.asarray, draws(keys))
        share = np.abs(np.stack([t, s]) - path.t_data)
        assert np.all(share[0] >= share[1]) and np.all(share[1] >= 0.1)
        # A quarter with s = t; t is the greater of two even numbers.
        assert abs(np.mean(t == s) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 2000)
        np.testing.assert_allclose(share[0].mean(), 0.1 + 0.9 * 2 / 3, atol=0.03)


class _Net(eqx.Module):
    """A perceptron of both times."""

    mlp: eqx.nn.MLP

    def __init__(self, key):
        self.mlp = eqx.nn.MLP(4, 2, 64, 3, jax.nn.silu, key=key, dtype=jnp.float32)

    def __call__(self, t, s, x, cond):
        return self.mlp(jnp.concatenate([jnp.stack([t, s - t]), x]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    [score.MeanFlowLoss(), score.LagrangianLoss(), score.ProgressiveLoss()],
)
def test_a_trained_map_beats_one_step_of_its_velocity(loss):
    """One jump is at most half as far from the mixture as one step of Euler."""
    law, path = mixture(), score.Linear()
    model = score.FlowMap(_Net(jax.random.key(0)), path)
    data = draw(law, 20_000, 11).astype(jnp.float32)
    steps = 4000
    done = fit(
        model,
        per_sample(loss),
        ArraySource(data, 256),
        optimiser=optax.adam(optax.cosine_decay_schedule(3e-3, steps)),
        steps=steps,
        key=jax.random.key(1),
        ema=0.995,
        progress=False,
    ).ema
    noise = jax.random.normal(jax.random.key(2), (2000, 2), jnp.float32)
    ts = jnp.array([1.0, 0.0], jnp.float32)
    truth = draw(law, 2000, 12)
    jumped = jax.vmap(lambda x: score.jump(done, x, ts, throw=False).x)(noise)
    stepped = noise - jax.vmap(lambda x: done.velocity(1.0, x))(noise)
    near, far = (energy_distance(v.astype(float), truth) for v in (jumped, stepped))
    print(type(loss).__name__, "one jump", near, "one step", far)
    assert near <= 0.5 * far


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: score.StepMap(LAW.along(PATHS["VP"]), score.EulerMaruyama()),
            "must depend on the state alone; got EulerMaruyama",
        ),
        (
            lambda: score.StepMap(LAW.along(PATHS["VP"]), score.DPMpp2M()),
            "got Multistep",
        ),
        (
            lambda: score.FlowMap(lambda *a: a[2], score.LinearInterpolant()),
            "one-sided path; got LinearInterpolant",
        ),
        (
            lambda: score.FlowMap(lambda *a: a[2][:1], PATHS["VP"])(1.0, 0.5, X),
            r"shape of the state, \(2,\); got \(1,\)",
        ),
        (
            lambda: score.jump(_exact(PATHS["VP"]), X, jnp.array([0.0, 1.0])),
            "lead from noise",
        ),
        (lambda: score.UniformSpans(1.5), r"`instant` must be in \[0, 1\]; got 1.5"),
        (lambda: score.UniformSpans(margin=1.0), "`margin` must be in"),
        (lambda: score.ConsistencyLoss(jnp.ones(1)), "at least two times"),
    ],
)
def test_wrong_calls_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
