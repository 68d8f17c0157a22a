"""Flows by their velocity: exact ones, an independent right-hand side, invariants."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import solve
from phix.pde import NavierStokes, Vorticity, kolmogorov, taylor_green
from phix.space import Grid
from tests.truth import velocity as truth


BOX = (0.0, 2 * np.pi)
PLANE = Grid((15, 9), (BOX, (-1.0, 0.5)))
CUBE = Grid((9, 11, 9), (BOX, (0.0, 1.0), (1.0, 3.0)))


def random_field(equation):
    grid = equation.space
    scalars = int(equation.scalar_diffusivity is not None)
    shape = (grid.ndim + scalars, *grid.shape)
    return np.random.default_rng(0).standard_normal(shape)


@eqx.filter_jit
def project(equation, u):
    """The kept modes without divergence, a mean flow included."""
    return equation.decode(equation.encode(u))


@eqx.filter_jit
def rhs(equation, u):
    return equation.rhs(0.0, u)


def test_taylor_green_carried_by_a_mean_flow_is_exact():
    grid, nu, t = Grid((12, 15), BOX), 0.1, 1.0
    mean = jnp.array([0.7, -0.4])
    u0 = grid.project(lambda x: mean + taylor_green(x))
    u = solve(NavierStokes(grid, nu), u0, np.array([0.0, t]), dt=0.01).us[-1]
    exact = grid.project(lambda x: mean + taylor_green(x - t * mean, t, nu))
    np.testing.assert_allclose(u, exact, atol=1e-10)


def test_taylor_green_is_exact():
    grid = Grid((12, 15), BOX)
    u0 = grid.project(taylor_green)
    u = solve(NavierStokes(grid, 0.1), u0, np.array([0.0, 2.0]), dt=0.5).us[-1]
    exact = grid.project(lambda x: taylor_green(x, 2.0, 0.1))
    np.testing.assert_allclose(u, exact, atol=1e-14)


def check_transport(equation):
    u = project(equation, random_field(equation))
    rate = rhs(equation, u)
    keep = tuple((n - 1) // 3 for n in equation.space.shape)
    wanted = truth.transport(np.asarray(u), equation.space.lengths, keep)
    np.testing.assert_allclose(rate, wanted, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("grid", [PLANE, CUBE])
def test_transport_is_that_of_the_convective_form(grid):
    check_transport(NavierStokes(grid, 0.0, scalar_diffusivity=0.0))


class NoPressure(NavierStokes):
    def _project(self, c):
        return c


@pytest.mark.parametrize(
    "broken", [NoPressure(CUBE, 0.0), NavierStokes(CUBE, 0.0, dealias=1.0)]
)
def test_no_pressure_and_aliasing_are_caught(broken):
    with pytest.raises(AssertionError):
        check_transport(broken)


def test_the_plane_flow_is_that_of_its_vorticity():
    flow, plane = NavierStokes(PLANE, 0.03, drag=0.2), Vorticity(PLANE, 0.03, drag=0.2)
    u = random_field(flow)
    u = project(flow, u - u.mean((1, 2), keepdims=True))
    turn = eqx.filter_jit(flow.vorticity)
    np.testing.assert_allclose(turn(rhs(flow, u)), rhs(plane, turn(u)), atol=1e-9)


def check_early_decay(nu, claimed):
    """Taylor and Green's series of the enstrophy, and the energy it takes away."""
    grid, times = Grid((16, 16, 16), BOX), np.linspace(0.0, 0.2, 5)
    equation = NavierStokes(grid, nu)
    run = solve(equation, grid.project(taylor_green), times, dt=0.05)
    volume = (2 * np.pi) ** 3
    series = truth.taylor_green_enstrophy(times, claimed)
    enstrophy = jax.vmap(equation.invariants["enstrophy"])(run.us) / volume
    np.testing.assert_allclose(enstrophy, series, rtol=2e-6)
    fine = np.linspace(0.0, 0.2, 201)
    lost = np.trapezoid(2 * claimed * truth.taylor_green_enstrophy(fine, claimed), fine)
    energy = equation.invariants["energy"](run.us[-1]) / volume
    np.testing.assert_allclose(energy, 1 / 8 - lost, rtol=1e-7)


def test_taylor_green_decays_in_three_dimensions_as_its_series():
    check_early_decay(0.02, 0.02)
    with pytest.raises(AssertionError):
        check_early_decay(0.02, 0.0201)


@eqx.filter_jit
def growth(equation, u):
    """Rates of change of the invariants, relative to the sizes of field and rate."""
    u = equation.decode(equation.encode(u))
    rate = equation.rhs(0.0, u)
    growths = {}
    for name, invariant in equation.invariants.items():
        slope = jax.grad(invariant)(u)
        size = jnp.linalg.norm(slope) * jnp.linalg.norm(rate)
        growths[name] = jnp.abs(jnp.vdot(slope, rate)) / size
    return growths


def kept(equation):
    rates = growth(equation, random_field(equation))
    return {name for name, rate in rates.items() if rate < 1e-13}


def test_transport_keeps_the_invariants():
    momenta = {"momentum_x", "momentum_y"}
    assert kept(NavierStokes(PLANE, 0.0)) == {"energy", "enstrophy", *momenta}
    momenta |= {"momentum_z"}
    assert kept(NavierStokes(CUBE, 0.0)) == {"energy", "helicity", *momenta}
    # With aliasing too; in the plane it is not so.
    aliased = kept(NavierStokes(CUBE, 0.0, dealias=1.0))
    assert {"energy", "helicity"} <= aliased
    assert not {"energy", "enstrophy"} & kept(NavierStokes(PLANE, 0.0, dealias=1.0))
    assert kept(NavierStokes(PLANE, 0.1)) == {"momentum_x", "momentum_y"}


def divergence(equation, y):
    d = [equation.modes.derivative(a) for a in range(equation.space.ndim)]
    return np.abs(sum(d[a] * y[a] for a in range(len(d)))).max()


def check_divergence(equation):
    u = solve(equation, random_field(equation), np.array([0.0, 0.01]), dt=0.005).us[-1]
    assert divergence(equation, np.asarray(equation.modes.to_modes(u))) < 1e-12


def test_flows_stay_without_divergence():
    check_divergence(NavierStokes(CUBE, 0.01))
    with pytest.raises(AssertionError):
        check_divergence(NoPressure(CUBE, 0.01))


def test_a_gradient_is_projected_away():
    def gradient(x):
        return jnp.array([jnp.cos(x[0]) * jnp.sin(2 * jnp.pi * x[1]),
                          2 * jnp.pi * jnp.sin(x[0]) * jnp.cos(2 * jnp.pi * x[1]),
                          0.0])  # fmt: skip

    equation = NavierStokes(CUBE, 0.1, forcing=lambda t, x: gradient(x))
    field = CUBE.project(gradient)
    assert np.abs(eqx.filter_jit(equation.encode)(field)).max() < 1e-14
    assert np.abs(rhs(equation, jnp.zeros_like(field))).max() < 1e-14


@pytest.mark.parametrize("sizes", [(8, 12), (6, 12, 5)])
def test_the_laminar_flow_of_kolmogorov_is_steady(sizes):
    grid, k, nu, drag = Grid(sizes, BOX), 2.0, 0.05, 0.1
    force, laminar = kolmogorov(k, 0.7), kolmogorov(k, 0.7 / (nu * k**2 + drag))
    u0 = grid.project(lambda x: laminar(0.0, x))
    for forcing in (force, grid.project(lambda x: force(0.0, x))):
        equation = NavierStokes(grid, nu, drag=drag, forcing=forcing)
        assert np.abs(rhs(equation, u0)).max() < 1e-13
        assert np.abs(rhs(equation.replace(nu=0.06), u0)).max() > 1e-2


def test_drag_slows_the_mean_flow():
    equation = NavierStokes(PLANE, 0.1, drag=0.5)
    u0 = jnp.ones((2, *PLANE.shape)) * jnp.array([1.0, -2.0])[:, None, None]
    u = solve(equation, u0, np.array([0.0, 2.0]), dt=0.5).us[-1]
    np.testing.assert_allclose(u, u0 * np.exp(-1.0), rtol=1e-13)


def test_bad_input_says_what_is_wrong():
    with pytest.raises(ValueError, match="two- or three-dimensional"):
        NavierStokes(Grid(8, BOX), 0.1)
    with pytest.raises(ValueError, match="must be periodic"):
        NavierStokes(Grid((8, 8), BOX, ("dirichlet", "periodic")), 0.1)
    with pytest.raises(ValueError, match="nu must be finite and within"):
        NavierStokes(PLANE, -0.1)
    with pytest.raises(ValueError, match="forcing must have 3"):
        NavierStokes(CUBE, 0.1, forcing=jnp.zeros((2, *CUBE.shape)))
    with pytest.raises(ValueError, match="keeps no wave"):
        NavierStokes(Grid((8, 2), BOX), 0.1)
    with pytest.raises(ValueError, match="pressure is not local"):
        NavierStokes(PLANE, 0.1).pointwise(0.0, jnp.zeros(2), lambda x: x)


def check_form(equation):
    """N is the projection of u × ω, in whatever form it is computed."""
    u = np.random.default_rng(0).normal(size=(3, *equation.space.shape))
    y = equation.encode(jnp.asarray(u))
    u = equation.decode(y)
    wanted = equation.encode(jnp.cross(u, equation.vorticity(u), axis=0))
    np.testing.assert_allclose(equation.nonlinear(0.0, y), wanted, atol=1e-14)


@pytest.mark.parametrize("dealias", [2 / 3, 1.0])
def test_both_forms_in_three_dimensions_are_one(dealias):
    box = ((0.0, 1.0), (0.0, 2.0), (0.0, 3.0))
    check_form(NavierStokes(Grid((7, 8, 9), box), 0.01, dealias=dealias))


def test_with_aliasing_the_forms_differ(monkeypatch):
    monkeypatch.setattr(NavierStokes, "_turns", False)
    with pytest.raises(AssertionError):
        check_form(NavierStokes(Grid((7, 8, 9), (0.0, 1.0)), 0.01, dealias=1.0))
