"""Modes inside an ellipsoid: which, what they keep, and that nothing folds back."""

import jax
import numpy as np
import pytest

from phix.pde import NavierStokes, Vorticity
from phix.space import GaussianRandomField, Grid, spectral_resample


BOX = (0.0, 2 * np.pi)


@pytest.mark.parametrize("shape", [(18, 15), (15, 21), (12, 9, 15)])
def test_the_modes_inside_are_kept_and_the_others_zero(shape):
    grid = Grid(shape, BOX)
    u = jax.random.normal(jax.random.key(0), (2, *shape))
    ball, box = grid.modes(2 / 3, isotropic=True), grid.modes(2 / 3)
    assert ball.shape == box.shape
    waves = np.meshgrid(*ball.waves, indexing="ij")
    inside = sum((3 * k / n) ** 2 for k, n in zip(waves, shape, strict=True)) < 1
    np.testing.assert_array_equal(ball.inside, inside)
    assert box.inside.all() and not inside.all()
    np.testing.assert_array_equal(ball.to_modes(u), box.to_modes(u) * inside)
    # The ends of the axes are inside: what is kept along one does not change.
    for axis in range(len(shape)):
        assert inside.any(axis=tuple(a for a in range(len(shape)) if a != axis)).all()


@pytest.mark.parametrize("sides", ["neumann", "dirichlet", "antiperiodic"])
def test_half_waves_in_an_ellipse(sides):
    """By their wavenumbers: along the walls π, or 2π times halves, over the length."""
    grid = Grid((16, 12), (BOX, (0.0, 1.0)), ("periodic", sides), node="centre")
    modes = grid.modes(0.5, isotropic=True)
    k, kappa = modes.wavenumbers
    inside = (k / 4) ** 2 + (kappa / (6 * np.pi)) ** 2 < 1 - 1e-9
    np.testing.assert_array_equal(modes.inside, inside)
    # Of half waves cosine and sine stay or go together.
    if sides == "antiperiodic":
        np.testing.assert_array_equal(inside[:, ::2], inside[:, 1::2])


def test_a_sphere_has_no_corner_that_rounding_decides():
    """(11, 12, 24) is as long as 29, where 87 nodes and 2/3 end."""
    inside = Grid((87, 87, 87), BOX).modes(2 / 3, isotropic=True).inside
    top = 28
    for wave in ((11, 12, 24), (12, 24, 11), (24, 11, 12)):
        k, m, n = wave
        assert not inside[top + k, top + m, n]
    assert inside[top + 28, top, 0]


def test_a_random_field_and_another_resolution_keep_to_the_ball():
    modes = Grid((12, 15), BOX).modes(2 / 3, isotropic=True)
    field = GaussianRandomField(modes, np.ones(modes.shape))
    c = field.sample_modes(key=jax.random.key(0))
    assert np.all(np.asarray(c)[..., ~modes.inside] == 0)
    fine = Grid((24, 30), BOX).modes()
    y = fine.to_modes(jax.random.normal(jax.random.key(1), (1, 24, 30)))
    moved = spectral_resample(fine, y, modes)
    assert np.all(np.asarray(moved)[..., ~modes.inside] == 0)
    assert np.all(np.asarray(moved)[..., modes.inside] != 0)


def check_invariants(equation):
    shape = equation.space.shape
    u = jax.random.normal(jax.random.key(1), (1, *shape))
    u = equation.decode(equation.encode(u - u.mean()))
    rate = equation.rhs(0.0, u)
    assert np.abs(rate).max() > 0.1
    for name in ("energy", "enstrophy"):
        change = jax.jvp(equation.invariants[name], (u,), (rate,))[1]
        assert abs(change) < 1e-10


def test_a_disk_keeps_energy_and_enstrophy():
    """Any truncation to a set of modes does (R. H. Kraichnan, 1967)."""
    grid = Grid((18, 15), (BOX, (0.0, 3.0)))
    check_invariants(Vorticity(grid, 0.0, isotropic=True))
    with pytest.raises(AssertionError):  # products that fold back
        check_invariants(Vorticity(grid, 0.0, isotropic=True, dealias=0.9))


def test_a_ball_keeps_energy():
    equation = NavierStokes(Grid((12, 9, 15), BOX), 0.0, isotropic=True)
    u = jax.random.normal(jax.random.key(2), (3, 12, 9, 15))
    u = equation.decode(equation.encode(u))
    rate = equation.rhs(0.0, u)
    assert np.abs(rate).max() > 0.1
    for name in ("energy", "helicity"):
        assert abs(jax.jvp(equation.invariants[name], (u,), (rate,))[1]) < 1e-10


def test_both_forms_of_a_plane_flow_agree():
    grid = Grid((15, 15), BOX)
    by_vorticity = Vorticity(grid, 0.1, isotropic=True)
    by_velocity = NavierStokes(grid, 0.1, isotropic=True)
    omega = jax.random.normal(jax.random.key(3), (1, 15, 15))
    omega = by_vorticity.decode(by_vorticity.encode(omega - omega.mean()))
    rate = by_velocity.rhs(0.0, by_vorticity.velocity(omega))
    np.testing.assert_allclose(
        by_velocity.vorticity(rate), by_vorticity.rhs(0.0, omega), atol=1e-12
    )
