"""Kinetic-optimal paths: energies in closed form, few steps, and paths from data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.score import kinetic
from phix import score
from phix.recipes._plane_choices import Ring
from phix.recipes._plane_laws import mixture_of, standardised
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


def _check_few_steps(path, law, others):
    """Nearer to true samples than all other paths, by the same noise, on five seeds."""
    for calls in kinetic.CALLS:
        found = np.array(
            [
                [kinetic.distance(law, p, calls, s) for p in (path, *others.values())]
                for s in range(5)
            ]
        )
        print(calls, "optimal,", ", ".join(others), found.mean(axis=0))
        assert np.all(found[:, :1] < found[:, 1:])


@pytest.mark.slow
def test_few_steps_on_the_path_from_data_where_components_are_apart():
    law = standardised(mixture_of(Ring(spread=0.05)))
    _check_few_steps(kinetic.from_data(law).path, law, kinetic.OTHERS)
    with pytest.raises(AssertionError):  # a path from data of another law
        other = kinetic.from_data(standardised(mixture_of(Ring(spread=0.3)))).path
        _check_few_steps(other, law, kinetic.OTHERS)


@pytest.mark.slow
def test_few_steps_on_the_path_from_data_where_components_overlap():
    """The trigonometric path, not beaten here, is printed by `bench.score.kinetic`."""
    law = standardised(mixture())
    linear = {"linear": score.Linear()}
    _check_few_steps(kinetic.from_data(law).path, law, linear)


def _check_denoising(found):
    """1 − γ of Gaussian samples where noise is wider than their distances, to 0.02."""
    s = np.tan(np.linspace(0.1, 1.2, 12))
    wanted = score.gaussian_denoising_error(TWO)(s)
    np.testing.assert_allclose((1 + s**2) * found(s), (1 + s**2) * wanted, atol=0.02)


def test_denoising_errors_of_samples_are_those_of_their_law():
    # Samples of exactly these moments: the error is that of the law, not of the draw.
    data = draw(score.oracles.gaussian(jnp.zeros(2), jnp.eye(2)), 1500)
    data = data - jnp.mean(data, axis=0)
    root = jnp.linalg.cholesky(data.T @ data / 1500)
    data = jnp.linalg.solve(root, data.T).T * np.sqrt(TWO)
    found = score.denoising_error(
        data, key=jax.random.key(0), probes=500, angles=8, held_out=True
    )
    _check_denoising(found)
    with pytest.raises(AssertionError):  # of the data more alike in both directions
        _check_denoising(score.gaussian_denoising_error(np.array([1.5, 0.5])))
    with pytest.raises(ValueError, match="unit mean square"):
        score.denoising_error(2 * data, key=jax.random.key(0))


def test_a_floor_bounds_how_fast_the_path_turns():
    """θ' = Φ'/√(γ + floor): with all weight on it the turn is even, on a chord."""
    with pytest.raises(ValueError, match="`floor` must not be negative; got -1"):
        score.kinetic_optimal(score.gaussian_denoising_error(TWO), floor=-1.0)
    found = score.kinetic_optimal(score.gaussian_denoising_error(np.ones(2)), floor=1.0)
    assert found.energy == pytest.approx(2.0, abs=1e-6)  # as for separated data


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
