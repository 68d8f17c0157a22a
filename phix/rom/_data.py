"""The data a reduced model is made of: whole trajectories, or their snapshots."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import nn
from phix._errors import eagerly, is_concrete, require
from phix._types import Array, Float, Int
from phix.data import Trajectory
from phix.space import Grid


class TrainingData(eqx.Module):
    """Trajectories as plain arrays on one grid; made by `training_data`.

    - `ts`: output times, "trajectories time".
    - `us`: fields, "trajectories time channels *space".
    - `cond`: the parameters of each trajectory, "trajectories parameters"; or inputs
      that vary in time, "trajectories time parameters".
    - `grid`: where the fields live.
    - `parameters`: the names of the columns of `cond`.
    """

    ts: Float[Array, "trajectories time"]
    us: Float[Array, "trajectories time channels ..."]
    cond: Float[Array, "trajectories *time parameters"]
    grid: Grid
    parameters: tuple[str, ...] = eqx.field(static=True)


class Snapshot(eqx.Module):
    """One frame of one training trajectory.

    - `field`: "channels *space".
    - `time`: when, in the time of the equation.
    - `cond`: the equation's parameters, in the order given to `snapshots`.
    - `trajectory`, `frame`: the row of the latent table.
    """

    field: Float[Array, "..."]
    time: Float[Array, "..."]
    cond: Float[Array, "..."]
    trajectory: Int[Array, "..."]
    frame: Int[Array, "..."]


def training_data(
    source: TrainingData | Trajectory | tuple,
    *,
    parameters: tuple[str, ...] = (),
    grid: Grid | None = None,
) -> TrainingData:
    """What a vmapped `solve` returns, or plain arrays, as `TrainingData`; such data
    stay as they are.

    **Arguments:**

    - `source`: a batch of trajectories; or `(ts, us)`; or `(ts, us, cond)` with times
      "time" or "trajectories time", fields "trajectories time channels *space" and
      parameters "trajectories parameters", or inputs that vary in time, "trajectories
      time parameters", for methods that take them.
    - `parameters`: the names of the parameters the model is to depend on: of those the
      trajectories carry, or of the columns of `cond`.
    - `grid`: of plain arrays. Without one the nodes are numbered from 0: right for
      every method that asks for no equation.

    **Raises:** `ValueError` for a single trajectory, failed or non-finite ones, an
    unknown parameter, or arrays whose shapes do not fit each other.
    """
    if isinstance(source, TrainingData):
        return source
    if isinstance(source, Trajectory):
        require(
            grid is None, "grid comes with the trajectories; give it for arrays only"
        )
        data = _of_trajectories(source, parameters)
    else:
        data = _of_arrays(source, parameters, grid)
    require(
        data.us.shape[3:] == data.grid.shape,
        f"us of shape {data.us.shape} does not live on a grid of {data.grid.shape}: "
        "wanted (trajectories, time, channels, *space)",
    )
    require(
        not is_concrete(data.us) or bool(np.all(np.isfinite(data.us))),
        "us holds values that are not finite; drop or repair those trajectories first",
    )
    return data


def _of_trajectories(source: Trajectory, parameters: tuple[str, ...]) -> TrainingData:
    cond = _conditions(source, parameters)
    if not isinstance(source.space, Grid):
        raise ValueError(
            f"trajectories live on {source.space!r}; a reduced model needs a Grid"
        )
    return TrainingData(source.ts, source.us, cond, source.space, parameters)


def _of_arrays(
    source: Any, parameters: tuple[str, ...], grid: Grid | None
) -> TrainingData:
    require(
        isinstance(source, tuple) and len(source) in (2, 3),
        "data must be a Trajectory, (ts, us) or (ts, us, cond), got "
        f"{type(source).__name__}",
    )
    us = jnp.asarray(source[1])
    require(
        us.ndim >= 4,
        f"us of shape {us.shape} lacks axes: wanted (trajectories, time, channels, "
        "*space); one trajectory is us[None]",
    )
    count, frames = us.shape[:2]
    with eagerly(source[0]):
        ts = jnp.asarray(source[0], us.dtype)
    require(
        ts.shape in ((frames,), (count, frames)),
        f"ts of shape {ts.shape} does not go with us of shape {us.shape}: wanted "
        f"({frames},) or ({count}, {frames})",
    )
    cond = jnp.asarray(source[2] if len(source) == 3 else jnp.zeros((count, 0)))
    size = len(parameters)
    require(
        cond.shape in ((count, size), (count, frames, size)),
        f"cond of shape {cond.shape} does not go with {count} trajectories of {frames} "
        f"frames and parameters {parameters}: wanted ({count}, {size}), or ({count}, "
        f"{frames}, {size}) for inputs that vary in time",
    )
    if grid is None:
        grid = Grid(us.shape[3:], tuple((0.0, float(n)) for n in us.shape[3:]))
    with eagerly(ts):  # dynamics count steps, also inside `jit`
        ts = jnp.broadcast_to(ts, (count, frames))
    return TrainingData(ts, us, cond.astype(us.dtype), grid, parameters)


class Sequence(eqx.Module):
    """One training trajectory as a sample.

    - `field`: "time channels *space"; `time`: "time".
    - `cond`: the parameters of the trajectory.
    - `trajectory`: its row in the latent table.
    """

    field: Float[Array, "..."]
    time: Float[Array, "..."]
    cond: Float[Array, "..."]
    trajectory: Int[Array, "..."]


def sequences(data: TrainingData) -> Sequence:
    """All trajectories as samples for `fit`: arrays with a leading axis of them."""
    rows = jnp.arange(data.us.shape[0], dtype=jnp.int32)
    return Sequence(data.us, data.ts, data.cond, rows)


def snapshots(
    trajectories: Trajectory | TrainingData, parameters: tuple[str, ...] = ()
) -> Snapshot:
    """All frames of a batch of trajectories as samples for `fit`.

    **Arguments:**

    - `trajectories`: what a vmapped `solve` returns; `us` is
      "trajectories time channels *space". Or `TrainingData`.
    - `parameters`: which of `trajectories.params` the dynamics are conditioned on;
      `TrainingData` have theirs.

    **Returns:** a `Snapshot` whose arrays have a leading axis trajectories × time.

    **Raises:** `ValueError` for a single trajectory, failed ones or an unknown
    parameter.
    """
    if isinstance(trajectories, TrainingData):
        cond = trajectories.cond
    else:
        cond = _conditions(trajectories, parameters)
    if cond.ndim == 2:
        cond = jnp.repeat(cond[:, None], trajectories.ts.shape[1], axis=1)
    us, ts = trajectories.us, trajectories.ts
    count, frames = ts.shape
    rows = jnp.arange(count * frames, dtype=jnp.int32)
    return Snapshot(
        us.reshape(count * frames, *us.shape[2:]),
        ts.reshape(-1),
        cond.reshape(count * frames, cond.shape[2]),
        rows // frames,
        rows % frames,
    )


def _conditions(
    trajectories: Trajectory, parameters: tuple[str, ...]
) -> Float[Array, "trajectories parameters"]:
    """The named parameters of trajectories that can be learnt from."""
    us, ts = trajectories.us, trajectories.ts
    require(
        ts.ndim == 2,
        "a batch of trajectories is wanted, times of shape (trajectories, time), got "
        f"{ts.shape}; put `solve` under jax.vmap, also for a batch of one",
    )
    require(
        not is_concrete(trajectories.result) or not np.any(trajectories.result),
        f"failed trajectories, with result codes {trajectories.result}; drop or repair "
        "them first",
    )
    known = trajectories.params or {}
    for name in parameters:
        require(
            name in known,
            f"unknown parameter {name!r}; these trajectories carry {sorted(known)}",
        )
    count = ts.shape[0]
    columns = [known[name].reshape(count, 1).astype(us.dtype) for name in parameters]
    return jnp.concatenate(columns, 1) if columns else jnp.zeros((count, 0), us.dtype)


def standardiser(data: Array, *, axis: int) -> nn.Standardiser:
    """As `Standardiser.of`, but what does not vary is divided by one."""
    others = tuple(i for i in range(data.ndim) if i != axis)
    std = jnp.std(data, axis=others)
    return nn.Standardiser(jnp.mean(data, axis=others), jnp.where(std > 0, std, 1))
