"""What the writers of foreign layouts need of a trajectory."""

import dataclasses
from typing import Any

import jax
import numpy as np

from phix._errors import require
from phix.data._trajectory import Trajectory
from phix.space import Grid


@dataclasses.dataclass(frozen=True)
class Samples:
    """Arrays on the host with a row for each sample: states `"sample time channels
    *space"`, times `"sample time"`, parameters; and the nodes along each axis."""

    us: np.ndarray
    ts: np.ndarray
    params: dict[str, np.ndarray]
    axes: tuple[np.ndarray, ...]
    space: Grid


def samples_of(trajectory: Trajectory) -> Samples:
    """The rows of a trajectory, or of a batch with one leading axis.

    **Raises:** `ValueError` unless it is of real fields on a `Grid` of up to three
    dimensions.
    """
    grid, us = trajectory.space, trajectory.us
    require(
        isinstance(grid, Grid) and isinstance(us, jax.Array | np.ndarray),
        "trajectory: these layouts hold fields on a Grid; got "
        f"{type(us).__name__} on {type(grid).__name__}",
    )
    assert isinstance(grid, Grid)
    ts, us = np.asarray(trajectory.ts), np.asarray(us)
    params = {name: np.asarray(value) for name, value in trajectory.params.items()}
    if ts.ndim == 1:
        ts, us = ts[None], us[None]
        params = {name: value[None] for name, value in params.items()}
    require(
        ts.ndim == 2 and us.shape[:2] == ts.shape and us.ndim == 3 + grid.ndim,
        f"trajectory: states {us.shape} at times {ts.shape} are no batch of fields; "
        "wanted (sample, time, channels, *space) at (sample, time)",
    )
    for name, value in params.items():
        require(
            value.ndim >= 1 and len(value) == len(us) and value.dtype.kind in "fiub",
            f"trajectory: the parameter {name} has shape {value.shape} and dtype "
            f"{value.dtype}; wanted real numbers with a row for each of {len(us)} "
            "samples",
        )
    require(
        us.dtype.kind == "f" and grid.ndim <= 3,
        f"trajectory: these layouts hold real fields in up to three dimensions, got "
        f"{us.dtype} in {grid.ndim}",
    )
    axes = tuple(
        first + h * np.arange(n)
        for first, h, n in zip(grid.origin, grid.spacing, grid.shape, strict=True)
    )
    return Samples(us, ts, params, tuple(x.astype(ts.dtype) for x in axes), grid)


def put(group: Any, name: str, values: np.ndarray) -> Any:
    """Writes a dataset of rows, each with a checksum: a flipped bit is found."""
    chunks = (1, *values.shape[1:]) if values.ndim > 1 else True
    return group.create_dataset(name, data=values, chunks=chunks, fletcher32=True)
