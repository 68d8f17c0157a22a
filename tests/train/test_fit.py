"""The training loop on one device."""

import json
import os
import signal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from phix._errors import PhixError, Result
from phix.data import JsonLines
from phix.train import (
    Batch,
    Stopped,
    fit,
    gradient_update,
    lower_updates,
    per_sample,
)
from tests.train.problems import START, after, loss, noisy_loss, source


KEY = jr.key(0)
UPDATE = gradient_update(per_sample(loss), optax.sgd(0.1))
NOISY = gradient_update(per_sample(noisy_loss), optax.adam(1e-2))


def quiet(*args, **kwargs):
    return fit(*args, **{"key": KEY, "progress": False, **kwargs})


def check_descent(result, steps):
    assert np.allclose(result.model["w"], after(steps, 0.1), rtol=0, atol=1e-13)


def test_fit_is_gradient_descent():
    result = quiet(START, UPDATE, source(), steps=40)
    check_descent(result, 40)
    assert result.step == 40 and result.result == Result.successful
    assert result.model["name"] == "line"
    # The caller's model is not given away.
    assert jnp.array_equal(START["w"], jnp.zeros(3))
    with pytest.raises(AssertionError):
        check_descent(result, 39)


def test_fit_builds_the_update_from_an_objective():
    result = quiet(START, per_sample(loss), source(), steps=3, optimiser=optax.sgd(0.1))
    check_descent(result, 3)


def test_cuts_do_not_change_bits_and_compile_once():
    traces = []

    def counted(model, sample, *, step, key):
        traces.append(1)
        return noisy_loss(model, sample, step=step, key=key)

    update = gradient_update(per_sample(counted), optax.adam(1e-2))
    whole = quiet(START, update, source(7), steps=50, steps_per_call=50)
    count = len(traces)
    again = quiet(START, update, source(7), steps=37, steps_per_call=50)
    assert len(traces) == count == 1
    assert again.step == 37
    cut = quiet(
        START,
        update,
        source(7),
        steps=50,
        steps_per_call=8,
        evaluate=lambda model: {"w0": model["w"][0]},
        evaluate_every=9,
    )
    assert len(traces) == 2  # another capacity, one more compilation
    assert jnp.array_equal(cut.model["w"], whole.model["w"])
    assert eqx.tree_equal(cut.state, whole.state)


def test_history_log_and_evaluation(tmp_path):
    with JsonLines(tmp_path / "log.jsonl") as log:
        result = quiet(
            START,
            UPDATE,
            source(),
            steps=10,
            evaluate=lambda model: {"w0": model["w"][0]},
            evaluate_every=4,
            log=log,
            log_every=3,
        )
        assert log.read() == json.loads(json.dumps(result.history))
    steps, values = result.curve("loss")
    assert steps.tolist() == [1, 3, 6, 9, 10]
    assert np.all(np.diff(values) < 0)
    steps, values = result.curve("eval/w0")
    assert steps.tolist() == [4, 8, 10]
    wanted = [after(n, 0.1)[0] for n in (4, 8, 10)]
    assert np.allclose(values, wanted, rtol=0, atol=1e-13)


def test_monitors_see_the_model_before_the_update():
    def norm(model, *, step, key):
        return {"norm": jnp.linalg.norm(model["w"]), "at": step}

    result = quiet(START, UPDATE, source(), steps=7, monitors=(norm,), log_every=3)
    steps, values = result.curve("norm")
    assert steps.tolist() == [1, 3, 6, 7]
    assert result.curve("at")[1].tolist() == [0, 2, 5, 6]
    wanted = [np.linalg.norm(after(n - 1, 0.1)) for n in steps]
    assert np.allclose(values, wanted, rtol=0, atol=1e-13)


def test_average_of_the_model():
    result = quiet(START, UPDATE, source(), steps=30, ema=0.9)
    average = np.zeros(3)
    for step in range(30):
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * after(step + 1, 0.1)
    assert np.allclose(result.ema["w"], average, rtol=0, atol=1e-13)
    assert quiet(START, UPDATE, source(), steps=1).ema is None


def test_non_finite_update_stops_with_the_state_before_it():
    def breaks(model, sample, *, step, key):
        value, metrics = loss(model, sample, step=step, key=key)
        return jnp.where(step == 7, jnp.nan, value), metrics

    update = gradient_update(per_sample(breaks), optax.sgd(0.1))
    with pytest.raises(PhixError, match="update 8 of 20 was not finite") as info:
        quiet(START, update, source(), steps=20)
    assert info.value.result == Result.non_finite
    result = quiet(START, update, source(), steps=20, throw=False)
    assert result.step == 7 and result.result == Result.non_finite
    check_descent(result, 7)
    assert np.isnan(result.history[-1]["loss"]) and result.history[-1]["step"] == 8


def test_non_finite_gradient_of_a_finite_loss_is_seen_at_once():
    def breaks(model, sample, *, step, key):
        x = jnp.sum(model["w"])
        return jnp.sqrt(jnp.abs(x)), {}  # the gradient at zero is not finite

    update = gradient_update(per_sample(breaks), optax.sgd(0.1))
    result = quiet(START, update, source(), steps=5, throw=False)
    assert result.step == 0
    assert jnp.array_equal(result.model["w"], START["w"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_at_a_clean_place(number):
    def interrupt(model):
        os.kill(os.getpid(), number)
        return {}

    with pytest.raises(Stopped) as info:
        quiet(START, UPDATE, source(), steps=40, evaluate=interrupt, evaluate_every=11)
    assert info.value.code == 128 + number
    assert info.value.fit.step == 11
    check_descent(info.value.fit, 11)


def test_objective_without_a_source():
    def objective(model, batch, *, step, key):
        assert batch is None
        x = jr.normal(key, (5, 3))
        return jnp.mean((x @ (model["w"] - 1.0)) ** 2), {}

    result = quiet(START, objective, steps=200, optimiser=optax.adam(0.1))
    assert jnp.allclose(result.model["w"], 1.0, atol=1e-2)


def test_single_precision_stays_single():
    model = {"w": np.zeros(3, np.float32)}
    data = source().samples
    data = jax.tree.map(lambda x: x.astype(jnp.float32), data)
    result = quiet(model, NOISY, type(source())(data, 5), steps=3, ema=0.9)
    for leaf in jax.tree.leaves((result.state, result.ema)):
        assert leaf.dtype in (jnp.float32, jnp.int32)


def test_update_that_changes_a_dtype_is_named():
    class Widen(type(UPDATE).__mro__[1]):
        def init(self, model):
            return UPDATE.init(model)

        def __call__(self, state, batch: Batch, *, step, key):
            wide = eqx.tree_at(lambda s: s.model["w"], state, replace_fn=jnp.float64)
            return wide, {"loss": jnp.zeros(())}

        @property
        def per_device(self):
            return False

    model = {"w": jnp.zeros(3, jnp.float32)}
    with pytest.raises(ValueError, match=r"update: changed .*\['w'\].* from float32"):
        quiet(model, Widen(), source(), steps=1)


def test_program_can_be_looked_into():
    compiled = lower_updates(START, UPDATE, source(), key=KEY).compile()
    assert "all-reduce" not in compiled.as_text()
    assert compiled.memory_analysis().temp_size_in_bytes > 0


def test_bad_input():
    with pytest.raises(ValueError, match="optimiser: an objective needs one"):
        quiet(START, per_sample(loss), source(), steps=1)
    with pytest.raises(ValueError, match="optimiser, trainable: already part"):
        quiet(START, UPDATE, source(), steps=1, optimiser=optax.sgd(0.1))
    with pytest.raises(ValueError, match="steps: got 0"):
        quiet(START, UPDATE, source(), steps=0)
    with pytest.raises(ValueError, match="evaluate_every: got -1"):
        quiet(START, UPDATE, source(), steps=1, evaluate_every=-1)
    with pytest.raises(ValueError, match=r"ema: got 1\.5"):
        quiet(START, UPDATE, source(), steps=1, ema=1.5)
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    with pytest.raises(ValueError, match="wanted one named 'batch'"):
        quiet(START, UPDATE, source(), steps=1, mesh=mesh)
