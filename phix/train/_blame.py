"""Where an update that is not finite went wrong."""

import equinox as eqx
import jax.random as jr
import jax.tree_util as jtu
import numpy as np

from phix._types import PRNGKeyArray
from phix.train._source import AbstractEpochs, AbstractSource


def blame(
    source: AbstractSource | None, row: dict[str, float], step: int, key: PRNGKeyArray
) -> str:
    """The first of data, loss, gradient and optimiser that was not finite, in words.

    **Arguments:**

    - `source`: that of the run; the batch of the step is drawn again.
    - `row`: the scalars of the update.
    - `step`, `key`: number of the update, from zero, and key of the run.
    """
    found = None if source is None else _bad_sample(source, step, jr.split(key)[0])
    if found is not None:
        return found
    if not np.isfinite(row["loss"]):
        return "the data are finite, the loss is not"
    if not np.isfinite(row.get("grad_norm", 0.0)):
        return "the loss is finite, its gradient is not (overflow, or undefined there)"
    return "the loss is finite, what the optimiser made of it is not"


def _bad_sample(source: AbstractSource, step: int, key: PRNGKeyArray) -> str | None:
    """The first sample that is not finite, by its name."""
    batch = source.draw(step, key=key)
    size = batch.weight.shape[0]
    leaves, _ = jtu.tree_flatten_with_path(batch.samples)
    for path, leaf in leaves:
        if not eqx.is_inexact_array(leaf):
            continue
        finite = np.isfinite(np.asarray(leaf)).reshape(size, -1).all(axis=1)
        bad = np.flatnonzero(~finite)
        if bad.size:
            name = f"samples{jtu.keystr(path)}"
            place = int(bad[0])
            if isinstance(source, AbstractEpochs):
                index = int(source.index(step, key=key)[place])
                return f"{name}[{index}] of the data is not finite"
            return f"{name}[{place}] of the batch is not finite"
    return None
