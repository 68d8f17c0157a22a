"""Small files in the layouts of others: a writer for each, and how to open it."""

import jax
import jax.numpy as jnp
import numpy as np

from phix.data import (
    Trajectory,
    open_pdebench,
    open_well,
    save_pdebench,
    save_well,
)
from phix.space import Grid


SAMPLES, FRAMES = 3, 4
TS = np.array([0.0, 0.1, 0.2, 0.4])
LINE = Grid(6, (0.0, 3.0), node="centre")
PLANE = Grid((5, 4), ((0.0, 1.0), (-1.0, 1.0)), boundary="outflow", node="centre")


def batch(grid, channels, params=None, seed=0):
    """Random states, every number of which is known."""
    shape = (SAMPLES, FRAMES, channels, *grid.shape)
    us = np.random.default_rng(seed).normal(size=shape)
    params = {"nu": np.full(SAMPLES, 0.01)} if params is None else params
    return Trajectory(
        jnp.asarray(np.tile(TS, (SAMPLES, 1))),
        jnp.asarray(us),
        grid,
        jax.tree.map(jnp.asarray, params),
        jnp.zeros(SAMPLES, jnp.int32),
        {},
        jnp.full(SAMPLES, jnp.inf),
    )


VARYING = {"nu": np.array([0.1, 0.2, 0.3])}


def tensor(path):
    saved = batch(LINE, 1)
    save_pdebench(path, saved)
    return saved


def flow(path):
    # The reader's order is that of PDEBench: density, pressure, Vx.
    saved = batch(PLANE, 3)
    save_pdebench(path, saved, layout="flow", names=("density", "pressure", "Vx"))
    return saved


def groups(path):
    saved = batch(PLANE, 2)
    save_pdebench(path, saved, layout="groups")
    return saved


def well(path):
    saved = batch(PLANE, 1 + 2 + 4, VARYING)
    fields = {"density": 0, "velocity": 1, "stress": 2}
    save_well(path, saved, name="random", fields=fields)
    return saved


def well_line(path):
    saved = batch(LINE, 2, VARYING)
    save_well(path, saved, name="random", fields={"u": 0, "v": 1})
    return saved


# How each is written, and opened so that the grid comes back.
LAYOUTS = {
    "tensor": (tensor, lambda path: open_pdebench(path, boundary="periodic")),
    "flow": (flow, open_pdebench),
    "groups": (groups, open_pdebench),
    "well": (well, open_well),
    "well_line": (well_line, open_well),
}


def read_all(path, opener):
    """Everything a reader gives, to see that nothing stands in the way."""
    with opener(path) as reader:
        return [
            (reader.read(i), reader.ts(i), reader.params(i)) for i in range(len(reader))
        ]
