"""Φ-ROM: a reduced-order model whose latent dynamics are taught by a solver."""

import dataclasses
from pathlib import Path
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class BurgersShock:
    """Inviscid Burgers with an exponential source and a travelling shock.

    - `num_points`, `extent`: vertices on the interval, both ends included.
    - `amplitude`: of the source amplitude·exp(μx).
    - `dt`: step of the solver and spacing of the frames.
    """

    kind: ClassVar[str] = "burgers"
    parameter: ClassVar[str] = "mu"
    num_points: int = 256
    extent: tuple[float, float] = (0.0, 100.0)
    amplitude: float = 0.02
    dt: float = 0.07

    def __post_init__(self):
        _positive(self, "num_points", "dt")

    def build(self, num_points: int | None = None):
        """The equation at a middling μ, its initial field and its scheme, on this grid
        or on one of another number of points."""
        import diffrax as dfx

        from phix.pde import Burgers, burgers_shock
        from phix.space import Grid

        sides = ("inflow", "outflow")
        grid = Grid(num_points or self.num_points, self.extent, boundary=sides)
        equation = Burgers(grid, mu=0.02, amplitude=self.amplitude)
        return equation, grid.project(burgers_shock), dfx.Euler()


@dataclasses.dataclass(frozen=True)
class Split:
    """Which parameters and frames are seen, and which are kept for the test.

    - `parameters`: lowest and highest training parameter.
    - `num_training`: training parameters, evenly spaced; the test has their mid-points
      (interpolated) and one spacing beyond each end (extrapolated).
    - `num_frames`: frames of a trajectory, `horizon` of which are training frames.
    - `every`: only every so many-th training frame becomes a snapshot.
    """

    parameters: tuple[float, float] = (0.015, 0.03)
    num_training: int = 8
    num_frames: int = 200
    horizon: int = 100
    every: int = 1

    def __post_init__(self):
        _positive(self, "num_frames", "horizon", "every")
        if self.num_training < 2:
            raise ValueError(
                f"num_training must be at least 2, got {self.num_training}"
            )
        if not self.horizon < self.num_frames:
            raise ValueError(
                f"horizon = {self.horizon} must be less than num_frames = "
                f"{self.num_frames}, so that something is left to forecast"
            )
        if not self.parameters[0] < self.parameters[1]:
            raise ValueError(f"parameters must increase, got {self.parameters}")


@dataclasses.dataclass(frozen=True)
class SineMLP:
    """The decoder `phix.nn.SineDecoder`."""

    kind: ClassVar[str] = "sine_mlp"
    latent_size: int = 4
    width: int = 32
    depth: int = 4

    def __post_init__(self):
        _positive(self, "latent_size", "width", "depth")


@dataclasses.dataclass(frozen=True)
class SwishMLP:
    """The latent dynamics `phix.nn.SwishDynamics`."""

    kind: ClassVar[str] = "swish_mlp"
    width: int = 64
    depth: int = 4

    def __post_init__(self):
        _positive(self, "width", "depth")


@dataclasses.dataclass(frozen=True)
class Loss:
    """The arguments of `phix.rom.phi_loss`."""

    reconstruction_weight: float = 0.5
    warmup: int = 1000
    fraction: float = 0.1
    damping: float = 1e-3


@dataclasses.dataclass(frozen=True)
class Cosine:
    """Learning rate from `start` to `end` along half a cosine."""

    kind: ClassVar[str] = "cosine"
    start: float = 5e-3
    end: float = 1e-5

    def build(self, steps: int):
        """The Optax schedule."""
        import optax

        return optax.cosine_decay_schedule(self.start, steps, self.end / self.start)


@dataclasses.dataclass(frozen=True)
class Staircase:
    """Learning rate `start`, times `rate` every so many steps, down to `end`."""

    kind: ClassVar[str] = "staircase"
    start: float = 5e-3
    rate: float = 0.985
    every: int = 50
    end: float = 1e-6

    def build(self, steps: int):
        """The Optax schedule."""
        import optax

        del steps
        return optax.exponential_decay(
            self.start, self.every, self.rate, staircase=True, end_value=self.end
        )


@dataclasses.dataclass(frozen=True)
class Training:
    """How the model is fitted, by AdamW.

    - `batch_size`: snapshots in a step.
    - `clip`: largest norm of the gradient; 0 does not clip.
    - `checkpoint_every`: steps between checkpoints.
    """

    steps: int = 12000
    batch_size: int = 800
    learning_rate: Cosine | Staircase = dataclasses.field(default_factory=Staircase)
    weight_decay: float = 1e-4
    clip: float = 0.0
    checkpoint_every: int = 500

    def __post_init__(self):
        _positive(self, "steps", "batch_size", "checkpoint_every")

    def optimiser(self):
        """The Optax transformation."""
        from phix import rom

        return rom.Training(
            self.steps,
            learning_rate=self.learning_rate.build(self.steps),
            weight_decay=self.weight_decay,
            clip=self.clip,
        ).optimiser()


@dataclasses.dataclass(frozen=True)
class PhiROMRecipe:
    """Φ-ROM: latent dynamics taught by a differentiable solver, on the Burgers shock.

    - `seed`: of the weights, the batches and the random points.
    - `pod_ranks`: linear reduced models to compare with.
    - `num_sensors`: points at which a forecast is timed beside the full grid.
    """

    reference: ClassVar[str] = (
        "Hosseini Dashtbayaz et al., Physics-informed reduced order modeling of "
        "time-dependent PDEs via differentiable solvers, NeurIPS 2025, arXiv:2505.14595"
    )
    seed: int = 0
    equation: BurgersShock = dataclasses.field(default_factory=BurgersShock)
    split: Split = dataclasses.field(default_factory=Split)
    decoder: SineMLP = dataclasses.field(default_factory=SineMLP)
    dynamics: SwishMLP = dataclasses.field(default_factory=SwishMLP)
    loss: Loss = dataclasses.field(default_factory=Loss)
    training: Training = dataclasses.field(default_factory=Training)
    pod_ranks: tuple[int, ...] = (4, 20)
    num_sensors: int = 32

    def run(self, directory: Path, *, progress: bool = True) -> None:
        """Simulates, fits and evaluates, in a run directory that can be resumed."""
        from phix.recipes import _rom_run

        _rom_run.run(self, Path(directory), progress=progress)

    def evaluate(self, directory: Path) -> None:
        """Makes the metrics, figures and report of a fitted run anew."""
        from phix.recipes import _rom_run

        _rom_run.evaluate(self, Path(directory))

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
        """Forecasts at any parameter from the initial field, and writes HDF5."""
        from phix.recipes import _rom_run

        _rom_run.forecast(
            self, Path(directory), parameter, Path(out), num_frames=num_frames
        )


def _positive(choices, *names: str) -> None:
    for name in names:
        value = getattr(choices, name)
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
