"""TensorBoard event files beside the JSON lines."""

import os
from collections.abc import Mapping
from numbers import Real
from typing import Any

from phix.data._log import JsonLines


class TensorBoard:
    """A log that writes every record to `log` and its scalars to TensorBoard files too.

    To be given to `fit(log=...)` in place of the `JsonLines` it wraps; look at it with
    `tensorboard --logdir DIRECTORY`. Needs the extra `log`.

    **Arguments:**

    - `log`: the JSON lines, which stay the record that a resumed run reads.
    - `directory`: where the event files go; made if missing.

    **Raises:** `ModuleNotFoundError` naming the extra if tensorboardX is missing.
    """

    def __init__(self, log: JsonLines, directory: str | os.PathLike):
        self._log, self._directory = log, os.fspath(directory)
        self._events = _writer(self._directory, None)

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one record; its numbers become scalars at its `"step"`."""
        self._log.write(record)
        for name, value in record.items():
            if name != "step" and isinstance(value, Real):
                self._events.add_scalar(name, value, record.get("step"))
        self._events.flush()

    def read(self) -> list[dict[str, Any]]:
        """All records so far."""
        return self._log.read()

    def rewind(self, step: int) -> None:
        """Drops what lies beyond `step`; TensorBoard is told to hide it."""
        self._log.rewind(step)
        self._events.close()
        self._events = _writer(self._directory, step + 1)

    def close(self) -> None:
        """Closes the event file and the log."""
        self._events.close()
        self._log.close()


def _writer(directory: str, purge_step: int | None):
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'TensorBoard files need tensorboardX: pip install "phix-jax[log]"',
            name="tensorboardX",
        ) from error
    return SummaryWriter(directory, purge_step=purge_step)
