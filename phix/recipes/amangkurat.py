"""The four Klein–Gordon cases of amangkurat, with the physics put right."""

import dataclasses
from pathlib import Path
from typing import ClassVar, Literal


@dataclasses.dataclass(frozen=True)
class Case:
    """One run on (−half_width, half_width) from time 0 to `duration`."""

    num_points: int
    half_width: float
    duration: float
    num_frames: int

    def __post_init__(self):
        for name in ("num_points", "half_width", "duration"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.num_frames < 3:
            raise ValueError(f"num_frames must be at least 3, got {self.num_frames}")


@dataclasses.dataclass(frozen=True)
class AmangkuratRecipe:
    """amangkurat: linear waves, a kink, a breather and a collision of kinks.

    - `linear`: a Gaussian under the linear equation, in a box that its fastest waves do
        not cross.
    - `kink`: a φ⁴ kink at rest, between antiperiodic sides, on which it is exact.
    - `breather`: the exact sine-Gordon breather of frequency `omega`.
    - `collision`: a φ⁴ kink and antikink at ±`separation`/2 and speeds ±`speed`.
    - `scheme`, `dt`: of all four, in double precision.
    - `samples`, `seed`: values of |φ| drawn from each case for the densities and tests.
    """

    reference: ClassVar[str] = (
        "Herho et al., amangkurat: a symplectic pseudo-spectral solver for the "
        "(1+1)D nonlinear Klein-Gordon equation, 2025"
    )
    seed: int = 0
    linear: Case = Case(1024, 60.0, 50.0, 501)
    kink: Case = Case(1024, 50.0, 50.0, 201)
    breather: Case = Case(512, 40.0, 80.0, 801)
    collision: Case = Case(1024, 50.0, 100.0, 1001)
    omega: float = 0.5
    speed: float = 0.3
    separation: float = 20.0
    scheme: Literal[
        "BlanesMoan4", "BlanesMoan6", "Splitting4", "Splitting6", "StormerVerlet"
    ] = "BlanesMoan4"
    dt: float = 0.02
    samples: int = 10000

    def run(self, directory: Path, *, progress: bool = True) -> None:
        """Solves the four cases, and writes NetCDF, diagnostics, figures, a film and
        the report, beside the published variants."""
        from phix.recipes import _amangkurat_run

        del progress
        _amangkurat_run.run(self, Path(directory))

    def simulate(self, path: Path) -> None:
        """Writes the four trajectories beside each other, as HDF5 or NetCDF."""
        from phix.recipes import _amangkurat_run

        _amangkurat_run.simulate(self, Path(path))
