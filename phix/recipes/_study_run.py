"""The jobs of recipes that fit networks, measure them and report."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phix import plot
from phix.recipes._markdown import aligned, table
from phix.recipes._run_folder import run_folder
from phix.recipes._score_training import Fits
from phix.recipes._study import Study


if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a report.

    - `title`: its heading.
    - `rows`: a table, the head first; none if empty.
    - `text`: what the table shows and how it was made.
    - `verdict`: what follows from it; printed in a terminal as well.
    - `figures`: name of the file without suffix → figure.
    """

    title: str
    rows: list[list[str]]
    text: str = ""
    verdict: str = ""
    figures: dict[str, Figure] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a study found.

    - `numbers`: for `metrics.json`.
    - `sections`: of the report.
    - `about`: what was done, its opening.
    """

    numbers: dict[str, Any]
    sections: list[Section]
    about: str


def run(recipe: Study, directory: Path, *, progress: bool, saved: bool = False) -> None:
    """Fits, measures and reports; takes up a run that was interrupted.

    With `saved` nothing is fitted: the networks are those of the run.
    """
    plot.require_matplotlib()
    with run_folder(recipe, directory) as folder:
        fits = Fits(folder, folder.config, saved=saved, progress=progress)
        start, before = time.perf_counter(), sum(fits.seconds.values())
        found = recipe.study(fits)
        whole = time.perf_counter() - start
        spent = sum(fits.seconds.values())
        seconds = {"training": spent, "the rest": whole - (spent - before)}
        for section in found.sections:
            for name, figure in section.figures.items():
                plot.save_figure(figure, folder.figures / f"{name}.png")
        folder.write_metrics(found.numbers | {"seconds": seconds})
        folder.write_report(markdown(recipe, found, seconds))
        print(summary(found, folder.path))


def markdown(recipe: Study, found: Findings, seconds: dict[str, float]) -> str:
    """The whole report."""
    parts = [f"# {recipe.title}", recipe.reference, found.about]
    for section in found.sections:
        figures = [f"![{name}](figures/{name}.png)" for name in section.figures]
        rows = table(section.rows) if section.rows else ""
        parts += [f"## {section.title}", section.text, rows, section.verdict, *figures]
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in seconds.items())
    parts.append(f"Wall time: {spent}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(found: Findings, folder: Path) -> str:
    """The tables and what follows from them, for a terminal."""
    parts = []
    for section in found.sections:
        rows = aligned(section.rows) if section.rows else ""
        lines = [section.title, rows, section.verdict]
        parts += ["\n".join(line for line in lines if line), ""]
    return "\n".join([*parts, f"report: {folder / 'report.md'}"])
