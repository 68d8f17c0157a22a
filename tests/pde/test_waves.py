"""Burgers, Korteweg–de Vries and Schrödinger against closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import solve
from phix.pde import (
    KortewegDeVries,
    NonlinearSchrodinger,
    ViscousBurgers,
    from_symbol,
    kdv_soliton,
    schrodinger_soliton,
)
from phix.space import Grid
from tests.truth import waves as truth


def check_burgers(make):
    grid = Grid(128, (0.0, 2 * np.pi))
    u0 = grid.project(lambda x: jnp.sin(x[0]))
    u = solve(make(grid, 0.2), u0, np.array([0.0, 1.5]), dt=0.01).us[-1]
    exact = truth.cole_hopf(np.asarray(grid.axes[0]), 1.5, nu=0.2)
    assert np.abs(u[0] - exact).max() < 1e-8


def test_burgers_is_cole_and_hopfs():
    check_burgers(ViscousBurgers)


def test_twice_the_transport_is_caught():
    def doubled(grid, nu):
        def nonlinear(t, y, args, modes, nu):
            return -modes.derivative(0) * modes.to_modes(modes.to_nodes(y) ** 2)

        return from_symbol(
            lambda modes, nu: nu * modes.laplacian[None],
            grid,
            nonlinear=nonlinear,
            nu=nu,
        )

    with pytest.raises(AssertionError):
        check_burgers(doubled)


def test_burgers_keeps_mass_and_loses_the_energy_it_should():
    grid = Grid(32, (0.0, 3.0))
    equation = ViscousBurgers(grid, 0.2)
    u = grid.project(lambda x: 0.3 + jnp.sin(2 * np.pi * x[0] / 3))
    mass = equation.invariants["mass"]
    np.testing.assert_allclose(mass(equation.rhs(0.0, u)), 0, atol=1e-13)
    # d/dt of the energy is -nu times the mean square slope.
    lost = -0.2 * 0.5 * (2 * np.pi / 3) ** 2 * 3
    np.testing.assert_allclose(grid.inner(u, equation.rhs(0.0, u)), lost, rtol=1e-12)


def aliasing(dealias):
    """What the highest kept wave does to the lower ones by its square: nothing."""
    grid = Grid(30, (0.0, 2 * np.pi))
    equation = ViscousBurgers(grid, 0.0, dealias=dealias)
    (k,) = equation.modes.wavenumbers
    y = equation.modes.zeros().at[:, -1].set(0.5)
    assert k[-1] == (9 if dealias < 1 else 14)
    return jnp.abs(equation.nonlinear(0.0, y)).max()


def test_a_product_of_two_kept_waves_leaves_no_alias():
    assert aliasing(2 / 3) < 1e-14
    with pytest.raises(AssertionError):
        assert aliasing(1.0) < 1e-14


def test_solitons_are_the_classical_closed_forms():
    x = np.linspace(-12, 12, 49)
    for t in (-2.0, 0.0, 0.3, 2.0):
        # Both centres moved, for phases count from the left.
        shift = np.log(3)
        u = kdv_soliton(jnp.asarray(x), t, (1.0, 4.0), (-shift, -shift / 2))
        np.testing.assert_allclose(u, truth.two_solitons(x, t), atol=1e-12)
    one = 0.9 / np.cosh(np.sqrt(1.8) / 2 * (x - 1.8 * 0.4 - 1)) ** 2
    np.testing.assert_allclose(kdv_soliton(jnp.asarray(x), 0.4, 1.8, 1.0), one)
    with pytest.raises(AssertionError):
        wrong = kdv_soliton(jnp.asarray(x), 0.0, (1.0, 4.0), (0.0, 0.0))
        np.testing.assert_allclose(wrong, truth.two_solitons(x, 0.0), atol=1e-12)
    with pytest.raises(ValueError, match="speed and a centre"):
        kdv_soliton(jnp.asarray(x), 0.0, (1.0, 4.0))


def check_collision(convection):
    grid = Grid(320, (-25.0, 25.0))
    x = np.asarray(grid.axes[0])
    equation = KortewegDeVries(grid, convection)
    u0 = jnp.asarray(truth.two_solitons(x, -3.0))[None]
    run = solve(equation, u0, np.array([-3.0, 0.0, 3.0]), dt=0.002)
    assert np.abs(run.us[1, 0] - truth.two_solitons(x, 0.0)).max() < 1e-6
    assert np.abs(run.us[2, 0] - truth.two_solitons(x, 3.0)).max() < 2e-6
    for f in equation.invariants.values():
        np.testing.assert_allclose(f(run.us[2]), f(u0), rtol=1e-7)


def test_two_solitons_pass_through_each_other():
    check_collision(6.0)


def test_another_convection_is_caught():
    with pytest.raises(AssertionError):
        check_collision(5.999)


def test_invariants_of_the_soliton():
    """Of one of speed s: mass 2√s, momentum s^{3/2}/3, energy -s^{5/2}/5."""
    grid = Grid(256, (-30.0, 30.0))
    u = kdv_soliton(grid.axes[0], 0.0, 1.7)[None]
    found = {k: f(u) for k, f in KortewegDeVries(grid).invariants.items()}
    wanted = {"mass": 2 * 1.7**0.5, "momentum": 1.7**1.5 / 3, "energy": -(1.7**2.5) / 5}
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9)


def check_schrodinger(kappa):
    """Order 4 to the bright soliton, all invariants kept."""
    grid = Grid(360, (-5 * np.pi, 5 * np.pi))
    equation = NonlinearSchrodinger(grid, kappa)
    x, errors = grid.axes[0], []
    u0 = schrodinger_soliton(x, 0.0, 1.3, 0.6)[None]
    for dt in (0.05, 0.025):
        run = solve(equation, u0, np.array([0.0, 2.0]), dt=dt)
        exact = schrodinger_soliton(x, 2.0, 1.3, 0.6)
        errors.append(np.abs(run.us[-1, 0] - exact).max())
    assert np.log2(errors[0] / errors[1]) > 3.8 and errors[1] < 1e-5
    for f in equation.invariants.values():
        np.testing.assert_allclose(f(run.us[-1]), f(u0), rtol=1e-5)


def test_schrodinger_moves_its_soliton():
    check_schrodinger(1.0)
    with pytest.raises(AssertionError):
        check_schrodinger(0.99)


def test_schrodinger_invariants_in_closed_form():
    """Amplitude a, speed v: mass 2a, momentum 2av, energy a v² - a³/3."""
    grid = Grid(360, (-5 * np.pi, 5 * np.pi))
    u = schrodinger_soliton(grid.axes[0], 0.0, 1.3, 0.6)[None]
    found = {k: f(u) for k, f in NonlinearSchrodinger(grid).invariants.items()}
    wanted = {"mass": 2.6, "momentum": 1.56, "energy": 1.3 * 0.36 - 1.3**3 / 3}
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-8)


def test_bad_input():
    line, plane = Grid(16, (0.0, 1.0)), Grid((8, 8), (0.0, 1.0))
    walls = Grid(16, (0.0, 1.0), "neumann")
    for make in (lambda g: ViscousBurgers(g, 0.1), KortewegDeVries):
        with pytest.raises(ValueError, match="grid must be periodic on every side"):
            make(walls)
    with pytest.raises(ValueError, match="nu must be finite and within"):
        ViscousBurgers(line, -0.1)
    with pytest.raises(ValueError, match="hyperdiffusion must be finite"):
        KortewegDeVries(line).replace(hyperdiffusion=-1.0)
    with pytest.raises(ValueError, match="2 channel"):
        ViscousBurgers(plane, 0.1).rhs(0.0, jnp.zeros((1, 8, 8)))
    with pytest.raises(ValueError, match="keeps no wave"):
        KortewegDeVries(Grid(3, (0.0, 1.0)))
