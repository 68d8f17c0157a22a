"""Modes inside an ellipsoid: which, what they keep, and that nothing folds back."""

import jax
import numpy as np
import pytest

from phix.pde import NavierStokes, Vorticity
from phix.space import Grid


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


def test_cosines_in_an_ellipse():
    """Along walls the half waves count as half."""
    grid = Grid((16, 12), (BOX, (0.0, 1.0)), ("periodic", "neumann"), node="centre")
    modes = grid.modes(0.5, isotropic=True)
    k, j = np.meshgrid(*modes.waves, indexing="ij")
    np.testing.assert_array_equal(modes.inside, (k / 4) ** 2 + (j / 6) ** 2 < 1)


class OneSided(Vorticity):
    """Drops modes of a rectangle that does not hold the negative of each."""

    def nonlinear(self, t, y, args=None):
        kx, ky = self.modes.wavenumbers
        return super().nonlinear(t, y, args) * ((kx < 3) | (ky < 2))


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
    with pytest.raises(AssertionError):
        check_invariants(OneSided(Grid((18, 15), BOX), 0.0, dealias=0.9))


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
