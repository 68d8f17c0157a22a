"""A sweep on disk: one Zarr group, written block by block."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phix._errors import Result, require
from phix.data import check_same_config
from phix.sweeps._inspect import (
    FORMAT,
    VERSION,
    check_arrays,
    check_files,
    check_header,
    check_sizes,
)
from phix.sweeps._outcome import POINT, RESERVED, Column
from phix.sweeps._points import Points


if TYPE_CHECKING:
    import xarray as xr

_FOLDER = "points.zarr"
NOT_RUN = -1


class Store:
    """The arrays of a sweep, with a row for each point, in blocks of rows.

    A block is there once its part of `status`, which is written last, is there.
    """

    def __init__(self, directory: Path):
        self.path = directory / _FOLDER
        with _opening(self.path):
            check_files(self.path)
            self.group = _zarr().open_group(self.path, mode="r+", zarr_format=3)
            header = self.group.attrs.asdict()
            check_header(header)
            with _zarr().config.set({"array.write_empty_chunks": True}):
                # Then a file that is missing is a file that was lost.
                self.arrays = dict(self.group.arrays())
            check_arrays(self.arrays, self.path)
        self.number = self.arrays["status"].shape[0]
        self.block = self.arrays["status"].chunks[0]
        self.started = float(header["started"])
        self.first_chunk = int(header["chunk"])
        # (first point, size): the chunk size, and where it had to change.
        self.chunks = [(int(first), int(size)) for first, size in header["chunks"]]
        self.names = [
            name
            for name, array in self.arrays.items()
            if array.attrs.get("role") == "result"
        ]

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether a sweep was begun there."""
        return (directory / _FOLDER).exists()

    @staticmethod
    def tidy(directory: Path) -> None:
        """Removes what a process that was killed had not finished writing."""
        for folder in directory.glob(f".{_FOLDER}.*.tmp"):
            shutil.rmtree(folder)
        for file in (directory / _FOLDER).rglob("*.partial"):
            file.unlink()

    @staticmethod
    def create(
        directory: Path,
        points: Points,
        columns: Mapping[str, Column],
        coordinates: Mapping[str, np.ndarray],
        *,
        block: int,
        chunk: int,
        identity: Mapping[str, Any],
        started: float,
    ) -> Store:
        """An empty store; it appears whole or not at all."""
        zarr = _zarr()
        for name in (*RESERVED, *points, *coordinates):
            require(
                name not in columns,
                f"fn: returns an array {name!r}, the name of a parameter or of a part "
                "of the store; take another name",
            )
        for name in (*RESERVED, *coordinates):
            require(name not in points, f"points: the name {name!r} is taken")
        number = len(next(iter(points.values())))
        temporary = directory / f".{_FOLDER}.{os.getpid()}.tmp"
        group = zarr.create_group(
            temporary,
            attributes={
                "format": FORMAT,
                "version": VERSION,
                "phix_version": importlib.metadata.version("phix-jax"),
                "jax_version": importlib.metadata.version("jax"),
                "started": started,
                "identity": dict(identity),
                "chunk": chunk,
                "chunks": [[0, chunk]],
            },
        )
        for name, values in points.items():
            _put(group, name, values, (POINT,), "parameter")
        for name, values in coordinates.items():
            _put(group, name, values, (name,), "coordinate")
        for name, column in columns.items():
            floating = column.dtype.kind in "fc"
            group.create_array(
                name,
                shape=(number, *column.shape),
                dtype=column.dtype,
                chunks=(block, *(max(n, 1) for n in column.shape)),
                fill_value=np.nan if floating else 0,
                compressors=zarr.codecs.Crc32cCodec(),
                dimension_names=(POINT, *column.axes),
                attributes={"role": "result"},
            )
        for name, fill, attributes in (
            ("chunk_size", 0, {"long_name": "points run together on one device"}),
            ("status", NOT_RUN, _flags()),
        ):
            group.create_array(
                name,
                shape=(number,),
                dtype="int32",
                chunks=(block,),
                fill_value=fill,
                compressors=zarr.codecs.Crc32cCodec(),
                dimension_names=(POINT,),
                attributes=attributes,
            )
        os.replace(temporary, directory / _FOLDER)
        return Store(directory)

    def check(self, identity: Mapping[str, Any], columns: Mapping[str, Column]) -> None:
        """Raises `ValueError` unless this is the same sweep, of the same results."""
        saved = self.group.attrs.asdict()["identity"]
        check_same_config(saved, identity, what=f"sweep {self.path}")
        have = {name: _described(self.arrays[name]) for name in self.names}
        want = {
            name: f"{column.dtype}{list(column.shape)}"
            for name, column in columns.items()
        }
        check_same_config(
            {"result of fn": have}, {"result of fn": want}, what=f"sweep {self.path}"
        )

    def chunk_of(self, block: int) -> int:
        """The chunk size that holds for a block."""
        return [size for first, size in self.chunks if first <= block * self.block][-1]

    def change_chunk(self, first: int, size: int) -> None:
        """From the point `first` on chunks have another size."""
        kept = [pair for pair in self.chunks if pair[0] < first]
        self.chunks = [*kept, (first, size)]
        self.group.attrs.update({"chunks": [list(pair) for pair in self.chunks]})

    def status(self) -> np.ndarray:
        """The code of every point, `NOT_RUN` where there is none or it is damaged."""
        try:
            return self.arrays["status"][:]
        except (ValueError, OSError):
            parts = [self._status_of(block) for block in range(self.num_blocks)]
            return np.concatenate(parts)

    @property
    def num_blocks(self) -> int:
        """Blocks in all; the last one may be shorter."""
        return -(-self.number // self.block)

    def rows(self, block: int) -> slice:
        """The points of a block."""
        first = block * self.block
        return slice(first, min(first + self.block, self.number))

    def missing(self) -> list[int]:
        """The blocks that are not there, in order."""
        first = self.status()[:: self.block]
        return [int(block) for block in np.flatnonzero(first == NOT_RUN)]

    def write(
        self,
        block: int,
        parts: Sequence[Mapping[str, np.ndarray]],
        status: np.ndarray,
    ) -> None:
        """Writes the results of a block, and only then that they are there."""
        rows = self.rows(block)
        size = rows.stop - rows.start
        for name in self.names:
            values = [part[name] for part in parts]
            values = values[0] if len(values) == 1 else np.concatenate(values)
            self.arrays[name][rows] = values[:size]
        self.arrays["chunk_size"][rows] = self.chunk_of(block)
        self._settle(block, [*self.names, "chunk_size"])
        self.arrays["status"][rows] = status[:size]
        self._settle(block, ["status"])

    def damaged(self, blocks: Iterable[int]) -> list[int]:
        """Those of the blocks that cannot be read back: missing from now on."""
        bad = []
        for block in blocks:
            rows = self.rows(block)
            try:
                for name in (*self.names, "chunk_size"):
                    require(self._file(name, block).exists(), "it is not there")
                    self.arrays[name][rows]
            except (ValueError, OSError):
                self.arrays["status"][rows] = NOT_RUN
                bad.append(block)
        return bad

    def _status_of(self, block: int) -> np.ndarray:
        rows = self.rows(block)
        try:
            return self.arrays["status"][rows]
        except (ValueError, OSError):
            return np.full(rows.stop - rows.start, NOT_RUN, np.int32)

    def _settle(self, block: int, names: Sequence[str]) -> None:
        """Brings the files of a block to the disk."""
        for name in names:
            with self._file(name, block).open("rb") as file:
                os.fsync(file.fileno())

    def _file(self, name: str, block: int) -> Path:
        place = [str(block), *("0" for _ in self.arrays[name].shape[1:])]
        return self.path.joinpath(name, "c", *place)


def open_sweep(directory: str | os.PathLike) -> xr.Dataset:
    """What a sweep has written so far, as a labelled dataset that reads when asked.

    Parameters are coordinates along `point`; `status` holds a `phix.Result` code for
    each point, -1 where it was not run yet, with the meanings as CF flags;
    `chunk_size` is how many points ran together. The results of a `Trajectory` have the
    axes `point`, `time`, `channel`, `x`, … A sweep by `product` becomes a box of its
    axes by `dataset.set_index(point=[...names]).unstack()`.

    **Arguments:**

    - `directory`: the run directory of the sweep.

    **Raises:** `FileNotFoundError` where there is none; `ValueError` for a store that
    is damaged, or that `sweep` did not write; `ModuleNotFoundError` without the extra
    `data`. A block that is damaged raises Zarr's `ValueError` when it is read: calling
    the sweep again does it anew.
    """
    import xarray

    store = Store(Path(directory))
    try:
        check_sizes(store.arrays, store.path)
    except ValueError as error:
        raise ValueError(f"{store.path} cannot be opened: {error}") from None
    with _opening(store.path):
        dataset = xarray.open_zarr(
            store.path, consolidated=False, chunks=None, decode_cf=False
        )
    roles = {name: dataset[name].attrs.pop("role", None) for name in dataset.variables}
    dataset = dataset.set_coords(
        [name for name, role in roles.items() if role in ("parameter", "coordinate")]
    )
    if "t" in dataset and dataset["t"].dims == (POINT, "time"):
        ran = ~np.isin(store.status(), (NOT_RUN, Result.hopeless))
        times = dataset["t"].values[ran]
        if len(times) and (times == times[0]).all():
            dataset = dataset.drop_vars("t").assign_coords(time=times[0])
    return dataset


def _flags() -> dict[str, Any]:
    names = ["not_run", *(result.name for result in Result)]
    return {
        "flag_values": [NOT_RUN, *(int(result) for result in Result)],
        "flag_meanings": " ".join(names),
    }


def _put(group, name: str, values: np.ndarray, axes: tuple[str, ...], role: str):
    rest = tuple(f"{name}_{axis}" for axis in range(1, values.ndim))
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=values.shape,
        compressors=_zarr().codecs.Crc32cCodec(),
        dimension_names=(*axes, *rest),
        attributes={"role": role},
    )
    array[:] = values


def _described(array) -> str:
    return f"{np.dtype(array.dtype)}{list(array.shape[1:])}"


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[None]:
    """What Zarr stumbles over, or is refused, is an error that names the store."""
    if not path.exists():
        raise FileNotFoundError(f"no sweep in {path.parent}: it holds no {path.name}")
    try:
        yield
    except (ModuleNotFoundError, MemoryError):
        raise
    except Exception as error:  # Zarr trusts its metadata and raises anything
        raise ValueError(
            f"{path} cannot be opened, its description is damaged: "
            f"{str(error) or type(error).__name__}; restore its zarr.json files from a "
            "copy, or run the sweep anew in another folder"
        ) from error


def _zarr() -> Any:
    """Zarr, or what to install."""
    try:
        import zarr
        import zarr.codecs
    except ImportError as error:
        raise ModuleNotFoundError(
            "sweeps are written with zarr and read with xarray: "
            "pip install 'phix-jax[data]'"
        ) from error
    return zarr
