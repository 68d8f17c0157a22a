"""HDF5 files of others: opened without trust, each refusal naming file and dataset."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phix.data._watched import WatchedFile


if TYPE_CHECKING:
    import h5py

# Filters that the HDF5 library and h5py bring along: deflate, shuffle, Fletcher-32,
# LZF. Any other number makes the library load a plugin, which is code.
_FILTERS = (1, 2, 3, 32000)
# Deflate makes nothing smaller than to 1/1032 of it.
_MAX_RATIO = 1100
# Entries in an attribute: names and numbers, not data.
_MAX_ATTRIBUTE = 4096
_DAMAGE = (
    OSError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    NotImplementedError,
)


class Refused(ValueError):
    """A file that is not read, with the reason."""


def check(condition: bool, path: Path, name: str, why: str) -> None:
    """Raises `Refused` naming file and dataset unless `condition` holds."""
    if not condition:
        raise Refused(f"{path}: {name} {why}")


@contextlib.contextmanager
def reading(path: Path, name: str) -> Iterator[None]:
    """Turns whatever a damaged file makes a library raise into `Refused`."""
    try:
        yield
    except Refused:
        raise
    except _DAMAGE as error:
        raise Refused(
            f"{path}: {name} cannot be read: the file was cut short, damaged or "
            f"written as something else ({error}); get it again"
        ) from error


@contextlib.contextmanager
def opening(
    path: str | os.PathLike,
) -> Iterator[tuple[Path, h5py.File, Callable[[], None]]]:
    """The path, the file open for reading and what closes it; the file stays open
    unless the block raises.

    **Raises:** `FileNotFoundError`; `ValueError` for what is no HDF5 file;
    `ImportError` without h5py.
    """
    h5py = import_h5py()
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no data file at {path}")
    stack = contextlib.ExitStack()
    try:
        watched = stack.enter_context(WatchedFile(path))
        with reading(path, "the file"):
            file = stack.enter_context(h5py.File(watched, "r"))
        yield path, file, stack.close
    except BaseException:
        stack.close()
        raise


def import_h5py() -> Any:
    """h5py, or what to install."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "trajectory files need h5py: pip install 'phix-jax[data]'"
        ) from error
    return h5py


def names_in(path: Path, group: Any) -> list[str]:
    """The names in a group, in order."""
    with reading(path, group.name or "/"):
        return sorted(group)


def own_item(path: Path, file: Any, name: str) -> Any:
    """What the name leads to by hard links alone.

    **Raises:** `ValueError` for other links, and where there is nothing.
    """
    import h5py

    parts = name.split("/")
    with reading(path, name):
        for i in range(1, len(parts) + 1):
            place = "/".join(parts[:i])
            link = file.get(place, getlink=True)
            check(link is not None, path, place, "is missing")
            check(
                isinstance(link, h5py.HardLink),
                path,
                place,
                "is a link and not data of this file; copy the data here",
            )
        return file[name]


def open_group(path: Path, file: Any, name: str) -> Any:
    """A group of this very file."""
    import h5py

    with reading(path, name):
        item = own_item(path, file, name)
        check(isinstance(item, h5py.Group), path, name, "is no group")
        return item


def open_dataset(
    path: Path, file: Any, name: str, *, kinds: str = "fiub"
) -> h5py.Dataset:
    """A dataset of numbers, real ones if not told otherwise, wholly stored in this very
    file.

    **Raises:** `ValueError` naming it for links that are not hard, external or virtual
    storage, other types than numbers, filters that need a plugin, and shapes that
    declare more than is stored.
    """
    import h5py

    with reading(path, name):
        item = own_item(path, file, name)
        check(isinstance(item, h5py.Dataset), path, name, "is no dataset")
        elsewhere = item.is_virtual or bool(item.external)
        check(not elsewhere, path, name, "keeps its data in another file; copy it here")
        check(
            item.dtype.kind in kinds and item.shape is not None,
            path,
            name,
            f"must hold {'' if 'c' in kinds else 'real '}numbers, got dtype "
            f"{item.dtype}",
        )
        _check_filters(path, item, name)
        _check_stored(path, item, name)
        return item


def check_shape(
    path: Path,
    name: str,
    array: Any,
    dims: Sequence[str],
    sizes: Mapping[str, int],
    *,
    spare: int = 0,
) -> None:
    """Raises unless `array` has these axes, of these sizes where they are known; the
    last axis may have `spare` entries more."""
    last = len(dims) - 1
    fits = array.ndim == len(dims) and all(
        0 <= n - sizes.get(dim, n) <= (spare if i == last else 0)
        for i, (dim, n) in enumerate(zip(dims, array.shape, strict=True))
    )
    wanted = ", ".join(str(sizes.get(dim, dim)) for dim in dims)
    check(fits, path, name, f"has shape {array.shape}; wanted ({wanted})")


def read_line(path: Path, file: Any, name: str, number: int) -> np.ndarray:
    """The first `number` coordinates along an axis; there may be one more."""
    dataset = open_dataset(path, file, name)
    check_shape(path, name, dataset, ("nodes",), {"nodes": number}, spare=1)
    with reading(path, name):
        values = np.asarray(dataset[:number], float)
    check(bool(np.isfinite(values).all()), path, name, "is not finite everywhere")
    return values


def float_type(arrays: Iterable[Any]) -> np.dtype:
    """The precision that holds all of these."""
    return np.result_type(*(array.dtype for array in arrays), np.float16)


def read_attribute(path: Path, item: Any, name: str) -> Any:
    """An attribute as a string, a number, or a list of them; `None` if it is absent.

    **Raises:** `ValueError` for any other type, or more than 4096 entries.
    """
    label = f"attribute {name!r} of {item.name}"
    with reading(path, label):
        if name not in item.attrs:
            return None
        about = item.attrs.get_id(name)
        size = math.prod(about.shape)
        check(size <= _MAX_ATTRIBUTE, path, label, f"has {size} entries")
        text = import_h5py().check_string_dtype(about.dtype) is not None
        check(
            text or about.dtype.kind in "fiub",
            path,
            label,
            f"must be text or numbers, got dtype {about.dtype}",
        )
        value = np.asarray(item.attrs[name])
        return _decoded(value.tolist()) if text else value.tolist()


def number_attributes(path: Path, item: Any) -> dict[str, np.ndarray]:
    """The attributes that are a number or a few of them; the others are let be."""
    with reading(path, f"attributes of {item.name}"):
        attributes = item.attrs
        small = [
            name
            for name in sorted(attributes)
            if (about := attributes.get_id(name)).dtype.kind in "fiub"
            and math.prod(about.shape) <= _MAX_ATTRIBUTE
        ]
        return {name: np.asarray(attributes[name], float) for name in small}


def _check_filters(path: Path, item: Any, name: str) -> None:
    for code in _filter_codes(item):
        check(
            code in _FILTERS,
            path,
            name,
            f"is packed by filter {code}, which needs a plugin; write it again with "
            "gzip or without a filter",
        )


def _check_stored(path: Path, item: Any, name: str) -> None:
    """No more declared than is stored, before anything is allocated for it."""
    stored, size = item.id.get_storage_size(), os.stat(path).st_size
    declared = math.prod(item.shape) * item.dtype.itemsize
    limit = stored
    if item.chunks is not None:
        declared = max(declared, math.prod(item.chunks) * item.dtype.itemsize)
        limit = _MAX_RATIO * stored
    check(
        declared <= limit and stored <= size,
        path,
        name,
        f"declares shape {item.shape}, {declared} bytes, but stores only {stored} in a "
        f"file of {size}",
    )
    if item.chunks is not None:
        _check_chunks(path, item, name, size)


def _check_chunks(path: Path, item: Any, name: str, size: int) -> None:
    """Every chunk is there once, inside the file: the library trusts the index, and
    reads where no memory is if that is damaged."""
    codes = _filter_codes(item)
    # A checksum takes four bytes; what is not packed has its own size.
    least, whole = (
        (5 if 3 in codes else 1),
        math.prod(item.chunks) * item.dtype.itemsize,
    )
    packed = bool(set(codes) - {2, 3})
    places = set()

    def look(chunk: Any) -> None:
        on_grid = all(
            a % c == 0 for a, c in zip(chunk.chunk_offset, item.chunks, strict=True)
        )
        exact = packed or chunk.size == whole + (least - 1)
        check(
            chunk.size >= least
            and exact
            and 0 <= chunk.byte_offset <= size - chunk.size
            and on_grid,
            path,
            name,
            f"has a damaged index of chunks at {chunk.chunk_offset}",
        )
        places.add(chunk.chunk_offset)

    item.id.chunk_iter(look)
    grid = zip(item.shape, item.chunks, strict=True)
    wanted = math.prod(-(-n // chunk) for n, chunk in grid)
    there = [
        p for p in places if all(a < n for a, n in zip(p, item.shape, strict=True))
    ]
    check(
        len(there) == wanted,
        path,
        name,
        f"declares shape {item.shape}, {wanted} chunks, but stores only {len(there)}",
    )


def _filter_codes(item: Any) -> list[int]:
    creation = item.id.get_create_plist()
    return [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(x) for x in value]
    return value.decode() if isinstance(value, bytes) else value
