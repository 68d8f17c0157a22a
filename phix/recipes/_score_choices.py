"""What the recipes of scores and flows choose alike. Imports no JAX."""

import dataclasses
from typing import ClassVar

from phix.recipes._checks import require_positive


@dataclasses.dataclass(frozen=True)
class Training:
    """How a network is fitted: Adam, its rate falling along half a cosine.

    - `ema`: decay of the average of the weights that is used.
    - `checkpoint_every`: steps between checkpoints.
    """

    steps: int = 2000
    batch_size: int = 16
    rate: float = 3e-3
    ema: float = 0.995
    checkpoint_every: int = 500

    def __post_init__(self):
        require_positive(self, "steps", "batch_size", "rate", "checkpoint_every")
        if not 0 < self.ema < 1:
            raise ValueError(f"ema must be between 0 and 1, got {self.ema}")


@dataclasses.dataclass(frozen=True)
class Perceptron:
    """The network `phix.nn.TimeMLP`."""

    kind: ClassVar[str] = "perceptron"
    width: int = 128
    depth: int = 3

    def __post_init__(self):
        require_positive(self, "width", "depth")
