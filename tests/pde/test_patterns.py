"""Phase fields, reaction–diffusion and Kuramoto–Sivashinsky."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import pde
from phix.integrate import make_stepper, solve
from phix.space import Grid
from tests.truth import reactions as truth


BOX = (0.0, 2 * np.pi)
PLANE = Grid((24, 21), (BOX, (0.0, 5.0)))
REACTIONS = {
    "gray_scott": (lambda g, *p: pde.GrayScott(g, *p, (0.02, 0.01)), (0.03, 0.06)),
    "brusselator": (lambda g, *p: pde.Brusselator(g, *p, (0.02, 0.01)), (1.0, 2.5)),
    "lambda_omega": (lambda g, b: pde.LambdaOmega(g, 0.02, b), (1.3,)),
    "fitzhugh_nagumo": (
        lambda g, *p: pde.FitzHughNagumo(g, (0.02, 0.01), *p),
        (0.1, 0.5, 0.8),
    ),
}


def check_reaction(name, equation, parameters):
    """Uniform fields obey the ODE, and waves on them grow as the Jacobian says."""
    reaction = getattr(truth, name)
    start = np.array([0.4, 0.9])
    u0 = jnp.asarray(start)[:, None] * jnp.ones((2, 16))
    u = solve(equation, u0, np.array([0.0, 4.0]), dt=0.02).us[-1]
    wanted = truth.march(reaction, start, 4.0, *parameters)
    np.testing.assert_allclose(u, wanted[:, None] + 0 * u, atol=1e-7)

    grid = equation.space
    wave = jnp.cos(2 * grid.axes[0])
    bump = jnp.asarray([[0.3], [-0.8]]) * wave
    _, rate = jax.jvp(lambda u: equation.rhs(0.0, u), (u0,), (bump,))
    jacobian = truth.jacobian(reaction, start, *parameters)
    matrix = jacobian - 4 * np.diag([0.02, 0.02 if name == "lambda_omega" else 0.01])
    grown = (matrix @ [0.3, -0.8])[:, None] * wave
    np.testing.assert_allclose(rate, grown, atol=1e-8)


@pytest.mark.parametrize("name", REACTIONS)
def test_reactions(name):
    make, parameters = REACTIONS[name]
    walls = Grid(16, (0.0, np.pi), "neumann", "centre")
    check_reaction(name, make(walls, *parameters), parameters)


def test_a_reaction_of_another_rate_is_caught():
    make, (a, b) = REACTIONS["brusselator"]
    with pytest.raises(AssertionError):
        check_reaction("brusselator", make(Grid(16, BOX), a, 1.001 * b), (a, b))


def check_plane_wave(beta):
    """Amplitude √(1 - Dq²), turning at β(1 - Dq²)."""
    x, q = PLANE.coordinates[0], 2.0
    square = 1 - 0.1 * q**2

    def wave(t):
        phase = q * x - 1.3 * square * t
        return np.sqrt(square) * jnp.stack([jnp.cos(phase), jnp.sin(phase)])

    equation = pde.LambdaOmega(PLANE, 0.1, beta)
    u = solve(equation, wave(0.0), np.array([0.0, 3.0]), dt=0.01).us[-1]
    assert np.abs(u - wave(3.0)).max() < 1e-8


def test_a_plane_wave_of_oscillators_turns():
    check_plane_wave(1.3)
    with pytest.raises(AssertionError):
        check_plane_wave(-1.3)


def check_front(rate):
    """Ablowitz and Zeppetella's exact front of speed 5/√6, units D = 1/2, r = 2."""
    grid = Grid(300, (-30.0, 30.0), "neumann")
    (x,) = grid.axes

    def front(t):
        return (1 + jnp.exp((2 * x - 5 / np.sqrt(6) * 2 * t) / np.sqrt(6))) ** -2

    equation = pde.FisherKPP(grid, 0.5, rate)
    u = solve(equation, front(0.0)[None], np.array([0.0, 4.0]), dt=0.02).us[-1]
    assert np.abs(u[0] - front(4.0)).max() < 1e-5


def test_fishers_exact_front():
    check_front(2.0)
    with pytest.raises(AssertionError):
        check_front(2.01)


def test_a_compact_start_ends_in_a_front_of_speed_2_root_rD():
    """Behind by Bramson's 3/2 ln τ, τ = rt; later terms change 2 % at these times."""
    grid = Grid(256, (0.0, 40.0), "neumann")
    equation = pde.FisherKPP(grid, 0.5, 2.0)
    (x,) = grid.axes
    ts = np.array([0.0, 7.0, 12.0])
    us = np.asarray(solve(equation, jnp.exp(-(x**2))[None], ts, dt=0.05).us)
    late = 2 * ts[1:]
    behind = 0.5 * 1.5 * np.log(late)
    places = np.array([np.interp(-0.5, -u[0], x) for u in us[1:]]) + behind
    np.testing.assert_allclose(np.diff(places) / 5, 2 * np.sqrt(0.5 * 2.0), rtol=0.02)


PHASES = {
    "AllenCahn": pde.AllenCahn(PLANE, 0.4),
    "CahnHilliard": pde.CahnHilliard(PLANE, 0.4),
    "SwiftHohenberg": pde.SwiftHohenberg(PLANE, 0.7, 1.0),
    "walls": pde.CahnHilliard(Grid((24, 21), (BOX, (0.0, 5.0)), "neumann"), 0.4),
}


def check_descent(equation, key):
    """dE/dt = -|u_t|² where u_t = -δE/δu; for Cahn–Hilliard in the norm of H⁻¹."""
    u = equation.decode(0.3 * equation.encode(jax.random.normal(key, (1, 24, 21))))
    rate = equation.rhs(0.0, u)
    down = jax.jvp(equation.invariants["energy"], (u,), (rate,))[1]
    weight = np.ones(equation.modes.shape)
    if isinstance(equation, pde.CahnHilliard):
        laplacian = equation.modes.laplacian
        weight = np.where(
            laplacian == 0, 0, -1 / np.where(laplacian == 0, 1, laplacian)
        )
        mass = equation.invariants["mass"]
        assert abs(mass(rate)) < 1e-10
    size = equation.space.inner(rate, equation.decode(weight * equation.encode(rate)))
    np.testing.assert_allclose(down, -size, rtol=1e-9)
    assert size > 1e-2


@pytest.mark.parametrize("name", PHASES)
def test_energy_falls_as_fast_as_the_equation_says(getkey, name):
    check_descent(PHASES[name], getkey())


class Climbing(pde.SwiftHohenberg):
    def reaction(self, u):
        return self.g * u**2 + u**3


def test_a_wrong_reaction_is_caught(getkey):
    with pytest.raises(AssertionError):
        check_descent(Climbing(PLANE, 0.7, 1.0), getkey())


def check_separation(equation, key):
    u0 = 0.1 + 0.05 * jax.random.normal(key, (1, 24, 21))
    run = solve(
        equation, equation.decode(equation.encode(u0)), np.arange(11.0), dt=0.01
    )
    energies = jax.vmap(equation.invariants["energy"])(run.us)
    masses = jax.vmap(equation.invariants["mass"])(run.us)
    assert np.all(np.diff(energies) < 0) and run.us[-1].max() > 0.8
    np.testing.assert_allclose(masses, masses[0], rtol=1e-11)


class Unbounded(pde.CahnHilliard):
    def nonlinear(self, t, y, args=None):
        return 0 * y


def test_phases_separate_and_energy_never_grows(getkey):
    check_separation(PHASES["CahnHilliard"], getkey())
    with pytest.raises(AssertionError):
        check_separation(Unbounded(PLANE, 0.4), getkey())


@pytest.mark.parametrize("make", [pde.KuramotoSivashinsky, pde.FlameFront])
def test_small_waves_grow_at_the_rate_of_their_mode(make):
    grid = Grid(32, (0.0, 22.0))
    k = 2 * np.pi * 2 / 22
    u0 = 1e-9 * jnp.cos(k * grid.axes[0])[None]
    u = solve(make(grid), u0, np.array([0.0, 10.0]), dt=0.5).us[-1]
    np.testing.assert_allclose(u, u0 * np.exp(10 * (k**2 - k**4)), atol=1e-15)


def test_the_slope_of_a_flame_front_is_the_conservative_form(getkey):
    grid = Grid(48, (0.0, 30.0))
    front, slope = pde.FlameFront(grid), pde.KuramotoSivashinsky(grid)
    y = front.encode(jax.random.normal(getkey(), (1, 48)))
    ik = front.modes.derivative(0)
    got = ik * front.nonlinear(0.0, y)
    np.testing.assert_allclose(got, slope.nonlinear(0.0, ik * y), atol=1e-13)


def test_bad_input():
    line = Grid(16, (0.0, 100.0))
    with pytest.raises(ValueError, match="too coarse to reach"):
        pde.KuramotoSivashinsky(line)
    with pytest.raises(ValueError, match="too coarse to reach"):
        pde.CahnHilliard(line, 0.1)
    with pytest.raises(ValueError, match="one-dimensional"):
        pde.KuramotoSivashinsky(PLANE)
    with pytest.raises(ValueError, match="periodic or neumann"):
        pde.FisherKPP(Grid(16, (0.0, 1.0), "dirichlet"), 0.1)
    with pytest.raises(ValueError, match="diffusivities must have shape"):
        pde.GrayScott(PLANE, 0.03, 0.06, 2e-5)
    with pytest.raises(ValueError, match="kill must be finite"):
        pde.GrayScott(PLANE, 0.03, -0.06)
    with pytest.raises(ValueError, match="2 channel"):
        pde.LambdaOmega(PLANE, 0.1).rhs(0.0, jnp.zeros((1, 24, 21)))


def exponent(equation, u0, dt, steps):
    """The leading Lyapunov exponent and the mean power of each mode."""
    stepper, state = make_stepper(equation, u0, dt)

    def advance(y):
        return stepper(eqx.tree_at(lambda s: s.y, state, y)).y

    def step(carry, _):
        y, tangent = jax.jvp(advance, carry[:1], carry[1:])
        size = jnp.linalg.norm(tangent)
        return (y, tangent / size), (jnp.log(size), jnp.abs(y[0]) ** 2)

    carry, _ = jax.lax.scan(step, (state.y, state.y), length=steps // 10)
    _, (growth, power) = jax.lax.scan(step, carry, length=steps)
    return growth.mean() / dt, power.mean(0)


def check_chaos(equation):
    """λ₁ at L = 22: 0.048 (Cvitanović et al. 2010), 0.043 (Edson et al. 2019)."""
    grid = equation.space
    u0 = grid.project(lambda x: jnp.cos(2 * np.pi * x[0] / 22) * (1 + jnp.sin(x[0])))
    u0 = u0 - u0.mean()
    rate, power = jax.jit(exponent, static_argnums=(2, 3))(equation, u0, 0.1, 100_000)
    assert 0.038 < rate < 0.053
    k = 2 * np.pi * np.arange(power.size) / 22
    peak = k[np.argmax(power)]
    assert 0.5 < peak < 1.0  # near the fastest growing wave, 1/√2
    tail = np.log(np.asarray(power)[6:14])
    slopes = np.diff(tail) / np.diff(k[6:14])
    assert np.all(slopes < -3) and np.ptp(slopes) < 3  # falls exponentially


class Slow(pde.KuramotoSivashinsky):
    def symbol(self):
        return 0.5 * super().symbol()


@pytest.mark.slow
def test_chaos_of_kuramoto_sivashinsky():
    grid = Grid(64, (0.0, 22.0))
    check_chaos(pde.KuramotoSivashinsky(grid))
    with pytest.raises(AssertionError):
        check_chaos(Slow(grid))
