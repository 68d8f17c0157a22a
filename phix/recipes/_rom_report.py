"""What a run of the Φ-ROM recipe shows people: tables, a page and three figures."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from phix.metrics import relative_l2
from phix.recipes._markdown import aligned, table
from phix.recipes._rom_choices import Choices
from phix.recipes._rom_data import Case
from phix.recipes._rom_equations import Split
from phix.recipes._rom_metrics import Prediction


_COLUMNS = ("reconstruction", "within", "beyond")


def summary(recipe: Choices, numbers: dict[str, Any], folder: Path) -> str:
    """The tables in plain text, for a terminal."""
    groups = _groups(numbers)
    rows = [["", *(f"{g[:6]}. {c}" for g in groups for c in _COLUMNS)]]
    rows += error_rows(numbers)
    parts = [
        "Mean relative error, by test group and horizon", aligned(rows), "",
        *_paragraph(numbers), f"{recipe.title}, by source of error",
        aligned(source_rows(numbers)), "", "Cost", aligned(numbers["cost"]["rows"]),
        *_wrapped(" ".join(numbers["cost"]["notes"])), "",
        f"report: {folder / 'report.md'}",
    ]  # fmt: skip
    return "\n".join(parts)


def markdown(recipe: Choices, case: Case, numbers: dict[str, Any]) -> str:
    """The whole report."""
    groups = _groups(numbers)
    head = ["method", *(f"{g}: {c}" for g in groups for c in _COLUMNS)]
    seconds = ", ".join(f"{k} {v:.1f} s" for k, v in numbers["seconds"].items())
    paragraph = "\n".join(_paragraph(numbers))
    first = _FIRST_FIGURES[case.grid.ndim > 1]
    return f"""# {recipe.title} on {recipe.equation.kind}, seed {recipe.seed}

{recipe.reference}

{_setting(recipe, case)}

## Errors

Mean over frames and trajectories of ‖û − u‖ / ‖u‖. *Reconstruction* inverts frames that
it is shown; *within* is the training horizon, *beyond* the time after it. A POD
projection sees every frame and is a floor; the frozen and the slid frame see the truth
up to the horizon.

{table([head, *error_rows(numbers)])}

{paragraph}
![Truth, forecast and error](figures/{first})
![Error against time](figures/error_over_time.png)
![Latent trajectories](figures/latents.png)

## Where the error of {recipe.title} comes from

*Floor* is the projection on as many POD modes as there are latents, *step* one frame
from an inverted latent, *condition* that of the decoder's Jacobian (median).

{table(source_rows(numbers))}

## Cost

Median seconds, compiled.

{table(numbers["cost"]["rows"])}

{" ".join(numbers["cost"]["notes"])}

Wall time of this run: {seconds}.
"""


_FIRST_FIGURES = ("space_time.png", "fields.png")


def error_rows(numbers: dict[str, Any]) -> list[list[str]]:
    """One row for each method; a dash where it makes no prediction."""

    return [
        [method, *(_cell(row[g][c]) for g in _groups(numbers) for c in _COLUMNS)]
        for method, row in numbers["errors"].items()
    ]


def source_rows(numbers: dict[str, Any]) -> list[list[str]]:
    """The error report of the fitted model."""
    rows = [["", "within", "beyond"]]
    for name, row in numbers["sources"].items():
        rows.append([name, _cell(row["within"]), _cell(row["beyond"])])
    return rows


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if value < 1e3 else f"{value:.2e}"


def _groups(numbers: dict[str, Any]) -> list[str]:
    return list(next(iter(numbers["errors"].values())))


def _setting(recipe: Choices, case: Case) -> str:
    """What was seen and what is asked."""
    split, name = recipe.split, recipe.equation.parameter
    frames = f"frames 0 to {split.horizon - 1}"
    if isinstance(split, Split) and name is not None:
        values = ", ".join(f"{v:.5f}" for v in np.asarray(case.test.params[name]))
        outside = case.groups[-1][1]
        return (
            f"Trained on {split.num_training} values of {name} in "
            f"{list(split.parameters)} and\n{frames}; forecast over "
            f"{split.num_frames} frames from frame 0\nalone, at unseen {name} = "
            f"{values}, of which the last {outside} lie outside the\ntraining range."
        )
    return (
        f"Trained on {split.num_training} initial fields and {frames}; forecast over\n"
        f"{split.num_frames} frames from frame 0 alone, from {case.test.us.shape[0]} "
        "unseen initial fields."
    )


def _paragraph(numbers: dict[str, Any]) -> list[str]:
    """What the equation has besides: the place of a shock, a validation set."""
    lines = []
    if "shock_offset_cells" in numbers:
        cells = next(iter(numbers["shock_offset_cells"].values()))
        lines.append(
            "Shock at the last frame, cells off: "
            f"{', '.join(map(str, cells))} (median of the interpolated "
            f"{np.median(cells[:-2]):g}, worst of all {max(cells)})."
        )
    if "validation" in numbers:
        row = numbers["validation"]
        lines.append(
            f"On the validation set: {_cell(row['within'])} within the horizon, "
            f"{_cell(row['beyond'])} beyond it."
        )
    return [*lines, ""]


def draw(
    recipe: Choices,
    case: Case,
    predictions: dict[str, Prediction],
    folder: Path,
) -> None:
    """Writes the three figures."""
    from phix import plot

    split, grid, name = recipe.split, case.grid, recipe.equation.parameter
    ts, flagship = np.asarray(case.test.ts[0]), predictions[recipe.title]
    horizon = ts[split.horizon - 1]
    group, rows = next(iter(case.rows().items()))
    shown = (rows.stop - rows.start) // 2
    truth = np.asarray(case.test.us[shown, :, 0])
    field = np.asarray(flagship.fields[shown, :, 0])
    if name is None:
        values = np.arange(case.test.us.shape[0])
        title, label = f"unseen initial field {shown}", "test trajectory"
    else:
        values, label = np.asarray(case.test.params[name]), name
        title = f"unseen {name} = {float(values[shown]):.5f}"
    if grid.ndim == 1:
        x = np.asarray(grid.axes[0])
        figure = plot.space_time(truth, field, x=x, t=ts, horizon=horizon, title=title)
    else:
        x, y = map(np.asarray, grid.axes)
        frames = [0, split.horizon - 1, len(ts) - 1]
        figure = plot.field_frames(
            truth[frames], field[frames], x=x, y=y, t=ts[frames], title=title
        )
    plot.save_figure(figure, folder / _FIRST_FIGURES[grid.ndim > 1])

    curves = {}
    for method, prediction in predictions.items():
        error = jax.vmap(relative_l2)(prediction.fields, case.test.us)
        curves[method] = np.asarray(error[rows]).mean(axis=0)
    figure = plot.error_over_time(
        ts, curves, horizon=horizon, title=f"mean over the {group} trajectories"
    )
    plot.save_figure(figure, folder / "error_over_time.png")

    figure = plot.latent_trajectories(
        ts, np.asarray(flagship.latents), values=values, horizon=horizon, label=label
    )
    plot.save_figure(figure, folder / "latents.png")


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 88)
