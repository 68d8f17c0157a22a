"""Files that are either whole or not there."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A path beside `path`, of the same suffix, for a writer that wants a path.

    What stands there at the end of the block takes the place of `path` in one move; if
    the block raises, the old content stays, and nothing else.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Removes what writers that were killed inside `atomic_path` have left there."""
    for file in folder.glob(".*.tmp*"):
        if file.is_file():
            file.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes a file so that whoever reads it, after whatever crash, sees the old
    content or the new, never a part.

    **Arguments:**

    - `path`: the file.
    - `content`: bytes, or text to be written as UTF-8.
    """
    content = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
