"""Chunks, updates in turn and ensembles, against closed forms and plain loops."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from phix.train import (
    Batch,
    alternating_update,
    ensemble_update,
    gradient_update,
    per_sample,
)


def noisy_loss(model, sample, *, step, key):
    x, y, _ = sample
    error = jnp.dot(model["w"], jnp.tanh(model["v"] * x)) - y + 0.1 * jr.normal(key)
    return error**2, {"abs": jnp.abs(error)}


@pytest.fixture
def batch(getkey):
    x, y = jr.normal(getkey(), (7, 3)), jr.normal(getkey(), (7,))
    weight = jnp.array([1.0, 2.0, 0.0, 1.0, 3.0, 1.0, 0.5])
    # The last part is of size zero, as parameters are where there are none.
    return Batch((x, y, jnp.zeros((7, 0))), weight, jnp.arange(7, dtype=jnp.int32))


def model_of(key):
    w, v = jr.normal(key, (2, 3))
    return {"w": w, "v": v}


def stepped(objective, model, batch, key):
    update = gradient_update(objective, optax.sgd(0.3))
    state, metrics = update(update.init(model), batch, step=0, key=key)
    return state.model, metrics


def check_equal(found, wanted):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, wanted
    )


@pytest.mark.parametrize("chunk", [1, 3, 7, 20])
def test_chunks_give_the_same_step(batch, getkey, chunk):
    model, key = model_of(getkey()), getkey()
    whole = stepped(per_sample(noisy_loss), model, batch, key)
    check_equal(stepped(per_sample(noisy_loss, chunk=chunk), model, batch, key), whole)


def test_chunk_check_sees_a_mean_of_means(batch, getkey):
    model, key = model_of(getkey()), getkey()
    whole = stepped(per_sample(noisy_loss), model, batch, key)
    halves = [jax.tree.map(lambda a, s=s: a[s], batch) for s in (slice(4), slice(4, 7))]
    parts = [stepped(per_sample(noisy_loss), model, half, key) for half in halves]
    with pytest.raises(AssertionError):
        check_equal(jax.tree.map(lambda a, b: (a + b) / 2, *parts), whole)


def test_chunks_bound_the_memory(getkey):
    def wide(model, sample, *, step, key):
        return jnp.sum(jnp.sin(model @ jnp.sin(model @ sample)) ** 2), {}

    def temporaries(chunk):
        update = gradient_update(per_sample(wide, chunk=chunk), optax.sgd(0.1))

        @jax.jit
        def run(w, x):
            batch = Batch(x, jnp.ones(64), jnp.arange(64, dtype=jnp.int32))
            return update(update.init(w), batch, step=0, key=jr.key(0))[0].model

        shapes = jnp.ones((20, 20)), jnp.ones((64, 20, 100))
        memory = run.lower(*shapes).compile().memory_analysis()
        return memory.temp_size_in_bytes

    assert temporaries(4) < temporaries(None) / 8


def alternate(order, rates):
    """Gradient descent on w then v (or the other way round), each on a rate."""
    pick = {name: {"w": name == "w", "v": name == "v"} for name in "wv"}
    return alternating_update(
        {
            name: gradient_update(
                per_sample(noisy_loss), optax.sgd(rates[name]), trainable=pick[name]
            )
            for name in order
        }
    )


def check_in_turn(update, model, batch, key):
    """w moves by the gradient at (w, v); then v by that at (new w, v)."""
    state, metrics = update(update.init(model), batch, step=0, key=key)
    keys = jr.split(key, 2)

    def slope(model, key):
        def value(m):
            return per_sample(noisy_loss)(m, batch, step=0, key=key)[0]

        return jax.value_and_grad(value)(model)

    first, g = slope(model, keys[0])
    moved = {"w": model["w"] - 0.1 * g["w"], "v": model["v"]}
    second, g = slope(moved, keys[1])
    wanted = {"w": moved["w"], "v": moved["v"] - 0.3 * g["v"]}
    check_equal(state.model, wanted)
    check_equal(metrics["loss"], first + second)
    assert {"w/loss", "v/loss", "w/abs", "v/grad_norm"} <= set(metrics)


def test_updates_run_in_turn(batch, getkey):
    rates = {"w": 0.1, "v": 0.3}
    model, key = model_of(getkey()), getkey()
    check_in_turn(alternate("wv", rates), model, batch, key)
    assert alternate("wv", rates).per_device
    with pytest.raises(AssertionError):
        check_in_turn(alternate("vw", rates), model, batch, key)


def check_members(update, models, batch, key):
    """Every member is what it would be alone, with its own key."""
    state = update.init(models)
    alone = gradient_update(per_sample(noisy_loss), optax.adam(0.1))
    singles = [alone.init(jax.tree.map(lambda a, i=i: a[i], models)) for i in range(3)]
    for step in range(2):
        now = jr.fold_in(key, step)
        state, metrics = update(state, batch, step=step, key=now)
        done = [
            alone(single, batch, step=step, key=own)
            for single, own in zip(singles, jr.split(now, 3), strict=True)
        ]
        singles = [single for single, _ in done]
        losses = [found["loss"] for _, found in done]
        np.testing.assert_allclose(metrics["loss"], np.mean(losses), rtol=1e-12)
    check_equal(
        state.model, jax.tree.map(lambda *a: jnp.stack(a), *[s.model for s in singles])
    )


class Shared(eqx.Module):
    """An ensemble whose members are given one key: the broken twin."""

    update: eqx.Module

    def init(self, models):
        return ensemble_update(self.update).init(models)

    def __call__(self, state, batch, *, step, key):
        def one(s):
            return self.update(s, batch, step=step, key=key)

        state, metrics = eqx.filter_vmap(one)(state)
        return state, {"loss": jnp.mean(metrics["loss"])}


def test_members_are_trained_as_if_alone(batch, getkey):
    update = gradient_update(per_sample(noisy_loss), optax.adam(0.1))
    models, key = jax.vmap(model_of)(jr.split(getkey(), 3)), getkey()
    check_members(ensemble_update(update), models, batch, key)
    with pytest.raises(AssertionError):
        check_members(Shared(update), models, batch, key)


def test_bad_input():
    with pytest.raises(ValueError, match="chunk must be positive.*got 0"):
        per_sample(noisy_loss, chunk=0)
    with pytest.raises(ValueError, match="updates is empty"):
        alternating_update({})
