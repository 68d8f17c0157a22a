"""The one record of a run: what `integrate` returns, `data` saves and `fit` draws."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np

from phix._errors import PhixError, Result, describe, is_concrete, require
from phix._types import Array, Int, PyTree, Real
from phix.space import AbstractSpace, Grid


if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


class Trajectory(eqx.Module):
    """States at output times, with how they came about.

    A batch of trajectories is the same record with leading axes on every array, as
    `jax.vmap` makes it.

    **Arguments:**

    - `ts`: the output times, start included, `"time"`; non-dimensional.
    - `us`: the states at `ts`: a field `"time channels *space"`, or any PyTree of
        arrays with time first.
    - `space`: where a field lives, or `None` for a bare vector field.
    - `params`: the physical parameters by name, as the equation holds them.
    - `result`: a `phix.Result` code, 0 for success.
    - `stats`: counters by name, and `stable_step` where the equation knows one.
    - `first_bad_time`: the first time whose state must not be trusted; infinite when
        all went well.
    """

    ts: Real[Array, "*batch time"]
    us: PyTree
    space: AbstractSpace | None
    params: dict
    result: Int[Array, "*batch"]
    stats: dict
    first_bad_time: Real[Array, "*batch"]

    def throw(self) -> Trajectory:
        """Raises if the run failed; otherwise returns the trajectory itself.

        Under a trace there is nothing to look at yet and nothing is raised.

        **Raises:** `PhixError` with the result code, the first bad time and, where
        known, the stable step.
        """
        if not is_concrete(self.result, self.first_bad_time):
            return self
        codes = np.atleast_1d(np.asarray(self.result)).ravel()
        failed = np.flatnonzero(codes)
        if failed.size > 0:
            code = Result(int(codes[failed[0]]))
            raise PhixError(_message(self, codes, failed), code)
        return self

    def plot(self, *, title: str = "", label: str = "u") -> Figure:
        """A figure of the field: space–time images in one dimension, instants in two.

        See `phix.plot.field_history`; `phix.plot.save_figure` writes it to a file, and
        a notebook shows it.

        **Raises:** `ValueError` for a batch, states that are no field on a `Grid`, or a
        grid in three dimensions; `ModuleNotFoundError` without the extra `plot`.
        """
        from phix import plot

        return plot.field_history(**self._drawn(), title=title, label=label)

    def animate(
        self,
        path: str | os.PathLike,
        *,
        title: str = "",
        label: str = "u",
        fps: int = 20,
    ) -> None:
        """Writes a moving picture of the field, `.gif` or `.html`.

        See `phix.plot.animate_field`.

        **Raises:** as `plot`; `ValueError` for another suffix.
        """
        from phix import plot

        plot.animate_field(
            path=path, **self._drawn(), title=title, label=label, fps=fps
        )

    def to_xarray(self) -> xr.Dataset:
        """The trajectory as a labelled dataset.

        The variable `u` (or each entry of a dictionary of states by its name) has the
        axes `time`, `channel` and `x`, `y`, `z` with the grid's coordinates. Numbers
        and vectors among the parameters, the result, the counters, the version of phix
        and the grid (as JSON) are attributes; parameters that are fields are variables.

        **Raises:** `ValueError` for a batch, or states that are no arrays;
        `ModuleNotFoundError` without the extra `data`.
        """
        from phix.data._xarray import to_dataset

        return to_dataset(self)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the trajectory, whole or not at all.

        **Arguments:**

        - `path`: `.h5`, which `load_trajectories` reads back bit for bit, batches too;
            or `.nc`, the dataset of `to_xarray` as NetCDF 4 for other programs, complex
            states as `u_real` and `u_imag`.

        **Raises:** `ValueError` for another suffix or what a file cannot hold;
        `ImportError` without the extra `data`.
        """
        from phix.data import _store, _xarray

        path = trajectory_path(path)
        if path.suffix == ".nc":
            _xarray.write_netcdf(path, self)
        else:
            _store.save_trajectories(path, self)

    def _drawn(self) -> dict[str, Any]:
        """What a drawing needs, if there is one field to draw."""
        if not (
            isinstance(self.space, Grid) and isinstance(self.us, jax.Array | np.ndarray)
        ):
            raise ValueError(
                "only a field on a Grid can be drawn; this trajectory holds "
                f"{type(self.us).__name__} on {type(self.space).__name__}"
            )
        require(
            np.ndim(self.ts) == 1,
            "a batch of trajectories cannot be drawn; take one of it: "
            "jax.tree.map(lambda a: a[0], trajectory)",
        )
        return {"us": self.us, "ts": self.ts, "axes": self.space.axes}


def trajectory_path(path: str | os.PathLike) -> Path:
    """The path, if `Trajectory.save` can write there.

    **Raises:** `ValueError` for a suffix other than `.h5` and `.nc`.
    """
    path = Path(path)
    require(path.suffix in (".h5", ".nc"), f"path must end in .h5 or .nc, got {path}")
    return path


def _message(trajectory: Trajectory, codes: np.ndarray, failed: np.ndarray) -> str:
    """What went wrong, where and when, and the step that would have been stable."""
    index = failed[0]
    text = describe(int(codes[index]))
    time = np.asarray(trajectory.first_bad_time).ravel()[index]
    text += f"\nFirst bad time: {time:.6g}."
    step = trajectory.stats.get("stable_step")
    if step is not None and is_concrete(step):
        step = np.broadcast_to(np.asarray(step), np.shape(trajectory.result))
        text += f" Stable step at the start: {step.ravel()[index]:.6g}."
    if codes.size > 1:
        text = f"{failed.size} of {codes.size} failed, first number {index}: {text}"
    return text
