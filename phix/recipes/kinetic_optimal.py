"""Few steps on a path of least kinetic energy, made from data, beside other paths."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from phix.recipes._checks import require_positive
from phix.recipes._plane_choices import (
    Checkerboard as Checkerboard,
    Components,
    Mixture as Mixture,
    Ring as Ring,
)
from phix.recipes._score_choices import Perceptron as Perceptron, Training as Training
from phix.recipes._study import Study


if TYPE_CHECKING:
    from phix.recipes._score_training import Fits
    from phix.recipes._study_run import Findings


@dataclasses.dataclass(frozen=True)
class PathFromData:
    """How the path is made.

    - `samples`: of the law, from which the error of denoising is measured, held out.
    - `probes`: noisy samples at each level of noise.
    - `floor`: added to γ, see `phix.score.kinetic_optimal`.
    """

    samples: int = 2000
    probes: int = 2000
    floor: float = 0.02

    def __post_init__(self):
        require_positive(self, "samples", "probes")
        if self.floor < 0:
            raise ValueError(f"floor must not be negative, got {self.floor}")


@dataclasses.dataclass(frozen=True)
class KineticOptimalRecipe(Study):
    """Kinetic-optimal paths: few Euler steps, exact and trained, beside other paths.

    - `seed`: of the data, the weights and the samples.
    - `laws`: in the plane, of components; each is a part of the report.
    - `data`: training samples of each network, on the linear path.
    - `networks`: trained for each law, with data and noise of their own; the exact
        velocity is given the same noise.
    - `calls`: numbers of steps.
    - `start`: log(α/σ) where every path begins. Nearer to the noise a network has seen
        next to nothing, and the first step of a path that begins fast multiplies what
        it makes up.
    - `samples`: in each energy distance.
    """

    title: ClassVar[str] = "Kinetic-optimal paths"
    reference: ClassVar[str] = (
        "Shaul, Chen, Nickel, Le, Lipman, On kinetic optimal probability paths for "
        "generative models, ICML 2023, arXiv:2306.06626"
    )
    seed: int = 0
    laws: tuple[Components, ...] = (Ring(spread=0.05), Ring(spread=0.2))
    path: PathFromData = dataclasses.field(default_factory=PathFromData)
    data: int = 50_000
    network: Perceptron = dataclasses.field(default_factory=Perceptron)
    training: Training = Training(4000, 256, 3e-3)
    networks: int = 3
    calls: tuple[int, ...] = (5, 10)
    start: float = -4.5
    samples: int = 4000

    def __post_init__(self):
        require_positive(self, "data", "networks", "samples")
        if not self.laws:
            raise ValueError("laws must hold at least one, got none")
        if not self.calls or min(self.calls) < 1:
            raise ValueError(f"calls must be positive, got {self.calls}")
        if self.start > 0:
            raise ValueError(
                f"start must be next to the noise, below 0, got {self.start}"
            )
        if self.training.batch_size > self.data:
            raise ValueError(f"training.batch_size must be at most data = {self.data}")

    def study(self, fits: Fits) -> Findings:
        """Makes the paths, fits the networks, and samples on every path."""
        from phix.recipes._kinetic_run import study

        return study(self, fits)
