"""The jobs of the Φ-ROM recipe: simulate, run, evaluate, forecast."""

import importlib.util
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import rom
from phix._errors import require
from phix.data import RunDirectory, Trajectory, save_trajectories
from phix.recipes import _rom_metrics as metrics, _rom_report as report
from phix.recipes._config import to_dict
from phix.recipes._rom_data import (
    Case,
    build_model,
    frame_times,
    make_case,
    simulate as simulate_trajectories,
    training_snapshots,
)
from phix.recipes.phi_rom import PhiROMRecipe
from phix.train import ArraySource, Checkpoints, FitResult, fit, per_sample


def run(recipe: PhiROMRecipe, directory: Path, *, progress: bool) -> None:
    """Simulates, fits and evaluates; takes up a run that was interrupted."""
    require_extras()
    with RunDirectory(directory, to_dict(recipe)) as folder:
        start = time.perf_counter()
        case = make_case(recipe)
        save_trajectories(folder.path / "test.h5", case.test)
        simulated = time.perf_counter()
        result = train(recipe, case, folder, progress=progress)
        seconds = {
            "simulate": simulated - start,
            "fit": time.perf_counter() - simulated,
        }
        assess(recipe, case, result.model, folder, seconds)


def train(
    recipe: PhiROMRecipe, case: Case, folder: RunDirectory, *, progress: bool
) -> FitResult:
    """Fits the model, from the latest checkpoint if the run has one."""
    parameter = (recipe.equation.parameter,)
    loss = rom.phi_loss(
        case.equation,
        parameter,
        reconstruction_weight=recipe.loss.reconstruction_weight,
        warmup=recipe.loss.warmup,
        fraction=recipe.loss.fraction,
        damping=recipe.loss.damping,
    )
    source = ArraySource(training_snapshots(recipe, case), recipe.training.batch_size)
    with checkpoints(recipe, folder) as saved:
        return fit(
            build_model(recipe, case),
            per_sample(loss),
            source,
            steps=recipe.training.steps,
            key=jr.fold_in(jr.key(recipe.seed), 1),
            optimiser=recipe.training.optimiser(),
            checkpoint=saved,
            log=folder.log,
            progress=progress,
        )


def require_extras() -> None:
    """Says which extras are missing before anything is computed."""
    for module, extra in (("matplotlib", "plot"), ("h5py", "data")):
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(
                f"this job needs {module}; install the extra {extra!r}: "
                f'pip install "phix-jax[{extra}]"',
                name=module,
            )


def checkpoints(recipe: PhiROMRecipe, folder: RunDirectory) -> Checkpoints:
    """Where the run saves its weights."""
    every = recipe.training.checkpoint_every
    return Checkpoints(folder.checkpoints, config=to_dict(recipe), every=every)


def evaluate(recipe: PhiROMRecipe, directory: Path) -> None:
    """Metrics, figures and report from the last checkpoint."""
    require_extras()
    with RunDirectory(directory, to_dict(recipe)) as folder:
        case = make_case(recipe)
        assess(recipe, case, restore(recipe, case, folder), folder, spent(folder))


def spent(folder: RunDirectory) -> dict[str, float]:
    """The seconds that an earlier report of the run gives for data and training."""
    file = folder.path / "metrics.json"
    if not file.exists():
        return {}
    seconds = json.loads(file.read_text())["seconds"]
    return {name: seconds[name] for name in ("simulate", "fit") if name in seconds}


def restore(recipe: PhiROMRecipe, case: Case, folder: RunDirectory) -> rom.ReducedModel:
    """The model of the last checkpoint."""
    with checkpoints(recipe, folder) as saved:
        require(
            saved.latest_step is not None,
            f"{folder.path} holds no checkpoint yet; let `phix run` fit it first.",
        )
        return saved.restore_model(build_model(recipe, case))


def assess(
    recipe: PhiROMRecipe,
    case: Case,
    model: rom.ReducedModel,
    folder: RunDirectory,
    seconds: dict[str, float],
) -> None:
    """Compares with the baselines, times everything, writes and prints the report."""
    start = time.perf_counter()
    predictions = metrics.predict(recipe, case, model)
    flagship = predictions["Φ-ROM"]
    table = {
        name: metrics.scores(recipe, case, prediction)
        for name, prediction in predictions.items()
    }
    numbers = {
        "errors": table,
        "shock_offset_cells": {
            name: metrics.shock_offsets(case, prediction)
            for name, prediction in predictions.items()
        },
        "cost": metrics.costs(recipe, case, model, metrics.mean_error(case, flagship)),
        "seconds": seconds | {"evaluate": time.perf_counter() - start},
    }
    report.draw(recipe, case, predictions, folder.figures)
    folder.write_metrics(numbers)
    folder.write_report(report.markdown(recipe, case, numbers))
    print(report.summary(recipe, numbers, folder.path))


def simulate(recipe: PhiROMRecipe, path: Path) -> None:
    """Training trajectories to `path`, test trajectories beside it."""
    case = make_case(recipe)
    for name, trajectories in (("train", case.train), ("test", case.test)):
        file = path.with_name(f"{path.stem}-{name}{path.suffix or '.h5'}")
        save_trajectories(file, trajectories)
        print(f"{file}: {trajectories.us.shape[0]} trajectories of "
              f"{trajectories.us.shape[1]} frames")  # fmt: skip


def forecast(
    recipe: PhiROMRecipe,
    directory: Path,
    parameter: float,
    out: Path,
    *,
    num_frames: int | None,
) -> None:
    """Inverts the initial field, forecasts at `parameter`, writes a trajectory."""
    frames = recipe.split.num_frames if num_frames is None else num_frames
    require(frames >= 2, f"num_frames must be at least 2, got {frames}.")
    name = recipe.equation.parameter
    with RunDirectory(directory, to_dict(recipe)) as folder:
        case = make_case(recipe)
        model = restore(recipe, case, folder)
    grid = case.equation.space
    start = case.test.us[0, 0]
    points = grid.points.astype(start.dtype)
    inversion = rom.invert(model, points, start.reshape(start.shape[0], -1))
    ts = frame_times(recipe, frames)
    cond = jnp.asarray([parameter], start.dtype)
    result = rom.forecast(model, inversion.latent, ts, grid, cond=cond)
    trajectory = Trajectory(
        result.ts, result.fields, grid, {name: cond[0]}, result.result, {},
        result.first_bad_time,
    )  # fmt: skip
    save_trajectories(out, trajectory)
    assert result.fields is not None
    truth = simulate_trajectories(recipe, np.array([parameter]), frames)
    error = jax.vmap(metrics.relative_l2)(result.fields[None], truth.us)
    print(f"{out}: {frames} frames at {name} = {parameter}; mean error against the "
          f"solver {float(jnp.mean(error)):.4f}")  # fmt: skip
