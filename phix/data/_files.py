"""Files that are either whole or not there."""

import os
from pathlib import Path


def atomic_write(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes a file so that whoever reads it, after whatever crash, sees the old
    content or the new, never a part.

    **Arguments:**

    - `path`: the file.
    - `content`: bytes, or text to be written as UTF-8.
    """
    path = Path(path)
    content = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
