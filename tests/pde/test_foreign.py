"""Foreign solvers as equations, as docs/foreign.md shows them."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import phix
from phix.pde import Vorticity


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # both import what newer releases deprecate
    import exponax
    import jax_cfd.base as cfd


GRID = phix.Grid((32, 32), (0.0, 6.0))
DT = 0.01


def vortices():
    x, y = GRID.coordinates * (2 * np.pi / 6.0)
    return (jnp.sin(x) * jnp.cos(2 * y) + 0.5 * jnp.cos(x + y))[None]


def check_exponax(sign):
    """phix's own vorticity equation is the judge, at an error both can meet."""
    stepper = exponax.stepper.NavierStokesVorticity(2, 6.0, 32, DT, diffusivity=1e-2)
    equation = phix.from_step(lambda u, t, args: stepper(u), DT, GRID)
    ours = phix.solve(Vorticity(GRID, 1e-2), vortices(), [0.0, 0.2], dt=DT).us[-1]
    theirs = sign * phix.solve(equation, sign * vortices(), [0.0, 0.2]).us[-1]
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_exponax_is_an_equation_with_the_opposite_sign():
    check_exponax(-1)
    with pytest.raises(AssertionError):
        check_exponax(1)


def test_exponax_keeps_its_gradient():
    stepper = exponax.stepper.NavierStokesVorticity(2, 6.0, 32, DT, diffusivity=1e-2)
    equation = phix.from_step(lambda u, t, args: stepper(u), DT, GRID)

    def energy(scale):
        u = phix.solve(equation, scale * vortices(), [0.0, 0.05]).us[-1]
        return jnp.sum(u**2)

    wanted = (energy(1 + 1e-5) - energy(1 - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.grad(energy)(1.0), wanted, rtol=1e-6)


def check_jax_cfd(viscosity):
    mesh = cfd.grids.Grid((32, 32), domain=((0, 2 * np.pi), (0, 2 * np.pi)))
    flow = cfd.equations.semi_implicit_navier_stokes(1.0, viscosity, DT, mesh)
    wall = cfd.boundaries.periodic_boundary_conditions(2)

    def step(u, t, args):
        arrays = map(cfd.grids.GridArray, u, mesh.cell_faces, [mesh] * 2)
        v = flow(tuple(cfd.grids.GridVariable(a, wall) for a in arrays))
        return jnp.stack([component.data for component in v])

    grid = phix.Grid((32, 32), (0.0, 2 * np.pi), node="centre")
    equation = phix.from_step(step, DT, grid)
    x, y = grid.coordinates
    right, top = x + np.pi / 32, y + np.pi / 32  # where the faces of a cell are
    u0 = jnp.stack([jnp.cos(right) * jnp.sin(y), -jnp.sin(x) * jnp.cos(top)])
    u = phix.solve(equation, u0, [0.0, 0.5]).us[-1]
    # Taylor and Green's vortex decays by exp(-2 nu t); finite volumes are second order.
    np.testing.assert_allclose(u, u0 * np.exp(-0.1), atol=0.01)


def test_jax_cfd_is_an_equation():
    check_jax_cfd(0.1)
    with pytest.raises(AssertionError):
        check_jax_cfd(0.2)


def test_a_numpy_code_is_an_equation_without_gradient():
    grid = phix.Grid(64, (0.0, 1.0))
    (h,) = grid.spacing

    def step(u, t, args, speed):
        return u - 0.01 * speed * (u - np.roll(u, 1, axis=-1)) / h

    equation = phix.from_step(step, 0.01, grid, host=True, speed=h / 0.01)
    u0 = jnp.exp(-50 * (grid.axes[0] - 0.5) ** 2)[None]
    # At a Courant number of one the upwind scheme shifts by a node a step.
    u = phix.solve(equation, u0, [0.0, 0.2]).us[-1]
    np.testing.assert_allclose(u, jnp.roll(u0, 20, axis=-1), atol=1e-12)
    with pytest.raises(ValueError, match="host=True"):
        jax.grad(lambda u: phix.solve(equation, u, [0.0, 0.1]).us.sum())(u0)
