"""The jobs of the Φ-ROM recipe: simulate, run, evaluate, forecast."""

import importlib.util
import json
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix import rom
from phix._errors import require
from phix.data import (
    PLATFORMS,
    Progress,
    RunDirectory,
    Slot,
    Trajectory,
    save_artifact,
    save_trajectories,
)
from phix.metrics import relative_l2
from phix.recipes import _rom_metrics as metrics, _rom_report as report
from phix.recipes._config import to_dict
from phix.recipes._rom_choices import Choices
from phix.recipes._rom_data import (
    Case,
    frame_times,
    make_case,
    simulate as simulate_trajectories,
    test_data,
    training_data,
)
from phix.recipes._rom_methods import fit, restore
from phix.recipes._run_folder import run_folder
from phix.train import Checkpoints


def run(recipe: Choices, directory: Path, *, progress: bool) -> None:
    """Simulates, fits and evaluates; takes up a run that was interrupted."""
    require_extras()
    with run_folder(recipe, directory) as folder:
        case = make_case(recipe, folder.path)
        start = time.perf_counter()
        data = training_data(recipe, case)
        with checkpoints(recipe, folder) as saved:
            model = fit(
                recipe,
                case.equation,
                data,
                checkpoint=saved,
                log=folder.log,
                progress=progress,
            )
        jax.block_until_ready(model.latents)
        seconds = {"simulate": case.seconds, "fit": time.perf_counter() - start}
        assess(recipe, case, model, folder, seconds, progress=progress)


def require_extras() -> None:
    """Says which extras are missing before anything is computed."""
    for module, extra in (("matplotlib", "plot"), ("h5py", "data")):
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(
                f"this job needs {module}; install the extra {extra!r}: "
                f'pip install "phix-jax[{extra}]"',
                name=module,
            )


def checkpoints(recipe: Choices, folder: RunDirectory) -> Checkpoints:
    """Where the run saves its weights."""
    every = recipe.training.checkpoint_every
    return Checkpoints(folder.checkpoints, config=folder.config, every=every)


def evaluate(recipe: Choices, directory: Path) -> None:
    """Metrics, figures and report from the last checkpoint."""
    require_extras()
    with run_folder(recipe, directory) as folder:
        case, model = reopen(recipe, folder)
        assess(recipe, case, model, folder, spent(folder), progress=True)


def load(
    recipe: Choices, directory: Path
) -> tuple[rom.ReducedModel, rom.TrainingData, rom.TrainingData]:
    """The model of a fitted run, its training and its test data."""
    with run_folder(recipe, directory) as folder:
        case, model = reopen(recipe, folder)
    return model, training_data(recipe, case), test_data(recipe, case.test)


def reopen(recipe: Choices, folder: RunDirectory) -> tuple[Case, rom.ReducedModel]:
    """The trajectories of a run and the model of its last checkpoint."""
    case = make_case(recipe, folder.path)
    data = training_data(recipe, case)
    with checkpoints(recipe, folder) as saved:
        return case, restore(recipe, case.equation, data, saved)


def spent(folder: RunDirectory) -> dict[str, float]:
    """The seconds that an earlier report of the run gives for data and training."""
    file = folder.path / "metrics.json"
    if not file.exists():
        return {}
    seconds = json.loads(file.read_text())["seconds"]
    return {name: seconds[name] for name in ("simulate", "fit") if name in seconds}


def assess(
    recipe: Choices,
    case: Case,
    model: rom.ReducedModel,
    folder: RunDirectory,
    seconds: dict[str, float],
    *,
    progress: bool,
) -> None:
    """Compares with the baselines, times everything, writes and prints the report."""
    start = time.perf_counter()
    parts = metrics.parts(recipe, case)
    with Progress(parts, label="evaluate", enabled=progress) as bar:
        predictions = metrics.predict(recipe, case, model, bar.advance)
        paid = sum(seconds.values())
        numbers = metrics.measure(recipe, case, model, predictions, paid, bar.advance)
    numbers["seconds"] = seconds | {"evaluate": time.perf_counter() - start}
    report.draw(recipe, case, predictions, folder.figures)
    folder.write_metrics(numbers)
    folder.write_report(report.markdown(recipe, case, numbers))
    print(report.summary(recipe, numbers, folder.path))


def simulate(recipe: Choices, path: Path) -> None:
    """Training trajectories to `path`, the others beside it."""
    case = make_case(recipe)
    parts = {"train": case.train, "validation": case.validation, "test": case.test}
    for name, trajectories in parts.items():
        if trajectories is None:
            continue
        file = path.with_name(f"{path.stem}-{name}{path.suffix or '.h5'}")
        save_trajectories(file, trajectories)
        print(f"{file}: {trajectories.us.shape[0]} trajectories of "
              f"{trajectories.us.shape[1]} frames")  # fmt: skip


def forecast(
    recipe: Choices,
    directory: Path,
    parameter: float,
    out: Path,
    *,
    num_frames: int | None,
) -> None:
    """Inverts an initial field, forecasts, writes a trajectory."""
    frames = recipe.split.num_frames if num_frames is None else num_frames
    require(frames >= 2, f"num_frames must be at least 2, got {frames}.")
    name = recipe.equation.parameter
    with run_folder(recipe, directory) as folder:
        case, model = reopen(recipe, folder)
    grid, starts = case.grid, case.test.us[:, 0]
    if name is None:
        require(
            parameter in range(len(starts)),
            "where initial fields vary, parameter is the number of a test trajectory, "
            f"0 to {len(starts) - 1}; got {parameter:g}",
        )
        start, cond, params = starts[int(parameter)], None, {}
    else:
        start, cond = starts[0], jnp.asarray([parameter], starts.dtype)
        params = {name: cond[0]}
    points = grid.points.astype(start.dtype)
    inversion = rom.invert(model, points, start.reshape(start.shape[0], -1))
    ts = frame_times(recipe, frames)
    result = rom.forecast(model, inversion.latent, ts, grid, cond=cond)
    assert result.fields is not None
    trajectory = Trajectory(
        result.ts, result.fields, grid, params, result.result, {}, result.first_bad_time
    )
    save_trajectories(out, trajectory)
    truth = simulate_trajectories(recipe, start[None], frames, np.array([parameter]))
    error = float(jnp.mean(jax.vmap(relative_l2)(result.fields[None], truth.us)))
    at = (
        f"of test trajectory {parameter:g}"
        if name is None
        else f"at {name} = {parameter}"
    )
    print(f"{out}: {frames} frames {at}; mean error against the solver {error:.4f}")


def export(recipe: Choices, directory: Path, out: Path) -> None:
    """Writes the forecast of the fitted model, inversion of the start included, as one
    file that needs no recipe, no data and no training code."""
    name, ts = recipe.equation.parameter, frame_times(recipe, recipe.split.num_frames)
    with run_folder(recipe, directory) as folder:
        case, model = reopen(recipe, folder)
    grid, start = case.grid, case.test.us[0, 0]
    arrays, static = eqx.partition(model, eqx.is_array)
    weights, tree = jax.tree.flatten(arrays)
    points = grid.points.astype(start.dtype)

    def forecast(weights, start, **given):
        model = eqx.combine(tree.unflatten(weights), static)
        cond = None if name is None else given[name][None]
        found = rom.invert(model, points, start.reshape(start.shape[0], -1))
        made = rom.forecast(model, found.latent, ts, grid, cond=cond, throw=False)
        return {"fields": made.fields, "latents": made.latents, "result": made.result}

    inputs = {"start": Slot(start.shape, start.dtype.name, "the field at time 0")}
    if name is not None:
        inputs[name] = Slot((), start.dtype.name, "parameter of the equation")
    save_artifact(
        out,
        forecast,
        weights,
        inputs,
        outputs={
            "fields": "at each of `times`",
            "latents": "of the reduced model",
            "result": "0, or a code of phix.Result",
        },
        about={
            "what": f"forecast of {recipe.equation.kind} by {recipe.method}",
            "recipe": to_dict(recipe),
            "times": [float(t) for t in ts],
            "grid": {"shape": grid.shape, "extent": np.asarray(grid.extent).tolist()},
        },
    )
    print(f"wrote {out}: {out.stat().st_size / 2**20:.1f} MiB, for "
          f"{', '.join(PLATFORMS)}; phix.load_artifact opens it")  # fmt: skip
