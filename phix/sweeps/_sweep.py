"""`sweep`: the loop over the blocks that are not there yet."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.sharding import Mesh

from phix._errors import require
from phix._types import PRNGKeyArray, PyTree
from phix.data import JsonLines, Progress, RunDirectory, StopSignal
from phix.sweeps._driver import Driver
from phix.sweeps._outcome import columns, coordinates
from phix.sweeps._points import Points, digest, read_points
from phix.sweeps._program import Program
from phix.sweeps._store import Store, open_sweep


if TYPE_CHECKING:
    import xarray as xr


def sweep(
    fn: Callable,
    points: Mapping[str, Any],
    run: RunDirectory | str | os.PathLike,
    *,
    key: PRNGKeyArray | None = None,
    mesh: Mesh | None = None,
    partition: str = "shard",
    hopeless: Callable | None = None,
    chunk: int | None = None,
    seconds: float = 1.0,
    progress: bool = True,
) -> xr.Dataset:
    """Runs a function at every point, on all devices, and keeps what is done.

    Points are mapped in chunks and written in blocks of about a second's work, while
    the next block runs. The process may be killed at any moment: called again, the
    sweep does only what is missing and ends in the same bits. A point that fails is
    recorded with its reason and the others go on.

    **Arguments:**

    - `fn`: a pure function `fn(parameters) -> result` of one point, with `parameters` a
        dictionary of scalars (or of rows of whatever shape the columns have). With
        `key` it is called as `fn(parameters, key=key)`. The result is a `Trajectory`,
        an array, or any PyTree of arrays; `{"u": run.us[-1], "result": run.result}`
        keeps less of a trajectory.
    - `points`: a column `"number ..."` for each parameter, from `product`,
        `latin_hypercube`, `sobol` or your own.
    - `run`: the directory, or a `RunDirectory` with the configuration in it. Of several
        processes the first alone opens it; they must see one file system.
    - `key`: of the sweep; point i gets `fold_in(key, i)`, whatever the devices.
    - `mesh`: from `make_mesh`, or `None` for one device. In several processes each
        takes its share of the blocks and its own devices.
    - `partition`: as for `batch_map`.
    - `hopeless`: called as `fn` is, says whether a point is not worth its time, such
        as by its first few steps, a coarse grid or a bound. Such points are recorded as
        `Result.hopeless`, with NaN for numbers, and the rest of their block takes less
        time for it. Every point pays for the look.
    - `chunk`: how many points a device runs together, a power of two. By default found
        from the memory of the devices (of CPUs: their cache) when the run begins, and
        kept. Where memory does not suffice after all it is halved for all that follows.
    - `seconds`: about how much work a block holds: what a kill may lose.
    - `progress`: whether a bar shows rate, time left and failures.

    **Returns:** the dataset of `open_sweep`. `status` holds a `phix.Result` for each
    point: the first `result` other than success among the records (a `Trajectory`,
    what `num.least_squares` returns, a dictionary with one) in what `fn` returned, or
    without any `non_finite` where a number is not finite.

    **Raises:** `ValueError` for points that do not fit together, a directory that
    another process holds or that is of another sweep; `PhixError` if not even one point
    fits the memory; `OSError` where the disk is full; `SystemExit` (128 + signal) when
    asked to stop. In every case what was done is kept.

    !!! example
        ```python
        points = sobol({"nu": Range(1e-3, 1e-1, log=True)}, 1024)
        found = sweep(lambda p: solve(equation.replace(nu=p["nu"]), u0, ts, dt=0.01),
                      points, "runs/viscosity", mesh=make_mesh())
        found.u.sel(time=1.0).where(found.status == 0)
        ```
    """
    started = time.time()
    table = read_points(points)
    require(
        chunk is None or (chunk >= 1 and chunk & (chunk - 1) == 0),
        f"chunk: got {chunk}, wanted a power of two, so that it can be halved.",
    )
    require(
        hopeless is None or mesh is None or partition == "shard",
        "hopeless: only with partition='shard', where each device has its own points.",
    )
    with StopSignal() as stop, _opened(run) as (directory, log):
        program = Program(fn, table, key, mesh, partition, hopeless)
        identity = _identity(table, key)
        if hopeless is not None:
            identity["screened"] = True
        shapes = program.shapes()
        if log is not None:
            Store.tidy(directory)
            if not Store.exists(directory):
                _begin(program, shapes, directory, identity, chunk, seconds, started)
        _wait_for_all("begin")
        store = Store(directory)
        store.check(identity, columns(shapes))
        done = int((store.status() >= 0).sum())
        shown = progress and log is not None
        bar = Progress(store.number, initial=done, enabled=shown, label="sweep")
        with bar:
            Driver(program, store, log, bar).finish(stop)
        if stop.signal is not None:
            raise SystemExit(128 + stop.signal)
        _wait_for_all("end")
    return open_sweep(directory)


@contextlib.contextmanager
def _opened(
    run: RunDirectory | str | os.PathLike,
) -> Iterator[tuple[Path, JsonLines | None]]:
    """The directory and, in the process that leads, its log."""
    if isinstance(run, RunDirectory):
        yield run.path, run.log
    elif jax.process_index() > 0:
        yield Path(run).resolve(), None
    else:
        with RunDirectory(run, {}) as opened:
            yield opened.path, opened.log


def _wait_for_all(where: str) -> None:
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(f"sweep {where}")


def _begin(
    program: Program,
    shapes: PyTree,
    directory: Path,
    identity: dict[str, Any],
    chunk: int | None,
    seconds: float,
    started: float,
) -> None:
    """Makes the store of a run, with sizes found now."""
    sizes = program.sizes(chunk, seconds)
    Store.create(
        directory,
        program.points,
        columns(shapes),
        coordinates(shapes),
        block=sizes.block,
        chunk=sizes.chunk,
        identity=identity,
        started=started,
    )


def _identity(points: Points, key: PRNGKeyArray | None) -> dict[str, Any]:
    """What a sweep must have in common with the one it continues."""
    plain = "none"
    if key is not None:
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        plain = str(jax.device_get(jr.key_data(key) if typed else key).tolist())
    return {"parameters": list(points), "points": digest(points), "key": plain}
