"""Kills simulations at random moments and looks at what they leave.

    python tests/recipes/kills.py DIRECTORY KILLS SEED

Prints counts as JSON.
"""

from pathlib import Path

import h5py
import numpy as np

from phix.recipes import parse_config
from tests.kills import main


CONFIG = """
recipe = "simulation"
duration = 1.0
num_frames = 400
dt = 0.01
equation = { kind = "advection", velocity = [1.0] }
grid = { shape = [4096], extent = [0.0, 1.0] }
start = { kind = "noise", seed = 1 }
"""
NAME = "waves.h5"


def run(directory):
    """Six megabytes, so that some of the kills find it writing."""
    directory.mkdir(parents=True, exist_ok=True)
    parse_config(CONFIG).simulate(directory / NAME)


def committed(directory):
    """The file, if it is there: then it is whole."""
    if not (directory / NAME).exists():
        return set()
    states(directory)
    return {NAME}


def states(directory):
    """Read without JAX, which must not be in use where children are forked."""
    with h5py.File(directory / NAME) as file:
        return file["us"][()]


def check_same(directory: Path, whole: Path):
    assert np.array_equal(states(directory), states(whole))
    assert [file.name for file in directory.iterdir()] == [NAME]


if __name__ == "__main__":
    main(run=run, committed=committed, check_same=check_same, longest=1.2)
