import jax.numpy as jnp
import numpy as np
import pytest

from phix import rom
from phix.data import Trajectory
from phix.space import Grid


GRID = Grid(101, (0.0, 10.0), boundary=("inflow", "outflow"))
X = np.linspace(0, 10, 101)


def front(t):
    """A step of speed 1.5, always between two vertices."""
    return np.where(2.05 + 1.5 * t > X, 3.0, 1.0)[None]


def check_continued(model, error):
    ts = np.linspace(0.0, 2.0, 5)
    made = rom.forecast(model, jnp.zeros(1), ts, GRID).fields
    truth = np.stack([front(1.0 + t) for t in ts])
    assert np.max(np.mean(np.abs(made - truth), axis=(1, 2))) <= error


def test_slide_continues_a_travelling_front():
    ts = np.linspace(0.0, 1.0, 11)
    us = jnp.asarray(np.stack([front(t) for t in ts]))
    model = rom.slide(GRID, jnp.asarray(ts), us)
    # A vertex is 0.1 apart: the fitted speed is off by less than that over 1.
    np.testing.assert_allclose(model.dynamics.velocity, [1.5], atol=0.1)
    check_continued(model, 2 * 2 * 0.2 / 10)
    with pytest.raises(AssertionError):
        check_continued(rom.freeze(GRID, us[-1]), 2 * 2 * 0.2 / 10)


def test_freeze_never_changes():
    field = jnp.asarray(np.stack([np.sin(X)]))
    made = rom.forecast(rom.freeze(GRID, field), jnp.zeros(1), np.arange(3.0), GRID)
    np.testing.assert_allclose(made.fields, np.stack([field] * 3), atol=1e-12)


def test_slide_wants_one_dimension_and_two_frames():
    square = Grid((4, 4), (0.0, 1.0))
    with pytest.raises(ValueError, match="one dimension, got 2"):
        rom.slide(square, jnp.arange(2.0), jnp.zeros((2, 1, 4)))
    with pytest.raises(ValueError, match="two frames or more"):
        rom.slide(GRID, jnp.arange(1.0), jnp.zeros((1, 1, 101)))


def batch(result=(0, 0)):
    us = jnp.arange(2 * 3 * 1 * 4, dtype=float).reshape(2, 3, 1, 4)
    ts = jnp.tile(jnp.array([0.0, 0.5, 1.5]), (2, 1))
    params = {"mu": jnp.array([0.1, 0.2]), "nu": jnp.array([3.0, 4.0])}
    grid = Grid(4, (0.0, 1.0))
    codes = jnp.array(result, jnp.int32)
    return Trajectory(ts, us, grid, params, codes, {}, jnp.full(2, jnp.inf))


def test_snapshots_keep_every_frame_with_its_row():
    made = rom.snapshots(batch(), ("nu", "mu"))
    assert made.field.shape == (6, 1, 4)
    for i in range(6):
        m, n = int(made.trajectory[i]), int(made.frame[i])
        np.testing.assert_array_equal(made.field[i], batch().us[m, n])
        assert made.time[i] == batch().ts[m, n]
        np.testing.assert_array_equal(
            made.cond[i], [batch().params["nu"][m], batch().params["mu"][m]]
        )


def test_snapshots_refuse_what_cannot_be_trained_on():
    with pytest.raises(ValueError, match="unknown parameter 'mo'.*'mu', 'nu'"):
        rom.snapshots(batch(), ("mo",))
    with pytest.raises(ValueError, match="failed trajectories"):
        rom.snapshots(batch((0, 1)))
