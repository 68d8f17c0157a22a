"""The plane flow by its vorticity: exact flows, and its four-transform form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import solve
from phix.pde import Vorticity, curl, kolmogorov, taylor_green
from phix.space import Grid
from tests.truth import spectral as truth


BOX = (0.0, 2 * np.pi)


def vortex(t, nu):
    return curl(lambda _, x: taylor_green(x, t, nu))


def test_taylor_green_is_exact():
    grid = Grid((18, 15), BOX)
    u0 = grid.project(lambda x: vortex(0.0, 0.1)(0.0, x))
    x, y = grid.coordinates
    np.testing.assert_allclose(u0[0], 2 * jnp.sin(x) * jnp.sin(y), atol=1e-14)
    u = solve(Vorticity(grid, 0.1), u0, np.array([0.0, 2.0]), dt=0.5).us[-1]
    exact = grid.project(lambda x: vortex(2.0, 0.1)(0.0, x))
    np.testing.assert_allclose(u, exact, atol=1e-14)
    velocity = Vorticity(grid, 0.1).velocity(u0)
    np.testing.assert_allclose(velocity, grid.project(taylor_green), atol=1e-14)
    with pytest.raises(ValueError, match="x must be a point"):
        taylor_green(jnp.zeros(1))


def check_laminar(drag):
    """The flow that balances Kolmogorov's force stays, force as function and field."""
    grid, k, nu = Grid((12, 26), BOX), 4.0, 0.05
    force = curl(kolmogorov(k, 0.7))
    laminar = curl(kolmogorov(k, 0.7 / (nu * k**2 + 0.1)))
    u0 = grid.project(lambda x: laminar(0.0, x))
    for forcing in (force, grid.project(lambda x: force(0.0, x))):
        equation = Vorticity(grid, nu, drag=drag, forcing=forcing)
        u = solve(equation, u0, np.array([0.0, 5.0]), dt=0.1).us[-1]
        assert np.abs(u - u0).max() < 1e-12


def test_the_laminar_flow_of_kolmogorov_is_steady():
    check_laminar(0.1)
    with pytest.raises(AssertionError):
        check_laminar(0.1001)


def check_transport(equation):
    omega = jax.random.normal(jax.random.key(0), (1, 15, 15))
    y = equation.encode(omega - omega.mean())
    rate = equation.decode(equation.nonlinear(0.0, y))
    wanted = truth.vorticity_transport(np.asarray(equation.decode(y)[0]), 4)
    np.testing.assert_allclose(rate[0], wanted, atol=1e-12)


def test_four_transforms_do_what_the_advective_form_does():
    check_transport(Vorticity(Grid((15, 15), BOX), 0.1))


class SignSlip(Vorticity):
    def nonlinear(self, t, y, args=None):
        del t, args
        kx, ky = self.modes.wavenumbers
        u, v = self.modes.to_nodes(self._velocity(y))
        cross, stretch = self.modes.to_modes(jnp.stack([u * v, v * v - u * u]))
        return ((kx**2 - ky**2) * cross - kx * ky * stretch)[None]


@pytest.mark.parametrize(
    "broken",
    [
        SignSlip(Grid((15, 15), BOX), 0.1),
        Vorticity(Grid((15, 15), BOX), 0.1, dealias=1.0),
    ],
)
def test_a_slip_of_sign_and_aliasing_are_caught(broken):
    with pytest.raises(AssertionError):
        check_transport(broken)


def test_transport_keeps_energy_and_enstrophy():
    equation = Vorticity(Grid((18, 15), (BOX, (0.0, 3.0))), 0.0, scalar_diffusivity=0)
    u = jax.random.normal(jax.random.key(1), (2, 18, 15))
    u = u - u.mean((1, 2), keepdims=True)
    u = equation.decode(equation.encode(u))
    rate = equation.rhs(0.0, u)
    for f in equation.invariants.values():
        assert abs(jax.jvp(f, (u,), (rate,))[1]) < 1e-10
    # The scalar's square is kept too.
    assert abs(equation.space.inner(u[1:], rate[1:])) < 1e-10
    assert np.abs(rate).max() > 1
