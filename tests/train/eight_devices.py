"""Fits on eight host devices and on one; prints what the test compares, as JSON."""

import json
import re
import tempfile

import jax


jax.config.update("jax_num_cpu_devices", 8)

import jax.numpy as jnp  # noqa: E402
import jax.random as jr  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402

from phix.parallel import make_mesh  # noqa: E402
from phix.train import (  # noqa: E402
    Batch,
    Checkpoints,
    fit,
    gradient_update,
    lower_updates,
    per_sample,
)
from tests.train.problems import START, loss, noisy_loss, source  # noqa: E402


KEY = jr.key(0)
MESH = make_mesh()


def whole_batch(model, batch, *, step, key):
    """Couples the samples: the variance of the errors over the batch."""
    x, y = batch.samples
    error = x @ model["w"] - y
    weight = batch.weight / jnp.sum(batch.weight)
    mean = jnp.sum(weight * error)
    return jnp.sum(weight * (error - mean) ** 2), {"mean": mean}


def mean_of_parts(model, batch, *, step, key):
    """The usual mistake: equal weights for parts of unequal weight."""
    parts = jax.tree.map(lambda x: x.reshape(8, -1, *x.shape[1:]), batch.pad(8))
    objective = per_sample(loss)

    def one(part):
        value, (weight, _) = objective.sums(model, part, step=step, key=key)
        return value / jnp.maximum(weight, 1.0)

    return jnp.mean(jax.vmap(one)(parts)), {}


NOISY = gradient_update(per_sample(noisy_loss), optax.sgd(0.1))
PLAIN = gradient_update(per_sample(loss), optax.sgd(0.1))
WHOLE = gradient_update(whole_batch, optax.sgd(0.1))
MISTAKE = gradient_update(mean_of_parts, optax.sgd(0.1))
DATA = source(
    10
)  # ten samples for eight devices, the last batch of an epoch partly void


def difference(update, other=None, mesh=MESH):
    """Largest change of a weight, an average or a metric in each of five updates."""
    kwargs = {"steps": 5, "key": KEY, "ema": 0.9, "log_every": 1, "progress": False}
    one = fit(START, update, DATA, **kwargs)
    many = fit(START, other or update, DATA, mesh=mesh, **kwargs)
    pairs = [(one.model["w"], many.model["w"]), (one.ema["w"], many.ema["w"])]
    pairs += [(one.curve(n)[1], many.curve(n)[1]) for n in ("loss", "grad_norm")]
    return max(float(abs(a - b).max()) for a, b in pairs)


def difference_of_resume(mesh):
    """Saved on eight devices, resumed on `mesh`, against the run of eight."""
    kwargs = {"key": KEY, "ema": 0.9, "progress": False}
    whole = fit(START, NOISY, DATA, steps=5, mesh=MESH, **kwargs)
    with tempfile.TemporaryDirectory() as folder:
        for steps, devices in ((3, MESH), (5, mesh)):
            saved = Checkpoints(folder)
            resumed = fit(
                START,
                NOISY,
                DATA,
                steps=steps,
                mesh=devices,
                checkpoint=saved,
                **kwargs,
            )
    return float(np.abs(np.subtract(whole.model["w"], resumed.model["w"])).max())


def difference_of_pmap():
    """The same update, given parts of a batch by hand, under `jax.pmap`."""
    batch = DATA.draw(0, key=KEY)
    state = NOISY.init({"w": START["w"]})

    def weights(batch):
        return NOISY(state, batch, step=0, key=KEY)[0].model["w"]

    def on_part(arrays):
        return weights(Batch(*arrays, axis="batch"))

    whole = batch.pad(8)
    arrays = (whole.samples, whole.weight, whole.position)
    parts = jax.tree.map(lambda x: x.reshape(8, -1, *x.shape[1:]), arrays)
    many = jax.pmap(on_part, axis_name="batch")(parts)
    return float(abs(many - weights(batch)).max())


def collectives(update):
    lowered = lower_updates(START, update, DATA, key=KEY, mesh=MESH, ema=0.9)
    return re.findall(
        r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)"
        r"(?:-start)?\(",
        lowered.compile().as_text(),
    )


if __name__ == "__main__":
    found = {
        "devices": len(jax.devices()),
        "per_sample": difference(NOISY),
        "whole_batch": difference(WHOLE),
        "resumed_on_one": difference_of_resume(None),
        "resumed_on_eight": difference_of_resume(MESH),
        "pmap": difference_of_pmap(),
        "mistake": difference(PLAIN, MISTAKE, mesh=None),
        "collectives": collectives(NOISY),
    }
    print(json.dumps(found))
