"""The layout of The Well."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from phix._errors import require
from phix._files import atomic_path
from phix.data import _hdf5 as hdf5
from phix.data._reader import (
    SAMPLE,
    TIME,
    TrajectoryReader,
    Variable,
    component_names,
    stored,
    uniform_grid,
)
from phix.data._samples import put, samples_of
from phix.data._trajectory import Trajectory


_AXES = ("x", "y", "z")
_ORDERS = ("t0_fields", "t1_fields", "t2_fields")
_BOUNDARY = {"periodic": "periodic", "wall": "dirichlet", "open": "outflow"}


def open_well(
    path: str | os.PathLike, *, boundary: Any = None, dtype: Any = None
) -> TrajectoryReader:
    """Opens an HDF5 file in the layout of The Well.

    Fields that vary in time are the channels: scalars, then vectors and tensors by
    component (`velocity_x`). Fields that do not, and the file's `scalars`, are
    parameters.

    **Arguments:**

    - `path`: the file.
    - `boundary`: that of the grid, as `Grid` takes it; by default the file's own, walls
        as Dirichlet, and outflow where it says nothing.
    - `dtype`: precision to read in; the file's own if `None`.

    **Returns:** a `TrajectoryReader`; the nodes are middles of cells, and `space` is
    `None` unless the grid is Cartesian.

    **Raises:** `FileNotFoundError`; `ValueError` naming the dataset for a file that is
    damaged, of another layout, or keeps data elsewhere; `ImportError` without h5py.

    ??? cite "Reference"
        Ohana et al., The Well: a large-scale collection of diverse physics simulations
        for machine learning, NeurIPS 2024.
    """
    with hdf5.opening(path) as (path, file, close):
        well = _Well(path, file)
        coordinates = well.coordinates()
        space = None
        if hdf5.read_attribute(path, file, "grid_type") == "cartesian" and coordinates:
            sides = well.boundary() if boundary is None else boundary
            space = uniform_grid(coordinates, sides)
        steady = well.steady | well.scalars()
        return TrajectoryReader(
            path,
            close,
            num_samples=well.whole[SAMPLE],
            num_frames=well.whole[TIME],
            shape={axis: well.whole[axis] for axis in well.axes},
            channels=well.channels,
            fields=well.fields,
            times=well.times,
            parameters=steady,
            coordinates=coordinates,
            space=space,
            dtype=dtype or hdf5.float_type(well.arrays),
        )


class _Well:
    """A file of The Well, taken apart."""

    def __init__(self, path: Path, file: Any):
        self.path, self.file = path, file
        group = hdf5.open_group(path, file, "dimensions")
        axes = hdf5.read_attribute(path, group, "spatial_dims")
        good = isinstance(axes, list) and 0 < len(axes) <= 3
        good = good and all(isinstance(a, str) and a != "time" for a in axes)
        hdf5.check(
            good and len(set(axes)) == len(axes),
            path,
            "attribute 'spatial_dims' of /dimensions",
            f"must be one to three names, got {axes!r}",
        )
        self.axes = tuple(axes)
        number = hdf5.read_attribute(path, file, "n_trajectories")
        hdf5.check(
            isinstance(number, int) and number > 0,
            path,
            "attribute 'n_trajectories'",
            f"must be a positive whole number, got {number!r}",
        )
        self.whole = {SAMPLE: number}
        self.times = self._variable("dimensions", "time", (TIME,))
        for axis in self.axes:
            # A line, or one for each sample: the last axis has the nodes.
            shape = self._open("dimensions", axis).shape
            hdf5.check(len(shape) > 0, path, f"dimensions/{axis}", "has no axis")
            self.whole[axis] = shape[-1]
        self.arrays: list[Any] = []
        self.channels: list[str] = []
        self.fields: list[Variable] = []
        self.steady: dict[str, Variable] = {}
        for order, group in enumerate(_ORDERS):
            for name in self._names(group):
                self._add_field(order, group, name)

    def coordinates(self) -> dict[str, np.ndarray]:
        """The nodes along each axis, where all samples share them."""
        return {
            axis: hdf5.read_line(
                self.path, self.file, f"dimensions/{axis}", self.whole[axis]
            )
            for axis in self.axes
            if not self._flag(self._open("dimensions", axis), "sample_varying")
        }

    def scalars(self) -> dict[str, Variable]:
        """The numbers that belong to the samples."""
        return {
            name: self._variable("scalars", name, (), timed=None)
            for name in self._names("scalars")
        }

    def boundary(self) -> list[list[str]]:
        """The kind of boundary on both sides of each axis."""
        sides = {axis: ["outflow", "outflow"] for axis in self.axes}
        root = hdf5.names_in(self.path, self.file)
        names = []
        if "boundary_conditions" in root:
            group = hdf5.open_group(self.path, self.file, "boundary_conditions")
            names = hdf5.names_in(self.path, group)
        for name in names:
            place = f"boundary_conditions/{name}"
            group = hdf5.open_group(self.path, self.file, place)
            kind = hdf5.read_attribute(self.path, group, "bc_type")
            kind = _BOUNDARY.get(str(kind).lower())
            hdf5.check(
                kind is not None,
                self.path,
                place,
                f"has a bc_type that is none of {', '.join(_BOUNDARY)}",
            )
            dims = hdf5.read_attribute(self.path, group, "associated_dims")
            # Over several axes it is an obstacle inside.
            if isinstance(dims, list) and len(dims) == 1 and dims[0] in sides:
                for side in self._masked(group, place, dims[0]):
                    sides[dims[0]][side] = str(kind)
        return list(sides.values())

    def _masked(self, group: Any, place: str, axis: str) -> list[int]:
        """The ends of the axis, 0 and 1, on which a boundary stands."""
        if "mask" not in hdf5.names_in(self.path, group):
            return [0, 1]
        mask = self._open(place, "mask")
        hdf5.check_shape(self.path, f"{place}/mask", mask, (axis,), self.whole)
        with hdf5.reading(self.path, f"{place}/mask"):
            return [side for side in (0, 1) if mask[-side]]

    def _add_field(self, order: int, group: str, name: str) -> None:
        dataset = self._open(group, name)
        varying = hdf5.read_attribute(self.path, dataset, "dim_varying")
        varying = [True] * len(self.axes) if varying is None else varying
        hdf5.check(
            isinstance(varying, list) and len(varying) == len(self.axes),
            self.path,
            f"attribute 'dim_varying' of {group}/{name}",
            f"must say yes or no for {self.axes}, got {varying!r}",
        )
        axes = tuple(a for a, yes in zip(self.axes, varying, strict=True) if yes)
        parts = tuple(f"component{i}" for i in range(order))
        variable = self._variable(group, name, (*axes, *parts), timed=None)
        if TIME not in variable.dims:
            self.steady[name] = variable
            return
        self.arrays.append(dataset)
        self.fields.append(variable)
        sizes = dataset.shape[dataset.ndim - order :]
        self.channels += component_names(name, sizes, self.axes)

    def _variable(
        self,
        group: str,
        name: str,
        dims: tuple[str, ...],
        *,
        timed: bool | None = False,
    ) -> Variable:
        """A dataset whose first axes are told by its attributes."""
        dataset = self._open(group, name)
        if timed is None and self._flag(dataset, "time_varying"):
            dims = (TIME, *dims)
        if self._flag(dataset, "sample_varying"):
            dims = (SAMPLE, *dims)
        elif not dims and dataset.shape == (1,):
            dims = ("entry",)
        if TIME in dims and dataset.ndim == len(dims):
            self.whole.setdefault(TIME, dataset.shape[dims.index(TIME)])
        hdf5.check_shape(self.path, f"{group}/{name}", dataset, dims, self.whole)
        return stored(f"{group}/{name}", dims, dataset)

    def _open(self, group: str, name: str) -> Any:
        return hdf5.open_dataset(self.path, self.file, f"{group}/{name}")

    def _names(self, group: str) -> list[str]:
        if group not in hdf5.names_in(self.path, self.file):
            return []
        item = hdf5.open_group(self.path, self.file, group)
        names = hdf5.read_attribute(self.path, item, "field_names")
        names = hdf5.names_in(self.path, item) if names is None else names
        hdf5.check(
            isinstance(names, list) and all(isinstance(n, str) for n in names),
            self.path,
            f"attribute 'field_names' of {group}",
            f"must be a list of names, got {names!r}",
        )
        return names

    def _flag(self, dataset: Any, name: str) -> bool:
        value = hdf5.read_attribute(self.path, dataset, name)
        hdf5.check(
            isinstance(value, bool | int),
            self.path,
            f"attribute {name!r} of {dataset.name}",
            f"must be yes or no, got {value!r}",
        )
        return bool(value)


def save_well(
    path: str | os.PathLike,
    trajectory: Trajectory,
    *,
    name: str,
    fields: Mapping[str, int],
) -> None:
    """Writes trajectories on a grid in the layout of The Well, with checksums.

    Parameters become `scalars`. Periodic sides stay so, Dirichlet and Neumann ones
    become walls, the others are open.

    **Arguments:**

    - `path`: the file.
    - `trajectory`: one, or a batch with one leading axis.
    - `name`: of the data set.
    - `fields`: from names to tensor orders, in the order of the channels: 0 takes one
        channel, 1 one for each axis, 2 the square of that. `{"vorticity": 0}`.

    **Raises:** `ValueError` for fields that do not make up the channels, and for other
    parameters than numbers; `ImportError` without h5py.
    """
    samples = samples_of(trajectory)
    grid, ndim = samples.space, samples.space.ndim
    sizes = {field: ndim**order for field, order in fields.items()}
    channels = samples.us.shape[2]
    require(
        all(order in (0, 1, 2) for order in fields.values())
        and sum(sizes.values()) == channels,
        f"fields: got {dict(fields)}; wanted tensor orders 0, 1 or 2 that make up "
        f"{channels} channels in {ndim} dimensions",
    )
    for parameter, value in samples.params.items():
        require(
            value.ndim == 1,
            f"trajectory: the parameter {parameter} has shape {value.shape[1:]}; The "
            "Well holds numbers",
        )
    axes = _AXES[:ndim]
    h5py = hdf5.import_h5py()
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(
            dataset_name=name,
            grid_type="cartesian",
            n_spatial_dims=ndim,
            n_trajectories=len(samples.us),
            simulation_parameters=np.array([], h5py.string_dtype()),
        )
        dimensions = _group(file, "dimensions", spatial_dims=list(axes))
        shared = bool(np.all(samples.ts == samples.ts[0]))
        times = samples.ts[0] if shared else samples.ts
        put(dimensions, "time", times).attrs["sample_varying"] = not shared
        for axis, x in zip(axes, samples.axes, strict=True):
            steady = put(dimensions, axis, x).attrs
            steady.update(sample_varying=False, time_varying=False)
        conditions = _group(file, "boundary_conditions")
        for axis, sides in zip(axes, grid.boundary, strict=True):
            _write_boundary(conditions, axis, grid.shape[axes.index(axis)], sides)
        scalars = _group(file, "scalars", field_names=list(samples.params))
        for parameter, value in samples.params.items():
            attributes = put(scalars, parameter, value).attrs
            attributes.update(sample_varying=True, time_varying=False)
        first = 0
        for order, group in enumerate(_ORDERS):
            of_order = [field for field, n in fields.items() if n == order]
            _group(file, group, field_names=of_order)
        for field, order in fields.items():
            us = samples.us[:, :, first : first + sizes[field]]
            first += sizes[field]
            _write_field(file[_ORDERS[order]], field, us, order, ndim)


def _group(file: Any, name: str, **lists: list[str]) -> Any:
    group = file.create_group(name)
    for label, values in lists.items():
        text = hdf5.import_h5py().string_dtype()
        group.attrs.create(label, np.array(values, object), dtype=text)
    return group


def _write_field(group: Any, name: str, us: np.ndarray, order: int, ndim: int) -> None:
    us = np.moveaxis(us, 2, -1)
    us = us.reshape(*us.shape[:-1], *(ndim for _ in range(order)))
    attributes = put(group, name, us).attrs
    attributes["dim_varying"] = [True] * ndim
    attributes.update(sample_varying=True, time_varying=True)
    if order == 2:
        attributes.update(symmetric=False, antisymmetric=False)


def _write_boundary(group: Any, axis: str, nodes: int, sides: Any) -> None:
    low, high = (_well_kind(side.kind) for side in sides)
    if low == high:
        places = [(f"{axis}_{low.lower()}", low, [0, -1])]
    else:
        places = [(f"{axis}_low", low, [0]), (f"{axis}_high", high, [-1])]
    for name, kind, ends in places:
        one = _group(group, name, associated_dims=[axis], associated_fields=[])
        one.attrs.update(bc_type=kind, sample_varying=False, time_varying=False)
        mask = np.zeros(nodes, bool)
        mask[ends] = True
        put(one, "mask", mask)


def _well_kind(kind: str) -> str:
    walls = {"dirichlet": "WALL", "neumann": "WALL", "periodic": "PERIODIC"}
    return walls.get(kind, "OPEN")
