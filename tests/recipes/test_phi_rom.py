"""The command `phix run` on a small Burgers case: real processes, real files."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from phix import rom
from phix.cli import main
from phix.data import load_artifact, load_trajectories
from phix.recipes import load_config, parse_config, to_toml
from phix.recipes._rom_data import make_case, training_data
from phix.recipes._rom_methods import method_of
from phix.recipes.phi_rom import (
    DecayingTurbulence,
    FourierNetwork,
    HotSpots,
    Loss,
    PhiROMRecipe,
    Split,
    Starts,
    SwishMLP,
    Training,
    TwoDimensionalKdV,
)
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

    with jax.enable_x64(False):
        model, *_ = load_config(run / "config.toml").load(run)
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
    assert all(t > 0 for pair in numbers["cost"]["seconds"].values() for t in pair)
    assert numbers["cost"]["coarse_error"] <= numbers["cost"]["error"]
    # The parts of the error: forecasts start from a latent, and end no better.
    assert numbers["sources"]["floor"]["within"] > 0
    assert numbers["sources"]["rollout"]["within"] > 0
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


@pytest.mark.parametrize(
    "number, code",
    [
        (signal.SIGINT, 130),
        # Slow: as Ctrl-C; tests/train/test_kill.py sends both.
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
    ],
)
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


@pytest.mark.slow
def test_evaluating_anew_gives_the_same_errors(finished):
    run, _ = finished
    before = json.loads((run / "metrics.json").read_text())
    finish(phix("evaluate", run))
    after = json.loads((run / "metrics.json").read_text())
    assert after["errors"] == before["errors"]
    for part in ("simulate", "fit"):
        assert after["seconds"][part] == before["seconds"][part]


CONFIGS = ROOT / "configs" / "phi_rom"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda p: p.stem)
def test_every_config_is_read_and_written(file):
    recipe = load_config(file)
    assert parse_config(to_toml(recipe)) == recipe


def test_the_paper_settings_in_two_dimensions():
    """Of the authors' scripts: epochs times batches, and what those fix."""
    kdv = load_config(CONFIGS / "kdv_paper.toml")
    batches = -(-256 * 40 // 768)
    assert kdv.training.steps == 24000 * batches
    assert kdv.training.learning_rate.every == 80 * batches
    assert kdv.loss.warmup == 400 * batches
    flow = load_config(CONFIGS / "turbulence_paper.toml")
    batches = -(-256 * 50 // 768)
    assert flow.training.steps == 24000 * batches
    assert flow.training.learning_rate.every == 40 * batches
    assert flow.loss.warmup == 100 * batches
    np.testing.assert_allclose(flow.equation.interval, 0.1227, atol=1e-4)
    spots = load_config(CONFIGS / "diffusion_paper.toml")
    assert spots.training.steps == 24000 * -(-100 * 25 // 1250)
    assert spots.loss.reconstruction_weight == 0.8
    for recipe, size in ((kdv, 100), (flow, 100), (spots, 16)):
        assert recipe.decoder.latent_size == size


def test_choices_that_do_not_go_together_are_named():
    with pytest.raises(ValueError, match="split.kind must be 'initial_fields'"):
        PhiROMRecipe(equation=HotSpots())
    starts = Starts(num_frames=8, horizon=4)
    with pytest.raises(ValueError, match="'crom' needs an equation at a point"):
        PhiROMRecipe(equation=DecayingTurbulence(), split=starts, method="crom")
    with pytest.raises(ValueError, match="'dmd' knows no parameters"):
        PhiROMRecipe(method="dmd")
    with pytest.raises(ValueError, match="looks a parameter up"):
        PhiROMRecipe(equation=HotSpots(), split=starts, method="pod_interpolation")


# Small enough to solve in a blink.
EQUATIONS = {
    "diffusion": HotSpots(num_points=10),
    "kdv": TwoDimensionalKdV(num_points=12),
    "turbulence": DecayingTurbulence(num_points=12),
}


def small(name, method="phi_rom", **choices):
    split = Starts(3, 1, 2, num_frames=8, horizon=6)
    return PhiROMRecipe(
        equation=EQUATIONS[name],
        split=split,
        method=method,
        decoder=FourierNetwork(2, 4, 2),
        dynamics=SwishMLP(4, 1),
        loss=Loss(warmup=2),
        training=Training(4, 6, checkpoint_every=2),
        pod_ranks=(2,),
        **choices,
    )


@pytest.mark.parametrize("name", list(EQUATIONS))
def test_initial_fields_are_what_the_paper_says(name):
    problem = EQUATIONS[name]
    grid = problem.grid()
    us = np.asarray(problem.starts(grid, 3, jax.random.key(0)))
    assert us.shape == (3, 2 if name == "turbulence" else 1, *grid.shape)
    assert np.any(us[0] != us[1])
    if name != "diffusion":
        np.testing.assert_allclose(np.abs(us).max(axis=(1, 2, 3)), 1.0, rtol=1e-12)
        waves = np.abs(np.fft.fft2(us))
        k = np.abs(np.fft.fftfreq(12, 1 / 12))
        if name == "kdv":  # no wave above the cutoff along either axis
            assert np.max(waves[..., k > 2, :]) < 1e-12 * np.max(waves)
        return
    # The largest value of a spot lies at a whole number, within the heights.
    peak = us.max(axis=(1, 2, 3))
    assert np.all((peak > 0.3) & (peak < 2.0))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Hot spots, made once, and the folder that keeps them."""
    folder = tmp_path_factory.mktemp("data")
    recipe = small("diffusion", data=folder)
    return recipe, make_case(recipe, None)


def test_trajectories_are_kept_and_known_again(kept):
    recipe, first = kept
    names = {file.name for file in recipe.data.iterdir()}
    assert names == {"train.h5", "validation.h5", "test.h5"}
    # Which frames become snapshots is no matter of the data; the solver's step is.
    thinner = dataclasses.replace(recipe.split, every=2)
    again = make_case(dataclasses.replace(recipe, split=thinner), None)
    for a, b in ((first.train, again.train), (first.test, again.test)):
        np.testing.assert_array_equal(a.us, b.us)
    assert again.seconds == first.seconds
    assert not np.any(np.asarray(first.train.us[0, 0]) == first.test.us[0, 0])
    slower = dataclasses.replace(recipe, equation=HotSpots(num_points=10, dt=0.05))
    with pytest.raises(ValueError, match="another equation or split"):
        make_case(slower, None)


METHODS = ["phi_rom", "pinn_rom", "dino", "crom", "pod_galerkin", "lspg", "deim",
           "operator_inference", "dmd"]  # fmt: skip


def test_every_method_goes_through_one_call(kept):
    recipe, case = kept
    data = training_data(recipe, case)
    kinds = {}
    for name in METHODS:
        method = method_of(
            dataclasses.replace(recipe, method=name), case.equation, data
        )
        kinds[name] = type(method).__name__
        if name.startswith("pod") or name in ("dmd", "operator_inference"):
            model = rom.fit(method, data, key=jax.random.key(0))
            assert model.latents.shape == (3, 6, 2)
    assert len(set(kinds.values())) == len(METHODS) - 1  # Φ-ROM and PINN-ROM
    with_warmup = method_of(recipe, case.equation, data)
    assert int(with_warmup.warmup * with_warmup.training.steps) == 2
    # As many decoded points: DINo's trajectories have 6 frames, decoded twice.
    dino = method_of(dataclasses.replace(recipe, method="dino"), case.equation, data)
    assert dino.training.batch_size == 1 and dino.training.steps == 4 * 6 // 12


@pytest.mark.slow
@pytest.mark.parametrize("name", list(EQUATIONS))
def test_a_run_in_two_dimensions(name, tmp_path):
    """From the config to the report, in a process of its own."""
    config = tmp_path / "small.toml"
    config.write_text(to_toml(small(name)))
    run = tmp_path / "run"
    printed = finish(phix("run", config, "--out", run))
    assert "On the validation set" in printed
    assert "DMD, rank 2" in printed
    assert (run / "figures" / "fields.png").read_bytes().startswith(PNG)
    out = tmp_path / "forecast.h5"
    finish(phix("forecast", run, "--parameter", "1", "--out", out))
    trajectory, _ = load_trajectories(out, dtype=np.float32)
    assert trajectory.us.shape[0] == 8


def check_forecasts(run, forecast):
    """As the model of the run does, of a start and a parameter of the test data."""
    model, _, test = load_config(run / "config.toml").load(run)
    start, cond = test.us[1, 0], test.cond[1]
    points = test.grid.points.astype(start.dtype)
    latent = rom.invert(model, points, start.reshape(1, -1)).latent
    made = rom.forecast(model, latent, np.asarray(test.ts[1]), test.grid, cond=cond)
    found = forecast(start=start, mu=cond[0])
    assert found["fields"].shape == made.fields.shape and found["result"] == 0
    np.testing.assert_allclose(found["fields"], made.fields, atol=1e-4)


def test_an_export_forecasts_as_its_run_does(finished, tmp_path, capsys):
    run, _ = finished
    file = tmp_path / "small.phix"
    with jax.enable_x64(False):
        assert main(["export", str(run), "--out", str(file)]) == 0
        artifact = load_artifact(file)
        check_forecasts(run, artifact)
        with pytest.raises(AssertionError):  # at another parameter
            check_forecasts(run, lambda start, mu: artifact(start=start, mu=2 * mu))
    assert "cpu, cuda, tpu" in capsys.readouterr().out
    assert artifact.about["what"] == "forecast of burgers by phi_rom"
