"""The trajectories of the Φ-ROM recipe: made on first use, and kept."""

import dataclasses
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import rom
from phix._errors import require
from phix.data import Trajectory, load_trajectories, save_trajectories
from phix.integrate import solve
from phix.pde import AbstractEquation
from phix.recipes._config import plain
from phix.recipes._rom_choices import Choices
from phix.recipes._rom_equations import Split
from phix.space import Grid


# Trajectories solved side by side.
_TOGETHER = 16


class Case(eqx.Module):
    """A recipe's equation with its trajectories, training and test apart.

    - `train`: over the training horizon.
    - `validation`: where initial fields vary, to compare settings on; or `None`.
    - `test`: over all frames; of a varied parameter the interpolated values first.
    - `groups`: names and sizes of the parts of the test.
    - `seconds`: that making the data took.
    """

    equation: AbstractEquation
    train: Trajectory
    validation: Trajectory | None
    test: Trajectory
    groups: tuple[tuple[str, int], ...] = eqx.field(static=True)
    seconds: float

    @property
    def grid(self) -> Grid:
        """Where the fields live."""
        assert isinstance(self.test.space, Grid)
        return self.test.space

    def rows(self) -> dict[str, slice]:
        """The test trajectories of each group."""
        made, first = {}, 0
        for name, count in self.groups:
            made[name] = slice(first, first + count)
            first += count
        return made


def frame_times(recipe: Choices, num_frames: int) -> np.ndarray:
    """The times of the frames."""
    return recipe.equation.interval * np.arange(num_frames)


def values_of(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Training parameters, and the test's: mid-points, then one beyond each end."""
    low, high = split.parameters
    train = np.linspace(low, high, split.num_training)
    spacing = train[1] - train[0]
    middle = (train[1:] + train[:-1]) / 2
    return train, np.concatenate([middle, [low - spacing, high + spacing]])


def simulate(
    recipe: Choices, starts: jax.Array, num_frames: int, values: Any = None
) -> Trajectory:
    """One trajectory for each initial field, and value of the recipe's parameter."""
    problem = recipe.equation
    equation, ts = problem.build(problem.grid()), frame_times(recipe, num_frames)

    def one(row: tuple) -> Trajectory:
        u0, value = row
        changed = equation.replace(**dict.fromkeys(recipe.parameters, value))
        return solve(
            changed, u0, ts, dt=problem.dt, scheme=problem.scheme(), throw=False
        )

    if values is None:
        values = np.zeros(len(starts))
    rows = starts, jnp.asarray(values, starts.dtype)
    return jax.lax.map(one, rows, batch_size=_TOGETHER).throw()


def make_case(recipe: Choices, folder: Path | None = None) -> Case:
    """Training and test trajectories: those that the folder keeps, or made and put
    there. Without a folder nothing is kept."""
    problem, split = recipe.equation, recipe.split
    grid = problem.grid()
    where = recipe.data or folder
    if isinstance(split, Split):
        train_values, test_values = values_of(split)
        sizes = {"train": len(train_values), "test": len(test_values)}
        values = {"train": train_values, "test": test_values}
        key = jr.key(0)
        groups = ("interpolated", len(test_values) - 2), ("extrapolated", 2)
    else:
        sizes = {
            "train": split.num_training,
            "validation": split.num_validation,
            "test": split.num_test,
        }
        values, key, groups = {}, jr.key(split.seed), (("unseen", split.num_test),)
    made, seconds = {}, 0.0
    for place, (name, count) in enumerate(sizes.items()):
        frames = split.horizon if name == "train" else split.num_frames

        def make(place=place, name=name, count=count, frames=frames) -> Trajectory:
            starts = problem.starts(grid, count, jr.fold_in(key, place))
            return simulate(recipe, starts, frames, values.get(name))

        made[name], spent = _kept(recipe, name, where, make)
        seconds += spent
    return Case(
        problem.build(grid),
        made["train"],
        made.get("validation"),
        made["test"],
        groups,
        seconds,
    )


def _kept(
    recipe: Choices, name: str, folder: Path | None, make
) -> tuple[Trajectory, float]:
    """What the folder keeps under the name, or what is made and kept; and the seconds
    that making it took, then or now."""
    asked = {
        "set": name,
        "equation": plain(recipe.equation),
        # Which frames become snapshots is no matter of the data.
        "split": plain(dataclasses.replace(recipe.split, every=1)),
    }
    file = None if folder is None else Path(folder) / f"{name}.h5"
    if file is not None and file.exists():
        trajectories, known = load_trajectories(file)
        require(
            {key: known.get(key) for key in asked} == asked,
            f"{file} holds trajectories of another equation or split; choose another "
            "folder for `data`, or remove it",
        )
        return trajectories, float(known["seconds"])
    start = time.perf_counter()
    trajectories = jax.block_until_ready(make())
    seconds = time.perf_counter() - start
    if file is not None:
        made_by = {"phix": version("phix-jax"), "jax": jax.__version__}
        file.parent.mkdir(parents=True, exist_ok=True)
        attributes = asked | {"seconds": seconds, "made_by": made_by}
        save_trajectories(file, trajectories, attributes)
    return trajectories, seconds


def training_data(recipe: Choices, case: Case) -> rom.TrainingData:
    """Every so many-th training frame of all trajectories."""
    every = recipe.split.every
    thinned = eqx.tree_at(
        lambda t: (t.ts, t.us),
        case.train,
        (case.train.ts[:, ::every], case.train.us[:, ::every]),
    )
    return rom.training_data(thinned, parameters=recipe.parameters)


def test_data(recipe: Choices, trajectories: Trajectory) -> rom.TrainingData:
    """Whole trajectories, as a report takes them."""
    return rom.training_data(trajectories, parameters=recipe.parameters)
