"""Saving a run while it goes on, and taking it up again, by Orbax."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as managers

from phix._errors import require
from phix._types import PRNGKeyArray, PyTree
from phix.data import check_same_config


_FORMAT = "phix-train-1"


class Checkpoints:
    """Where `fit` saves itself, how often, and what is kept.

    A checkpoint holds the model, the update's memory, the averaged model, the random
    key, the step and `config`: arrays and JSON, never code. It is written in the
    background and appears in one piece: one cut short by a crash is ignored. If the
    directory holds a checkpoint, `fit` resumes from the latest, bit for bit.

    **Arguments:**

    - `directory`: made if missing; one for each run.
    - `config`: a JSON-able description of the run. Resuming under another one is an
      error.
    - `every`: updates between checkpoints; one is also saved at the end, and on
      Ctrl-C, SIGTERM and non-finite updates.
    - `keep_last`: how many of the latest are kept.
    - `keep_best`: name of a scalar of `evaluate`; the checkpoint where it was least is
      saved and kept as well.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        config: Mapping[str, Any] | None = None,
        every: int = 1000,
        keep_last: int = 3,
        keep_best: str | None = None,
    ):
        require(every > 0, f"every: got {every}; wanted a positive integer.")
        require(keep_last > 0, f"keep_last: got {keep_last}; wanted at least 1.")
        self.directory = Path(directory).resolve()
        self.config = dict(config or {})
        self.every, self.keep_last, self.keep_best = every, keep_last, keep_best
        self._manager: ocp.CheckpointManager | None = None
        self._writing = False

    @property
    def latest_step(self) -> int | None:
        """Updates behind the latest checkpoint; `None` if there is none."""
        return self._open().latest_step()

    @property
    def best_step(self) -> int | None:
        """Updates behind the checkpoint of least `keep_best`, if there is one."""
        if self.keep_best is None:
            return None
        return min(self._metrics(), key=self._metrics().__getitem__, default=None)

    @property
    def best_value(self) -> float:
        """The least `keep_best` so far; infinite if there is none."""
        return min(self._metrics().values(), default=math.inf)

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
        """
        manager = self._open(writing=True)
        if step in manager.all_steps():
            return
        parts = {
            name: ocp.args.StandardSave(_named_arrays(part))
            for name, part in _parts(state, ema).items()
            if _abstract(part)  # plain gradient descent remembers nothing
        }
        manager.save(
            step,
            args=ocp.args.Composite(
                **parts, about=ocp.args.JsonSave(self._about(state, ema, key))
            ),
            metrics=None if self.keep_best is None else {"value": value},
            force=True,
        )

    def restore(
        self, state: PyTree, ema: PyTree, *, key: PRNGKeyArray
    ) -> tuple[int, PyTree, PyTree]:
        """Latest step, state and averaged model, shaped and placed like those given.

        **Raises:** `ValueError` if the checkpoint is of another configuration, key,
        model or optimiser, naming the first difference.
        """
        step = self.latest_step
        require(step is not None, f"directory: no checkpoint in {self.directory}.")
        assert step is not None
        self._check(step, self._about(state, ema, key))
        templates = _parts(state, ema)
        arrays = self._arrays(step, templates)
        parts = {name: _like(templates[name], arrays[name]) for name in templates}
        state = eqx.combine(parts["memory"], _only_model(state, parts["model"]))
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

        **Raises:** `ValueError` if there is no such checkpoint, or it is of another
        model.
        """
        step = self.latest_step if step is None else step
        known = self._open().all_steps()
        require(
            step in known,
            f"step: no checkpoint of step {step} in {self.directory}; there are "
            f"{sorted(known)}.",
        )
        assert step is not None
        name = "ema" if ema else "model"
        saved = self._saved_about(step)["arrays"]
        require(name in saved, "ema: the run kept no averaged model.")
        _check_arrays({name: saved[name]}, {name: _described(model)}, self.directory)
        return _like(model, self._arrays(step, {name: model})[name])

    def wait(self) -> None:
        """Waits until all that was saved is on disk."""
        self._open().wait_until_finished()

    def close(self) -> None:
        """Waits, and lets go of the directory."""
        if self._manager is not None:
            self._manager.close()
            self._manager = None
        self._writing = False

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self, *, writing: bool = False) -> ocp.CheckpointManager:
        if writing and not self._writing:
            self.close()
            self._writing = True
        if self._manager is None:
            self._manager = ocp.CheckpointManager(
                self.directory, options=self._options()
            )
        return self._manager

    def _options(self) -> ocp.CheckpointManagerOptions:
        policies: list = [managers.LatestN(self.keep_last)]
        best: dict = {}
        if self.keep_best is not None:
            best = {"best_fn": lambda m: m["value"], "best_mode": "min"}
            policies.append(
                managers.BestN(get_metric_fn=best["best_fn"], reverse=True, n=1)
            )
        return ocp.CheckpointManagerOptions(
            preservation_policy=managers.AnyPreservationPolicy(policies),
            enable_async_checkpointing=True,
            # Who only reads must not sweep away what a running fit is writing.
            cleanup_tmp_directories=self._writing and jax.process_count() == 1,
            **best,
        )

    def _metrics(self) -> dict[int, float]:
        manager = self._open()
        found = {step: manager.metrics(step) for step in manager.all_steps()}
        values = {step: m["value"] for step, m in found.items() if m is not None}
        return {step: v for step, v in values.items() if math.isfinite(v)}

    def _about(self, state: PyTree, ema: PyTree, key: PRNGKeyArray) -> dict[str, Any]:
        described = {n: _described(part) for n, part in _parts(state, ema).items()}
        return {
            "format": _FORMAT,
            "config": self.config,
            "key": _plain_key(key),
            "arrays": described,
        }

    def _saved_about(self, step: int) -> dict[str, Any]:
        args = ocp.args.Composite(about=ocp.args.JsonRestore())
        return self._open().restore(step, args=args)["about"]

    def _check(self, step: int, wanted: dict[str, Any]) -> None:
        saved = self._saved_about(step)
        what = f"checkpoint {self.directory / str(step)}"
        for name in ("format", "config", "key"):
            check_same_config({name: saved.get(name)}, {name: wanted[name]}, what=what)
        _check_arrays(saved["arrays"], wanted["arrays"], self.directory)

    def _arrays(self, step: int, templates: dict[str, PyTree]) -> dict[str, dict]:
        wanted = {name: _abstract(part) for name, part in templates.items()}
        args = {n: ocp.args.StandardRestore(part) for n, part in wanted.items() if part}
        restored = self._open().restore(step, args=ocp.args.Composite(**args))
        return {name: restored[name] if name in args else {} for name in wanted}


def _parts(state: PyTree, ema: PyTree) -> dict[str, PyTree]:
    """What is saved apart: the model must be readable without its optimiser."""
    parts = {"model": state.model, "memory": _only_model(state, None)}
    return parts if ema is None else parts | {"ema": ema}


def _only_model(state: PyTree, model: PyTree) -> PyTree:
    is_none = None if model is None else (lambda x: x is None)
    return eqx.tree_at(lambda s: s.model, state, model, is_leaf=is_none)


def _named_arrays(tree: PyTree) -> dict[str, Any]:
    """A copy of each array under the name of its place; the copies outlive donation."""
    leaves, _ = jtu.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))
    return {jtu.keystr(path): jnp.copy(leaf) for path, leaf in leaves}


def _abstract(tree: PyTree) -> dict[str, Any]:
    leaves, _ = jtu.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))
    return {
        jtu.keystr(path): jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
        for path, x in leaves
    }


def _described(tree: PyTree) -> dict[str, str]:
    return {name: f"{x.dtype}{list(x.shape)}" for name, x in _abstract(tree).items()}


def _like(tree: PyTree, named: dict[str, Any]) -> PyTree:
    """`tree` with its arrays replaced by those of the same names."""
    return jtu.tree_map_with_path(
        lambda path, x: named[jtu.keystr(path)] if eqx.is_array(x) else x, tree
    )


def _check_arrays(saved: dict, wanted: dict, directory: Path) -> None:
    check_same_config(
        {"arrays": saved}, {"arrays": wanted}, what=f"checkpoint in {directory}"
    )


def _plain_key(key: PRNGKeyArray) -> list:
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return jax.device_get(key).tolist()
    return [str(jr.key_impl(key)), jax.device_get(jr.key_data(key)).tolist()]
