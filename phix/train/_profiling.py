"""A trace of a few updates, to see where their time goes."""

import contextlib
import contextvars
import os
from collections.abc import Iterator
from pathlib import Path

import jax

from phix._errors import require


@contextlib.contextmanager
def profiling(directory: str | os.PathLike, *, steps: int = 5) -> Iterator[None]:
    """Records a few updates of the first `fit` within, once it is compiled.

    Open `plugins/profile/*/*.trace.json.gz` in <https://ui.perfetto.dev>, or the
    directory with TensorBoard and its profile plugin. What a `fit` computes does not
    depend on whether it is watched.

    **Arguments:**

    - `directory`: made if missing.
    - `steps`: number of updates, or fewer up to the next evaluation, checkpoint or
        end of a dispatch. The trace grows with each.

    **Raises:** `ValueError` for less than one step.

    !!! example
        ```python
        with profiling("runs/line/profile"):
            fit(model, objective, source, steps=1000, ...)
        ```
    """
    require(steps >= 1, f"steps must be at least 1, got {steps}")
    token = _wanted.set(_Trace(Path(directory), steps))
    try:
        yield
    finally:
        _wanted.reset(token)


class _Trace:
    """What is wanted of the first fit that asks; nothing after that."""

    def __init__(self, directory: Path, steps: int):
        self.directory, self.steps = directory, steps
        self.used = False


_wanted: contextvars.ContextVar[_Trace | None] = contextvars.ContextVar(
    "profiling", default=None
)


@contextlib.contextmanager
def traced(warm: bool, count: int) -> Iterator[int]:
    """How many updates to do next: `count`, or where a trace is wanted and the program
    is `warm`, those of the trace, recorded."""
    trace = _wanted.get()
    if trace is None or trace.used or not warm:
        yield count
        return
    trace.used = True
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # every call of Python would drown the rest
    with jax.profiler.trace(trace.directory, profiler_options=options):
        yield trace.steps
