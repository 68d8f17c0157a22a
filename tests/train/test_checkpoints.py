"""Saving and resuming."""

import os
import shutil
import signal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest

from phix._errors import PhixError
from phix.data import JsonLines
from phix.train import (
    Checkpoints,
    Stopped,
    _checkpoints,
    fit,
    gradient_update,
    per_sample,
)
from tests.train.problems import START, loss, noisy_loss, source


KEY = jr.key(0)
UPDATE = gradient_update(per_sample(noisy_loss), optax.adam(1e-2))
CONFIG = {"seed": 0, "net": {"width": 8}}
SOURCE = source(7)


def run(directory, steps, *, config=CONFIG, every=10, update=UPDATE, **kwargs):
    keep_best = kwargs.pop("keep_best", None)
    checkpoint = Checkpoints(
        directory, config=config, every=every, keep_last=2, keep_best=keep_best
    )
    defaults = {"key": KEY, "ema": 0.9, "steps_per_call": 50, "progress": False}
    return fit(
        START,
        update,
        SOURCE,
        steps=steps,
        checkpoint=checkpoint,
        **{**defaults, **kwargs},
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"), 33)


def check_same(result, whole):
    assert eqx.tree_equal(
        (result.state, result.ema, result.step), (whole.state, whole.ema, whole.step)
    )


def test_resume_is_bit_for_bit(tmp_path, whole):
    run(tmp_path, 17)
    check_same(run(tmp_path, 33), whole)


def test_run_that_is_done_is_just_loaded(tmp_path, whole):
    run(tmp_path, 33)
    again = run(tmp_path, 33)
    check_same(again, whole)


def test_starting_over_from_half_way_is_not_a_resume(tmp_path, whole):
    half = run(tmp_path, 17)
    optimiserless = fit(
        half.model, UPDATE, SOURCE, steps=16, key=KEY, ema=0.9, progress=False
    )
    with pytest.raises(AssertionError):
        check_same(optimiserless, whole)


def test_half_written_checkpoint_is_ignored(tmp_path, whole):
    run(tmp_path, 17)
    # What a process killed while writing step 25 leaves behind.
    broken = tmp_path / "25.orbax-checkpoint-tmp-1"
    shutil.copytree(tmp_path / "17", broken)
    for file in (broken / "arrays").iterdir():
        if file.is_file():
            file.unlink()
    assert Checkpoints(tmp_path).latest_step == 17
    check_same(run(tmp_path, 33), whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_and_resumes(tmp_path, whole, number):
    def interrupt(model):
        os.kill(os.getpid(), number)
        return {}

    with pytest.raises(Stopped):
        run(tmp_path, 33, every=100, evaluate=interrupt, evaluate_every=13)
    assert Checkpoints(tmp_path).latest_step == 13
    check_same(run(tmp_path, 33, every=100), whole)


def test_log_has_no_step_twice(tmp_path):
    with JsonLines(tmp_path / "log.jsonl") as log:
        whole = run(tmp_path / "a", 33, log=log, log_every=5)
        wanted = log.read()
    with JsonLines(tmp_path / "other.jsonl") as log:
        run(tmp_path / "b", 22, log=log, log_every=5)
        shutil.rmtree(tmp_path / "b" / "22")  # as if killed after 22, before saving
        resumed = run(tmp_path / "b", 33, log=log, log_every=5)
        assert log.read() == wanted == resumed.history == whole.history


def test_non_finite_update_saves_the_state_before_it(tmp_path):
    def breaks(model, sample, *, step, key):
        value, metrics = loss(model, sample, step=step, key=key)
        return jnp.where(step == 6, jnp.inf, value), metrics

    update = gradient_update(per_sample(breaks), optax.sgd(0.1))
    with pytest.raises(PhixError, match="update 7"):
        run(tmp_path, 20, update=update)
    assert Checkpoints(tmp_path).latest_step == 6


def test_keep_last_and_keep_best(tmp_path):
    errors = iter([3.0, 1.0, 2.0, 4.0, 5.0])

    def evaluate(model):
        return {"error": next(errors)}

    result = run(
        tmp_path, 25, evaluate=evaluate, evaluate_every=5, every=5, keep_best="error"
    )
    with Checkpoints(tmp_path, keep_best="error") as saved:
        assert (saved.best_step, saved.best_value, saved.latest_step) == (10, 1.0, 25)
        kept = sorted(p.name for p in tmp_path.iterdir() if p.name.isdigit())
        assert kept == ["10", "20", "25"]
        best = saved.restore_model(START, step=saved.best_step)
        assert not jnp.array_equal(best["w"], result.model["w"])
        assert best["name"] == "line"
        latest = saved.restore_model(START)
        assert jnp.array_equal(latest["w"], result.model["w"])
        average = saved.restore_model(START, ema=True)
        assert jnp.array_equal(average["w"], result.ema["w"])


class Net(eqx.Module):
    encoder: dict
    decoder: dict


def check_taken(model, saved, names):
    """The named arrays are the saved ones, the others are still zero."""
    for part in ("encoder", "decoder"):
        for name, x in getattr(model, part).items():
            wanted = getattr(saved, part).get(name)
            taken = f".{part}[{name!r}]" in names
            assert jnp.array_equal(x, wanted.astype(x.dtype) if taken else 0 * x)


def test_arrays_that_fit_are_taken_for_fine_tuning(tmp_path, getkey):
    saved = Net(
        {"w": jr.normal(getkey(), (4, 3)), "b": jnp.ones(4), "void": jnp.zeros((0, 2))},
        {"w": jr.normal(getkey(), (3, 4)), "old": jnp.ones(1)},
    )
    single = jnp.float32
    blank = Net(
        {"w": jnp.zeros((4, 3)), "b": jnp.zeros(5), "void": jnp.zeros((0, 2))},
        {"w": jnp.zeros((3, 4), single), "new": jnp.zeros(1)},
    )
    with Checkpoints(tmp_path) as checkpoint:
        checkpoint.save(1, UPDATE.init(saved), None, key=KEY)
    model, left = checkpoint.restore_matching(blank)
    check_taken(model, saved, [".encoder['w']", ".decoder['w']"])
    assert model.decoder["w"].dtype == single
    assert left == {
        ".encoder['b']": "float64[4] there, float64[5] here",
        ".decoder['new']": "not in the checkpoint",
        ".decoder['old']": "not in the model",
    }
    part, left = checkpoint.restore_matching(blank, within=lambda m: m.decoder)
    check_taken(part, saved, [".decoder['w']"])
    assert left[".encoder['w']"] == "not within the part chosen"
    with pytest.raises(AssertionError):
        check_taken(part, saved, [".encoder['w']", ".decoder['w']"])
    with pytest.raises(ValueError, match="model: no array of it agrees"):
        checkpoint.restore_matching({"w": jnp.zeros((4, 3))})


def test_checkpoint_of_another_run_is_refused(tmp_path):
    run(tmp_path, 5)
    with pytest.raises(ValueError, match=r"config\.net\.width was 8 there and is 9"):
        run(tmp_path, 9, config={"seed": 0, "net": {"width": 9}})
    with pytest.raises(ValueError, match="key was"):
        run(tmp_path, 9, key=jr.key(1))
    with pytest.raises(ValueError, match="arrays.ema was .* is not set"):
        run(tmp_path, 9, ema=None)
    with pytest.raises(ValueError, match="steps: got 4, but .* of update 5"):
        run(tmp_path, 4)
    sgd = gradient_update(per_sample(loss), optax.sgd(0.1))
    with pytest.raises(ValueError, match="arrays.memory"):
        run(tmp_path, 9, update=sgd)
    with Checkpoints(tmp_path) as saved:
        with pytest.raises(ValueError, match=r"\['w'\] was 'float64\[3\]'"):
            saved.restore_model({**START, "w": jnp.zeros(4)})
        with pytest.raises(ValueError, match=r"no checkpoint of step 3.*\[5\]"):
            saved.restore_model(START, step=3)


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="every: got 0"):
        Checkpoints(tmp_path, every=0)
    with pytest.raises(ValueError, match="keep_last: got 0"):
        Checkpoints(tmp_path, keep_last=0)
    with pytest.raises(
        ValueError, match="keep_best: evaluate gives no 'eror'.*'error'"
    ):
        run(tmp_path, 5, evaluate=lambda m: {"error": 1.0}, keep_best="eror")


def check_steps(folder, wanted, **options):
    run(folder, 33, **options)
    assert sorted(int(f.name) for f in folder.iterdir() if f.is_dir()) == wanted


def test_quick_updates_are_not_saved_more_often_than_need_be(tmp_path, monkeypatch):
    """By default; who says how often is taken at their word. The last two are kept."""
    monkeypatch.setattr(_checkpoints, "_EVERY", 10)
    monkeypatch.setattr(_checkpoints, "_REST", 1e9)
    check_steps(tmp_path / "quick", [33], every=None)
    check_steps(tmp_path / "told", [30, 33], every=10)
    monkeypatch.setattr(_checkpoints, "_REST", 0.0)
    check_steps(tmp_path / "slow", [30, 33], every=None)
    with pytest.raises(AssertionError):
        check_steps(tmp_path / "again", [33], every=None)
