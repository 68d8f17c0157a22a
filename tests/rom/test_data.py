"""Trajectories and plain arrays as the data of a reduced model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import rom
from phix.data import Trajectory
from phix.space import Grid


GRID = Grid(4, (0.0, 1.0))
TS = np.asarray([0.0, 0.5, 1.0])
US = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 1, 4)))
COND = jnp.asarray([[0.1, 3.0], [0.2, 4.0]])


def batch(**changes):
    fields = {
        "ts": jnp.tile(TS, (2, 1)),
        "us": US,
        "space": GRID,
        "params": {"nu": COND[:, 0], "mu": COND[:, 1]},
        "result": jnp.zeros(2, jnp.int32),
        "stats": {},
        "first_bad_time": jnp.full(2, jnp.inf),
    }
    return Trajectory(**{**fields, **changes})


def single():
    return jax.tree.map(lambda x: x[0], batch())


def check_same(first, second):
    for name in ("ts", "us", "cond"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert (first.grid, first.parameters) == (second.grid, second.parameters)


def test_arrays_and_trajectories_are_the_same_data():
    names = ("mu", "nu")
    ours = rom.training_data(batch(), parameters=names)
    arrays = TS, US, COND[:, ::-1]
    check_same(ours, rom.training_data(arrays, parameters=names, grid=GRID))
    with pytest.raises(AssertionError):
        arrays = TS, US, COND
        check_same(ours, rom.training_data(arrays, parameters=names, grid=GRID))


def test_nodes_without_a_grid_are_numbered():
    data = rom.training_data((TS, US))
    assert data.grid.shape == (4,) and data.cond.shape == (2, 0)
    np.testing.assert_allclose(data.grid.spacing, 1.0)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (single(), {}, "a batch of trajectories is wanted"),
        (batch(result=jnp.asarray([0, 1])), {}, "failed trajectories, with result"),
        (batch(), {"parameters": ("mo",)}, "unknown parameter 'mo'.*'mu', 'nu'"),
        (batch(), {"grid": GRID}, "grid comes with the trajectories"),
        (batch(space=None), {}, "a reduced model needs a Grid"),
        (batch(us=US.at[0, 0].set(jnp.nan)), {}, "us holds values that are not finite"),
        ((US,), {}, r"data must be a Trajectory, \(ts, us\)"),
        ((TS, US[0]), {}, r"us of shape \(3, 1, 4\) lacks axes.*us\[None\]"),
        ((TS[:2], US), {}, r"ts of shape \(2,\) does not go with us"),
        ((TS, US, COND), {"parameters": ("nu",)}, r"cond of shape \(2, 2\)"),
        ((TS, US), {"grid": Grid(5, (0.0, 1.0))}, r"does not live on a grid of \(5,\)"),
    ],
)
def test_data_that_cannot_be_learnt_from_are_refused(source, options, message):
    with pytest.raises(ValueError, match=message):
        rom.training_data(source, **options)
