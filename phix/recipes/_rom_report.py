"""What a Φ-ROM run shows people: a table, a page and three figures."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from phix.metrics import relative_l2
from phix.recipes._markdown import aligned, table
from phix.recipes._rom_data import Case
from phix.recipes._rom_metrics import Prediction
from phix.recipes.phi_rom import PhiROMRecipe


_GROUPS = ("interpolated", "extrapolated")
_COLUMNS = ("reconstruction", "within", "beyond")


def summary(recipe: PhiROMRecipe, numbers: dict[str, Any], folder: Path) -> str:
    """The tables in plain text, for a terminal."""
    rows = [["", *(f"{g[:6]}. {c}" for g in _GROUPS for c in _COLUMNS)]]
    rows += error_rows(numbers)
    cost = [["one trajectory", "seconds"], *cost_rows(numbers)]
    parts = [
        "Mean relative error, by parameter and horizon", aligned(rows), "",
        shock_line(numbers), "", "Cost", aligned(cost), "",
        *_wrapped(verdict(recipe, numbers)), "", f"report: {folder / 'report.md'}",
    ]  # fmt: skip
    return "\n".join(parts)


def markdown(recipe: PhiROMRecipe, case: Case, numbers: dict[str, Any]) -> str:
    """The whole report."""
    split, name = recipe.split, recipe.equation.parameter
    values = ", ".join(f"{v:.5f}" for v in np.asarray(case.test.params[name]))
    head = ["method", *(f"{g}: {c}" for g in _GROUPS for c in _COLUMNS)]
    seconds = ", ".join(f"{k} {v:.1f} s" for k, v in numbers["seconds"].items())
    return f"""# Φ-ROM on {recipe.equation.kind}, seed {recipe.seed}

{PhiROMRecipe.reference}

Trained on {split.num_training} values of {name} in {list(split.parameters)} and
frames 0 to {split.horizon - 1}; forecast over {split.num_frames} frames from frame 0
alone, at unseen {name} = {values}, of which the last {case.num_outside} lie outside the
training range.

## Errors

Mean over frames and trajectories of ‖û − u‖ / ‖u‖. *Reconstruction* inverts frames that
it is shown; *within* is the training horizon, *beyond* the time after it. A POD
projection sees every frame and is a floor; the frozen and the slid frame see the truth
up to the horizon.

{table([head, *error_rows(numbers)])}

{shock_line(numbers)}

![Truth, forecast and error](figures/space_time.png)
![Error against time](figures/error_over_time.png)
![Latent trajectories](figures/latents.png)

## Cost

Median seconds for one trajectory of {numbers["cost"]["frames"]} frames, compiled.

{table([["", "seconds"], *cost_rows(numbers)])}

{verdict(recipe, numbers)}

Wall time of this run: {seconds}.
"""


def error_rows(numbers: dict[str, Any]) -> list[list[str]]:
    """One row for each method; a dash where it makes no prediction."""

    def cell(value):
        return "–" if value is None else f"{value:.4f}"

    return [
        [method, *(cell(groups[g][c]) for g in _GROUPS for c in _COLUMNS)]
        for method, groups in numbers["errors"].items()
    ]


def cost_rows(numbers: dict[str, Any]) -> list[list[str]]:
    """One row for each thing timed."""
    rows = [[k, f"{v:.2e}"] for k, v in numbers["cost"]["seconds"].items()]
    cost = numbers["cost"]
    rows[-1][0] += (
        f" ({cost['coarse_vertices']} vertices, error {cost['coarse_error']:.4f})"
    )
    return rows


def shock_line(numbers: dict[str, Any]) -> str:
    """How far off the shock is at the end."""
    cells = numbers["shock_offset_cells"]["Φ-ROM"]
    inside = cells[:-2]
    return (
        "Shock at the last frame, cells off: "
        f"{', '.join(map(str, cells))} (median of the interpolated "
        f"{np.median(inside):g}, worst of all {max(cells)})."
    )


def verdict(recipe: PhiROMRecipe, numbers: dict[str, Any]) -> str:
    """Whether the model pays, from the measured times."""
    seconds, spent = numbers["cost"]["seconds"], numbers["seconds"]
    solver = min(seconds["solver, own grid"], seconds["solver, coarsest grid"])
    latents, full = seconds["latents only"], seconds["full grid"]
    training = spent.get("simulate", 0) + spent.get("fit", 0)
    text = (
        f"The cheapest solver of this accuracy takes {solver:.1e} s, the model "
        f"{latents:.1e} s for latents alone and {full:.1e} s for full fields"
    )
    if solver <= latents:
        text += ": here the solver is cheaper, and the model does not pay. "
    elif solver <= full:
        count = training / (solver - latents)
        text += (
            ": the model pays only where latents suffice"
            + (f", after {count:.0f} solves" if training else "")
            + ". "
        )
    else:
        count = training / (solver - full)
        text += ": the model pays" + (
            f" after {count:.0f} solves. " if training else ". "
        )
    return text + (
        "One step of this solver moves "
        f"{recipe.equation.num_points} numbers once. A reduced model pays where a "
        "frame costs the solver many such steps or many more unknowns (two or three "
        "dimensions, stiff or implicit steps), where fields are wanted at few points, "
        "or where state must be found from sensors."
    )


def draw(
    recipe: PhiROMRecipe,
    case: Case,
    predictions: dict[str, Prediction],
    folder: Path,
) -> None:
    """Writes the three figures."""
    from phix import plot

    split, grid = recipe.split, case.equation.space
    ts = np.asarray(case.test.ts[0])
    x, horizon = np.asarray(grid.axes[0]), ts[split.horizon - 1]
    shown = (case.test.us.shape[0] - case.num_outside) // 2
    value = float(case.test.params[recipe.equation.parameter][shown])
    title = f"unseen {recipe.equation.parameter} = {value:.5f}"
    truth = np.asarray(case.test.us[shown, :, 0])
    field = np.asarray(predictions["Φ-ROM"].fields[shown, :, 0])
    figure = plot.space_time(truth, field, x=x, t=ts, horizon=horizon, title=title)
    plot.save_figure(figure, folder / "space_time.png")

    curves = {}
    for method, prediction in predictions.items():
        error = jax.vmap(relative_l2)(prediction.fields, case.test.us)
        curves[method] = np.asarray(error[: -case.num_outside]).mean(axis=0)
    figure = plot.error_over_time(
        ts, curves, horizon=horizon, title="mean over the interpolated parameters"
    )
    plot.save_figure(figure, folder / "error_over_time.png")

    latents = np.asarray(predictions["Φ-ROM"].latents)
    name = recipe.equation.parameter
    values = np.asarray(case.test.params[name])
    figure = plot.latent_trajectories(
        ts, latents, values=values, horizon=horizon, label=name
    )
    plot.save_figure(figure, folder / "latents.png")


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 88)
