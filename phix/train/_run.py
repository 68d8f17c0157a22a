"""The mutable side of `fit`: where a run is, what it has logged and saved."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix._errors import Result, nearest, require
from phix._types import PRNGKeyArray, PyTree
from phix.data import JsonLines, TensorBoard
from phix.train._blame import blame
from phix.train._checkpoints import Checkpoints
from phix.train._loop import Carry, Program, Span, advance


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


class Run:
    """A run between two dispatches; only `fit` makes one."""

    def __init__(
        self,
        program: Program,
        carry: Carry,
        key: PRNGKeyArray,
        *,
        steps: int,
        log: JsonLines | TensorBoard | None,
        log_every: int,
        evaluate: Callable[[PyTree], dict] | None,
        evaluate_every: int | None,
        checkpoint: Checkpoints | None,
    ):
        self.program, self.carry, self.key = program, carry, key
        self.steps, self.log_every = steps, log_every
        self.log = log if jax.process_index() == 0 else None
        self.evaluate, self.evaluate_every = evaluate, evaluate_every
        self.checkpoint = checkpoint
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self.result = Result.successful
        self.last: dict[str, float] = {}
        self.shown: dict[str, float] = {}
        if checkpoint is not None:
            self._resume(checkpoint)

    @property
    def going(self) -> bool:
        """Whether there is more to do."""
        return self.step < self.steps and self.result == Result.successful

    def advance(self, count: int) -> None:
        """Does up to `count` updates, cut at the next event, then what is due there."""
        count = min(count, self.program.capacity, self._until_event())
        numbers = (self.step, count, self.log_every, self.steps)
        span = Span(self.key, *(jnp.asarray(n, jnp.int32) for n in numbers))
        self.carry, outcome = advance((self.program, span), self.carry)
        outcome = jax.device_get(outcome)
        done, ok = int(outcome.done), bool(outcome.ok)
        # A row of the update that failed is recorded too: it says how.
        self._log_rows(outcome.rows, done if ok else done + 1)
        self.step += done
        self.result = Result.successful if ok else Result.non_finite
        value = self._evaluate() if ok and self._due(self.evaluate_every) else math.inf
        checkpoint = self.checkpoint
        if checkpoint is not None:
            better = value < math.inf and value < checkpoint.best_value
            ends = self.step == self.steps
            due = self._due(checkpoint.every) and not checkpoint.resting
            if better or not ok or ends or due:
                self.save(value)

    def save(self, value: float = math.inf) -> None:
        """Starts a checkpoint of where the run is, if it keeps any."""
        if self.checkpoint is not None:
            state, ema = self.state(), self.ema_model()
            self.checkpoint.save(self.step, state, ema, key=self.key, value=value)

    def state(self) -> PyTree:
        """The update's state; its buffers are given away by the next `advance`."""
        return eqx.combine(self.carry.state, self.program.static)

    def ema_model(self) -> PyTree:
        """The averaged model, likewise, or `None`."""
        if self.program.ema is None:
            return None
        return eqx.combine(self.carry.ema, self.program.static.model)

    def blame(self) -> str:
        """Why the update after the last one was not finite."""
        return blame(self.program.source, self.last, self.step, self.key)

    def fit_result(self) -> FitResult:
        """What `fit` returns."""
        state = self.state()
        return FitResult(
            state.model, self.ema_model(), state, self.step, self.history, self.result
        )

    def _resume(self, checkpoint: Checkpoints) -> None:
        checkpoint.hold()
        if checkpoint.latest_step is not None:
            self.step, state, ema = checkpoint.restore(
                self.state(), self.ema_model(), key=self.key
            )
            require(
                self.step <= self.steps,
                f"steps: got {self.steps}, but the checkpoint in "
                f"{checkpoint.directory} is of update {self.step}.",
            )
            arrays = (eqx.filter(state, eqx.is_array), eqx.filter(ema, eqx.is_array))
            self.carry = Carry(*own_copy(arrays))
        if self.log is not None:
            # Records beyond the checkpoint will be written again.
            self.log.rewind(self.step)
            self.history = [r for r in self.log.read() if "step" in r]

    def _until_event(self) -> int:
        events = [self.steps]
        every = [self.evaluate_every if self.evaluate else None]
        every += [self.checkpoint.every if self.checkpoint else None]
        events += [(self.step // n + 1) * n for n in every if n is not None]
        return min(events) - self.step

    def _due(self, every: int | None) -> bool:
        return self.step == self.steps or (every is not None and self.step % every == 0)

    def _log_rows(self, rows: dict[str, np.ndarray], count: int) -> None:
        first = [name for name in ("loss",) if name in rows]
        names = first + [name for name in rows if name not in first]
        for i in range(count):
            step = self.step + i + 1
            bad = not np.isfinite(rows["loss"][i])
            if step in (1, self.steps) or step % self.log_every == 0 or bad:
                self._record({"step": step, **{n: float(rows[n][i]) for n in names}})
        self.last = {name: float(rows[name][count - 1]) for name in names}
        self.shown |= dict(list(self.last.items())[:4])

    def _evaluate(self) -> float:
        """Evaluates and logs; returns the value checkpoints are compared by."""
        if self.evaluate is None:
            return math.inf
        # A copy, since the caller may keep it and the next dispatch donates ours.
        ema = self.ema_model()
        model = own_copy(self.state().model if ema is None else ema)
        scalars = {name: float(x) for name, x in self.evaluate(model).items()}
        named = {f"eval/{name}": x for name, x in scalars.items()}
        self._record({"step": self.step, **named})
        self.shown |= dict(list(named.items())[:2])
        best = None if self.checkpoint is None else self.checkpoint.keep_best
        if best is None:
            return math.inf
        require(
            best in scalars,
            f"keep_best: evaluate gives no {best!r}{nearest(best, scalars)}",
        )
        return scalars[best]

    def _record(self, record: dict[str, Any]) -> None:
        self.history.append(record)
        if self.log is not None:
            self.log.write(record)


def own_copy(tree: PyTree) -> PyTree:
    """A copy that may be donated; without weak types, which would compile anew."""
    return jtu.tree_map(
        lambda x: jnp.array(x, x.dtype, copy=True) if eqx.is_array(x) else x, tree
    )
