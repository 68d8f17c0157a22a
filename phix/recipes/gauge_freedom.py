"""Whether a learned score must be a gradient: for densities, and for dimensions."""

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
class Sphere:
    """Data of known dimension.

    - `dimension`: of the sphere, k.
    - `ambient`: of the space it lies in, at least k + 1.
    - `data`: training samples.
    - `points`: at which the dimension is counted.
    - `levels`: of σ/α between which it is read, falling.
    - `shear`: speed of the gauge that is added to the conservative model.
    """

    dimension: int = 2
    ambient: int = 6
    data: int = 20_000
    points: int = 16
    levels: tuple[float, float] = (0.3, 0.1)
    shear: float = 40.0

    def __post_init__(self):
        require_positive(self, "dimension", "data", "points")
        if self.ambient <= self.dimension:
            raise ValueError(
                f"ambient must be above dimension = {self.dimension}, got "
                f"{self.ambient}"
            )
        if not self.levels[0] > self.levels[1] > 0:
            raise ValueError(f"levels must fall and be positive, got {self.levels}")


@dataclasses.dataclass(frozen=True)
class GaugeFreedomRecipe(Study):
    """Gauge freedom: free, conservative and curl-penalised scores, beside the truth.

    - `seed`: of the data, the weights and the samples.
    - `law`: in the plane, of components.
    - `data`: training samples of it.
    - `curl_weight`: of the penalty σ²‖J − Jᵀ‖² of the predicted noise.
    - `training`: of each network, on the law and on the sphere.
    - `projection`: of the potential that each score is projected on.
    - `samples`: in each energy distance.
    """

    title: ClassVar[str] = "Gauge freedom of learned scores"
    reference: ClassVar[str] = (
        "Horvat, Pfister, On gauge freedom, conservativity and intrinsic "
        "dimensionality estimation in diffusion models, ICLR 2024, arXiv:2402.03845"
    )
    seed: int = 0
    law: Components = dataclasses.field(default_factory=Mixture)
    data: int = 50_000
    network: Perceptron = Perceptron(64, 3)
    training: Training = Training(3000, 256, 3e-3)
    curl_weight: float = 0.1
    projection: Training = Training(3000, 256, 2e-3)
    samples: int = 4000
    sphere: Sphere = dataclasses.field(default_factory=Sphere)

    def __post_init__(self):
        require_positive(self, "data", "curl_weight", "samples")
        most = min(self.data, self.sphere.data)
        for name in ("training", "projection"):
            if getattr(self, name).batch_size > most:
                raise ValueError(
                    f"{name}.batch_size must be at most data and sphere.data, {most}"
                )

    def study(self, fits: Fits) -> Findings:
        """Fits the networks on the law and on the sphere, and measures them."""
        from phix.recipes._gauge_run import study

        return study(self, fits)
