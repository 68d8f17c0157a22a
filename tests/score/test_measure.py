"""Measurements: adjoints, misfits in units of the noise, fits to the level of noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from phix import score, solve
from phix.pde import ViscousBurgers
from phix.space import Grid, NodeSensors, Sensors, masked_sensors


A = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5)))
Y = jnp.array([0.4, -1.0, 2.0])
X = jnp.asarray(np.random.default_rng(1).normal(size=5))
NOISE = jnp.array([0.1, 0.2, 0.3])


def _linear(noise: object = NOISE, **changes):
    return score.Measurement(Partial(jnp.matmul, A), Y, noise, **changes)


def _on_host(x):
    """The same map where JAX sees nothing of it."""
    out = jax.ShapeDtypeStruct((3,), x.dtype)
    return jax.pure_callback(lambda x: np.asarray(A @ x), out, x)


def _check_linearised(near):
    scale = 1 / NOISE
    v = jnp.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(near.misfit, scale * (Y - A @ X), rtol=1e-12)
    np.testing.assert_allclose(near.push(X), scale * (A @ X), rtol=1e-12)
    np.testing.assert_allclose(near.pull(v), A.T @ (scale * v), rtol=1e-12)


def test_misfits_and_derivatives_are_in_units_of_the_noise():
    _check_linearised(_linear().linearise(X))
    adjoint = Partial(jnp.matmul, A.T)
    hosted = score.Measurement(_on_host, Y, NOISE, adjoint=adjoint)
    _check_linearised(hosted.linearise(X))
    with pytest.raises(AssertionError):  # the variance in place of the deviation
        _check_linearised(_linear(NOISE**2).linearise(X))


@jax.custom_vjp
def _negated(x):
    return A @ x


_negated.defvjp(lambda x: (A @ x, None), lambda _, v: (-(A.T @ v),))


def test_the_dot_product_test_names_a_wrong_adjoint():
    grid = Grid((4, 3), (0.0, 1.0))
    sensors = Sensors(grid, jnp.array([[0.2, 0.3], [0.5, 0.9]]))
    score.check_adjoint(sensors, jnp.ones((1, 4, 3)))
    score.check_adjoint(lambda x: jnp.sin(A @ x) ** 3, X)
    score.check_adjoint(_on_host, X, Partial(jnp.matmul, A.T))
    score.check_adjoint(Partial(jnp.matmul, A.astype(jnp.float32)), jnp.ones(5, "f4"))
    with pytest.raises(ValueError, match=r"of _on_host is wrong: <A u, v> = .* but <u"):
        score.check_adjoint(_on_host, X, lambda v: 1.01 * A.T @ v)
    with pytest.raises(ValueError, match="of _negated is wrong"):
        score.check_adjoint(_negated, X)
    with pytest.raises(ValueError, match=r"gives shape \(3,\)"):
        score.check_adjoint(_on_host, X, lambda v: v)
    with pytest.raises(ValueError, match="is wrong"):  # where it is handed over
        _linear(adjoint=lambda v: 2 * A.T @ v)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _linear(0.0), "`noise` must be positive; got 0.0"),
        (lambda: _linear(jnp.array([0.1, 0.0, 0.1])), "`noise` must be positive"),
        (
            lambda: _linear(jnp.ones(2)),
            r"`noise` must be one number or of shape \(3,\)",
        ),
        (lambda: score.Measurement(jnp.sin, jnp.ones(0), 0.1), "without a sensor"),
        (lambda: score.Measurement(jnp.sin, jnp.ones(2) + 0j, 0.1), "must be real"),
        (lambda: _linear().linearise(jnp.ones((5, 2))), r"gives shape \(3, 2\)"),
        (
            lambda: masked_sensors(Grid((3,), (0.0, 1.0)), np.zeros(3, bool)),
            "no sensor",
        ),
        (lambda: NodeSensors(Grid((3,), (0.0, 1.0)), jnp.zeros(0, int)), "no sensor"),
        (lambda: score.fit_readings(_linear(), X, level=-1.0), "`level` must not be"),
        (
            lambda: score.fit_readings(_linear(), X, iterations=0),
            "`iterations` must be",
        ),
    ],
)
def test_wrong_measurements_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_noise_of_zero_under_a_trace_is_not_silent():
    near = jax.jit(lambda noise: _linear(noise).linearise(X).misfit)
    assert np.all(np.isnan(near(0.0)))


@pytest.mark.slow
def test_a_solve_of_an_equation_is_an_operator():
    """Sensors of the field that a Burgers solve makes of the first one: its derivative
    in either mode is that of differences."""
    grid = Grid((16,), (0.0, 2 * np.pi))
    equation, sensors = ViscousBurgers(grid, 0.1), NodeSensors(grid, jnp.array([2, 9]))
    later = lambda u: solve(equation, u, jnp.array([0.0, 0.5]), dt=0.05).us[-1]  # noqa: E731
    operator = lambda u: sensors(later(u))  # noqa: E731
    u = jnp.sin(grid.coordinates[0])[None]
    score.check_adjoint(operator, u)
    seen = score.Measurement(operator, operator(u) + 0.1, 0.1)
    np.testing.assert_allclose(seen.linearise(u).misfit, 1.0, rtol=1e-10)
    moved = score.fit_readings(seen, u, level=0.0)
    assert jnp.max(jnp.abs(seen.linearise(moved).misfit)) < 0.1  # one step of Newton


def _check_fit(fit, level):
    """At the level of the noise, moved only by what A sees."""
    seen = _linear(0.1)
    moved = fit(seen, X, level=level)
    misfit = seen.linearise(moved).misfit
    np.testing.assert_allclose(jnp.sum(misfit**2), 3 * level, rtol=1e-9, atol=1e-18)
    blind = jnp.linalg.svd(A)[2][3:]
    np.testing.assert_allclose(blind @ moved, blind @ X, atol=1e-12)
    # Nearer to the readings it does not move at all.
    np.testing.assert_array_equal(fit(seen, moved, level=level + 1e-6), moved)


def _overshoots(seen, x, *, level):
    """Steps that are not cut."""
    return score.fit_readings(seen, x, level=0.5 * level)


@pytest.mark.parametrize("level", [0.0, 1.0, 4.0])
def test_fits_stop_at_the_level_of_the_noise(level):
    _check_fit(score.fit_readings, level)
    if level > 0:
        with pytest.raises(AssertionError):
            _check_fit(_overshoots, level)


def test_the_least_field_that_fits_is_the_pseudo_inverse():
    found = score.fit_readings(_linear(0.1), jnp.zeros(5), level=0.0)
    np.testing.assert_allclose(found, np.linalg.pinv(A) @ Y, rtol=1e-10)
