"""The choices of the recipes with a learned prior of fields. Imports no JAX."""

import dataclasses
import math
from pathlib import Path
from typing import ClassVar

from phix.recipes._checks import require_positive
from phix.recipes._score_choices import Training


@dataclasses.dataclass(frozen=True)
class Vortices:
    """Vorticity of decaying two-dimensional turbulence, late, when few vortices are
    left: far from Gaussian.

    Trajectories start from random eddies of unit velocity in a square of side 2π, are
    solved on `solver_points`² nodes, and seen on `num_points`² at `times`.

    - `viscosity`: length²/time.
    - `peak`: wavenumber of most energy at the start, 1/length.
    - `dt`: step of the solver.
    - `num_training`: trajectories of the prior, all their times.
    - `num_validation`, `num_test`: trajectories for choices and for the report; one
        time of each.
    """

    kind: ClassVar[str] = "decaying_vortices"
    num_points: int = 32
    solver_points: int = 64
    viscosity: float = 2e-3
    peak: float = 3.0
    times: tuple[float, ...] = (24.0, 30.0, 36.0)
    dt: float = 0.03
    num_training: int = 256
    num_validation: int = 16
    num_test: int = 8

    def __post_init__(self):
        require_positive(self, "num_points", "viscosity", "peak", "dt")
        require_positive(self, "num_training", "num_validation", "num_test")
        if self.solver_points < self.num_points:
            raise ValueError(
                f"solver_points must be at least num_points = {self.num_points}, got "
                f"{self.solver_points}"
            )
        rising = all(
            a < b for a, b in zip((0.0, *self.times), self.times, strict=False)
        )
        if not self.times or not rising:
            raise ValueError(f"times must be positive and increase, got {self.times}")


@dataclasses.dataclass(frozen=True)
class Sensors:
    """Random nodes of each field, read with noise.

    - `share`: of the nodes.
    - `noise`: standard deviation, in those of the fields.
    """

    kind: ClassVar[str] = "sensors"
    share: float = 0.05
    noise: float = 0.1

    def __post_init__(self):
        require_positive(self, "noise")
        if not 0 < self.share < 1:
            raise ValueError(f"share must be between 0 and 1, got {self.share}")

    def check(self, num_points: int) -> None:
        """Refuses a share of the nodes that is not one sensor."""
        if self.count(num_points) < 1:
            raise ValueError(
                f"measurements: share = {self.share} of {num_points}² nodes is no "
                "sensor; take more"
            )

    def count(self, num_points: int) -> int:
        """Number of sensors."""
        return round(self.share * num_points**2)

    @property
    def title(self) -> str:
        """What reports call it."""
        return f"{100 * self.share:g} % of the nodes, noise {self.noise:g}"


@dataclasses.dataclass(frozen=True)
class CoarseGraining:
    """Means over square cells, read with noise.

    - `cell`: nodes along each side, which `num_points` divides by.
    - `noise`: standard deviation, in those of the fields.
    """

    kind: ClassVar[str] = "coarse"
    cell: int = 8
    noise: float = 0.05

    def __post_init__(self):
        require_positive(self, "cell", "noise")

    def check(self, num_points: int) -> None:
        """Refuses cells that do not divide the grid."""
        if num_points % self.cell:
            raise ValueError(
                f"measurements: cell = {self.cell} must divide num_points = "
                f"{num_points}"
            )

    @property
    def title(self) -> str:
        """What reports call it."""
        return f"means over {self.cell} × {self.cell} nodes, noise {self.noise:g}"


@dataclasses.dataclass(frozen=True)
class UNet:
    """The network `phix.nn.UNet`."""

    kind: ClassVar[str] = "unet"
    widths: tuple[int, ...] = (32, 64)
    depth: int = 2
    patch: int = 2

    def __post_init__(self):
        require_positive(self, "depth", "patch")
        if not self.widths or any(w < 4 or w % 4 for w in self.widths):
            raise ValueError(f"widths must be multiples of 4, got {self.widths}")

    @property
    def divisor(self) -> int:
        """What the number of nodes divides by."""
        return self.patch * 2 ** (len(self.widths) - 1)


@dataclasses.dataclass(frozen=True)
class Transformer:
    """The network `phix.nn.DiT`."""

    kind: ClassVar[str] = "dit"
    patch: int = 4
    width: int = 64
    depth: int = 4
    heads: int = 4

    def __post_init__(self):
        require_positive(self, "patch", "width", "depth", "heads")
        if self.width % (4 * self.heads):
            raise ValueError(
                f"width must divide by 4 · heads = {4 * self.heads}, got {self.width}"
            )

    @property
    def divisor(self) -> int:
        """What the number of nodes divides by."""
        return self.patch


@dataclasses.dataclass(frozen=True)
class Posterior:
    """How each method draws.

    - `members`: samples for each field; 90 % intervals need 19.
    - `mmps_steps`, `mmps_iterations`: steps, and conjugate gradients in each.
    - `dps_steps`, `dps_noise`: steps, and the noise that DPS assumes where that of the
        readings is less, for which it diverges.
    - `flair_steps`, `flair_rate`, `flair_keep`: steps, mean weight, and whether part of
        the predicted noise is kept.
    - `red_diff_steps`, `red_diff_rate`: of Adam.
    """

    members: int = 19
    mmps_steps: int = 32
    mmps_iterations: int = 3
    dps_steps: int = 60
    dps_noise: float = 0.7
    flair_steps: int = 50
    flair_rate: float = 0.5
    flair_keep: bool = True
    red_diff_steps: int = 100
    red_diff_rate: float = 0.2

    def __post_init__(self):
        names = [f.name for f in dataclasses.fields(self) if f.name != "flair_keep"]
        require_positive(self, *names)
        if self.members < 19:
            raise ValueError(
                f"members must be at least 19 for 90 % intervals, got {self.members}"
            )


@dataclasses.dataclass(frozen=True)
class Choices:
    """Everything that a run can choose.

    - `seed`: of the fields, the weights, the sensors and the samples.
    - `measurements`: what is seen of a test field; each is a table of the report.
    """

    title: ClassVar[str] = "posteriors"
    reference: ClassVar[str] = ""
    seed: int = 0
    fields: Vortices = dataclasses.field(default_factory=Vortices)
    measurements: tuple[Sensors | CoarseGraining, ...] = (Sensors(),)
    network: UNet | Transformer = dataclasses.field(default_factory=UNet)
    training: Training = dataclasses.field(default_factory=Training)
    posterior: Posterior = dataclasses.field(default_factory=Posterior)

    def __post_init__(self):
        if not self.measurements:
            raise ValueError("measurements must hold at least one, got none")
        for measurement in self.measurements:
            measurement.check(self.fields.num_points)
        if self.fields.num_points % self.network.divisor:
            raise ValueError(
                f"fields.num_points must divide by {self.network.divisor} for this "
                f"network, got {self.fields.num_points}"
            )

    def run(self, directory: Path, *, progress: bool = True) -> None:
        """Makes the fields, fits the prior and compares the posteriors, in a run
        directory that can be resumed."""
        from phix.recipes import _field_run

        _field_run.run(self, Path(directory), progress=progress)

    def evaluate(self, directory: Path) -> None:
        """Makes the metrics, figures and report of a fitted run anew."""
        from phix.recipes import _field_run

        _field_run.evaluate(self, Path(directory))


LENGTH = 2 * math.pi
