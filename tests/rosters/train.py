import jax.numpy as jnp
import jax.random as jr
import optax

from phix.train import (
    ArraySource,
    Batch,
    alternating_update,
    ensemble_update,
    gradient_update,
    per_sample,
    table_rows,
)
from tests.rosters.case import Case


def _loss(model, sample, *, step, key):
    x, y = sample
    error = jnp.tanh(jnp.dot(model, x)) - y
    kick = jr.uniform(key, (), jnp.float32).astype(model.dtype)
    return error**2 + kick * model[0] / (1 + step), {"cubed": error**3}


def _data(dtype):
    x = jr.normal(jr.key(0), (4, 3), dtype)
    y = jr.normal(jr.key(1), (4,), dtype)
    weight = jnp.array([1.0, 0.5, 0.0, 2.0], dtype)
    return jnp.array([0.5, -0.2, 0.3], dtype), x, y, weight


def _objective(dtype):
    def fn(model, x, y, weight):
        batch = Batch((x, y), weight, jnp.arange(4, dtype=jnp.int32)).pad(3)
        return per_sample(_loss)(model, batch, step=1, key=jr.key(2))

    return fn, _data(dtype)


def _update(dtype):
    update = gradient_update(per_sample(_loss), optax.sgd(0.1, momentum=0.9))

    def fn(model, x, y, weight):
        batch = Batch((x, y), weight, jnp.arange(4, dtype=jnp.int32))
        state, _ = update(update.init(model), batch, step=0, key=jr.key(2))
        return update(state, batch, step=1, key=jr.key(3))

    return fn, _data(dtype)


def _composed(dtype):
    objective = per_sample(_loss, chunk=2)
    part = gradient_update(objective, optax.sgd(0.1, momentum=0.9))
    update = ensemble_update(alternating_update({"a": part, "b": part}))

    def fn(model, x, y, weight):
        batch = Batch((x, y), weight, jnp.arange(4, dtype=jnp.int32))
        models = jnp.stack([model, 2 * model])
        state, _ = update(update.init(models), batch, step=0, key=jr.key(2))
        return update(state, batch, step=1, key=jr.key(3))

    return fn, _data(dtype)


def _source(dtype):
    def fn(x, weight):
        batch = ArraySource(x, 3, weight=weight).draw(1, key=jr.key(0))
        return batch.samples, batch.weight

    _, x, _, weight = _data(dtype)
    return fn, (x, weight)


def _rows_in_batch(dtype):
    def loss(model, sample, *, step, key):
        del step, key
        row, x, y = sample
        return jnp.sum((model[row] * x - y) ** 2), {}

    update = table_rows(
        gradient_update(per_sample(loss), optax.sgd(0.1, momentum=0.9)),
        lambda model: model,
        lambda samples, shape: samples[0],
        lambda samples, places: (places, *samples[1:]),
    )

    def fn(model, x, y, weight):
        samples = jnp.array([2, 0, 2, 1]), x, y[:, None]
        batch = Batch(samples, weight, jnp.arange(4, dtype=jnp.int32))
        table = jnp.stack([model, 2 * model, model**2, 3 * model])
        return update(update.init(table), batch, step=0, key=jr.key(2))

    return fn, _data(dtype)


CASES = [
    Case("rows of a table", _rows_in_batch, ("table_rows", "RowsUpdate")),
    Case(
        "per_sample",
        _objective,
        ("per_sample", "PerSample", "Batch"),
        networks="the loss of the case",
    ),
    Case(
        "gradient_update",
        _update,
        ("gradient_update", "GradientUpdate", "UpdateState"),
        networks="the loss of the case",
    ),
    Case(
        "updates of updates",
        _composed,
        (
            "AlternatingUpdate",
            "EnsembleUpdate",
            "alternating_update",
            "ensemble_update",
        ),
        networks="the loss of the case",
    ),
    Case("array source", _source, ("ArraySource",)),
]
EXEMPT = {
    "profiling": "watches a fit; computes nothing",
    "AbstractSource": "abstract; its final class is in the roster",
    "AbstractEpochs": "abstract; its final classes draw alike",
    "HostSource": "reads files on the host; tests/train/test_host_source.py has it",
    "AbstractUpdate": "abstract; its final class is in the roster",
    "Checkpoints": "keeps files of arrays",
    "FitResult": "a record of what fit did",
    "Stopped": "an exit, not a computation",
    "fit": "a loop on the host around a compiled program: it logs, saves and stops",
    "lower_updates": "gives a program, not arrays",
}
