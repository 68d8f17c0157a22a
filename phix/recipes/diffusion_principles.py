"""The three views of diffusion on one law in the plane of which everything is known."""

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
class Guidance:
    """Classifier-free guidance; the labels are the components.

    - `weights`: 1 draws a component, more exaggerates it.
    - `dropped`: share of the training samples without their label.
    """

    weights: tuple[float, ...] = (1.0, 2.0, 4.0)
    dropped: float = 0.15

    def __post_init__(self):
        if not self.weights:
            raise ValueError("weights must hold at least one, got none")
        if len(set(self.weights)) < len(self.weights):
            raise ValueError(f"weights must differ, got {self.weights}")
        if not 0 < self.dropped < 1:
            raise ValueError(f"dropped must be between 0 and 1, got {self.dropped}")


@dataclasses.dataclass(frozen=True)
class DiffusionPrinciplesRecipe(Study):
    """Diffusion's three views on one law: denoising, score and flow, beside the truth.

    - `seed`: of the data, the weights and the samples.
    - `law`: what is learned, of components.
    - `data`: training samples.
    - `training`: of each view and of the network with labels.
    - `distillation`: of the flow map, whose teacher is the view of the velocity.
    - `jumps`: numbers of calls at which the map and its teacher are compared.
    - `calls`: of the sampler elsewhere.
    - `samples`: in each energy distance.
    """

    title: ClassVar[str] = "The principles of diffusion models"
    reference: ClassVar[str] = (
        "Lai, Song, Kim, Mitsufuji, Ermon, The principles of diffusion models, 2025, "
        "arXiv:2510.21890"
    )
    seed: int = 0
    law: Components = dataclasses.field(default_factory=Mixture)
    data: int = 50_000
    network: Perceptron = dataclasses.field(default_factory=Perceptron)
    training: Training = Training(4000, 256, 3e-3)
    guidance: Guidance = dataclasses.field(default_factory=Guidance)
    distillation: Training = Training(4000, 256, 3e-3)
    jumps: tuple[int, ...] = (1, 2, 4)
    calls: int = 40
    samples: int = 4000

    def __post_init__(self):
        require_positive(self, "data", "calls")
        if self.samples < 2:
            raise ValueError(f"samples must be at least 2, got {self.samples}")
        for name in ("training", "distillation"):
            if getattr(self, name).batch_size > self.data:
                raise ValueError(
                    f"{name}.batch_size must be at most data = {self.data}"
                )
        if not self.jumps or min(self.jumps) < 1:
            raise ValueError(f"jumps must be positive, got {self.jumps}")

    def study(self, fits: Fits) -> Findings:
        """Fits the views, the guided network and the flow map, and measures them."""
        from phix.recipes._principles_run import study

        return study(self, fits)
