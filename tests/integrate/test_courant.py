"""Steps bounded by the transport of the moment."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix._errors import PhixError, Result
from phix.integrate import ETDAB3, Courant, Lawson4, solve
from phix.pde import NavierStokes, ViscousBurgers, Vorticity, curl, taylor_green
from phix.space import Grid


GRID = Grid((16, 16), (0.0, 2 * np.pi))
NU, TS = 0.5, np.array([0.0, 0.2, 0.7, 1.5, 1.6])
EQUATION = Vorticity(GRID, NU)
U0 = GRID.project(lambda x: curl(lambda _, x: taylor_green(x, 0.0, NU))(0.0, x))


class AtTheStart(Courant):
    """Never looks again."""

    def chooser(self, problem):
        first = super().chooser(problem)
        return lambda y, span, most: first(problem.encode(U0), span, most)


def check_counts(courant):
    """The vortex (sin x cos y, -cos x sin y) fades as e^(-2 nu t), K = 5: |u| + |v|
    is 1 at most (sin of a sum), so that λ = 5 e^(-2 nu t)."""
    run = solve(EQUATION, U0, TS, dt=courant, scheme=Lawson4(), max_steps=64)
    rates = 5 * np.exp(-2 * NU * TS[:-1])
    wanted = np.ceil(np.diff(TS) * rates / courant.number)
    assert int(run.stats["num_steps"]) == wanted.sum()
    return wanted


def test_steps_grow_as_the_flow_fades():
    counts = check_counts(Courant(0.27))
    assert len(set(counts)) > 2
    with pytest.raises(AssertionError):
        check_counts(AtTheStart(0.27))


def test_intervals_are_those_of_runs_of_their_own():
    """Noise instead of a vortex; the steps of every interval, given by hand."""
    u0 = jax.random.normal(jax.random.key(0), (1, 16, 16))
    u0 = EQUATION.decode(EQUATION.encode(u0 - u0.mean()))
    run = solve(EQUATION, u0, TS, dt=Courant(0.4), scheme=Lawson4(), max_steps=64)
    u, total = u0, 0
    for start, stop, seen in zip(TS[:-1], TS[1:], run.us[1:], strict=True):
        rate = float(EQUATION.transport_rate(EQUATION.encode(u)))
        count = int(np.ceil((stop - start) * rate / 0.4))
        total += count
        ts = np.array([start, stop])
        u = solve(EQUATION, u, ts, dt=(stop - start) / count, scheme=Lawson4()).us[-1]
        np.testing.assert_allclose(seen, u, rtol=1e-11, atol=1e-13)
    assert int(run.stats["num_steps"]) == total


def test_derivatives_are_those_of_the_steps_taken():
    def energy(u0, memory=None):
        run = solve(EQUATION, u0, TS[:3], dt=Courant(0.4), scheme=Lawson4(),
                    max_steps=8, memory=memory, throw=False)  # fmt: skip
        return jnp.sum(run.us[-1] ** 2)

    along = jax.random.normal(jax.random.key(3), (1, 16, 16))
    gradient = jax.jit(jax.grad(energy))(U0)
    slope, e = jnp.vdot(gradient, along), 1e-4
    differences = (energy(U0 + e * along) - energy(U0 - e * along)) / (2 * e)
    assert abs(slope - differences) <= 1e-6 * abs(differences)
    few = jax.jit(jax.grad(lambda u: energy(u, memory=12)))(U0)
    np.testing.assert_allclose(few, gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("isotropic", [False, True])
@pytest.mark.parametrize("ndim", [2, 3])
def test_the_rate_is_that_of_the_fastest_wave(isotropic, ndim):
    """Against all waves at all nodes, one by one; boxes of unlike sides."""
    sides = ((0.0, 2.0), (1.0, 6.0), (0.0, 3.0))[:ndim]
    grid = Grid((10, 12, 9)[:ndim], sides)
    equation = NavierStokes(grid, 0.1, isotropic=isotropic)
    y = equation.encode(jax.random.normal(jax.random.key(1), (ndim, *grid.shape)))
    u = np.asarray(equation.decode(y)).reshape(ndim, -1)
    waves = np.stack(np.broadcast_arrays(*equation.modes.wavenumbers))
    waves = waves[:, equation.modes.inside]
    fastest = np.abs(u.T @ waves).max()
    rate = float(equation.transport_rate(y))
    assert fastest <= rate * (1 + 1e-12)
    # Of a ball the bound is that of the ellipsoid, which passes between its modes.
    assert rate <= fastest * (1.3 if isotropic else 1 + 1e-12)


def test_too_many_steps_and_a_state_that_ends():
    choices = {"scheme": Lawson4(), "throw": False}
    short = solve(EQUATION, U0, TS, dt=Courant(0.1), max_steps=2, **choices)
    assert int(short.result) == Result.max_steps_reached
    assert float(short.first_bad_time) == TS[1] / 2
    noise = 50 * jax.random.normal(jax.random.key(2), (1, 16, 16))
    calm = Vorticity(GRID, 0.0)
    wild = solve(calm, noise, TS, dt=Courant(9.0), max_steps=500, **choices)
    assert int(wild.result) == Result.non_finite
    with pytest.raises(PhixError, match="max_steps"):
        solve(EQUATION, U0, TS, dt=Courant(0.1), max_steps=2, scheme=Lawson4())


def test_schemes_of_several_steps_begin_anew():
    """Many steps an interval, little viscosity: values and gradients are finite, and
    near those of a scheme of one step."""
    flow = Vorticity(GRID, 1e-3)
    u0 = 3 * jax.random.normal(jax.random.key(4), (1, 16, 16))
    u0 = flow.decode(flow.encode(u0 - u0.mean()))

    def last(u, scheme):
        return solve(flow, u, TS[:2], dt=Courant(0.1), scheme=scheme, max_steps=64,
                     throw=False).us[-1]  # fmt: skip

    want, many = last(u0, Lawson4()), last(u0, ETDAB3())
    np.testing.assert_allclose(many, want, atol=1e-3 * np.abs(want).max())
    slope = jax.grad(lambda u: jnp.sum(last(u, ETDAB3()) ** 2))(u0)
    wanted = jax.grad(lambda u: jnp.sum(last(u, Lawson4()) ** 2))(u0)
    np.testing.assert_allclose(slope, wanted, atol=1e-2 * np.abs(wanted).max())


def test_traced_numbers_and_many_samples():
    """Each sample takes its own steps; a number that makes no sense is refused."""

    @jax.jit
    @jax.vmap
    def run(number, u0):
        found = solve(EQUATION, u0, TS, dt=Courant(number), scheme=Lawson4(),
                      max_steps=32, throw=False)  # fmt: skip
        return found.us[-1], found.result, found.stats["num_steps"]

    starts = jnp.stack([U0, 2 * U0, U0, U0])
    us, codes, counts = run(jnp.array([0.4, 0.4, -1.0, jnp.nan]), starts)
    assert list(codes) == [0, 0, *[Result.invalid_parameter] * 2]
    assert counts[1] > counts[0]
    alone = solve(EQUATION, 2 * U0, TS, dt=Courant(0.4), scheme=Lawson4(), max_steps=32)
    np.testing.assert_allclose(us[1], alone.us[-1], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("number", [0.0, -1.0, float("inf"), float("nan")])
def test_a_number_that_makes_no_sense(number):
    with pytest.raises(ValueError, match="`number` must be positive and finite"):
        Courant(number)


def test_what_courant_needs():
    with pytest.raises(ValueError, match="`max_steps`: with dt=Courant"):
        solve(EQUATION, U0, TS, dt=Courant(1.0))
    line = Grid(16, (0.0, 1.0))
    with pytest.raises(ValueError, match="has no `transport_rate"):
        solve(ViscousBurgers(line, 0.1), jnp.ones((1, 16)), TS, dt=Courant(1.0),
              max_steps=9)  # fmt: skip
