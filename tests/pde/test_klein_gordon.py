"""Klein–Gordon fields against closed forms: kinks, breathers, dispersion, charges."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import pde
from phix.integrate import (
    ETDRK4,
    BlanesMoan4,
    Splitting4,
    StormerVerlet,
    Strang,
    make_stepper,
    solve,
)
from phix.pde import KleinGordon, Linear, Phi4, SineGordon, breather, kink
from phix.space import Grid, Twisted
from tests.truth import klein_gordon as truth


def line(n, half, boundary="periodic"):
    grid = Grid(n, (-half, half), boundary)
    return grid, np.asarray(grid.axes[0])


TURN = Twisted(2 * math.pi)


@eqx.filter_jit
def march(equation, u0, h, steps, scheme):
    """One compilation for every step; no look at the seam."""
    stepper, state = make_stepper(equation, u0, h, scheme=scheme)
    state = jax.lax.fori_loop(0, steps, lambda _, s: stepper(s), state)
    return stepper.observe(state)


def at(equation, u0, t, steps, scheme=None):
    scheme = scheme or BlanesMoan4()
    return march(equation, jnp.asarray(u0), jnp.asarray(t / steps), jnp.asarray(steps),
                 scheme)  # fmt: skip


def check_static(potential, boundary, half, exact):
    """A kink at rest stays where it is to 1e-8 until t = 50."""
    grid, x = line(256, half, boundary)
    u0 = np.stack([exact(x, 0.0, 0.0), 0 * x])
    assert np.abs(at(KleinGordon(grid, potential), u0, 50.0, 500) - u0).max() <= 1e-8


def check_moving(make, potential, boundary, exact):
    """A kink of speed 0.4, at the order of the scheme."""
    grid, x = line(256, 25.0, boundary)
    equation, u0 = KleinGordon(grid, potential), make(x)
    errors = [
        np.abs(at(equation, u0, 10.0, n)[0] - exact(x, 10.0, 0.4)).max()
        for n in (54, 76)
    ]
    assert errors[1] < 1e-5 and np.log(errors[0] / errors[1]) / np.log(76 / 54) > 3.6


@jax.jit
def phi4_kink(x):
    return kink(Phi4(), x, speed=0.4)


@jax.jit
def sine_gordon_kink(x):
    return kink(SineGordon(), x, speed=0.4)


def test_kinks_on_the_antiperiodic_grid():
    check_static(Phi4(), "antiperiodic", 25.0, truth.phi4_kink)
    check_moving(phi4_kink, Phi4(), "antiperiodic", truth.phi4_kink)


def test_kinks_on_the_twisted_grid():
    check_static(SineGordon(), TURN, 25.0, truth.sine_gordon_kink)
    check_moving(sine_gordon_kink, SineGordon(), TURN, truth.sine_gordon_kink)


def test_a_kink_with_a_jump_at_the_seam_is_caught():
    with pytest.raises(AssertionError):
        check_static(Phi4(), "periodic", 25.0, truth.phi4_kink)


def test_a_kink_without_contraction_is_caught():
    def round_(x):
        return np.stack([truth.phi4_kink(x, 0.0, 0.0), phi4_kink(x)[1]])

    with pytest.raises(AssertionError):
        check_moving(round_, Phi4(), "antiperiodic", truth.phi4_kink)


def test_a_kink_of_any_coupling():
    """The width knows the coupling: the static residual vanishes."""
    grid, x = line(256, 20.0, "antiperiodic")
    equation = KleinGordon(grid, Phi4(2.0, 0.8))

    @jax.jit
    def look(x):
        u = kink(equation.potential, x, centre=1.5)
        return u, equation.rhs(0.0, u)

    u, rate = look(x)
    np.testing.assert_allclose(u[0], truth.phi4_kink(x - 1.5, 0.0, 0.0, 2.0, 0.8))
    assert float(jnp.abs(rate).max()) < 1e-9


@jax.jit
def made(x, omega, speed):
    return breather(x, omega=omega, speed=speed)


def check_breather(make, scheme=None, order=4):
    """A breather that moves at speed 0.3, and one at rest, at the order."""
    grid, x = line(256, 30.0)
    equation = KleinGordon(grid, SineGordon())
    for omega, speed in ((0.6, 0.3), (0.5, 0.0)):
        u0, errors = make(x, omega, speed), []
        for n in (80, 160):
            u = at(equation, u0, 8.0, n, scheme)[0]
            errors.append(np.abs(u - truth.moving_breather(x, 8.0, omega, speed)).max())
        assert errors[1] < 1e-2 and np.log2(errors[0] / errors[1]) > order - 0.2


def test_breathers():
    check_breather(made)
    check_breather(made, Strang(), 2)


def test_the_published_breather_is_caught():
    """1/ε in the place of ε/ω, and a rate at t = 0."""

    def published(x, omega, speed):
        eps = math.sqrt(1 - omega**2)
        phi = 4 * np.arctan(1 / (eps * np.cosh(eps * x)))
        return np.stack([phi, 0.5 * phi * np.tanh(x)])

    with pytest.raises(AssertionError):
        check_breather(published)


@jax.jit
def sine_gordon_pair(x):
    return pde.kink_antikink(SineGordon(), x, speed=0.5, separation=22.0)


def test_two_kinks_pass_through_each_other_in_sine_gordon():
    """The sum of both is the closed form up to their overlap."""
    grid, x = line(256, 30.0)
    u0 = sine_gordon_pair(x)
    # The closed form meets at t = 0; far apart it is a pair at ±(ut + ln(1/u)/γ).
    delay = 22.0 - math.log(2) / (0.5 / math.sqrt(0.75))
    assert np.abs(u0[0] + truth.sine_gordon_pair(x, -delay, 0.5)).max() < 1e-6
    u = at(KleinGordon(grid, SineGordon()), u0, 40.0, 400)[0]
    assert np.abs(u + truth.sine_gordon_pair(x, 40.0 - delay, 0.5)).max() < 1e-4


def check_vacuum(make):
    """The pair of the collisions: far field in the vacuum, energy 2γM."""
    grid, x = line(512, 50.0)

    @jax.jit
    def look(x):
        u0 = make(x)
        return u0, KleinGordon(grid, Phi4()).invariants["energy"](u0)

    u0, energy = look(x)
    assert abs(float(u0[0, 0]) + 1) < 1e-12 and float(jnp.abs(u0[0]).max()) < 1 + 1e-9
    wanted = 2 * 2 * math.sqrt(2) / 3 / math.sqrt(1 - 0.3**2)
    assert abs(float(energy) / wanted - 1) < 1e-9


def test_a_pair_lives_in_the_vacuum():
    def pair(x):
        return pde.kink_antikink(Phi4(), x, speed=0.3, separation=24.0)

    check_vacuum(pair)


def test_a_pair_without_the_vacuum_is_caught():
    def published(x):
        pair = pde.kink_antikink(Phi4(), x, speed=0.3, separation=24.0)
        return pair + jnp.asarray([[1.0], [0.0]])

    with pytest.raises(AssertionError):
        check_vacuum(published)


def check_dispersion(equation, x, u0):
    for t in (7.3, 50.0):
        exact = np.stack(truth.free_field(*u0, t, 20.0, 1.3))
        assert np.abs(at(equation, u0, t, 1, Strang()) - exact).max() < 1e-13


def test_the_linear_flow_is_exact_at_any_step():
    grid, x = line(64, 10.0)
    u0 = np.stack([np.exp(-(x**2)), np.exp(-((x - 1) ** 2)) * x])
    check_dispersion(KleinGordon(grid, Linear(1.3)), x, u0)
    with pytest.raises(AssertionError):
        check_dispersion(KleinGordon(grid, Linear(1.301)), x, u0)


def charges(potential, grid, make):
    """All invariants of a field, compiled together."""

    @jax.jit
    def look(x):
        named = KleinGordon(grid, potential).invariants
        return {name: f(make(x)) for name, f in named.items()}

    return look(grid.axes[0])


def test_charges_in_closed_form():
    """Energy γM, momentum γMu and charge of kinks; energy 16εγ of a breather."""
    gamma = 1 / math.sqrt(1 - 0.35**2)
    for potential, boundary, mass, charge in (
        (Phi4(2.0, 0.9), "antiperiodic", 2 / 3 * 2 * 0.9**3, 1.8),
        (SineGordon(), TURN, 8.0, 2 * math.pi),
    ):
        grid, _ = line(384, 25.0, boundary)
        found = charges(potential, grid,
                        lambda x, v=potential: kink(v, x, speed=0.35))  # fmt: skip
        np.testing.assert_allclose(found["energy"], gamma * mass, rtol=1e-9)
        np.testing.assert_allclose(found["momentum"], gamma * mass * 0.35, rtol=1e-9)
        np.testing.assert_allclose(found["charge"], charge, rtol=1e-9)
    grid, _ = line(384, 40.0)
    found = charges(SineGordon(), grid,
                    lambda x: breather(x, 0.3, omega=0.6, speed=0.35))  # fmt: skip
    np.testing.assert_allclose(found["energy"], 16 * 0.8 * gamma, rtol=1e-9)


@pytest.mark.parametrize(
    ("boundary", "potential", "swing"),
    [
        ("periodic", pde.Phi6(), 0.3),
        ("antiperiodic", Phi4(), None),
        (TURN, pde.DoubleSineGordon(0.4), 0.2),
        ("neumann", SineGordon(), None),
        ("dirichlet", jnp.cosh, None),
    ],
    ids=["phi6", "phi4", "double sine-Gordon", "sine-Gordon", "your own"],
)
def test_the_force_is_the_slope_of_the_energy(boundary, potential, swing):
    """On every kind of grid, with c(x) too, for the kept modes."""
    grid, rng = Grid(16, (-1.0, 1.0), boundary), np.random.default_rng(0)
    speed = 1.2 + (swing or 0.0) * np.sin(np.pi * np.asarray(grid.axes[0]))[None]

    @jax.jit
    def look(u, v):
        equation = KleinGordon(
            grid, potential, speed=jnp.asarray(speed) if swing else 1.2, dealias=0.8
        )
        kept = lambda u: equation.decode(equation.encode(u))  # noqa: E731
        u, v = kept(u), kept(v) - kept(0 * v)
        slope = jax.jvp(equation.invariants["energy"], (u,), (v,))[1]
        rate = equation.rhs(0.0, u)
        return slope, grid.inner(v[1:], rate[:1]) - grid.inner(v[:1], rate[1:])

    slope, symplectic = look(*rng.normal(size=(2, 2, 16)))
    np.testing.assert_allclose(slope, symplectic, rtol=1e-10)


def test_exponential_schemes_reach_the_same_field():
    grid, x = line(192, 25.0)
    equation = KleinGordon(grid, SineGordon(), damping=0.1)
    u0 = np.stack([truth.moving_breather(x, 0.0, 0.6, 0.0), 0 * x])
    here = at(equation, u0, 4.0, 100)
    there = at(equation.semilinear(), u0, 4.0, 100, ETDRK4())
    assert float(jnp.abs(here - there).max()) < 1e-6


@pytest.mark.parametrize("scheme", [BlanesMoan4(), Splitting4()], ids=str)
def test_damping_and_drive_of_one_mode(scheme):
    """φ'' = −γφ' − m²φ + cos(wt) for the constant mode: its steady swing."""
    grid, _ = line(8, 1.0)
    m, gamma, w = 1.2, 0.8, 0.7
    swing = np.real(
        np.array([1, 1j * w]) / (m**2 - w**2 + 1j * gamma * w) * np.exp(1j * w * 40.0)
    )
    at_nodes = isinstance(scheme, Splitting4)
    equation = KleinGordon(
        grid,
        Linear(m),
        damping=jnp.full((1, 8), gamma) if at_nodes else gamma,
        drive=lambda t, x: jnp.cos(w * t),
    )
    u = at(equation, np.zeros((2, 8)), 40.0, 200, scheme)
    np.testing.assert_allclose(u[:, 3], swing, atol=2e-6)


def check_sponge(damping):
    """A pulse of waves much faster than its mass is gone after two crossings."""
    grid, x = line(128, 20.0)
    equation = KleinGordon(grid, Linear(0.0), damping=damping(grid))
    pulse = np.exp(-(x**2)) * np.cos(3 * x)
    # Massless waves leave the mean alone; a pulse of zero mean leaves nothing.
    u0 = np.stack([pulse - pulse.mean(), 0 * x])
    u = at(equation, u0, 60.0, 600, StormerVerlet())
    assert np.abs(u).max() < 1e-2


def test_a_sponge_absorbs():
    check_sponge(lambda grid: pde.sponge(grid, 10.0, 2.0))
    with pytest.raises(AssertionError):
        check_sponge(lambda grid: pde.sponge(grid, 10.0, 0.2))


def test_variable_speed_bends_the_time_of_travel():
    """A pulse crosses c(x) in the time ∫dx/c."""
    grid, x = line(384, 12.0)
    c = 1 + 0.5 * np.sin(np.pi * x / 12)
    equation = KleinGordon(grid, Linear(0.0), speed=jnp.asarray(c)[None])
    pulse = np.exp(-4 * (x + 4) ** 2)
    start = -np.gradient(pulse, x) * c
    arrival = float(np.sum((1 / c)[(x >= -4) & (x < 4)]) * grid.spacing[0])
    u = at(equation, np.stack([pulse, start]), arrival, 400, StormerVerlet())
    right = np.where(x > 0, np.asarray(u[0]), 0)
    assert abs(x[right.argmax()] - 4.0) < 0.15
    with pytest.raises(ValueError, match="has none that is diagonal"):
        at(equation, u, 1.0, 1, Strang())


def test_a_circular_wall_shrinks_as_its_tension_demands():
    """φ⁴ in two dimensions; a quadrant is enough, its sides mirrors."""
    grid = Grid((48, 48), (0.0, 20.0), "neumann", "centre")
    radius = np.linalg.norm(np.asarray(grid.coordinates), axis=0)
    u0 = np.stack([np.tanh((12.0 - radius) / math.sqrt(2)), 0 * radius])
    u = at(KleinGordon(grid, Phi4()), u0, 8.0, 40)
    area = 4 * np.sum(u[0] > 0) * grid.spacing[0] ** 2
    wanted = truth.thin_wall_radius(8.0, 12.0)
    assert abs(math.sqrt(area / math.pi) / wanted - 1) < 0.03


def test_kinks_are_found_where_they_are():
    grid, ring = line(128, 16.0, "antiperiodic")[0], line(128, 20.0)[0]

    @jax.jit
    def find(speed):
        u = kink(Phi4(), grid.axes[0], 3.0, speed=-speed, centre=2.0)
        alone = pde.locate_kink(Phi4(), grid, u)
        u = pde.kink_antikink(SineGordon(), ring.axes[0], 5.0, speed=speed,
                              separation=24.0)  # fmt: skip
        pair = pde.locate_pair(SineGordon(), ring, u)
        return jnp.stack([alone.position, alone.speed, pair.position, pair.speed])

    values, slopes = jax.jvp(find, (0.4,), (1.0,))
    np.testing.assert_allclose(values, [0.8, -0.4, 10.0, 0.4], atol=1e-8)
    np.testing.assert_allclose(slopes, [-3.0, -1.0, -5.0, 1.0], atol=1e-6)


def check_collisions(make):
    """Which φ⁴ pairs escape, and after how many meetings: a table no fake passes.

    Störmer–Verlet at dt = 0.05 moves the windows up by 0.0005: 0.24 is captured as
    dt goes to zero, where 0.2385 meets twice and escapes.
    """
    grid, _ = line(512, 100.0)
    speeds = jnp.array([0.3, 0.265, 0.24, 0.1985, 0.25, 0.18, 0.16])

    @jax.jit
    @jax.vmap
    def collide(speed):
        us = solve(KleinGordon(grid, Phi4()), make(grid.axes[0], speed),
                   np.arange(0.0, 160.1, 0.8), dt=0.05, scheme=StormerVerlet(),
                   throw=False).us  # fmt: skip
        inside = us[:, 0, 256] > 0
        return jnp.sum(inside[:-1] & ~inside[1:]), jnp.sum(us[-1, 0] > 0)

    meetings, width = collide(speeds)
    half = 0.5 * np.asarray(width) * grid.spacing[0]
    assert np.all(half[:4] > 5.0) and np.all(half[4:] < 5.0)
    assert meetings[:4].tolist() == [1, 1, 2, 2]
    assert np.all(meetings[4:] >= 5)


def test_collisions():
    def pair(x, speed):
        return pde.kink_antikink(Phi4(), x, speed=speed, separation=20.0)

    check_collisions(pair)
    with pytest.raises(AssertionError):
        check_collisions(lambda x, speed: pair(x, speed) + jnp.array([[1.0], [0.0]]))
