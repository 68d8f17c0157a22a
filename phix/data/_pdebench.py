"""The layouts of PDEBench."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
    constant,
    stored,
    uniform_grid,
)
from phix.data._samples import Samples, put, samples_of
from phix.data._trajectory import Trajectory


_AXES = ("x", "y", "z")
_FLOW = ("density", "pressure", "Vx", "Vy", "Vz")
# Without and with a last axis of components.
_SCALARS = ("tensor", *_FLOW)
_VECTORS = ("velocity", "particles")
_STEADY = {"nu": (), "force": ("component",)}


def open_pdebench(
    path: str | os.PathLike, *, boundary: Any = "outflow", dtype: Any = None
) -> TrajectoryReader:
    """Opens an HDF5 file in one of the layouts of PDEBench.

    Known are: one scalar `tensor` (Burgers, advection, reaction–diffusion; Darcy, whose
    `nu` becomes a parameter), the `density`, `pressure`, `Vx`, … of compressible flow,
    the `velocity` and `particles` of incompressible flow, and a group for each sample
    (shallow water, diffusion–reaction, diffusion–sorption). The numbers among the
    file's attributes are parameters.

    **Arguments:**

    - `path`: the file.
    - `boundary`: that of the grid, as `Grid` takes it; these files do not name it.
        Burgers and advection are `"periodic"`.
    - `dtype`: precision to read in; the file's own if `None`.

    **Returns:** a `TrajectoryReader`; the nodes are middles of cells.

    **Raises:** `FileNotFoundError`; `ValueError` naming the dataset for a file that is
    damaged, of another layout, or keeps data elsewhere; `ImportError` without h5py.

    ??? cite "Reference"
        Takamoto et al., PDEBench: an extensive benchmark for scientific machine
        learning, NeurIPS 2022.
    """
    with hdf5.opening(path) as (path, file, close):
        names = hdf5.names_in(path, file)
        numbered = len(names) > 0 and all(name.isdecimal() for name in names)
        layout = _Groups if numbered else _Stack
        parts = layout(path, file, names)
        space = None
        if list(parts.coordinates) == list(parts.shape):
            space = uniform_grid(parts.coordinates, boundary)
        numbers = hdf5.number_attributes(path, file)
        constants = {name: constant(name, value) for name, value in numbers.items()}
        return TrajectoryReader(
            path,
            close,
            num_samples=parts.num_samples,
            num_frames=parts.num_frames,
            shape=parts.shape,
            channels=parts.channels,
            fields=parts.fields,
            times=parts.times,
            parameters=constants | parts.parameters,
            coordinates=parts.coordinates,
            space=space,
            dtype=dtype or parts.dtype,
        )


class _Stack:
    """Arrays with a row for each sample: `"sample time *space"` and components."""

    def __init__(self, path: Path, file: Any, names: Sequence[str]):
        main = [name for name in _SCALARS if name in names]
        components = () if main else ("component",)
        main = main or [name for name in _VECTORS if name in names]
        hdf5.check(
            len(main) > 0,
            path,
            "the file",
            f"is in no layout of PDEBench: wanted tensor, density, velocity or groups "
            f"0000, 0001, …, found {', '.join(names[:8]) or 'nothing'}",
        )
        arrays = {name: hdf5.open_dataset(path, file, name) for name in main}
        first = arrays[main[0]]
        rank = first.ndim - 2 - len(components)
        hdf5.check(
            0 < rank <= 3,
            path,
            main[0],
            f"has shape {first.shape}; wanted (sample, time, *space"
            f"{', component' if components else ''}) in one to three dimensions",
        )
        self.shape: dict[str, int] = dict(
            zip(_AXES, first.shape[2 : 2 + rank], strict=False)
        )
        self.num_samples, self.num_frames = first.shape[:2]
        whole = {SAMPLE: first.shape[0], TIME: first.shape[1], **self.shape}
        dims = (*whole, *components)
        for name, array in arrays.items():
            hdf5.check_shape(path, name, array, dims, whole)
        self.fields = [stored(name, dims, array) for name, array in arrays.items()]
        self.channels = [
            channel
            for name, array in arrays.items()
            for channel in component_names(
                name, array.shape[len(whole) :], tuple(self.shape)
            )
        ]
        self.dtype = hdf5.float_type(arrays.values())
        self.coordinates = {
            axis: hdf5.read_line(path, file, f"{axis}-coordinate", n)
            for axis, n in self.shape.items()
            if f"{axis}-coordinate" in names
        }
        self.times = None
        for name, own in (("t", (SAMPLE, TIME)), ("t-coordinate", (TIME,))):
            if name in names:
                # Most files have a time more than they have frames.
                array = hdf5.open_dataset(path, file, name)
                hdf5.check_shape(path, name, array, own, whole, spare=1)
                self.times = stored(name, own, array)
        self.parameters = {}
        for name, more in _STEADY.items():
            if name in names:
                own = (SAMPLE, *self.shape, *more)
                array = hdf5.open_dataset(path, file, name)
                hdf5.check_shape(path, name, array, own, whole)
                self.parameters[name] = stored(name, own, array)


class _Groups:
    """A group for each sample, with `data`, `"time *space channels"`, and `grid`."""

    def __init__(self, path: Path, file: Any, names: Sequence[str]):
        first = hdf5.open_dataset(path, file, f"{names[0]}/data")
        grid = hdf5.names_in(path, hdf5.open_group(path, file, f"{names[0]}/grid"))
        axes = tuple(axis for axis in _AXES if axis in grid)
        whole = dict(zip((TIME, *axes), first.shape, strict=False))
        dims = (*whole, "channel")
        hdf5.check_shape(path, f"{names[0]}/data", first, dims, whole)

        def array(sample: int):
            name = f"{names[sample]}/data"
            found = hdf5.open_dataset(path, file, name)
            hdf5.check_shape(
                path, name, found, dims, {**whole, "channel": first.shape[-1]}
            )
            return found

        def times(sample: int):
            return hdf5.read_line(
                path, file, f"{names[sample]}/grid/t", self.num_frames
            )

        self.num_samples, self.num_frames = len(names), whole.pop(TIME)
        self.shape = whole
        self.channels = component_names("u", first.shape[-1:], ())
        self.fields = [Variable("data", dims, array)]
        self.dtype = hdf5.float_type([first])
        self.times = Variable("grid/t", (TIME,), times) if "t" in grid else None
        self.parameters: dict[str, Variable] = {}
        self.coordinates = {
            axis: hdf5.read_line(path, file, f"{names[0]}/grid/{axis}", n)
            for axis, n in whole.items()
        }


def save_pdebench(
    path: str | os.PathLike,
    trajectory: Trajectory,
    *,
    layout: str = "tensor",
    names: Sequence[str] = (),
) -> None:
    """Writes trajectories on a grid in a layout of PDEBench, with checksums.

    Parameters that are one number for all samples become attributes of the file; these
    layouts have no place for others.

    **Arguments:**

    - `path`: the file.
    - `trajectory`: one, or a batch with one leading axis that shares its times.
    - `layout`: `"tensor"` for one channel, `"flow"` for channels by name, `"groups"`
        for a group for each sample.
    - `names`: the channels of `"flow"`, of `density`, `pressure`, `Vx`, `Vy`, `Vz`.

    **Raises:** `ValueError` for what the layout has no place for; `ImportError` without
    h5py.
    """
    writers = {"tensor": _write_tensor, "flow": _write_flow, "groups": _write_groups}
    require(
        layout in writers, f"layout: got {layout!r}; choose from {', '.join(writers)}"
    )
    samples = samples_of(trajectory)
    constants = {}
    for name, value in samples.params.items():
        same = value.ndim == 1 and bool(np.all(value == value[0]))
        require(
            same,
            f"trajectory: the parameter {name} differs between samples, for which "
            "PDEBench has no place; write a file for each value, or use save_well",
        )
        constants[name] = value[0]
    require(
        bool(np.all(samples.ts == samples.ts[0])),
        "trajectory: PDEBench has one time axis for all samples; use save_well",
    )
    h5py = hdf5.import_h5py()
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(constants)
        writers[layout](file, samples, tuple(names))


def _write_tensor(file: Any, samples: Samples, names: tuple[str, ...]) -> None:
    channels = samples.us.shape[2]
    require(
        channels == 1 and not names,
        f"trajectory: layout 'tensor' holds one unnamed channel, got {channels}; use "
        "'flow' or 'groups'",
    )
    put(file, "tensor", samples.us[:, :, 0])
    _write_coordinates(file, samples)


def _write_flow(file: Any, samples: Samples, names: tuple[str, ...]) -> None:
    channels = samples.us.shape[2]
    good = len(names) == channels and len(set(names)) == channels
    require(
        good and set(names) <= set(_FLOW),
        f"names: got {names} for {channels} channels; wanted as many of {_FLOW}",
    )
    for channel, name in enumerate(names):
        put(file, name, samples.us[:, :, channel])
    _write_coordinates(file, samples)


def _write_groups(file: Any, samples: Samples, names: tuple[str, ...]) -> None:
    require(not names, f"names: layout 'groups' has no place for names, got {names}")
    for sample, us in enumerate(samples.us):
        group = file.create_group(f"{sample:04d}")
        put(group, "data", np.moveaxis(us, 1, -1))
        put(group, "grid/t", samples.ts[0])
        for axis, x in zip(_AXES, samples.axes, strict=False):
            put(group, f"grid/{axis}", x)


def _write_coordinates(file: Any, samples: Samples) -> None:
    put(file, "t-coordinate", samples.ts[0])
    for axis, x in zip(_AXES, samples.axes, strict=False):
        put(file, f"{axis}-coordinate", x)
