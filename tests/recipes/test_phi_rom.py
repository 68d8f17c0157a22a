"""The command `phix run` on a small Burgers case: real processes, real files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from phix.data import load_trajectories
from phix.recipes import load_config
from phix.recipes.phi_rom import PhiROMRecipe, Split, Training
from tests.processes import ROOT


CONFIG = Path(__file__).with_name("tiny.toml")
PNG = b"\x89PNG"


def phix(*arguments, **options):
    """Starts the command in a process of its own, in 32 bits as users run it."""
    code = "import sys; from phix.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_ENABLE_X64": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process):
    """What the process printed; its errors if it failed."""
    out, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    return out


def steps_logged(run):
    log = run / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def wait_for(process, run, lines):
    """Until the log has so many lines."""
    for _ in range(20_000):
        if steps_logged(run) >= lines:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def weights(run):
    """Every array of the final model, by its place."""
    import equinox as eqx
    import jax

    from phix.data import RunDirectory
    from phix.recipes import to_dict
    from phix.recipes._rom_data import make_case
    from phix.recipes._rom_run import restore

    recipe = load_config(run / "config.toml")
    with jax.enable_x64(False), RunDirectory(run, to_dict(recipe)) as folder:
        model = restore(recipe, make_case(recipe), folder)
        return [np.asarray(x) for x in jax.tree.leaves(eqx.filter(model, eqx.is_array))]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "run"
    return run, finish(phix("run", CONFIG, "--out", run))


def test_a_run_leaves_what_it_promises(finished):
    run, printed = finished
    assert load_config(run / "config.toml") == load_config(CONFIG)
    numbers = json.loads((run / "metrics.json").read_text())
    for name in ("Φ-ROM", "POD-Galerkin, rank 2", "POD projection, rank 2",
                 "last frame, frozen", "last frame, slid"):  # fmt: skip
        assert name in printed
        for group in ("interpolated", "extrapolated"):
            assert 0 < numbers["errors"][name][group]["beyond"] < 1
    assert len(numbers["shock_offset_cells"]["Φ-ROM"]) == 4
    assert all(t > 0 for t in numbers["cost"]["seconds"].values())
    report = (run / "report.md").read_text()
    assert f"{numbers['errors']['Φ-ROM']['interpolated']['beyond']:.4f}" in report
    for figure in ("space_time", "error_over_time", "latents"):
        assert (run / "figures" / f"{figure}.png").read_bytes().startswith(PNG)
    # The projection on two modes is a floor of what two modes can do.
    floor = numbers["errors"]["POD projection, rank 2"]["interpolated"]["within"]
    assert floor <= numbers["errors"]["POD-Galerkin, rank 2"]["interpolated"]["within"]


def test_a_finished_run_forecasts(finished, tmp_path):
    run, _ = finished
    out = tmp_path / "forecast.h5"
    printed = finish(
        phix("forecast", run, "--parameter", "0.021", "--out", out, "--frames", 30)
    )
    trajectory, _ = load_trajectories(out, dtype=np.float32)
    assert trajectory.us.shape == (30, 1, 24)
    np.testing.assert_allclose(trajectory.params["mu"], 0.021, rtol=1e-6)
    assert "mean error against the solver" in printed


def check_same_weights(run, other):
    for a, b in zip(weights(run), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_killed_three_times_the_run_ends_in_the_same_bits(finished, tmp_path):
    """SIGKILL somewhere in each third, then Ctrl-C; the last start finishes."""
    whole, _ = finished
    killed = tmp_path / "run"
    total = steps_logged(whole)
    for share in np.random.default_rng(0).uniform([0.05, 0.35, 0.6], [0.3, 0.55, 0.75]):
        process = phix("run", CONFIG, "--out", killed)
        wait_for(process, killed, int(share * total))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (killed / "report.md").exists(), "killed too late"
    finish(phix("run", CONFIG, "--out", killed))
    check_same_weights(killed, whole)
    assert steps_logged(killed) == total

    # The check sees a run that was stopped one checkpoint too early.
    last = max((killed / "checkpoints").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(last)
    with pytest.raises(AssertionError):
        check_same_weights(killed, whole)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_go_on(tmp_path, number, code):
    run = tmp_path / "run"
    process = phix("run", CONFIG, "--out", run)
    wait_for(process, run, 50)
    process.send_signal(number)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == code
    assert "continues where it was" in errors
    assert any((run / "checkpoints").iterdir())


def test_a_run_in_use_is_left_alone(tmp_path):
    run = tmp_path / "run"
    first = phix("run", CONFIG, "--out", run)
    try:
        wait_for(first, run, 1)
        second = phix("run", CONFIG, "--out", run)
        _, errors = second.communicate(timeout=100)
        assert second.returncode == 2
        assert f"in use: {run} is held by process {first.pid}" in errors
    finally:
        first.kill()
        first.communicate()


def test_choices_out_of_range_are_named():
    with pytest.raises(ValueError, match=r"horizon = 9 must be less than num_frames"):
        Split(num_frames=9, horizon=9)
    with pytest.raises(ValueError, match="parameters must increase"):
        Split(parameters=(2.0, 1.0))
    with pytest.raises(ValueError, match="steps must be positive, got 0"):
        Training(steps=0)


def test_the_paper_run_is_the_paper():
    """The settings of the authors' Burgers script, one by one."""
    recipe = load_config(ROOT / "configs" / "phi_rom" / "burgers.toml")
    assert recipe == PhiROMRecipe(seed=102)
    training, loss = recipe.training, recipe.loss
    assert (training.steps, training.batch_size, training.weight_decay) == (
        12000,
        8 * 100,
        1e-4,
    )
    rate = training.learning_rate
    assert (rate.start, rate.rate, rate.every, rate.end) == (5e-3, 0.985, 50, 1e-6)
    assert (loss.reconstruction_weight, loss.warmup, loss.fraction) == (0.5, 1000, 0.1)
    assert (recipe.decoder.latent_size, recipe.decoder.depth) == (4, 4)
    assert (recipe.dynamics.depth, recipe.dynamics.width) == (4, 64)


def test_evaluating_anew_gives_the_same_errors(finished):
    run, _ = finished
    before = json.loads((run / "metrics.json").read_text())
    finish(phix("evaluate", run))
    after = json.loads((run / "metrics.json").read_text())
    assert after["errors"] == before["errors"]
    for part in ("simulate", "fit"):
        assert after["seconds"][part] == before["seconds"][part]
