"""Updates of the rows in the batch: which bits move, and which do not."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from phix.train import Batch, gradient_update, per_sample, table_rows


ROWS, COLUMNS = 3, 4


def loss(model, sample, *, step, key):
    del step, key
    (i, j), x, y = sample
    return jnp.sum((model["table"][i, j] * model["weight"] * x - y) ** 2), {}


def rows(samples, shape):
    return samples[0][:, 0] * shape[1] + samples[0][:, 1]


def renumber(samples, places):
    return jnp.stack([jnp.zeros_like(places), places], axis=1), *samples[1:]


def table(model):
    return model["table"]


def batch_of(places):
    places, n = jnp.asarray(places, jnp.int32), len(places)
    x, y = jr.normal(jr.key(1), (2, n, 2))
    return Batch((places, x, y), jnp.ones(n), jnp.arange(n, dtype=jnp.int32))


@pytest.fixture(scope="module")
def updates():
    """Plain, and of rows only; both jitted, with momentum and weight decay."""
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(lambda s: 0.1, weight_decay=0.01)
    )
    plain = gradient_update(per_sample(loss), optimiser)
    return plain, table_rows(plain, table, rows, renumber, axes=2)


def model_of():
    return {"table": jr.normal(jr.key(0), (ROWS, COLUMNS, 2)), "weight": jnp.ones(2)}


def run(update, batches):
    step = jax.jit(lambda s, b, n: update(s, b, step=n, key=jr.key(2))[0])
    state = update.init(model_of())
    for n, places in enumerate(batches):
        state = step(state, batch_of(places), n)
    return state


ALL = [(i, j) for i in range(ROWS) for j in range(COLUMNS)]
# A row twice: both samples move it, together.
SOME = [(0, 1), (2, 3), (0, 1)]


def leaves(state):
    return jax.tree.leaves((state.model, state.optimiser))


def test_with_every_row_in_the_batch_it_is_the_plain_update(updates):
    """Also what the optimiser remembers, to round-off."""
    for a, b in zip(*(leaves(run(u, [ALL] * 3)) for u in updates), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def check_only_moves(update, chosen):
    """Rows outside the last batch keep every bit, in the table and the momenta."""
    before, after = run(update, [ALL]), run(update, [ALL, chosen])
    moved = np.zeros((ROWS, COLUMNS), bool)
    moved[tuple(np.asarray(chosen).T)] = True
    for a, b in zip(leaves(before), leaves(after), strict=True):
        if a.shape == (ROWS, COLUMNS, 2):
            np.testing.assert_array_equal(np.any(a != b, axis=2), moved)


def test_rows_outside_the_batch_keep_their_bits(updates):
    plain, of_rows = updates
    check_only_moves(of_rows, SOME)
    with pytest.raises(AssertionError):  # momentum and decay move the others
        check_only_moves(plain, SOME)


def test_a_row_twice_is_moved_once_by_both(updates):
    """From the same start the first plain step moves it as far."""
    plain, of_rows = (table(run(u, [SOME]).model) for u in updates)
    chosen = tuple(np.asarray(SOME).T)
    np.testing.assert_allclose(of_rows[chosen], plain[chosen], rtol=1e-12)


def test_bad_input(updates):
    with pytest.raises(ValueError, match="axes must be at least 1"):
        table_rows(updates[0], table, rows, renumber, axes=0)
    with pytest.raises(ValueError, match="table_rows needs a source"):
        updates[1](updates[1].init(model_of()), None, step=0, key=jr.key(0))
