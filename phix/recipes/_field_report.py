"""What a run of the score recipes on fields shows people: tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from phix import plot
from phix.recipes._field_choices import Choices, CoarseGraining, Sensors
from phix.recipes._field_data import Fields, Problem
from phix.recipes._field_scores import (
    Gaussian,
    compared,
    mean_spectrum,
    score_rows,
)
from phix.recipes._markdown import aligned, table


LEARNED = ("RED-diff", "FLAIR", "DPS", "MMPS")


def summary(numbers: dict[str, Any], folder: Path) -> str:
    """The tables in plain text, for a terminal."""
    parts = []
    for found in numbers["measurements"]:
        parts += [
            f"From {found['title']}, held-out nodes",
            aligned(score_rows(found["rows"])),
            "",
        ]
        parts += [verdict(found), ""]
    parts.append(f"report: {folder / 'report.md'}")
    return "\n".join(parts)


def verdict(found: dict[str, Any]) -> str:
    """How the learned posteriors stand to the best baseline, in RMSE and in CRPS."""
    return compared(found["rows"], LEARNED)


def markdown(recipe: Choices, fields: Fields, numbers: dict[str, Any]) -> str:
    """The whole report."""
    data, parts = recipe.fields, []
    for kind, found in zip(recipe.measurements, numbers["measurements"], strict=True):
        parts.append(
            f"## From {found['title']}\n\n{table(score_rows(found['rows']))}\n\n"
            f"{verdict(found)}\n\n![Posteriors](figures/{kind.kind}_fields.png)\n"
            f"![Spectra](figures/{kind.kind}_spectra.png)\n"
        )
    seconds = ", ".join(f"{k} {v:.1f} s" for k, v in numbers["seconds"].items())
    prior = [["", ""], *([k, f"{v:.3f}"] for k, v in numbers["prior"].items())]
    text = "\n".join(parts)
    return f"""# {recipe.title} on decaying vortices, seed {recipe.seed}

{recipe.reference}

Vorticity on {data.num_points}² nodes, standardised. Prior: {len(fields.train)} fields
of {data.num_training} trajectories under the symmetries of the square. Test:
{data.num_test} fields of other trajectories, {recipe.posterior.members} members each.
Numbers are in standard deviations of the fields, at nodes without a sensor. Settings of
the baselines were chosen on {data.num_validation} validation fields of yet other
trajectories; CRPS of the baselines is that of their Gaussian law, of the others that of
their members. RED-diff is a point estimator.

{text}
## The prior

{table(prior)}

![Samples of the prior](figures/prior_fields.png)
![Spectra](figures/prior_spectra.png)

Wall time of this run: {seconds}.
"""


def draw_problem(
    kind: Sensors | CoarseGraining,
    problem: Problem,
    known: dict[str, Gaussian],
    drawn: dict[str, np.ndarray],
    folder: Path,
) -> None:
    """One test field with its posteriors, and spectra over all."""
    grid = problem.grid
    x, y = map(np.asarray, grid.axes)
    truth = np.asarray(problem.truth[:, 0])

    def image(values):
        return np.asarray(values).reshape(grid.shape)

    gauss = {name: found for name, found in known.items()}
    rows = {
        "truth and means": {"truth": truth[0]}
        | {name: image(found.mean[0]) for name, found in gauss.items()}
        | {name: image(xs[:, 0].mean(0)) for name, xs in drawn.items()},
    }
    for name, xs in drawn.items():
        rows[f"members, {name}"] = {
            f"member {i + 1}": image(xs[i, 0]) for i in range(9)
        }
    rows["spread"] = {
        "optimal interpolation": image(gauss["optimal interpolation"].std[0])
    } | {name: image(xs[:, 0].std(0)) for name, xs in drawn.items()}
    signed = [name for name in rows if name != "spread"]
    places = np.unravel_index(problem.nodes[0], grid.shape)
    dots = np.stack([axis[p] for axis, p in zip((x, y), places, strict=True)], 1)
    if isinstance(kind, CoarseGraining):
        dots = dots + (kind.cell - 1) / 2 * np.asarray(grid.spacing)
    figure = plot.field_panels(
        rows, x=x, y=y, dots=dots, signed=signed, title=f"from {kind.title}"
    )
    plot.save_figure(figure, folder / f"{kind.kind}_fields.png")

    curves = {"truth": truth}
    curves["optimal interpolation, mean"] = gauss["optimal interpolation"].mean
    for name, xs in drawn.items():
        curves[name] = xs
    spectra = {name: mean_spectrum(grid, us) for name, us in curves.items()}
    figure = plot.curve_panels(
        {"mean square of a shell": spectra},
        xlabel="wavenumber (1/length)",
        ylabel="share of the variance",
        log=True,
        title=f"from {kind.title}",
    )
    plot.save_figure(figure, folder / f"{kind.kind}_spectra.png")


def draw_prior(fields: Fields, prior: jax.Array, folder: Path) -> None:
    """Samples of the prior beside fields it was not trained on."""
    x, y = map(np.asarray, fields.grid.axes)
    rows = {
        name: {f"{i + 1}": np.asarray(us[i, 0]) for i in range(min(8, len(us)))}
        for name, us in (("test fields", fields.test), ("samples", prior))
    }
    figure = plot.field_panels(rows, x=x, y=y, signed=list(rows))
    plot.save_figure(figure, folder / "prior_fields.png")
    spectra = {
        name: mean_spectrum(fields.grid, np.asarray(us))
        for name, us in (
            ("training fields", fields.train),
            ("test fields", fields.test),
            ("samples", prior),
        )
    }
    figure = plot.curve_panels(
        {"mean square of a shell": spectra},
        xlabel="wavenumber (1/length)",
        ylabel="share of the variance",
        log=True,
    )
    plot.save_figure(figure, folder / "prior_spectra.png")
