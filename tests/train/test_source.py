"""Drawing batches."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix.train import ArraySource, Batch


def check_epoch(draw, num_samples, num_batches):
    """Every sample exactly once in an epoch; the rest weighs nothing."""
    seen = np.zeros(num_samples)
    for step in range(num_batches):
        batch = draw(step)
        np.add.at(seen, np.asarray(batch.samples), np.asarray(batch.weight))
    assert np.all(seen == 1)


@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("num_samples, batch_size", [(1, 1), (20, 6), (13, 5), (9, 99)])
def test_epoch_visits_each_sample_once(num_samples, batch_size, epoch):
    source = ArraySource(jnp.arange(num_samples), batch_size)
    first = epoch * source.num_batches
    draw = jax.jit(lambda step: source.draw(first + step, key=jr.key(1)))
    check_epoch(draw, num_samples, source.num_batches)


def test_epoch_check_sees_draws_with_replacement():
    source = ArraySource(jnp.arange(20), 5)

    def broken(step):
        index = jr.randint(jr.fold_in(jr.key(0), step), (5,), 0, 20)
        return Batch(index, jnp.ones(5), jnp.arange(5, dtype=jnp.int32))

    with pytest.raises(AssertionError):
        check_epoch(broken, 20, source.num_batches)


@pytest.mark.parametrize("num_samples", [1, 2, 3, 7, 64, 1000])
def test_order_is_a_permutation_that_changes(num_samples):
    source = ArraySource(jnp.arange(num_samples), max(1, num_samples - 1))
    draw = jax.jit(lambda step: source.draw(step, key=jr.key(0)))
    epochs = [np.asarray(draw(e * source.num_batches).samples) for e in range(5)]
    assert all(len(set(e.tolist())) == e.size for e in epochs)
    if num_samples > 3:
        assert len({tuple(e.tolist()) for e in epochs}) > 1


def test_order_is_uniform():
    # The place of every sample is uniform: chi-squared with 6 x 6 degrees of freedom
    # stays below its mean by five deviations, 36 + 5 sqrt(72).
    n, trials = 7, 3000
    source = ArraySource(jnp.arange(n), n - 1)
    steps = jnp.arange(trials) * source.num_batches
    orders = jax.vmap(lambda s: source.draw(s, key=jr.key(3)).samples)(steps)
    counts = np.stack([np.bincount(column, minlength=n) for column in orders.T])
    expected = trials / n
    assert np.sum((counts - expected) ** 2 / expected) < 36 + 5 * np.sqrt(72)


def test_full_batch_is_the_data_in_order():
    samples = {"x": jnp.ones((5, 2), jnp.float32), "i": jnp.arange(5)}
    for source in (ArraySource(samples), ArraySource(samples, 9)):
        batch = source.draw(3, key=jr.key(0))
        assert jnp.array_equal(batch.samples["i"], jnp.arange(5))
        assert batch.weight.dtype == jnp.float32 and jnp.all(batch.weight == 1)


def test_weights_travel_with_samples():
    source = ArraySource(jnp.arange(10), 4, weight=jnp.arange(10.0))
    batch = source.draw(1, key=jr.key(0))
    assert jnp.array_equal(batch.weight, batch.samples.astype(float))


def test_padding_repeats_and_weighs_nothing():
    batch = Batch(jnp.arange(5.0), jnp.full(5, 2.0), jnp.arange(5, dtype=jnp.int32))
    padded = batch.pad(4)
    assert jnp.array_equal(padded.weight, jnp.array([2.0] * 5 + [0.0] * 3))
    assert jnp.array_equal(padded.samples[5:], jnp.full(3, 4.0))
    assert batch.pad(5) is batch or jnp.array_equal(batch.pad(5).weight, batch.weight)


def test_bad_input():
    with pytest.raises(ValueError, match=r"samples.*same leading batch axis.*\(3,\)"):
        ArraySource((jnp.ones(3), jnp.ones(4)))
    with pytest.raises(ValueError, match="samples.*same leading batch axis"):
        ArraySource(jnp.float32(1.0))
    with pytest.raises(ValueError, match="batch_size: got 0"):
        ArraySource(jnp.ones(3), 0)
    with pytest.raises(ValueError, match=r"weight: got shape \(2,\); wanted \(3,\)"):
        ArraySource(jnp.ones(3), weight=jnp.ones(2))
