"""Trajectories as xarray datasets and, through these, as NetCDF files."""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from phix._errors import Result, require
from phix._files import atomic_path
from phix.space import Grid


if TYPE_CHECKING:
    import xarray as xr

    from phix.data._trajectory import Trajectory

_AXES = ("x", "y", "z")


def to_dataset(trajectory: Trajectory) -> xr.Dataset:
    """What `Trajectory.to_xarray` returns."""
    xarray = _xarray()
    require(
        np.ndim(trajectory.ts) == 1,
        "a batch of trajectories has no one time axis; take one of it: "
        "jax.tree.map(lambda a: a[0], trajectory)",
    )
    coordinates: dict[str, Any] = {"time": ("time", np.asarray(trajectory.ts), _UNIT)}
    grid = trajectory.space
    if isinstance(grid, Grid):
        names = _AXES if grid.ndim <= 3 else [f"x{a}" for a in range(grid.ndim)]
        names = tuple(names[: grid.ndim])
        coordinates |= {
            name: (name, first + h * np.arange(n), _UNIT)
            for name, first, h, n in zip(
                names, grid.origin, grid.spacing, grid.shape, strict=True
            )
        }
    else:
        names = None
    states = trajectory.us
    states = states if isinstance(states, dict) else {"u": states}
    for name, u in states.items():
        require(
            isinstance(u, jax.Array | np.ndarray),
            f"`us` must be an array or a dictionary of arrays, got {type(u).__name__} "
            f"for {name!r}",
        )
    variables = {
        name: (_dimensions(name, np.shape(u), names), np.asarray(u))
        for name, u in states.items()
    }
    attributes = dict(_provenance(trajectory))
    for name, value in trajectory.params.items():
        value = np.asarray(value)
        if value.ndim < 2:
            attributes[name] = value.item() if value.ndim == 0 else value
        else:
            dims = tuple(f"{name}_{axis}" for axis in range(value.ndim))
            variables[name] = (dims, value)
    return xarray.Dataset(variables, coordinates, attributes)


def write_netcdf(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Writes the dataset of a trajectory as NetCDF 4, whole or not at all.

    NetCDF has no complex numbers: a complex `u` becomes `u_real` and `u_imag`.
    """
    dataset = to_dataset(trajectory)
    for name, variable in list(dataset.data_vars.items()):
        if np.iscomplexobj(variable):
            parts = {f"{name}_real": variable.real, f"{name}_imag": variable.imag}
            dataset = dataset.drop_vars([name]).assign(parts)
    with atomic_path(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")


_UNIT = {"units": "1"}


def _dimensions(
    name: str, shape: tuple[int, ...], axes: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Names of the axes of a state; those that no grid names carry the state's."""
    if axes is None:
        return ("time", *(f"{name}_{axis}" for axis in range(len(shape) - 1)))
    return ("time", "channel", *axes)


def _provenance(trajectory: Trajectory) -> Iterator[tuple[str, Any]]:
    """How the states came about, in what an attribute can hold."""
    yield "phix_version", importlib.metadata.version("phix-jax")
    yield "result", Result(int(np.asarray(trajectory.result))).name
    yield "first_bad_time", float(np.asarray(trajectory.first_bad_time))
    if isinstance(trajectory.space, Grid):
        yield "space", json.dumps(trajectory.space.to_dict())
    for name, value in trajectory.stats.items():
        if np.ndim(value) == 0:
            yield name, np.asarray(value).item()


def _xarray():
    """xarray, or what to install."""
    try:
        import h5netcdf  # noqa: F401
        import xarray
    except ImportError as error:
        raise ModuleNotFoundError(
            "labelled arrays and NetCDF need xarray and h5netcdf: "
            "pip install 'phix-jax[data]'"
        ) from error
    return xarray
