"""Objectives and updates, against closed forms and NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from phix.nn import Standardiser
from phix.train import Batch, gradient_update, per_sample


def linear_loss(w, sample, *, step, key):
    x, y = sample
    error = jnp.dot(w, x) - y
    return 0.5 * error**2, {"abs": jnp.abs(error)}


def make_batch(getkey, n=6, weight=None):
    x, y = jr.normal(getkey(), (n, 3)), jr.normal(getkey(), (n,))
    weight = jnp.ones(n) if weight is None else weight
    return Batch((x, y), weight, jnp.arange(n, dtype=jnp.int32))


def check_gradient(update_fn, batch, w):
    """One step of gradient descent is w - Xᵀ W (Xw - y) / Σw."""
    x, y = (np.asarray(a) for a in batch.samples)
    weight = np.asarray(batch.weight)
    wanted = w - x.T @ (weight * (x @ w - y)) / weight.sum()
    assert np.allclose(update_fn(batch, w), wanted, rtol=0, atol=1e-13)


def one_step(batch, w):
    update = gradient_update(per_sample(linear_loss), optax.sgd(1.0))
    state, _ = update(update.init(w), batch, step=0, key=jr.key(0))
    return state.model


def test_gradient_step_is_the_closed_form(getkey):
    w = jr.normal(getkey(), (3,))
    weight = jr.uniform(getkey(), (6,))
    check_gradient(one_step, make_batch(getkey), w)
    check_gradient(one_step, make_batch(getkey, weight=weight), w)
    check_gradient(one_step, make_batch(getkey).pad(4), w)


@pytest.mark.parametrize("chunk", [None, 2])
def test_missing_samples_may_be_nan(getkey, chunk):
    """Two of three chunks hold one, the last holds nothing else."""
    w, weight = jr.normal(getkey(), (3,)), jnp.array([0.0, 1.0, 2.0, 1.0, 0.0, 0.0])
    whole = make_batch(getkey, weight=weight)
    x, y = whole.samples
    holes = jnp.where(weight == 0, jnp.nan, 1.0)
    missing = eqx.tree_at(lambda b: b.samples, whole, (x * holes[:, None], y * holes))
    update = gradient_update(per_sample(linear_loss, chunk=chunk), optax.sgd(1.0))

    def stepped(batch, w):
        state, _ = update(update.init(w), batch, step=0, key=jr.key(0))
        return state.model

    assert np.array_equal(stepped(missing, w), stepped(whole, w))
    check_gradient(lambda _, w: stepped(missing, w), whole, w)
    with pytest.raises(AssertionError):  # a NaN that weighs something is not hidden
        heavy = eqx.tree_at(lambda b: b.weight, missing, jnp.ones(6))
        check_gradient(lambda _, w: stepped(heavy, w), whole, w)


def test_mean_of_padded_parts_would_be_wrong(getkey):
    w = jr.normal(getkey(), (3,))
    batch = make_batch(getkey).pad(4)

    def mean_of_means(batch, w):
        halves = [
            jax.tree.map(lambda x, part=part: x[part], batch)
            for part in (slice(0, 4), slice(4, 8))
        ]
        return (one_step(halves[0], w) + one_step(halves[1], w)) / 2

    with pytest.raises(AssertionError):
        check_gradient(mean_of_means, batch, w)


def test_metrics_are_weighted_means(getkey):
    weight = jnp.array([1.0, 2.0, 0.0, 1.0, 0.0, 4.0])
    batch = make_batch(getkey, weight=weight)
    w = jr.normal(getkey(), (3,))
    update = gradient_update(per_sample(linear_loss), optax.sgd(0.1))
    _, metrics = update(update.init(w), batch, step=0, key=getkey())
    errors = batch.samples[0] @ w - batch.samples[1]
    assert list(metrics) == ["loss", "abs", "grad_norm", "update_ratio"]
    ratio = 0.1 * metrics["grad_norm"] / jnp.linalg.norm(w)
    assert jnp.allclose(metrics["update_ratio"], ratio, rtol=1e-13)
    assert jnp.allclose(metrics["loss"], jnp.sum(weight * errors**2) / 16, rtol=1e-13)
    assert jnp.allclose(metrics["abs"], jnp.sum(weight * abs(errors)) / 8, rtol=1e-13)


def test_keys_follow_the_position_in_the_batch(getkey):
    def noisy(w, sample, *, step, key):
        return w * jr.normal(key), {}

    key = getkey()
    position = jnp.array([3, 1], jnp.int32)
    batch = Batch(jnp.zeros(2), jnp.ones(2), position)
    value, _ = per_sample(noisy)(1.0, batch, step=0, key=key)
    wanted = jnp.mean(jnp.stack([jr.normal(jr.fold_in(key, p)) for p in position]))
    assert jnp.allclose(value, wanted, rtol=1e-14)


class Scaled(eqx.Module):
    weight: jax.Array
    normaliser: Standardiser
    count: jax.Array


def test_normalisers_and_integers_are_left_alone(getkey):
    normaliser = Standardiser(jnp.ones(1), jnp.full(1, 2.0))
    model = Scaled(jnp.ones(1), normaliser, jnp.int32(3))

    def loss(model, sample, *, step, key):
        return jnp.sum(model.weight * model.normaliser(sample)) ** 2, {}

    # Weight decay would shrink whatever it is shown.
    optimiser = optax.adamw(0.1, weight_decay=0.5)
    batch = Batch(jnp.ones((2, 1)), jnp.ones(2), jnp.arange(2, dtype=jnp.int32))

    def normaliser_after(trainable):
        update = gradient_update(per_sample(loss), optimiser, trainable=trainable)
        state, _ = update(update.init(model), batch, step=0, key=getkey())
        assert state.model.weight[0] != 1
        return state.model.normaliser

    assert eqx.tree_equal(normaliser_after(None), normaliser)
    everything = jax.tree.map(eqx.is_inexact_array, model)
    assert not eqx.tree_equal(normaliser_after(everything), normaliser)


def test_optimisers_by_label(getkey):
    def loss(model, sample, *, step, key):
        return sum(jnp.sum(x) for x in model.values()) * sample, {}

    update = gradient_update(
        per_sample(loss),
        {"slow": optax.sgd(0.1), "fast": optax.sgd(1.0)},
        labels=lambda model: {"net": "slow", "table": "fast"},
    )
    model = {"net": jnp.zeros(2), "table": jnp.zeros(2)}
    batch = Batch(jnp.ones(1), jnp.ones(1), jnp.zeros(1, jnp.int32))
    state, _ = update(update.init(model), batch, step=0, key=getkey())
    assert jnp.allclose(state.model["net"], -0.1)
    assert jnp.allclose(state.model["table"], -1.0)


def test_complex_parameters_descend(getkey):
    target = 1.0 + 2.0j

    def loss(z, sample, *, step, key):
        return jnp.abs(z - target) ** 2, {}

    update = gradient_update(per_sample(loss), optax.sgd(0.5))
    batch = Batch(jnp.ones(1), jnp.ones(1), jnp.zeros(1, jnp.int32))
    state, _ = update(update.init(jnp.zeros((), complex)), batch, step=0, key=getkey())
    assert jnp.allclose(state.model, target, rtol=1e-14)


def test_objective_of_the_whole_batch(getkey):
    def spread(w, batch, *, step, key):
        x = w * batch.samples
        return jnp.sum(batch.weight * (x - jnp.mean(x)) ** 2), {"mean": jnp.mean(x)}

    update = gradient_update(spread, optax.sgd(0.1))
    assert not update.per_device
    samples = jr.normal(getkey(), (4,))
    batch = Batch(samples, jnp.ones(4), jnp.arange(4, dtype=jnp.int32))
    state, metrics = update(update.init(jnp.ones(())), batch, step=0, key=getkey())
    wanted = 1 - 0.1 * 2 * 4 * jnp.var(samples)
    assert jnp.allclose(state.model, wanted, rtol=1e-13)
    assert "mean" in metrics


def test_bad_input(getkey):
    batch = make_batch(getkey)
    key = getkey()
    w = jnp.ones(3)

    def vector(w, sample, *, step, key):
        return w, {}

    def bare(w, sample, *, step, key):
        return w[0], w[1]

    with pytest.raises(ValueError, match=r"value has shape \(3,\); wanted a scalar"):
        per_sample(vector)(w, batch, step=0, key=key)
    with pytest.raises(ValueError, match="metrics a dict"):
        per_sample(bare)(w, batch, step=0, key=key)
    with pytest.raises(ValueError, match="labels: give a labelling function"):
        gradient_update(vector, {"a": optax.sgd(0.1)})
    with pytest.raises(ValueError, match="trainable: selects no array"):
        gradient_update(vector, optax.sgd(0.1), trainable=eqx.is_inexact_array).init(
            {"w": w}
        )
    update = gradient_update(per_sample(linear_loss), optax.sgd(0.1))
    with pytest.raises(ValueError, match="source: .* needs one"):
        update(update.init(w), None, step=0, key=key)
