"""Φ-ROM: a reduced-order model whose latent dynamics are taught by a solver."""

import dataclasses
from pathlib import Path
from typing import Any

from phix.recipes._rom_choices import (
    Choices,
    Cosine as Cosine,
    FourierNetwork as FourierNetwork,
    Loss as Loss,
    SineMLP as SineMLP,
    Staircase as Staircase,
    SwishMLP as SwishMLP,
    Training as Training,
)
from phix.recipes._rom_equations import (
    BurgersShock as BurgersShock,
    DecayingTurbulence as DecayingTurbulence,
    HotSpots as HotSpots,
    Split as Split,
    Starts as Starts,
    TwoDimensionalKdV as TwoDimensionalKdV,
)


@dataclasses.dataclass(frozen=True)
class PhiROMRecipe(Choices):
    """Φ-ROM: latent dynamics taught by a differentiable solver, and its baselines.

    On the Burgers shock, diffusion, Korteweg–de Vries waves and decaying turbulence in
    two dimensions.

    - `method`: what is fitted, with the latents of `decoder`; a linear one has as many
      modes, and needs no networks.
    - `seed`: of the weights, the batches and the random points.
    - `pod_ranks`: linear reduced models to compare with.
    - `num_sensors`: points at which a forecast is timed beside the full grid.
    - `data`: a folder that keeps the trajectories for other runs with the same equation
      and split; by default each run keeps its own.
    """

    def run(self, directory: Path, *, progress: bool = True) -> None:
        """Simulates, fits and evaluates, in a run directory that can be resumed."""
        from phix.recipes import _rom_run

        _rom_run.run(self, Path(directory), progress=progress)

    def evaluate(self, directory: Path) -> None:
        """Makes the metrics, figures and report of a fitted run anew."""
        from phix.recipes import _rom_run

        _rom_run.evaluate(self, Path(directory))

    def load(self, directory: Path) -> tuple[Any, Any, Any]:
        """The model of a fitted run, its training and its test data: a
        `rom.ReducedModel` and two `rom.TrainingData`."""
        from phix.recipes import _rom_run

        return _rom_run.load(self, Path(directory))

    def simulate(self, path: Path) -> None:
        """Writes the training and the test trajectories, beside each other, as HDF5."""
        from phix.recipes import _rom_run

        _rom_run.simulate(self, Path(path))

    def forecast(
        self,
        directory: Path,
        *,
        parameter: float,
        out: Path,
        num_frames: int | None = None,
    ) -> None:
        """Forecasts from the initial field, and writes HDF5: at any parameter or, where
        initial fields vary, from that of the test trajectory of that number."""
        from phix.recipes import _rom_run

        _rom_run.forecast(
            self, Path(directory), parameter, Path(out), num_frames=num_frames
        )

    def export(self, directory: Path, out: Path) -> None:
        """Writes the forecast of a fitted run as one file for `phix.load_artifact`."""
        from phix.recipes import _rom_run

        _rom_run.export(self, Path(directory), Path(out))
