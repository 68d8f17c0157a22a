"""The training loop; it knows nothing of any method."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from phix._errors import PhixError, Result, describe, require
from phix._types import PRNGKeyArray, PyTree
from phix.data import JsonLines, Progress, StopSignal
from phix.train._loop import AXIS, Carry, Program, Span, advance
from phix.train._source import AbstractSource
from phix.train._update import AbstractUpdate, gradient_update


# With steps_per_call=None a dispatch grows until it takes this long (seconds): long
# enough to hide its overhead, short enough to answer a signal.
_CALL_SECONDS = 0.5
_MAX_STEPS_PER_CALL = 1000


class FitResult(eqx.Module):
    """What `fit` returns.

    - `model`: the model after `step` updates.
    - `ema`: the averaged model, or `None`.
    - `state`: the update's state (model and optimiser memory).
    - `step`: number of updates done.
    - `history`: the logged records, `{"step": ..., "loss": ..., ...}`.
    - `result`: `Result.successful`, or `Result.non_finite`.
    """

    model: PyTree
    ema: PyTree
    state: PyTree
    step: int
    history: list[dict[str, Any]]
    result: Result

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of one logged scalar."""
        pairs = [(r["step"], r[name]) for r in self.history if name in r]
        steps, values = zip(*pairs, strict=True) if pairs else ((), ())
        return np.asarray(steps), np.asarray(values)


class Stopped(SystemExit):
    """`fit` was asked to stop (Ctrl-C or SIGTERM) and has saved what it could.

    As an exit it ends a script with the usual code, 128 + the signal's number. Its
    `fit` holds the `FitResult` so far.
    """

    def __init__(self, signal: int, fit: FitResult):
        super().__init__(128 + int(signal))
        self.fit = fit


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
    log: JsonLines | None = None,
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
        objectives that draw their own points.
    - `steps`: number of updates in all, those before a resume included.
    - `key`: random key of the run; step `s` sees keys folded with `s`.
    - `optimiser`, `trainable`: see `gradient_update`; only with an objective.
    - `evaluate`: `evaluate(model) -> dict of scalars`, run on the host every
        `evaluate_every` updates and at the end (the averaged model if `ema`). Logged as
        `"eval/<name>"`.
    - `monitors`: functions `monitor(model, *, step, key) -> dict of scalars`, run on
        the device, before the update, on logged steps.
    - `log`: a `JsonLines` file that gets every logged record.
    - `log_every`: log every so many updates (and the first and last); the default gives
        about 500 records.
    - `mesh`: devices to share each batch, see `phix.parallel.make_mesh`. The model is
        replicated.
    - `ema`: decay of an exponential moving average of the model, such as 0.999; early
        on the decay is min(decay, (1 + s)/(10 + s)).
    - `steps_per_call`: most updates in one dispatch; the default aims at half a second.
    - `progress`: show a bar with time left and losses.
    - `throw`: raise when an update is not finite; otherwise stop and say so in `result`.

    **Returns:** a `FitResult`.

    **Raises:** `PhixError` naming the first update that was not finite; `Stopped`
    after Ctrl-C or SIGTERM; `ValueError` for arguments that do not fit together.
    """
    update = _as_update(update, optimiser, trainable)
    _check(steps, evaluate_every, log_every, steps_per_call, source, mesh, ema)
    program, carry = _prepare(
        model, update, source, tuple(monitors), mesh, ema, steps_per_call
    )
    run = _Run(program, carry, key, steps, log, log_every or -(-steps // 500))
    run.evaluate, run.evaluate_every = evaluate, evaluate_every
    pace = _Pace(steps_per_call)
    with (
        StopSignal() as stop,
        Progress(steps, initial=run.step, enabled=progress) as bar,
    ):
        while run.step < steps and run.result == Result.successful:
            with pace:
                run.advance(pace.count)
            run.at_end_of_call()
            bar.update(run.step, run.shown)
            if stop and run.step < steps:
                raise Stopped(stop.signal, run.fit_result())
    if run.result != Result.successful and throw:
        raise PhixError(
            f"update {run.step + 1} of {steps} was not finite ({run.last}); the model "
            f"before it is kept. {describe(run.result)}",
            run.result,
        )
    return run.fit_result()


class _Pace:
    """How many updates to ask for in one dispatch."""

    def __init__(self, steps_per_call: int | None):
        self.count = 1 if steps_per_call is None else steps_per_call
        self._fixed = steps_per_call is not None

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *exc: object) -> None:
        if self._fixed:
            return
        seconds = max(time.perf_counter() - self._start, 1e-6)
        wanted = int(self.count * min(_CALL_SECONDS / seconds, 4))
        self.count = min(max(wanted, 1), _MAX_STEPS_PER_CALL)


class _Run:
    """The mutable side of `fit`: where the run is, what it has logged."""

    evaluate: Callable[[PyTree], dict] | None = None
    evaluate_every: int | None = None

    def __init__(self, program, carry, key, steps, log, log_every):
        self.program, self.carry, self.key = program, carry, key
        self.steps, self.log, self.log_every = steps, log, log_every
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self.result = Result.successful
        self.last: dict[str, float] = {}
        self.shown: dict[str, float] = {}

    def advance(self, count: int) -> None:
        """Runs up to `count` updates, cut at the next event, and logs them."""
        ends = [self.steps]
        ends += [e for e in [self._next(self.evaluate_every)] if e is not None]
        count = min([count, self.program.capacity] + [e - self.step for e in ends])
        span = Span(
            self.key,
            jnp.int32(self.step),
            jnp.int32(count),
            jnp.int32(self.log_every),
            jnp.int32(self.steps),
        )
        self.carry, outcome = advance((self.program, span), self.carry)
        outcome = jax.device_get(outcome)
        done, ok = int(outcome.done), bool(outcome.ok)
        rows = done if ok else done + 1
        for i in range(rows):
            step = self.step + i + 1
            if step in (1, self.steps) or step % self.log_every == 0:
                row = {name: float(x[i]) for name, x in outcome.rows.items()}
                self.record({"step": step, **row})
        self.last = {name: float(x[rows - 1]) for name, x in outcome.rows.items()}
        self.shown |= dict(list(self.last.items())[:4])
        self.step += done
        self.result = Result.successful if ok else Result.non_finite

    def at_end_of_call(self) -> None:
        """Evaluates where it is due."""
        every = self.evaluate_every
        due = self.step == self.steps or (every and self.step % every == 0)
        if self.evaluate is not None and due and self.result == Result.successful:
            model = self.ema_model() if self.program.ema is not None else self.model()
            scalars = {f"eval/{k}": float(v) for k, v in self.evaluate(model).items()}
            self.record({"step": self.step, **scalars})
            self.shown |= dict(list(scalars.items())[:2])

    def record(self, record: dict[str, Any]) -> None:
        self.history.append(record)
        if self.log is not None:
            self.log.write(record)

    def _next(self, every: int | None) -> int | None:
        return None if every is None else (self.step // every + 1) * every

    def state(self) -> PyTree:
        return eqx.combine(self.carry.state, self.program.static)

    def model(self) -> PyTree:
        # A copy, since the next call donates these buffers.
        return _copy(self.state().model)

    def ema_model(self) -> PyTree:
        if self.carry.ema is None:
            return None
        return _copy(eqx.combine(self.carry.ema, self.program.static.model))

    def fit_result(self) -> FitResult:
        state = self.state()
        return FitResult(
            state.model,
            self.ema_model(),
            state,
            self.step,
            self.history,
            self.result,
        )


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
            AXIS in mesh.axis_names,
            f"mesh: has axes {mesh.axis_names}; wanted one named {AXIS!r}, see "
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
    carry = _copy(Carry(arrays, average))
    capacity = steps_per_call or _MAX_STEPS_PER_CALL
    program = Program(update, source, monitors, static, ema, mesh, capacity)
    if mesh is not None:
        everywhere = NamedSharding(mesh, PartitionSpec())
        program, carry = (_place(x, everywhere) for x in (program, carry))
    return program, carry


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array | np.ndarray | np.generic)


def _copy(tree: PyTree) -> PyTree:
    # jnp.array also drops weak types, which would cost a second compilation.
    return jtu.tree_map(
        lambda x: jnp.array(x, x.dtype) if eqx.is_array(x) else x, tree
    )


def _place(tree: PyTree, sharding: NamedSharding) -> PyTree:
    arrays, static = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.device_put(arrays, sharding), static)
