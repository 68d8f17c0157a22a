"""What a fit survives, or stops at with a reason."""

import json
import time
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from phix._errors import PhixError, Result
from phix.train import ArraySource, Checkpoints, fit, gradient_update, per_sample
from tests.processes import output_with_mounts
from tests.train.problems import START, X, Y, loss, noisy_loss, source


KEY = jr.key(0)
UPDATE = gradient_update(per_sample(loss), optax.sgd(0.1, momentum=0.9))


def quiet(*args, **kwargs):
    return fit(*args, **{"key": KEY, "progress": False, **kwargs})


def failure(*args, **kwargs):
    """What the error says, and the step it names."""
    with pytest.raises(PhixError) as info:
        quiet(*args, steps=40, **kwargs)
    assert info.value.result == Result.non_finite
    return str(info.value)


@pytest.mark.parametrize("batch_size, bad", [(None, np.inf), (7, np.nan)])
def test_a_bad_sample_is_named(tmp_path, batch_size, bad):
    data = ArraySource({"x": X.at[13, 1].set(bad), "y": Y}, batch_size)
    draws = [data.index(step, key=jr.split(KEY)[0]) for step in range(4)]
    first = next(step for step, index in enumerate(draws) if 13 in index)

    def of_pair(model, sample, *, step, key):
        return loss(model, (sample["x"], sample["y"]), step=step, key=key)

    update = gradient_update(per_sample(of_pair), optax.sgd(0.1))
    with Checkpoints(tmp_path) as saved:
        said = failure(START, update, data, checkpoint=saved)
    assert f"update {first + 1} of 40 was not finite: samples['x'][13] of the" in said
    assert f"saved in {tmp_path}" in said
    assert Checkpoints(tmp_path).latest_step == first


def steep(model, sample, *, step, key):
    """At (1e25, 1e25, 1e-30) it is 1e20 with a gradient of 1e50: beyond float32."""
    a, b, c = model["w"]
    return a * (b * c), {}


def test_where_it_went_wrong_is_said():
    small = {"w": jnp.array([1e25, 1e25, 1e-30], jnp.float32)}
    said = failure(small, per_sample(steep), source(), optimiser=optax.sgd(0.1))
    assert "update 1 of 40" in said and "its gradient is not (overflow" in said
    said = failure(START, per_sample(loss), source(), optimiser=optax.sgd(jnp.inf))
    assert "what the optimiser made of it is not" in said

    def no_log(model, sample, *, step, key):
        return jnp.log(model["w"][0] - 1.0), {}

    said = failure(START, per_sample(no_log), source(), optimiser=optax.sgd(0.1))
    assert "the data are finite, the loss is not" in said
    assert "Nothing is saved" in said


def check_skips(result, index, void):
    """Momentum by hand, one sample at a time, that leaves void ones out."""
    w, speed = np.zeros(3), np.zeros(3)
    for i in index:
        if i not in void:
            x, y = np.asarray(X[i]), float(Y[i])
            speed = 0.9 * speed + (w @ x - y) * x
            w = w - 0.1 * speed
    assert np.allclose(result.model["w"], w, rtol=0, atol=1e-12)


def test_a_batch_without_weight_moves_nothing():
    void = [3, 11]
    weight = jnp.ones(24).at[jnp.array(void)].set(0.0)
    data = ArraySource((X, Y), 1, weight=weight)
    result = quiet(START, UPDATE, data, steps=30, log_every=40)
    key = jr.split(KEY)[0]
    index = [int(data.index(step, key=key)[0]) for step in range(30)]
    check_skips(result, index, void)
    assert result.step == 30 and result.result == Result.successful
    steps, losses = result.curve("loss")
    empty = [step + 1 for step, i in enumerate(index) if i in void]
    assert steps[np.isnan(losses)].tolist() == empty  # each is in the record
    with pytest.raises(AssertionError):  # momentum would have moved on
        check_skips(result, index, [])


def test_two_fits_in_one_directory_are_refused(tmp_path):
    with Checkpoints(tmp_path) as other:
        other.hold()
        with pytest.raises(ValueError, match="checkpoint directory in use: .* process"):
            quiet(START, UPDATE, source(), steps=1, checkpoint=Checkpoints(tmp_path))
    quiet(START, UPDATE, source(), steps=1, checkpoint=Checkpoints(tmp_path))


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path, monkeypatch, capsys):
    update = gradient_update(per_sample(noisy_loss), optax.adam(1e-2))

    def run(checkpoint, steps):
        kwargs = {"checkpoint": checkpoint, "steps_per_call": 5, "progress": True}
        return quiet(START, update, source(7), steps=steps, ema=0.9, **kwargs)

    whole, now = run(None, 40), time.time()
    clock = iter(now - 3600.0 * np.arange(10_000))
    monkeypatch.setattr(time, "time", lambda: next(clock))
    monkeypatch.setattr(time, "time_ns", lambda: int(next(clock) * 1e9))
    for steps in (17, 40):
        cut = run(Checkpoints(tmp_path, every=6), steps)
    assert next(clock) < now - 10 * 3600.0  # it was looked at
    assert eqx.tree_equal((cut.state, cut.ema), (whole.state, whole.ema))


def test_disks_that_are_full_or_read_only(tmp_path):
    script = Path(__file__).with_name("disks.py")
    found = json.loads(output_with_mounts(script, tmp_path).splitlines()[-1])
    assert "No space left" in found["full"]
    assert "the same call goes on" in found["full"]
    assert found["kept"] > 0 and found["whole"] and found["same"]
    for said in found["read_only"]:
        assert "checkpoint directory cannot be written to" in said
