"""Stochastic interpolants: from one law to another, by an ODE or by any SDE."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from phix.recipes._field_choices import UNet as UNet
from phix.recipes._interpolant_choices import (
    Forecast as Forecast,
    Interpolant as Interpolant,
    KolmogorovFlow as KolmogorovFlow,
    Members as Members,
)
from phix.recipes._score_choices import Perceptron as Perceptron, Training as Training


@dataclasses.dataclass(frozen=True)
class StochasticInterpolants:
    """Stochastic interpolants: forecasts of Kolmogorov flow, or laws in the plane.

    - `problem`: what is learned, with the interpolant, the network and the training.
    - `seed`: of the data, the weights and the samples.
    """

    reference: ClassVar[str] = (
        "Albergo, Boffi, Vanden-Eijnden, Stochastic interpolants: a unifying framework "
        "for flows and diffusions, JMLR 26(209), 2025, arXiv:2303.08797"
    )
    problem: Forecast
    seed: int = 0

    def run(self, directory: Path, *, progress: bool = True) -> None:
        """Makes the data, fits and compares, in a run directory that can be resumed."""
        self._assess(Path(directory), saved=False, progress=progress)

    def evaluate(self, directory: Path) -> None:
        """Makes the metrics, figures and report of a fitted run anew."""
        self._assess(Path(directory), saved=True, progress=False)

    def _assess(self, directory: Path, *, saved: bool, progress: bool) -> None:
        from phix import plot
        from phix.data import RunDirectory
        from phix.recipes import _forecast_run
        from phix.recipes._config import to_dict
        from phix.recipes._score_training import Fits

        plot.require_matplotlib()
        config = to_dict(self)
        with RunDirectory(directory, config) as folder:
            fits = Fits(folder, config, saved=saved, progress=progress)
            _forecast_run.assess(self.problem, self.seed, self.reference, folder, fits)
