"""Kinetic-optimal paths: energies in closed form, few steps, and paths from data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import score
from phix.metrics import energy_distance
from tests.score.laws import draw, mixture


TWO = np.array([1.9, 0.1])
THREE = np.array([2.0, 0.9, 0.1])


def _bures(variances):
    return np.mean((np.sqrt(variances) - 1) ** 2)


def _check_energies(of):
    """Two variances: the family holds every path, so b is W₂²/d. Three: it does not."""
    np.testing.assert_allclose(of(TWO), 0.30537, atol=1e-4)
    np.testing.assert_allclose(of(TWO), _bures(TWO), atol=1e-4)
    np.testing.assert_allclose(of(THREE), 0.21633, atol=1e-4)
    assert of(THREE) > _bures(THREE) + 1e-3


def _optimal(variances):
    return score.kinetic_optimal(score.gaussian_denoising_error(variances))


def test_energies_of_gaussian_data():
    _check_energies(lambda c: _optimal(c).energy)
    with pytest.raises(AssertionError):  # that it were optimal transport
        _check_energies(_bures)


def test_separated_data_take_the_straight_path():
    found = score.kinetic_optimal(lambda s: 0.0 * s)
    assert found.energy == pytest.approx(2.0, abs=1e-6)
    t = np.linspace(0.01, 0.99, 9)
    np.testing.assert_allclose(jax.vmap(found.path.alpha)(t), t, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(found.path.sigma)(t), 1 - t, atol=1e-6)


def test_a_standard_gaussian_need_not_move():
    with pytest.raises(ValueError, match="nothing has to move"):
        score.kinetic_optimal(score.gaussian_denoising_error(np.ones(3)))


def _energy_along(path):
    """Of the exact velocity of Gaussian data, whose mean square is known."""
    law = score.oracles.gaussian(jnp.zeros(2), jnp.diag(jnp.asarray(TWO)))
    exact = law.along(path)

    def power(t):
        slope = jax.jacfwd(lambda x: exact.velocity(t, x))(jnp.zeros(2))
        return jnp.trace(slope @ exact.law_at(t).covariance @ slope.T) / 2

    # Denser towards the ends, where the slopes of the best path grow.
    ts = np.sin(np.linspace(0.0, np.pi / 2, 400)) ** 2
    return jnp.trapezoid(jax.vmap(power)(jnp.asarray(ts)), ts)


def test_the_energy_is_that_of_the_flow_and_other_paths_have_more():
    best = _optimal(TWO)
    np.testing.assert_allclose(_energy_along(best.path), best.energy, rtol=0.01)
    np.testing.assert_allclose(_energy_along(score.FlowMatching()), 0.669, atol=2e-3)
    turned = score.Reversed(score.Trigonometric())
    np.testing.assert_allclose(_energy_along(turned), 0.377, atol=2e-3)


def test_the_energy_of_samples_is_that_of_the_flow():
    law = score.oracles.gaussian(jnp.zeros(2), jnp.diag(jnp.asarray(TWO)))
    ts = jnp.linspace(0.0, 1.0, 60)
    found = score.kinetic_energy(
        law.along(score.FlowMatching()), draw(law, 4000), ts, key=jax.random.key(1)
    )
    np.testing.assert_allclose(found, 0.669, rtol=0.05)


def _standardised_mixture():
    law = mixture()
    scale = jnp.sqrt(jnp.trace(law.covariance) / 2)
    means = (law.means - law.mean) / scale
    return score.oracles.Mixture(law.weights, means, law.covariances / scale**2)


def _distances(paths, steps, seed):
    """Of samples by Euler's method with the exact velocity, from the same noise."""
    law = _standardised_mixture()
    truth = draw(law, 1000, 100 + seed)
    noise = jax.random.normal(jax.random.key(seed), (1000, 2))
    out = []
    for path in paths:
        ts = jnp.linspace(path.t_noise, path.t_data, steps + 1)
        exact = law.along(path)
        carry = jax.vmap(
            lambda x, exact=exact, ts=ts: (
                score.sample(exact, x, ts, sampler=score.Euler(), throw=False).x
            )
        )
        out.append(float(energy_distance(carry(noise), truth)))
    return out


def _from_data():
    data = draw(_standardised_mixture(), 2000, 7)
    data = data - jnp.mean(data, axis=0)
    data = data / jnp.sqrt(jnp.mean(data**2))
    error = score.denoising_error(data, key=jax.random.key(0), held_out=True)
    return score.kinetic_optimal(error)


@pytest.mark.slow
def test_few_steps_on_the_path_from_data_beat_the_linear_path():
    """The trigonometric path ties with it on this law: it is printed, not claimed."""
    paths = (_from_data().path, score.Linear(), score.Trigonometric())
    for steps in (5, 10):
        found = np.array([_distances(paths, steps, seed) for seed in range(5)])
        print(steps, "optimal, linear, trigonometric", found.mean(axis=0))
        assert np.all(found[:, 0] < found[:, 1])


def test_denoising_errors_of_samples_are_those_of_their_law():
    law = score.oracles.gaussian(jnp.zeros(2), jnp.diag(jnp.asarray(TWO)))
    data = draw(law, 1500)
    data = (data - jnp.mean(data, axis=0)) / jnp.sqrt(jnp.mean(data**2))
    found = score.denoising_error(
        data, key=jax.random.key(0), probes=500, angles=8, held_out=True
    )
    s = np.tan(np.linspace(0, np.pi / 2, 10)[1:-2])
    wanted = score.gaussian_denoising_error(TWO)(s)
    np.testing.assert_allclose(found(s), wanted, rtol=0.2)
    with pytest.raises(ValueError, match="unit mean square"):
        score.denoising_error(2 * data, key=jax.random.key(0))


def test_a_table_is_the_path_it_was_made_from():
    path = score.Trigonometric()
    ts = np.linspace(0.0, 1.0, 65)
    c = jax.vmap(path.at)(jnp.asarray(ts))
    table = score.Tabulated(ts, c.alpha, c.sigma, c.d_alpha, c.d_sigma)
    assert (table.t_data, table.t_noise) == (0.0, 1.0)
    t = jnp.linspace(0.0, 1.0, 100)
    for found, wanted in zip(jax.vmap(table.at)(t), jax.vmap(path.at)(t), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0]), "`alphas` must have shape"),
        (([1.0, 0.0], [1.0, 0.0], [0.0, 1.0]), "increasing times"),
        (([0.0, 1.0], [1.0, 0.0], [1.0, 0.0]), "wanted data there"),
    ],
)
def test_wrong_tables_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        score.Tabulated(*arguments)
