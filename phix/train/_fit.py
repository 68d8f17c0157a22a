"""The training loop; it knows nothing of any method."""

import contextlib
import signal as signals
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from phix._errors import PhixError, Result, require
from phix._types import PRNGKeyArray, PyTree
from phix.data import JsonLines, Progress, StopSignal, TensorBoard
from phix.parallel import BATCH_AXIS, place_weights
from phix.train._checkpoints import Checkpoints
from phix.train._loop import Carry, Program, Span, advance
from phix.train._profiling import traced
from phix.train._run import FitResult, Run, Stopped, own_copy
from phix.train._source import AbstractSource
from phix.train._update import AbstractUpdate, gradient_update, on_mesh


# With steps_per_call=None a dispatch grows until it takes this long (seconds): long
# enough to hide its overhead, short enough to answer a signal.
_CALL_SECONDS = 0.5
_MAX_STEPS_PER_CALL = 1000


def fit(
    model: PyTree,
    update: AbstractUpdate | Callable,
    source: AbstractSource | None = None,
    *,
    steps: int,
    key: PRNGKeyArray,
    optimiser: optax.GradientTransformation | None = None,
    trainable: PyTree | Callable | None = None,
    evaluate: Callable[[PyTree], dict] | None = None,
    evaluate_every: int | None = None,
    monitors: Sequence[Callable] = (),
    checkpoint: Checkpoints | None = None,
    log: JsonLines | TensorBoard | None = None,
    log_every: int | None = None,
    mesh: Mesh | None = None,
    ema: float | None = None,
    steps_per_call: int | None = None,
    progress: bool = True,
    throw: bool = True,
) -> FitResult:
    """Trains a model: draws batches, applies the update, logs, evaluates and saves.

    Many updates run in one dispatch, with batches drawn on the device. Their number is
    traced, so the loop is compiled once, and how a run is cut (or killed and resumed)
    does not change a bit of its result.

    **Arguments:**

    - `model`: any pytree. It is copied, so yours stays usable.
    - `update`: an update such as `gradient_update(...)`; or an objective such as
        `per_sample(loss)`, together with `optimiser`.
    - `source`: draws the batch of each step, such as `ArraySource(samples)`; `None` for
        objectives that draw their own points. A batch without weight moves nothing: its
        step is counted, and recorded with a loss of NaN.
    - `steps`: number of updates in all, those before a resume included.
    - `key`: random key of the run; step `s` sees keys folded with `s`.
    - `optimiser`, `trainable`: see `gradient_update`; only with an objective.
    - `evaluate`: `evaluate(model) -> dict of scalars`, run on the host every
        `evaluate_every` updates and at the end (the averaged model if `ema`). Logged as
        `"eval/<name>"`.
    - `monitors`: functions `monitor(model, *, step, key) -> dict of scalars`, run on
        the device, before the update, on logged steps.
    - `checkpoint`: a `Checkpoints` says where and when to save. If it holds one, the
        run resumes from the latest; log records beyond it are dropped.
    - `log`: a `JsonLines` file (or a `TensorBoard` around one) that gets every
        logged record.
    - `log_every`: log every so many updates (and the first and last); the default gives
        about 500 records.
    - `mesh`: devices to share each batch, see `phix.parallel.make_mesh`, and the
        weights if it was made with `weight_parts`.
    - `ema`: decay of an exponential moving average of the model, such as 0.999; early
        on the decay is min(decay, (1 + s)/(10 + s)).
    - `steps_per_call`: most updates in one dispatch; the default aims at half a
        second.
    - `progress`: show a bar with time left and losses.
    - `throw`: raise when an update is not finite; otherwise stop and say so in
        `result`.

    **Returns:** a `FitResult`.

    **Raises:** `PhixError` naming the first update that was not finite, and the sample
    where the data are not (the state that led to it is saved); `Stopped` after Ctrl-C
    or SIGTERM (the state is saved); `ValueError` for arguments that do not fit
    together, a checkpoint of another configuration, or a directory that another run
    holds; `OSError` where a checkpoint cannot be written; `ConnectionError` where one
    of many processes was lost.
    """
    update = on_mesh(_as_update(update, optimiser, trainable), mesh)
    _check(steps, evaluate_every, log_every, steps_per_call, source, mesh, ema)
    program, carry = _prepare(
        model, update, source, tuple(monitors), mesh, ema, steps_per_call
    )
    with checkpoint or contextlib.nullcontext():
        run = Run(
            program,
            carry,
            key,
            steps=steps,
            log=log,
            log_every=log_every or -(-steps // 500),
            evaluate=evaluate,
            evaluate_every=evaluate_every,
            checkpoint=checkpoint,
        )
        _drive(run, _Pace(steps_per_call), progress)
    if run.result != Result.successful and throw:
        raise PhixError(
            f"update {run.step + 1} of {steps} was not finite: {run.blame()} "
            f"({run.last}). {_saved(run)}",
            run.result,
        )
    return run.fit_result()


def lower_updates(
    model: PyTree,
    update: AbstractUpdate,
    source: AbstractSource | None = None,
    *,
    key: PRNGKeyArray,
    mesh: Mesh | None = None,
    ema: float | None = None,
) -> jax.stages.Lowered:
    """The program that `fit` dispatches, for looking into without running it.

    **Arguments:** as those of `fit`.

    **Returns:** a lowered program: `.compile().as_text()` shows its collectives,
    `.compile().memory_analysis()` its memory.
    """
    update = on_mesh(update, mesh)
    program, carry = _prepare(model, update, source, (), mesh, ema, None)
    span = Span(key, *(jnp.int32(1) for _ in range(4)))
    return advance.lower((program, span), carry).lowered


def _drive(run: Run, pace: "_Pace", progress: bool) -> None:
    with (
        StopSignal() as stop,
        Progress(run.steps, initial=run.step, enabled=progress) as bar,
    ):
        first = run.step
        while run.going:
            pace.start()
            with _losses(run, bar), traced(run.step > first, pace.count) as wanted:
                count, signal = _agreed(wanted, stop.signal)
                if signal is None:
                    run.advance(count)
                else:
                    run.save()
            if signal is not None:
                bar.message(_farewell(run, signal.name))
                raise Stopped(signal, run.fit_result())
            if wanted == pace.count:  # not those of a trace
                pace.stop()
            bar.update(run.step, run.shown)


@contextlib.contextmanager
def _losses(run: Run, bar: Progress) -> Iterator[None]:
    """An operation that fails among many processes fails because one was lost."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        count = jax.process_count()
        if count == 1:
            raise
        text = (
            f"one of {count} processes was lost after update {run.step} of {run.steps};"
            f" the others stop. {_saved(run)} Start all of them again."
        )
        bar.message(text)
        raise ConnectionError(text) from error


def _agreed(
    count: int, signal: signals.Signals | None
) -> tuple[int, signals.Signals | None]:
    """What all processes do next: the fewest updates, and stop if one is to stop."""
    if jax.process_count() == 1:
        return count, signal
    from jax.experimental import multihost_utils

    mine = np.asarray([count, -(signal or 0)])
    count, number = (int(x) for x in multihost_utils.process_allgather(mine).min(0))
    return count, signals.Signals(-number) if number else None


def _farewell(run: Run, signal: str) -> str:
    return f"{signal}: stopped after update {run.step} of {run.steps}. " + _saved(run)


def _saved(run: Run) -> str:
    if run.checkpoint is None:
        return "Nothing is saved: there is no `checkpoint`."
    return f"The last good state is saved in {run.checkpoint.directory}."


class _Pace:
    """How many updates to ask for in one dispatch."""

    def __init__(self, steps_per_call: int | None):
        self.count = 1 if steps_per_call is None else steps_per_call
        self._fixed = steps_per_call is not None
        self._start = 0.0

    def start(self) -> None:
        self._start = time.perf_counter()

    def stop(self) -> None:
        seconds = max(time.perf_counter() - self._start, 1e-6)
        if not self._fixed:
            wanted = int(self.count * min(_CALL_SECONDS / seconds, 4))
            self.count = min(max(wanted, 1), _MAX_STEPS_PER_CALL)


def _as_update(update, optimiser, trainable) -> AbstractUpdate:
    if isinstance(update, AbstractUpdate):
        require(
            optimiser is None and trainable is None,
            "optimiser, trainable: already part of the update given; pass an objective "
            "instead, or leave them out.",
        )
        return update
    require(
        optimiser is not None,
        "optimiser: an objective needs one, e.g. optimiser=optax.adam(1e-3).",
    )
    return gradient_update(update, optimiser, trainable=trainable)


def _check(steps, evaluate_every, log_every, steps_per_call, source, mesh, ema) -> None:
    counts = {
        "steps": steps,
        "evaluate_every": evaluate_every,
        "log_every": log_every,
        "steps_per_call": steps_per_call,
    }
    for name, count in counts.items():
        require(
            count is None or count > 0,
            f"{name}: got {count}; wanted a positive integer.",
        )
    require(ema is None or 0 < ema < 1, f"ema: got {ema}; wanted 0 < ema < 1.")
    if mesh is not None:
        require(
            BATCH_AXIS in mesh.axis_names,
            f"mesh: has axes {mesh.axis_names}; wanted one named {BATCH_AXIS!r}, see "
            "phix.parallel.make_mesh.",
        )
        require(
            source is not None,
            "mesh: there is no batch to share without a source; give one, e.g. "
            "ArraySource(jnp.arange(n)) whose samples get their own keys.",
        )


def _prepare(
    model, update, source, monitors, mesh, ema, steps_per_call
) -> tuple[Program, Carry]:
    """What the compiled loop needs; the arrays are copies that it may overwrite."""
    model = jtu.tree_map(lambda x: jnp.asarray(x) if _is_array(x) else x, model)
    arrays, static = eqx.partition(update.init(model), eqx.is_array)
    average = None if ema is None else arrays.model
    carry = own_copy(Carry(arrays, average))
    capacity = steps_per_call or _MAX_STEPS_PER_CALL
    program = Program(update, source, monitors, static, ema, mesh, capacity)
    if mesh is not None:
        program = _place(program, NamedSharding(mesh, PartitionSpec()))
        carry = place_weights(mesh, carry)
    return program, carry


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array | np.ndarray | np.generic)


def _place(tree: PyTree, sharding: NamedSharding) -> PyTree:
    arrays, static = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.device_put(arrays, sharding), static)
