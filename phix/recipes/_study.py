"""Recipes that fit networks, measure them and report. Imports no JAX."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar


if TYPE_CHECKING:
    from phix.recipes._score_training import Fits
    from phix.recipes._study_run import Findings


class Study(abc.ABC):
    """The jobs `run` and `evaluate` of a recipe whose `study` does the rest."""

    title: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    @abc.abstractmethod
    def study(self, fits: Fits) -> Findings:
        """Fits the networks, or has them read back, and measures them."""

    def run(self, directory: Path, *, progress: bool = True) -> None:
        """Fits, measures and reports, in a run directory that can be resumed."""
        from phix.recipes import _study_run

        _study_run.run(self, Path(directory), progress=progress)

    def evaluate(self, directory: Path) -> None:
        """Makes the metrics, figures and report of a fitted run anew."""
        from phix.recipes import _study_run

        _study_run.run(self, Path(directory), progress=False, saved=True)
