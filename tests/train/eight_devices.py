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
    table_rows,
)
from tests.train.problems import (  # noqa: E402
    START,
    WIDE,
    loss,
    noisy_loss,
    source,
    wide_loss,
    wide_source,
)


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
# What an optimiser takes of all weights at once, and what it remembers of each.
CLIPPED = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(1e-2, eps=1e-2))
WIDE_UPDATE = gradient_update(per_sample(wide_loss, chunk=1), CLIPPED)
ROWS = table_rows(
    WIDE_UPDATE,
    lambda model: model["table"],
    lambda samples, _: samples[2],
    lambda samples, places: (*samples[:2], places),
)
PARTS = make_mesh(weight_parts=4)
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


def difference_in_parts(update):
    """As `difference`, with a quarter of the weights on each device."""
    kwargs = {"steps": 5, "key": KEY, "ema": 0.9, "log_every": 1, "progress": False}
    data = wide_source(10)
    one = fit(WIDE, update, data, **kwargs)
    many = fit(WIDE, update, data, mesh=PARTS, **kwargs)
    pairs = [(one.model[n], many.model[n]) for n in WIDE]
    pairs += [(one.ema[n], many.ema[n]) for n in WIDE]
    pairs += [(one.curve(n)[1], many.curve(n)[1]) for n in ("loss", "grad_norm")]
    return max(float(np.abs(np.subtract(a, b)).max()) for a, b in pairs)


def difference_of_parts_resumed(mesh):
    """Saved in parts on eight devices, resumed on `mesh`, against the run in parts."""
    kwargs = {"key": KEY, "ema": 0.9, "progress": False}
    data = wide_source(10)
    whole = fit(WIDE, WIDE_UPDATE, data, steps=4, mesh=PARTS, **kwargs)
    with tempfile.TemporaryDirectory() as folder:
        for steps, devices in ((2, PARTS), (4, mesh)):
            resumed = fit(
                WIDE,
                WIDE_UPDATE,
                data,
                steps=steps,
                mesh=devices,
                checkpoint=Checkpoints(folder),
                **kwargs,
            )
    pairs = [(whole.model[n], resumed.model[n]) for n in WIDE]
    return max(float(np.abs(np.subtract(a, b)).max()) for a, b in pairs)


def share_of_a_device():
    """Bytes of the weights and of what Adam remembers, on the fullest device over all
    there are."""
    result = fit(
        WIDE, WIDE_UPDATE, wide_source(10), steps=1, key=KEY, mesh=PARTS, progress=False
    )
    arrays = [x for x in jax.tree.leaves(result.state) if isinstance(x, jax.Array)]
    held = [sum(s.data.nbytes for s in x.addressable_shards[:1]) for x in arrays]
    return sum(held) / sum(x.nbytes for x in arrays)


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


def collectives(update, model=START, data=DATA, mesh=MESH):
    """Each with the shape of what comes of it."""
    lowered = lower_updates(model, update, data, key=KEY, mesh=mesh, ema=0.9)
    return re.findall(
        r"= (\S+|\(.*\)) (all-reduce|all-gather|all-to-all|collective-permute|"
        r"reduce-scatter)(?:-start)?\(",
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
        "in_parts": difference_in_parts(WIDE_UPDATE),
        "rows_in_parts": difference_in_parts(ROWS),
        "parts_resumed_in_parts": difference_of_parts_resumed(PARTS),
        "parts_resumed_on_one": difference_of_parts_resumed(None),
        "share": share_of_a_device(),
        "collectives_in_parts": collectives(WIDE_UPDATE, WIDE, wide_source(10), PARTS),
        "collectives_of_wholes": collectives(WIDE_UPDATE, WIDE, wide_source(10)),
        "collectives_of_rows": collectives(ROWS, WIDE, wide_source(10), PARTS),
    }
    print(json.dumps(found))
