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
from phix.data._hdf5 import (
    Refused,
    check,
    import_h5py,
    names_in,
    open_dataset,
    open_group,
    opening,
    own_item,
    read_attribute,
    reading,
)
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
    with opening(path) as (path, file, close):
        try:
            _check_header(file, path)
            space = _described(path, file, "space")
            attributes = _described(path, file, "attributes")
            seen: set[int] = set()
            fields = {
                n: _read(path, file, n, dtype, seen) for n in (*_ARRAYS, *_GROUPS)
            }
        finally:
            close()
    with reading(path, "its space"):
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
    check(
        read_attribute(path, file, "format") == _FORMAT,
        path,
        "the file",
        f"is HDF5, but not one of trajectories (no format {_FORMAT!r}); write it with "
        "`save_trajectories`",
    )
    version = read_attribute(path, file, "version")
    check(
        isinstance(version, int) and version <= _VERSION,
        path,
        "the file",
        f"has format version {version}; this phix reads up to {_VERSION}: update phix",
    )


def _described(path: Path, file: Any, name: str) -> Any:
    """What JSON in an attribute says."""
    with reading(path, name):
        try:
            return json.loads(read_attribute(path, file, name))
        except RecursionError:
            raise Refused(f"{path}: {name} nests without end") from None


def _read(path: Path, file: Any, name: str, dtype: Any, seen: set[int]) -> PyTree:
    """A dataset as an array, a group as a dictionary; each only once."""
    h5py = import_h5py()
    item = own_item(path, file, name)
    with reading(path, name):
        place = h5py.h5o.get_info(item.id).addr
    check(place not in seen, path, name, "is in the file under two names")
    seen.add(place)
    if isinstance(item, h5py.Group):
        names = names_in(path, open_group(path, file, name))
        return {n: _read(path, file, f"{name}/{n}", dtype, seen) for n in names}
    dataset = open_dataset(path, file, name, kinds="fciub")
    with reading(path, name):
        array = np.asarray(dataset[()])
    if dtype is not None and array.dtype.kind == "f":
        array = array.astype(dtype)
    elif dtype is not None and array.dtype.kind == "c":
        array = array.astype(np.result_type(dtype, np.complex64))
    return placed(array, f"{path}: {name}")
