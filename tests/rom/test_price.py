"""What a forecast costs: the arithmetic, and the solver coarsened to an error."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import from_step, rom, solve
from phix.pde import SpectralDiffusion
from phix.rom._coarse import Resolution, Solver, coarsest
from phix.space import Grid


GRID = Grid(32, (0.0, 2 * math.pi))
TS = np.linspace(0.0, 0.8, 9)
# Waves 1 and 3: a grid needs seven nodes for the second one.
RATE = 0.05


def build(grid):
    return SpectralDiffusion(grid, RATE, dealias=1.0)


@pytest.fixture(scope="module")
def data():
    x = GRID.points[:, 0]
    phase = jnp.asarray([0.3, 1.1])[:, None]
    u0 = (jnp.sin(x + phase) + 0.5 * jnp.cos(3 * x - phase))[:, None]
    us = jax.vmap(lambda u: solve(build(GRID), u, TS, dt=0.05).us)(u0)
    return rom.training_data((jnp.asarray(TS), us), grid=GRID)


def check_counts(made):
    """By hand: a solve takes 2 s alone and 0.5 s in a batch of 4, a forecast 0.5 s or
    0.1 s with its inversion."""
    np.testing.assert_allclose(made.gain("latents"), (2 / 0.3, 2 / 0.3), rtol=1e-12)
    assert made.breakeven("latents") == (math.ceil(30 / 1.5), math.ceil(30 / 0.4))
    assert made.breakeven("latents", "coarse solver") == (math.inf, math.inf)


def priced(**changes):
    pair = {"inversion": (0.2, 0.1), "latents": (0.3, 0.3), "sensors": (0.4, 0.4),
            "fields": (0.5, 0.6), "solver": (2.0, 2.0),
            "coarse solver": (0.25, 0.3)}  # fmt: skip
    fine, coarse = Resolution((64, 64), 4.0), Resolution((16, 16), 0.25)
    return rom.Price(pair | changes, 10, 4, 0.1, fine, coarse, 0.09, 30.0)


def test_gains_and_breakeven_counts():
    check_counts(priced())
    with pytest.raises(AssertionError):  # the inversion left out
        check_counts(priced(inversion=(0.0, 0.0)))
    text = str(priced())
    for part in ("64×64, 4 steps a frame", "16×16, a step in 4 frames", "never", "20"):
        assert part in text
    read = priced(**{"coarse solver, read": (0.6, 0.8)})
    assert "coarse solver, read, over sensors: 1.5 / 2." in str(read)
    assert priced().summary()["breakeven"]["coarse solver"]["latents"] == [None, None]


TARGET = 1e-3


def check_coarsest(solver, found, error):
    """Eight nodes hold wave 3 and six do not. Steps are exact, so that they grow until
    lines between them are off by (λτ)²/8 of wave 3, which is less than half of the
    field: by 1.8e-3 at four intervals, half of that on average."""
    assert found.shape == (8,)
    assert found.steps == 0.25
    assert error <= TARGET
    np.testing.assert_allclose(solver.error(found), error, rtol=1e-6)


def test_the_solver_is_made_as_coarse_as_the_error_allows(data):
    solver, finest = Solver(build, None, data), Resolution((32,), 1.0)
    found, error = coarsest(solver, finest, TARGET)
    check_coarsest(solver, found, error)
    with pytest.raises(AssertionError):  # one that does not look at the error
        check_coarsest(solver, Resolution((8,), 0.125), error)
    assert solver.error(Resolution((8,), 0.125)) > TARGET


def check_read(run, read, data):
    """Two waves of eight nodes, known at any point and time."""
    points = jnp.asarray([[0.3], [2.0], [5.1]])
    found = read(run(data.us[0, 0], data.cond[0]), points)
    x, t = points[:, 0], TS[:, None]
    exact = np.exp(-RATE * t) * np.sin(x + 0.3)
    exact += 0.5 * np.exp(-9 * RATE * t) * np.cos(3 * x - 0.3)
    # The grid of the data joins its nodes by lines.
    nodes = data.grid.evaluate(data.us[0, 0], points)
    np.testing.assert_allclose(nodes, exact[:1], atol=0.05)
    np.testing.assert_allclose(found[0], nodes, atol=1e-10)
    np.testing.assert_allclose(found[:, 0], exact, atol=0.05)


def test_a_coarse_solver_read_at_sensors(data):
    solver, coarse = Solver(build, None, data), Resolution((8,), 1.0)
    run = solver.run(coarse)
    check_read(run, lambda us, points: solver.read(coarse, points)(us), data)

    def lines(us, points):
        return jnp.stack([solver.grid(coarse).evaluate(u, points) for u in us])

    with pytest.raises(AssertionError):
        check_read(run, lines, data)
    # Frames between long steps are those of the refined fields.
    long = Resolution((8,), 0.25)
    made = solver.run(long)(data.us[0, 0], data.cond[0])
    np.testing.assert_allclose(
        solver.read(long, GRID.points[::8])(made),
        solver.refine(long)(made)[:, :, ::8],
        atol=1e-10,
    )


@pytest.mark.slow
def test_a_price_has_all_parts(data, monkeypatch):
    monkeypatch.setattr("phix.rom._coarse._SHARES", (1.0, 0.25))
    monkeypatch.setattr("phix.rom._coarse._LONGEST", 1)
    model = rom.fit(rom.DMD(4), data)
    slow = rom.ReducedModel(
        model.decoder, rom.ConstantVelocity(jnp.zeros(4)), model.latents
    )
    sensors = GRID.points[::8]
    made = rom.price(
        slow, data, train=data, solver=build, dt=0.1, sensors=sensors, batch=3,
        spent=1.0, rounds=2,
    )  # fmt: skip
    assert all(t > 0 for pair in made.seconds.values() for t in pair)
    report = rom.error_report(slow, data, train=data)
    np.testing.assert_allclose(made.error, np.mean(report.rollout), rtol=1e-6)
    assert 0 < made.coarse_error <= made.error
    assert made.fine == Resolution((32,), 1.0)
    assert "coarse solver, read, over sensors" in str(made)
    # A solver that is known on one grid, and by its own step, is not coarsened.
    native = from_step(lambda u, t, args: 0.9 * u, 0.1, GRID)
    made = rom.price(
        model, data, train=data, solver=native, dt=None, sensors=sensors, batch=2,
        rounds=1,
    )  # fmt: skip
    assert "coarse solver" not in made.seconds
    assert made.coarse is None
    assert "over sensors" not in str(made)


def test_bad_input(data):
    model = rom.fit(rom.DMD(4), data)
    with pytest.raises(ValueError, match="dt is None"):
        rom.price(model, data, train=data, solver=build, dt=None, sensors=GRID.points)
