"""Linear equations: exact for any step; a diffusivity that varies in space."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import solve
from phix.pde import Advection, HyperDiffusion, SpectralDiffusion
from phix.space import Grid
from tests.truth import spectral as truth


BOX = (0.0, 2 * np.pi)


def check_advection(velocity):
    grid = Grid((12, 9), (BOX, (0.0, 3.0)))

    def wave(x, t):
        a, b = x[0] - 0.7 * t, 2 * np.pi / 3 * (x[1] + 0.4 * t)
        decay = jnp.exp(-0.05 * (9 + (2 * np.pi / 3) ** 2) * t)
        return jnp.sin(3 * a) * jnp.cos(b) * decay

    equation = Advection(grid, velocity, 0.05)
    u0 = grid.project(lambda x: wave(x, 0.0))
    u = solve(equation, u0, np.array([0.0, 5.0]), dt=5.0).us[-1]
    exact = grid.project(lambda x: wave(x, 5.0))
    np.testing.assert_allclose(u, exact, atol=1e-13)


def test_advection_is_exact_in_one_step():
    check_advection((0.7, -0.4))
    with pytest.raises(AssertionError):
        check_advection((0.7, 0.4))


@pytest.mark.parametrize("node", ["vertex", "centre"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_walls_are_exact_in_one_step(node, order):
    sides = ("dirichlet", ("neumann", "dirichlet"))
    grid = Grid((7, 6), ((0.0, np.pi), (0.0, np.pi / 2)), sides, node)
    u0 = grid.project(lambda x: jnp.sin(2 * x[0]) * jnp.cos(3 * x[1]))
    plain = order == 1
    equation = (
        SpectralDiffusion(grid, 0.02) if plain else HyperDiffusion(grid, 0.02, order)
    )
    u = solve(equation, u0, np.array([0.0, 0.3]), dt=0.3).us[-1]
    np.testing.assert_allclose(u, u0 * np.exp(-0.3 * 0.02 * 13**order), atol=1e-14)


def variable(n=21):
    grid = Grid(n, BOX)
    x = grid.axes[0]
    return grid, (0.2 + 0.15 * jnp.sin(x + 1) + 0.04 * jnp.cos(3 * x))[None]


def check_variable(rhs, grid, nu):
    d = truth.derivative_matrix(21)
    u = jax.random.normal(jax.random.key(0), (2, 21))
    modes = grid.modes(2 / 3)
    u = modes.to_nodes(modes.to_modes(u))
    wanted = (d @ (np.asarray(nu[0])[:, None] * (d @ np.asarray(u).T))).T
    wanted = modes.to_nodes(modes.to_modes(jnp.asarray(wanted)))
    np.testing.assert_allclose(rhs(0.0, u), wanted, atol=1e-12)


def test_a_diffusivity_that_varies_is_that_of_dense_matrices():
    grid, nu = variable()
    check_variable(SpectralDiffusion(grid, nu).rhs, grid, nu)

    def outside(t, u):
        """ν Δu, which forgets the gradient of ν."""
        return nu * SpectralDiffusion(grid, 1.0).rhs(t, u)

    with pytest.raises(AssertionError):
        check_variable(outside, grid, nu)


def test_steps_far_beyond_the_explicit_bound_stay_stable():
    """Diffusivities from 0.01 to 2, steps of 50 explicit ones: energy falls."""
    grid = Grid((32, 27), BOX)
    nu = grid.project(lambda x: 1.005 + 0.995 * jnp.sin(x[0]) * jnp.cos(x[1]))
    equation = SpectralDiffusion(grid, nu)
    u0 = jax.random.normal(jax.random.key(1), (1, 32, 27))
    step = 50 * float(equation.stable_step(u0))
    us = solve(equation, u0, step * np.arange(9), dt=step).us[1:]
    energies = jax.vmap(equation.invariants["energy"])(us)
    masses = jax.vmap(equation.invariants["mass"])(us)
    assert np.all(np.diff(energies) < 0)
    np.testing.assert_allclose(masses, masses[0], rtol=1e-10)


def test_bad_input():
    grid = Grid((8, 8), BOX)
    with pytest.raises(ValueError, match="velocity must have shape"):
        Advection(grid, 1.0)
    with pytest.raises(ValueError, match="order must be a whole number"):
        HyperDiffusion(grid, 0.1, 0)
    with pytest.raises(ValueError, match="nu must be a scalar or a field"):
        SpectralDiffusion(grid, jnp.ones((1, 8, 7)))
    with pytest.raises(ValueError, match="nu must be finite and within"):
        SpectralDiffusion(grid, jnp.ones((1, 8, 8)).at[0, 3, 3].set(-0.1))
    with pytest.raises(ValueError, match="grid must be periodic"):
        SpectralDiffusion(Grid(8, BOX, "neumann"), jnp.ones((1, 8)))
    with pytest.raises(ValueError, match="no transform"):
        SpectralDiffusion(Grid(8, BOX, ("inflow", "outflow")), 0.1)
