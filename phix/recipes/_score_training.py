"""How the recipes of scores and flows fit a network, and take it up again."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from phix import nn
from phix._files import atomic_write
from phix._types import PRNGKeyArray
from phix.data import JsonLines, RunDirectory
from phix.recipes._score_choices import Perceptron, Training
from phix.train import AbstractSource, Checkpoints, fit, per_sample


_Model = TypeVar("_Model", bound=eqx.Module)


def perceptron(
    choice: Perceptron, size: int, cond_size: int = 0, *, key: PRNGKeyArray
) -> nn.TimeMLP:
    """The network that a recipe chooses, in float32."""
    return nn.TimeMLP(
        size,
        cond_size,
        width=choice.width,
        depth=choice.depth,
        key=key,
        dtype=jnp.float32,
    )


def train(
    training: Training,
    blank: _Model,
    loss: Callable,
    source: AbstractSource,
    *,
    key: PRNGKeyArray,
    **options,
) -> _Model:
    """The averaged model after all steps, by a loss of one sample."""
    schedule = optax.cosine_decay_schedule(training.rate, training.steps)
    return fit(
        blank,
        per_sample(loss),
        source,
        steps=training.steps,
        key=key,
        optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
        ema=training.ema,
        **options,
    ).ema


def checkpoints(training: Training, directory: Path, config: dict) -> Checkpoints:
    """Where a training saves its weights."""
    return Checkpoints(directory, config=config, every=training.checkpoint_every)


def saved_model(saved: Checkpoints, blank: _Model) -> _Model:
    """The averaged model of the last checkpoint.

    **Raises:** `ValueError` if there is none.
    """
    if saved.latest_step is None:
        raise ValueError(
            f"{saved.directory} holds no checkpoint yet; let `phix run` fit it first"
        )
    return saved.restore_model(blank, ema=True)


class Fits:
    """The trainings of one run, each with checkpoints and a log under its name: those
    that were done are read back, one that was interrupted goes on.

    **Arguments:**

    - `folder`, `config`: of the run.
    - `saved`: read all models back, train none (`phix evaluate`).
    - `progress`: show bars.
    """

    def __init__(
        self,
        folder: RunDirectory,
        config: dict[str, Any],
        *,
        saved: bool = False,
        progress: bool = True,
    ):
        self._folder, self._config = folder, config
        self._saved, self._progress = saved, progress
        self._clock = folder.path / "training.json"

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time of each training, over all starts but those that were killed."""
        return json.loads(self._clock.read_text()) if self._clock.exists() else {}

    def __call__(
        self,
        name: str,
        training: Training,
        blank: _Model,
        loss: Callable,
        source: AbstractSource,
        *,
        key: PRNGKeyArray,
    ) -> _Model:
        """The trained model of this name."""
        saved = checkpoints(training, self._folder.checkpoints / name, self._config)
        if self._saved:
            if saved.latest_step not in (None, training.steps):
                raise ValueError(
                    f"the training of {name!r} stands at update {saved.latest_step} of "
                    f"{training.steps}; let `phix run` finish it first"
                )
            return saved_model(saved, blank)
        start = time.perf_counter()
        log = JsonLines(self._folder.path / f"log-{name}.jsonl")
        try:
            with saved, log:
                model = train(
                    training,
                    blank,
                    loss,
                    source,
                    key=key,
                    checkpoint=saved,
                    log=log,
                    progress=self._progress,
                )
            return jax.block_until_ready(model)
        finally:
            spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
            text = json.dumps(self.seconds | {name: spent}, indent=2) + "\n"
            atomic_write(self._clock, text)
