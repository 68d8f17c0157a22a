"""Trajectories as HDF5 files: whole or not there, and nothing in them is executed."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from phix._errors import require
from phix._files import atomic_path
from phix._types import PyTree
from phix.data._hdf5 import import_h5py
from phix.data._place import placed
from phix.data._trajectory import Trajectory
from phix.space import AbstractSpace, Grid


_FORMAT = "phix trajectories"
_VERSION = 1
_GROUPS = ("us", "params", "stats")
_ARRAYS = ("ts", "result", "first_bad_time")


def save_trajectories(
    path: str | os.PathLike,
    trajectory: Trajectory,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Writes a trajectory, or a batch made by `jax.vmap`, to one HDF5 file.

    The bits of every array are kept. A crash leaves the old file or the new one, never
    a part.

    **Arguments:**

    - `path`: the file; its folder must exist.
    - `trajectory`: its states may be an array or a dictionary of arrays.
    - `attributes`: anything JSON knows, handed back by `load_trajectories`.

    **Raises:** `ValueError` for what a file cannot hold; `ImportError` without h5py.
    """
    require(
        Path(path).suffix != ".nc",
        f"path: HDF5 is written here, not NetCDF ({path}); see Trajectory.save",
    )
    h5py = import_h5py()
    try:
        description = json.dumps(dict(attributes or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`attributes` must be what JSON knows: {error}") from None
    space = _describe(trajectory.space)
    arrays = dict(_flatten(trajectory))
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = _FORMAT
        file.attrs["version"] = _VERSION
        file.attrs["space"] = space
        file.attrs["attributes"] = description
        for group in _GROUPS:
            if group not in arrays:
                file.create_group(group)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def load_trajectories(
    path: str | os.PathLike, *, dtype: Any = None
) -> tuple[Trajectory, dict[str, Any]]:
    """Reads what `save_trajectories` wrote.

    **Arguments:**

    - `path`: the file.
    - `dtype`: brings the real arrays to this precision, the complex ones to the complex
        type of it; by default every bit is kept.

    **Returns:** the trajectory and the attributes.

    **Raises:** `ValueError` for a file that is truncated, foreign or of a later format,
    and for float64 arrays while JAX is in 32-bit mode and no `dtype` is given;
    `FileNotFoundError`; `ImportError` without h5py.
    """
    h5py = import_h5py()
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no trajectory file at {path}")
    try:
        with h5py.File(path, "r") as file:
            _check_header(file, path)
            space, attributes = (
                json.loads(str(file.attrs[name])) for name in ("space", "attributes")
            )
            fields = {
                name: _read(file, name, path, dtype) for name in (*_ARRAYS, *_GROUPS)
            }
    except (OSError, KeyError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is not a whole HDF5 file of trajectories: it was cut short or "
            f"written by something else ({error}); write it again with "
            "`save_trajectories`"
        ) from error
    space = None if space is None else Grid.from_dict(space)
    return Trajectory(space=space, **fields), attributes


def _describe(space: AbstractSpace | None) -> str:
    """The space as JSON."""
    if space is None:
        return "null"
    if not isinstance(space, Grid):
        raise ValueError(
            "`trajectory`: a file holds trajectories on a Grid or on no space; got "
            f"{type(space).__name__}"
        )
    return json.dumps(space.to_dict())


def _flatten(trajectory: Trajectory) -> Iterator[tuple[str, np.ndarray]]:
    """Names inside the file with their arrays."""
    for name in (*_ARRAYS, *_GROUPS):
        yield from _leaves(name, getattr(trajectory, name))


def _leaves(name: str, tree: PyTree) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            require(
                isinstance(key, str) and key not in ("", ".") and "/" not in key,
                f"`trajectory`: {name} has the name {key!r}, which a file cannot hold",
            )
            yield from _leaves(f"{name}/{key}", value)
        return
    is_array = isinstance(tree, jax.Array | np.ndarray)
    require(
        is_array and tree.dtype.kind in "fciub",
        f"`trajectory`: {name} must be an array of numbers, or a dictionary of them, "
        f"to be written; got {type(tree).__name__}"
        + (f" of dtype {tree.dtype}" if is_array else ""),
    )
    yield name, np.asarray(tree)


def _check_header(file, path: Path) -> None:
    require(
        file.attrs.get("format") == _FORMAT,
        f"{path} is an HDF5 file, but not one of trajectories (no format "
        f"{_FORMAT!r}); write it with `save_trajectories`",
    )
    require(
        int(file.attrs["version"]) <= _VERSION,
        f"{path} has format version {file.attrs['version']}; this phix reads up to "
        f"{_VERSION}: update phix",
    )


def _read(file, name: str, path: Path, dtype: Any) -> PyTree:
    """A dataset as an array, a group as a dictionary; nothing that points elsewhere."""
    import h5py

    foreign = f"{path}: {name} is not data of this file; write it again"
    require(isinstance(file.get(name, getlink=True), h5py.HardLink), foreign)
    item = file[name]
    if isinstance(item, h5py.Group):
        return {key: _read(file, f"{name}/{key}", path, dtype) for key in item}
    plain = isinstance(item, h5py.Dataset) and item.dtype.kind in "fciub"
    require(plain and not item.external and not item.is_virtual, foreign)
    return _place(item[()], name, path, dtype)


def _place(array: Any, name: str, path: Path, dtype: Any) -> jax.Array:
    array = np.asarray(array)
    if dtype is not None and array.dtype.kind == "f":
        array = array.astype(dtype)
    elif dtype is not None and array.dtype.kind == "c":
        array = array.astype(np.result_type(dtype, np.complex64))
    return placed(array, f"{path}: {name}")
