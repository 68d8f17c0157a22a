"""Saving a run while it goes on, and taking it up again, by Orbax."""

import contextlib
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import orbax.checkpoint as ocp

from phix._errors import require
from phix._files import hold_directory
from phix._types import PRNGKeyArray, PyTree
from phix.data import check_same_config
from phix.parallel import lead
from phix.train._saved import (
    FORMAT,
    abstract,
    compare,
    described,
    filled,
    finite,
    named_arrays,
    only_model,
    parts_of,
    plain_key,
    read_about,
    read_arrays,
)
from phix.train._seal import Damaged, break_seal, check_seal, is_sealed, seal


_EVERY, _REST = 1000, 10.0  # updates, seconds


class Checkpoints:
    """Where `fit` saves itself, how often, and what is kept.

    A checkpoint holds model, memory of the update, averaged model, random key, step and
    `config`: arrays and JSON, never code. It is written in the background with
    checksums of its files, and appears in one piece: one cut short is ignored. If the
    directory holds a checkpoint, `fit` resumes from the latest, bit for bit. A damaged
    one is set aside with a warning, and the one before it is taken.

    **Arguments:**

    - `directory`: made if missing; one for each run, and one `fit` at a time. Several
      processes that share a fit share the directory.
    - `config`: a JSON-able description of the run. Resuming under another one is an
      error.
    - `every`: updates between checkpoints; one is also saved at the end, and on
      Ctrl-C, SIGTERM and non-finite updates. By default 1000, or as many thousands as
      take ten seconds (of several processes, whose clocks differ, always 1000).
    - `keep_last`: how many of the latest are kept.
    - `keep_best`: name of a scalar of `evaluate`; the checkpoint where it was least is
      saved and kept as well.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        config: Mapping[str, Any] | None = None,
        every: int | None = None,
        keep_last: int = 3,
        keep_best: str | None = None,
    ):
        require(every is None or every > 0, f"every: got {every}; wanted at least 1.")
        require(keep_last > 0, f"keep_last: got {keep_last}; wanted at least 1.")
        self.directory = Path(directory).resolve()
        self.config = dict(config or {})
        self.every, self._rest = (_EVERY, _REST) if every is None else (every, 0.0)
        self.keep_last, self.keep_best = keep_last, keep_best
        self._saved_at = time.monotonic()
        self._writer: ocp.AsyncCheckpointer | None = None
        self._lock: int | None = None
        self._started: dict[int, float | None] = {}  # steps saved, or on their way

    @property
    def latest_step(self) -> int | None:
        """Updates behind the latest checkpoint; `None` if there is none."""
        return max(self._steps(), default=None)

    @property
    def best_step(self) -> int | None:
        """Updates behind the checkpoint of least `keep_best`, if there is one."""
        if self.keep_best is None:
            return None
        values = self._values()
        return min(values, key=values.__getitem__, default=None)

    @property
    def best_value(self) -> float:
        """The least `keep_best` so far; infinite if there is none."""
        return min(self._values().values(), default=math.inf)

    @property
    def resting(self) -> bool:
        """Whether the last checkpoint is too recent for another one that can wait."""
        alone = jax.process_count() == 1
        return alone and time.monotonic() < self._saved_at + self._rest

    def hold(self) -> None:
        """Takes the directory for writing, and sets aside what is damaged in it.

        **Raises:** `ValueError` if another process writes there or no checkpoint is
        whole; `OSError` if nothing can be written.
        """
        if self._writer is None:
            lead(self._settle)
            self._started = self._values_on_disk()
            options = ocp.options.AsyncOptions(post_finalization_callback=self._seal)
            # Weights are noise to a compressor.
            handler = ocp.CompositeCheckpointHandler(
                about=ocp.JsonCheckpointHandler(),
                arrays=ocp.PyTreeCheckpointHandler(use_compression=False),
            )
            self._writer = ocp.AsyncCheckpointer(handler, async_options=options)

    def save(
        self,
        step: int,
        state: PyTree,
        ema: PyTree,
        *,
        key: PRNGKeyArray,
        value: float = math.inf,
    ) -> None:
        """Starts to save what is known after `step` updates, unless it is saved.

        `value` is that of `keep_best`, where it has just been evaluated.

        **Raises:** `OSError` if the checkpoint before could not be written.
        """
        self.hold()
        assert self._writer is not None
        if step in self._started:
            return
        self._saved_at = time.monotonic()
        self.wait()
        arrays = named_arrays(parts_of(state, ema))
        about = self._about(state, ema, key)
        about["value"] = value if math.isfinite(value) else None
        self._started[step] = value
        with self._writing():
            args = ocp.args.Composite(
                about=ocp.args.JsonSave(about), arrays=ocp.args.PyTreeSave(arrays)
            )
            self._writer.save(self._folder(step), args=args)

    def restore(
        self, state: PyTree, ema: PyTree, *, key: PRNGKeyArray
    ) -> tuple[int, PyTree, PyTree]:
        """Latest step, state and averaged model, shaped and placed like those given.

        **Raises:** `ValueError` if the checkpoint is of another configuration, key,
        model or optimiser, naming the first difference; or if none is whole.
        """
        step = self._newest()
        folder, parts = self._folder(step), parts_of(state, ema)
        self._check(folder, self._about(state, ema, key))
        for name, part in parts.items():
            parts[name] = filled(part, read_arrays(folder, name, abstract(part)))
        state = eqx.combine(parts["memory"], only_model(state, parts["model"]))
        return step, state, parts.get("ema")

    def restore_model(
        self, model: PyTree, *, step: int | None = None, ema: bool = False
    ) -> PyTree:
        """The saved model alone, for evaluation.

        **Arguments:**

        - `model`: a model of the same structure, e.g. freshly built; its arrays are
          replaced.
        - `step`: one of those kept, such as `best_step`; the default is the latest.
        - `ema`: `True` for the averaged model.

        **Raises:** `ValueError` if there is no such checkpoint, it is damaged, or it is
        of another model.
        """
        folder, name, saved = self._saved(step, ema)
        _check_arrays({name: saved}, {name: described(model)}, self.directory)
        return filled(model, read_arrays(folder, name, abstract(model)))

    def restore_matching(
        self,
        model: PyTree,
        *,
        within: Callable[[PyTree], PyTree] | None = None,
        step: int | None = None,
        ema: bool = False,
    ) -> tuple[PyTree, dict[str, str]]:
        """A model to be tuned, with those arrays of the saved one that fit it.

        An array is taken if its name and shape agree, and brought to the dtype that it
        has in `model`.

        **Arguments:**

        - `model`: the new model.
        - `within`: from the model to the part of it that may be taken, such as
          `lambda model: model.decoder`; all of it if `None`.
        - `step`, `ema`: as for `restore_model`.

        **Returns:** the model, and what was left: names of arrays, of the model or of
        the checkpoint, with the reason.

        **Raises:** `ValueError` if there is no such checkpoint, it is damaged, or
        nothing in it fits.
        """
        folder, part, saved = self._saved(step, ema)
        fits, left = compare(saved, model, within)
        require(
            len(fits) > 0,
            f"model: no array of it agrees in name and shape with one in {folder}; "
            f"left: {left}",
        )
        return filled(model, read_arrays(folder, part, fits)), left

    def wait(self) -> None:
        """Waits until all that was saved is on disk.

        **Raises:** `OSError` if it could not be written.
        """
        if self._writer is not None:
            with self._writing():
                self._writer.wait_until_finished()
                if jax.process_index() == 0:
                    self._tidy()

    def close(self) -> None:
        """Waits, and lets go of the directory."""
        try:
            self.wait()
        finally:
            if self._writer is not None:
                self._writer.close()
            if self._lock is not None:
                os.close(self._lock)
            self._writer, self._lock, self._started = None, None, {}

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """An error in the background comes up at the next call, and is told as one."""
        try:
            yield
        except Exception as error:
            lost = isinstance(error, jax.errors.JaxRuntimeError)
            if lost and jax.process_count() > 1:
                raise  # it was another process, not the disk
            failed = max(self._started, default=0)
            self._started.pop(failed, None)
            reason = str(error).rsplit('": ')[-1]  # after the names of Orbax's files
            raise OSError(
                f"the checkpoint of update {failed} could not be written to "
                f"{self.directory} ({reason}); those of updates {self._steps()} are "
                "whole. Make room or mend the disk, and the same call goes on."
            ) from error

    def _folder(self, step: int | None) -> Path:
        return self.directory / str(step)

    def _folders(self) -> list[int]:
        """Steps with a folder, whole or not, in order."""
        if not self.directory.is_dir():
            return []
        found = (f for f in self.directory.iterdir() if f.is_dir())
        return sorted(int(f.name) for f in found if f.name.isdecimal())

    def _steps(self) -> list[int]:
        """Steps that were written to their end, in order."""
        return [step for step in self._folders() if is_sealed(self._folder(step))]

    def _settle(self) -> None:
        lock = hold_directory(self.directory, "checkpoint directory")
        try:
            for folder in self.directory.glob("*.orbax-checkpoint-tmp*"):
                shutil.rmtree(folder)
            for step in self._newest_whole()[1]:
                aside = self.directory / f"{step}.damaged"
                shutil.rmtree(aside, ignore_errors=True)
                os.rename(self._folder(step), aside)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def _newest(self) -> int:
        # Who holds the directory has looked.
        step = self.latest_step if self._writer else self._newest_whole()[0]
        require(step is not None, f"directory: no checkpoint in {self.directory}.")
        assert step is not None
        return step

    def _newest_whole(self) -> tuple[int | None, list[int]]:
        """The newest step whose files are whole, and the damaged ones after it."""
        newest, damaged = None, {}
        for step in reversed(self._folders()):
            try:
                check_seal(self._folder(step))
            except Damaged as fault:
                damaged[step] = fault
            else:
                newest = step
                break
        said = [f"{self._folder(step)}: {fault}" for step, fault in damaged.items()]
        require(
            not damaged or newest is not None,
            f"every checkpoint in {self.directory} is damaged ({'; '.join(said)}); "
            "bring one back from a copy, or begin anew in another directory.",
        )
        for fault in said:
            text = f"damaged checkpoint {fault}; going on from the one of update "
            warnings.warn(f"{text}{newest}.", stacklevel=2)
        return newest, list(damaged)

    def _tidy(self) -> None:
        """Removes what is not to be kept, and remains of what was being removed."""
        steps = self._steps()
        kept = {*steps[-self.keep_last :], self.best_step}
        for step in self._folders():
            if step < max(steps, default=0) and step not in kept:
                break_seal(self._folder(step))
                shutil.rmtree(self._folder(step))

    def _seal(self) -> None:
        """Called by Orbax in process 0 when all is written, before it shows."""
        (folder,) = self.directory.glob(f"{max(self._started)}.orbax-checkpoint-tmp*")
        seal(folder)

    def _values(self) -> dict[int, float]:
        # While writing, the disk shows what is there earlier to one process than to
        # another, and they must agree.
        values = self._started if self._writer else self._values_on_disk()
        return {step: v for step, v in values.items() if v is not None and finite(v)}

    def _values_on_disk(self) -> dict[int, float | None]:
        values = dict.fromkeys(self._steps())
        for step in values:
            # One damaged is for `restore_model` to refuse.
            with contextlib.suppress(ValueError):
                check_seal(self._folder(step), "about/")
                values[step] = read_about(self._folder(step)).get("value")
        return values

    def _about(self, state: PyTree, ema: PyTree, key: PRNGKeyArray) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "config": self.config,
            "key": plain_key(key),
            "arrays": {n: described(part) for n, part in parts_of(state, ema).items()},
        }

    def _check(self, folder: Path, wanted: dict[str, Any]) -> None:
        saved = read_about(folder)
        for name in ("config", "key"):
            check_same_config(
                {name: saved[name]}, {name: wanted[name]}, what=f"checkpoint {folder}"
            )
        _check_arrays(saved["arrays"], wanted["arrays"], self.directory)

    def _saved(self, step: int | None, ema: bool) -> tuple[Path, str, dict[str, str]]:
        """The folder of a whole checkpoint, and what it has of the model wanted."""
        if step is None:
            step = self._newest()
        known = self._steps()
        require(
            step in known,
            f"step: no checkpoint of step {step} in {self.directory}; there are "
            f"{known}.",
        )
        folder, name = self._folder(step), "ema" if ema else "model"
        try:
            check_seal(folder)
        except Damaged as fault:
            raise ValueError(
                f"damaged checkpoint {folder}: {fault}; take another step, of {known}."
            ) from None
        saved = read_about(folder)["arrays"]
        require(name in saved, "ema: the run kept no averaged model.")
        return folder, name, saved[name]


def _check_arrays(saved: dict, wanted: dict, directory: Path) -> None:
    check_same_config(
        {"arrays": saved}, {"arrays": wanted}, what=f"checkpoint in {directory}"
    )
