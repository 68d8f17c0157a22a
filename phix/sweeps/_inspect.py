"""What must hold of a store before any of it is believed: it may be a stranger's."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from phix._errors import require
from phix.sweeps._outcome import POINT


FORMAT, VERSION = "phix sweep", 1
_KINDS = "fciub"
_SUM = 4  # bytes of the checksum behind those of a chunk


def check_files(folder: str | os.PathLike) -> None:
    """Refuses links, which lead out of the folder, and what is no file, such as a pipe.

    **Raises:** `ValueError`, saying which.
    """
    require(not os.path.islink(folder), f"{folder} is a link")
    with os.scandir(folder) as entries:
        for entry in entries:
            require(not entry.is_symlink(), f"{entry.path} is a link")
            if entry.is_dir():
                check_files(entry.path)
            else:
                # One that is being written may be gone meanwhile.
                plain = entry.is_file() or not os.path.lexists(entry.path)
                require(plain, f"{entry.path} is no file")


def check_header(header: Mapping[str, Any]) -> None:
    """Refuses attributes of a group that are not those of a sweep.

    **Raises:** `ValueError`, saying which.
    """
    require(
        header.get("format") == FORMAT,
        f"it is a Zarr group, but not one of a sweep (no format {FORMAT!r})",
    )
    version: Any = header.get("version")
    require(type(version) is int, f"its version is {version!r}")
    require(
        version <= VERSION,
        f"it has format version {version}; this phix reads up to {VERSION}: "
        "update phix",
    )
    started, chunk = header.get("started"), header.get("chunk")
    known = isinstance(started, float) and math.isfinite(started)
    require(known, f"its start is {started!r:.80}")
    require(_whole(chunk, 1), f"its chunk is {chunk!r:.80}")
    require(isinstance(header.get("identity"), dict), "it has no identity")
    chunks = header.get("chunks")
    pairs = chunks if isinstance(chunks, list) else []
    known = all(
        isinstance(pair, list)
        and len(pair) == 2
        and _whole(pair[0])
        and _whole(pair[1])
        for pair in pairs
    )
    first = pairs[0][0] if known and pairs else None
    require(first == 0, f"its chunks are {chunks!r:.80}")


def check_arrays(arrays: Mapping[str, Any], folder: Path) -> None:
    """Refuses arrays that a sweep does not write, and a number of points that is
    claimed only.

    **Raises:** `ValueError`, saying which.
    """
    for name in ("status", "chunk_size"):
        require(name in arrays, f"the array {name} is missing")
        wanted = (POINT,), np.dtype("int32")
        found = arrays[name].metadata.dimension_names, arrays[name].dtype
        require(found == wanted, f"{name} has axes and type {found}, not {wanted}")
    number, block = arrays["status"].shape[0], arrays["status"].chunks[0]
    roles = {name: array.attrs.get("role") for name, array in arrays.items()}
    require("parameter" in roles.values(), "it has no parameters")
    for name, array in arrays.items():
        _check_plain(name, array)
        shape, role = array.shape, roles[name]
        given = role in ("parameter", "coordinate")
        whole = shape if given else (block, *(max(n, 1) for n in shape[1:]))
        require(
            array.chunks == whole,
            f"{name} of shape {shape} is in chunks of {array.chunks}, not {whole}",
        )
        require(
            role == "coordinate" or shape[:1] == (number,),
            f"{name} has shape {shape}, for {number} points",
        )
        if given:
            require(
                shape[0] == 0 or _chunk_of_size(name, array, folder),
                f"{name} has not the bytes that its shape {shape} says",
            )


def check_sizes(arrays: Mapping[str, Any], folder: Path) -> None:
    """Refuses results whose shape is claimed only: reading makes room for it.

    **Raises:** `ValueError`, saying which.
    """
    for name, array in arrays.items():
        empty = not any(_files(folder / name / "c"))
        require(
            empty or _chunk_of_size(name, array, folder),
            f"no block of {name} has the bytes that its shape {array.shape} says; if "
            "blocks were damaged, call the sweep again, which does them anew",
        )


def _whole(value: Any, least: int = 0) -> bool:
    return type(value) is int and value >= least


def _check_plain(name: str, array: Any) -> None:
    about = array.metadata
    require(array.dtype.kind in _KINDS, f"{name} has dtype {array.dtype}")
    codecs = [type(codec).__name__ for codec in about.codecs]
    require(codecs == ["BytesCodec", "Crc32cCodec"], f"{name} is written by {codecs}")
    place = about.chunk_key_encoding
    known = (type(place).__name__, getattr(place, "separator", None))
    require(known == ("DefaultChunkKeyEncoding", "/"), f"{name} is filed by {known}")
    axes = about.dimension_names or ()
    require(
        len(set(axes)) == len(array.shape) == len(axes) and None not in axes,
        f"{name} of shape {array.shape} has axes {axes}",
    )


def _chunk_of_size(name: str, array: Any, folder: Path) -> bool:
    """Whether some chunk on the disk is as large as the shape says."""
    size = math.prod(array.chunks) * array.dtype.itemsize + _SUM
    return any(file.stat().st_size == size for file in _files(folder / name / "c"))


def _files(folder: Path) -> Iterator[Path]:
    for root, _, files in os.walk(folder):
        yield from (Path(root, file) for file in files if ".partial" not in file)
