"""A log of scalars: one JSON object a line."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class JsonLines:
    """An append-only file of records, one JSON object a line, safe to kill at any time.

    A line is handed to the operating system as soon as it is written. A last line cut
    short by a crash is dropped when the file is opened again.

    **Arguments:**

    - `path`: the file; made if missing.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if self.path.exists():
            self._drop_unfinished_line()
        self._file = self.path.open("a", buffering=1, encoding="utf-8")

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one record; NumPy and JAX scalars become numbers."""
        self._file.write(json.dumps(record, default=_plain) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """All records so far."""
        with self.path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def rewind(self, step: int) -> None:
        """Drops records whose `"step"` lies beyond `step`, for a run that resumes."""
        kept = [r for r in self.read() if r.get("step", 0) <= step]
        self._file.close()
        temporary = self.path.with_name(self.path.name + ".rewind")
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in kept)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        self._file = self.path.open("a", buffering=1, encoding="utf-8")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> "JsonLines":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _drop_unfinished_line(self) -> None:
        with self.path.open("r+b") as file:
            content = file.read()
            end = content.rfind(b"\n") + 1
            if end != len(content):
                file.truncate(end)


def _plain(value: Any) -> Any:
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value.tolist()
