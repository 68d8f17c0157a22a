"""Checksums of a folder: is it still, byte for byte, what was written?"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from phix._errors import require
from phix._files import atomic_write


_SEAL = "checksums.json"
_FORMAT = "phix-checksums-1"
_MOST_BYTES = 2**26  # of a seal; each file takes some 150
# Orbax writes these two last, after the seal. Nothing reads them.
_UNSEALED = ("_CHECKPOINT_METADATA", "commit_success.txt")


class Damaged(ValueError):
    """A folder that is not what its seal says."""


def seal(folder: Path) -> None:
    """Writes the size and the SHA-256 of every file of a folder into it."""
    files = {name: _described(file) for name, file in _files(folder).items()}
    content = json.dumps({"format": _FORMAT, "files": files}, indent=1)
    atomic_write(folder / _SEAL, content)


def is_sealed(folder: Path) -> bool:
    """Whether a folder has a seal, true or not."""
    return (folder / _SEAL).is_file()


def break_seal(folder: Path) -> None:
    """Takes the seal off: a folder half removed must not be taken for a whole one."""
    (folder / _SEAL).unlink(missing_ok=True)


def check_seal(folder: Path, part: str = "") -> None:
    """Raises `Damaged`, naming the file, unless the files in the sub-folder `part` are
    those that were sealed."""
    sealed = _read_seal(folder)
    found = _files(folder)
    for name, written in sealed.items():
        if not name.startswith(part):
            continue
        if name not in found:
            raise Damaged(f"{name} is missing")
        size = found[name].stat().st_size
        if not isinstance(written, list) or size != written[0]:
            raise Damaged(f"{name} has {size} bytes and was written with {written}")
        if _described(found[name]) != written:
            raise Damaged(f"{name} has changed since it was written")


def _read_seal(folder: Path) -> dict[str, Any]:
    file = folder / _SEAL
    try:
        size = file.stat().st_size
        require(size <= _MOST_BYTES, f"{size} bytes are too many")
        content = json.loads(file.read_bytes())
        require(content["format"] == _FORMAT, f"the format is {content['format']!r}")
        return dict(content["files"])
    except FileNotFoundError:
        raise Damaged(f"{_SEAL} is missing: it was not written to its end") from None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged(f"{_SEAL} cannot be read ({error!r})") from None


def _files(folder: Path) -> dict[str, Path]:
    """The sealed files by name; refuses links and devices, which lead elsewhere."""
    found = {}
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place, name)
            plain = path.is_dir() if name in folders else path.is_file()
            if path.is_symlink() or not plain:
                raise Damaged(f"{path.relative_to(folder)} is not a plain file")
        for name in names:
            path = Path(place, name).relative_to(folder)
            if path.as_posix() not in (_SEAL, *_UNSEALED):
                found[path.as_posix()] = folder / path
    return found


def _described(file: Path) -> list:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return [file.stat().st_size, digest]
