"""Stochastic interpolants: from one law to another, by an ODE or by any SDE."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from phix.recipes._field_choices import UNet as UNet
from phix.recipes._interpolant_choices import (
    Benchmark as Benchmark,
    Forecast as Forecast,
    Interpolant as Interpolant,
    KolmogorovFlow as KolmogorovFlow,
    Members as Members,
    Plane as Plane,
)
from phix.recipes._score_choices import Perceptron as Perceptron, Training as Training
from phix.recipes._study import Study


if TYPE_CHECKING:
    from phix.recipes._score_training import Fits
    from phix.recipes._study_run import Findings


@dataclasses.dataclass(frozen=True)
class StochasticInterpolants(Study):
    """Stochastic interpolants: forecasts of Kolmogorov flow, or laws in the plane.

    - `problem`: what is learned, with the interpolant, the network and the training.
    - `seed`: of the data, the weights and the samples.
    """

    title: ClassVar[str] = "Stochastic interpolants"
    reference: ClassVar[str] = (
        "Albergo, Boffi, Vanden-Eijnden, Stochastic interpolants: a unifying framework "
        "for flows and diffusions, JMLR 26(209), 2025, arXiv:2303.08797"
    )
    problem: Forecast | Plane
    seed: int = 0

    def study(self, fits: Fits) -> Findings:
        """Fits the networks, or has them read back, and measures them."""
        if isinstance(self.problem, Plane):
            from phix.recipes import _plane_run

            return _plane_run.study(self.problem, self.seed, fits)
        from phix.recipes import _forecast_run

        return _forecast_run.study(self.problem, self.seed, fits)
