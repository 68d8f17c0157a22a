"""Trajectories in a file, of whatever layout, read window by window when asked."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix.data._hdf5 import Refused, check, reading
from phix.data._place import placed
from phix.data._trajectory import Trajectory
from phix.space import Grid


SAMPLE, TIME = "sample", "time"


@dataclasses.dataclass(frozen=True)
class Variable:
    """An array in a file, with a name for each of its axes.

    `array(sample)` is what holds the sample: one array with an axis `SAMPLE` for all,
    or one for each. Axes that are neither `SAMPLE`, `TIME` nor of the space are
    components.
    """

    name: str
    dims: tuple[str, ...]
    array: Callable[[int], Any]

    def read(self, path: Path, sample: int, frames: slice) -> np.ndarray:
        """The numbers of one sample at these frames, the other axes in their order."""
        index = {SAMPLE: sample, TIME: frames}
        with reading(path, f"{self.name} (sample {sample})"):
            array = self.array(sample)
            values = array[tuple(index.get(dim, slice(None)) for dim in self.dims)]
            values = np.asarray(values)
        finite = np.isfinite(values)
        if not finite.all():
            place = [int(i) for i in np.argwhere(~finite)[0]]
            raise Refused(
                f"{path}: {self.name} is {values[tuple(place)]} in sample {sample} at "
                f"{place} of frames {frames.start} to {frames.stop}; leave the sample "
                "out, or repair the file"
            )
        return values

    def field(
        self, path: Path, sample: int, frames: slice, space: Mapping[str, int]
    ) -> np.ndarray:
        """The same as a field `"time channels *space"`, or without time if it has none;
        axes of the space that it lacks are filled."""
        dims = [dim for dim in self.dims if dim != SAMPLE]
        values = self.read(path, sample, frames)
        lead = [dim for dim in dims if dim == TIME]
        parts = [dim for dim in dims if dim != TIME and dim not in space]
        order = lead + parts + [dim for dim in space if dim in dims]
        values = values.transpose([dims.index(dim) for dim in order])
        first = values.shape[: len(lead)]
        channels = math.prod(values.shape[len(lead) : len(lead) + len(parts)])
        sizes = [n if dim in dims else 1 for dim, n in space.items()]
        values = values.reshape(*first, channels, *sizes)
        return np.broadcast_to(values, (*first, channels, *space.values()))


def stored(name: str, dims: tuple[str, ...], array: Any) -> Variable:
    """A variable in one array, of all samples or the same for all of them."""
    return Variable(name, dims, lambda _: array)


def constant(name: str, value: np.ndarray) -> Variable:
    """A number, or a few, that hold for every sample."""
    return stored(name, tuple(f"_{i}" for i in range(value.ndim)), value)


def component_names(
    name: str, sizes: Sequence[int], axes: Sequence[str]
) -> tuple[str, ...]:
    """Channels of a field with components: `velocity_x`; by number where these do not
    go with the axes."""
    sizes = [n for n in sizes if n > 1]
    names = [axes if n == len(axes) else range(n) for n in sizes]
    return tuple(
        "".join((name, "_" if sizes else "", *map(str, which)))
        for which in itertools.product(*names)
    )


class TrajectoryReader:
    """Trajectories in a file, which stays on the disk: a sample, or a window of it, is
    read when asked for. Made by `open_pdebench`, `open_well` and `open_labelled`.

    `len(reader)` is the number of samples, `reader[i]` a whole one as a `Trajectory`;
    `reader.read(i, start, stop)` reads only these frames. Threads may share a reader.

    - `path`: the file.
    - `channels`: names of the channels.
    - `num_frames`: output times of each sample.
    - `dtype`: precision of the states.
    - `coordinates`: the nodes along each axis, by its name.
    - `space`: the `Grid` whose nodes these are, or `None` where the file gives none
        that is uniform and Cartesian.
    - `parameters`: names of the parameters.
    """

    def __init__(
        self,
        path: Path,
        close: Callable[[], None],
        *,
        num_samples: int,
        num_frames: int,
        shape: Mapping[str, int],
        channels: Sequence[str],
        fields: Sequence[Variable],
        times: Variable | None,
        parameters: Mapping[str, Variable],
        coordinates: Mapping[str, np.ndarray],
        space: Grid | None,
        dtype: Any,
    ):
        for what, number in (
            ("samples", num_samples),
            ("frames", num_frames),
            ("channels", len(channels)),
            *((f"nodes along {name}", n) for name, n in shape.items()),
        ):
            check(number > 0, path, "the file", f"holds no {what}")
        self.path, self._close = path, close
        self.num_frames, self.channels = num_frames, tuple(channels)
        self.coordinates, self.space = dict(coordinates), space
        self.dtype = np.dtype(dtype)
        self.parameters = tuple(parameters)
        self._num_samples, self._shape = num_samples, dict(shape)
        self._fields, self._times, self._parameters = fields, times, dict(parameters)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample, `(time, channels, *space)`."""
        return (self.num_frames, len(self.channels), *self._shape.values())

    def __len__(self) -> int:
        return self._num_samples

    def __getitem__(self, sample: int) -> Trajectory:
        """One whole sample.

        **Raises:** as `read`; `ValueError` for float64 while JAX is in 32-bit mode.
        """
        sample = range(len(self))[sample]
        parts = (self.read(sample), self.ts(sample), self.params(sample))
        us, ts, params = jax.tree.map(lambda x: placed(x, str(self.path)), parts)
        return Trajectory(
            ts,
            us,
            self.space,
            params,
            jnp.zeros((), jnp.int32),
            {},
            jnp.asarray(jnp.inf, ts.dtype),
        )

    def __iter__(self) -> Iterator[Trajectory]:
        return (self[sample] for sample in range(len(self)))

    def read(self, sample: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The states of a sample, `"time channels *space"`, on the host.

        **Arguments:**

        - `sample`: its number, from 0.
        - `start`, `stop`: the frames, `stop` left out; to the end if it is `None`.

        **Raises:** `ValueError` naming file and dataset if it is damaged or holds a
        number that is not finite; `IndexError` for a sample that is not there.
        """
        sample, frames = range(len(self))[sample], self._frames(start, stop)
        parts = [
            variable.field(self.path, sample, frames, self._shape)
            for variable in self._fields
        ]
        us = np.concatenate(parts, axis=1, dtype=self.dtype)
        wanted = (frames.stop - frames.start, *self.shape[1:])
        check(us.shape == wanted, self.path, "a field", f"is {us.shape}, not {wanted}")
        return us

    def ts(self, sample: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The output times of a sample; zero where the file knows no time.

        **Raises:** as `read`; `ValueError` for times that do not increase.
        """
        sample, frames = range(len(self))[sample], self._frames(start, stop)
        if self._times is None:
            return np.zeros(frames.stop - frames.start, self.dtype)
        ts = self._times.read(self.path, sample, frames).astype(self.dtype)
        increasing = bool(np.all(np.diff(ts) > 0))
        check(increasing, self.path, self._times.name, "must hold times that increase")
        return ts

    def params(
        self, sample: int, start: int = 0, stop: int | None = None
    ) -> dict[str, np.ndarray]:
        """The parameters of a sample by name: numbers, numbers for each frame, or
        fields `"channels *space"` that stay the same in time.

        **Raises:** as `read`.
        """
        sample, frames = range(len(self))[sample], self._frames(start, stop)
        found = {}
        for name, variable in self._parameters.items():
            if set(variable.dims) & set(self._shape):
                value = variable.field(self.path, sample, frames, self._shape)
            else:
                value = variable.read(self.path, sample, frames)
                alone = value.shape == (1,) and TIME not in variable.dims
                value = value[0] if alone else value
            found[name] = value.astype(self.dtype)
        return found

    def close(self) -> None:
        """Closes the file."""
        self._close()

    def __enter__(self) -> TrajectoryReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _frames(self, start: int, stop: int | None) -> slice:
        stop = self.num_frames if stop is None else stop
        require(
            0 <= start < stop <= self.num_frames,
            f"start, stop: got {start} and {stop}; wanted 0 <= start < stop <= "
            f"{self.num_frames}, the frames of {self.path}",
        )
        return slice(start, stop)


def uniform_grid(
    coordinates: Mapping[str, np.ndarray], boundary: Any = "outflow"
) -> Grid | None:
    """The grid of cells around the nodes, or `None` if these are not uniform."""
    extent = []
    for x in coordinates.values():
        n = len(x)
        h = (x[-1] - x[0]) / max(n - 1, 1)
        # Coordinates in single precision are off by a few thousandths of a cell.
        even = h > 0 and np.all(np.abs(x - x[0] - h * np.arange(n)) <= 5e-3 * h)
        if not even:
            return None
        extent.append((x[0] - h / 2, x[-1] + h / 2))
    shape = tuple(len(x) for x in coordinates.values())
    return Grid(shape, tuple(extent), boundary, "centre") if extent else None
