"""The choices of the Φ-ROM recipe: networks, losses, training. Imports no JAX."""

import dataclasses
from pathlib import Path
from typing import ClassVar, Literal

from phix.recipes._checks import require_positive
from phix.recipes._rom_equations import (
    BurgersShock,
    DecayingTurbulence,
    HotSpots,
    Split,
    Starts,
    TwoDimensionalKdV,
)


Method = Literal[
    "phi_rom", "pinn_rom", "dino", "crom", "pod_galerkin", "lspg", "deim",
    "operator_inference", "dmd", "pod_interpolation",
]  # fmt: skip
TITLES: dict[str, str] = {
    "phi_rom": "Φ-ROM",
    "pinn_rom": "PINN-ROM",
    "dino": "DINo",
    "crom": "CROM",
    "pod_galerkin": "POD-Galerkin",
    "lspg": "LSPG",
    "deim": "DEIM-Galerkin",
    "operator_inference": "operator inference",
    "dmd": "DMD",
    "pod_interpolation": "POD interpolation",
}


@dataclasses.dataclass(frozen=True)
class SineMLP:
    """The decoder `phix.nn.SineDecoder`."""

    kind: ClassVar[str] = "sine_mlp"
    latent_size: int = 4
    width: int = 32
    depth: int = 4

    def __post_init__(self):
        require_positive(self, "latent_size", "width", "depth")


@dataclasses.dataclass(frozen=True)
class FourierNetwork:
    """The decoder `phix.nn.FourierDecoder`."""

    kind: ClassVar[str] = "fourier"
    latent_size: int = 100
    width: int = 80
    depth: int = 3

    def __post_init__(self):
        require_positive(self, "latent_size", "width", "depth")


@dataclasses.dataclass(frozen=True)
class SwishMLP:
    """The latent dynamics `phix.nn.SwishDynamics`."""

    kind: ClassVar[str] = "swish_mlp"
    width: int = 64
    depth: int = 4

    def __post_init__(self):
        require_positive(self, "width", "depth")


@dataclasses.dataclass(frozen=True)
class Loss:
    """The arguments of `phix.rom.phi_loss`."""

    reconstruction_weight: float = 0.5
    warmup: int = 1000
    fraction: float = 0.1
    damping: float = 1e-3
    ahead: float = 0.0


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
    """How the model is fitted.

    - `batch_size`: snapshots in a step.
    - `clip`: largest norm of the gradient; 0 does not clip.
    - `chunk`: snapshots differentiated at a time, to save memory; 0 takes all.
    - `checkpoint_every`: steps between checkpoints.
    - `rule`, `latent_rate`: see `phix.rom.Training`.

    Steps and batch are those of Φ-ROM; every other trained method decodes as many
    points.
    """

    steps: int = 12000
    batch_size: int = 800
    learning_rate: Cosine | Staircase = dataclasses.field(default_factory=Staircase)
    weight_decay: float = 1e-4
    clip: float = 0.0
    chunk: int = 0
    checkpoint_every: int = 500
    rule: Literal["adamw", "muon"] = "adamw"
    latent_rate: float = 1.0

    def __post_init__(self):
        require_positive(self, "steps", "batch_size", "checkpoint_every", "latent_rate")


@dataclasses.dataclass(frozen=True)
class Choices:
    """Everything that a run of the recipe can choose.

    - `method`: what is fitted, with the latents of `decoder`; a linear one has as many
      modes, and needs no networks.
    - `seed`: of the weights, the batches and the random points.
    - `pod_ranks`: linear reduced models to compare with.
    - `num_sensors`: points at which a forecast is timed beside the full grid.
    - `data`: a folder that keeps the trajectories for other runs with the same equation
      and split; by default each run keeps its own.
    """

    reference: ClassVar[str] = (
        "Hosseini Dashtbayaz et al., Physics-informed reduced order modeling of "
        "time-dependent PDEs via differentiable solvers, NeurIPS 2025, arXiv:2505.14595"
    )
    seed: int = 0
    method: Method = "phi_rom"
    equation: BurgersShock | HotSpots | TwoDimensionalKdV | DecayingTurbulence = (
        dataclasses.field(default_factory=BurgersShock)
    )
    split: Split | Starts = dataclasses.field(default_factory=Split)
    decoder: SineMLP | FourierNetwork = dataclasses.field(default_factory=SineMLP)
    dynamics: SwishMLP = dataclasses.field(default_factory=SwishMLP)
    loss: Loss = dataclasses.field(default_factory=Loss)
    training: Training = dataclasses.field(default_factory=Training)
    pod_ranks: tuple[int, ...] = (4, 20)
    num_sensors: int = 32
    data: Path | None = None

    def __post_init__(self):
        wanted = Starts if self.equation.parameter is None else Split
        if not isinstance(self.split, wanted):
            raise ValueError(
                f"split.kind must be {wanted.kind!r} for the equation "
                f"{self.equation.kind!r}, got {self.split.kind!r}"
            )
        if self.method in ("pinn_rom", "crom") and self.equation.kind == "turbulence":
            raise ValueError(
                f"method {self.method!r} needs an equation at a point, and the pressure"
                " of turbulence has none; take phi_rom or dino"
            )
        if self.method == "dmd" and self.equation.parameter is not None:
            raise ValueError(
                "method 'dmd' knows no parameters; take operator_inference"
            )
        if self.method == "pod_interpolation" and self.equation.parameter is None:
            raise ValueError(
                "method 'pod_interpolation' looks a parameter up, and here initial "
                "fields vary; take operator_inference or dmd"
            )

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that a model depends on."""
        name = self.equation.parameter
        return () if name is None else (name,)

    @property
    def title(self) -> str:
        """What reports call the method."""
        return TITLES[self.method]
