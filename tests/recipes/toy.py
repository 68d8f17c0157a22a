"""A recipe small enough to see through; it writes files and imports no JAX."""

import dataclasses
import json
import time
from pathlib import Path
from typing import ClassVar, Literal

from phix.recipes import register_recipe, to_toml


@dataclasses.dataclass(frozen=True)
class Sine:
    kind: ClassVar[str] = "sine"
    width: int = 8
    depth: int = 2

    def __post_init__(self):
        if self.width <= 0:
            raise ValueError(f"width must be positive, got {self.width}")


@dataclasses.dataclass(frozen=True)
class Fourier:
    kind: ClassVar[str] = "fourier"
    modes: int = 4


@dataclasses.dataclass(frozen=True)
class Training:
    steps: int = 10
    rate: float = 1e-3
    name: Literal["adam", "sgd"] = "adam"
    clip: float | None = None
    shuffle: bool = True


@dataclasses.dataclass(frozen=True)
class ToyRecipe:
    """A toy: counts to a number of steps.

    More words, which `phix list` leaves out.
    """

    reference: ClassVar[str] = "Nobody, Journal of Toys (2025)"
    seed: int = 0
    frames: tuple[float, ...] = (0.0, 1.0)
    extent: tuple[float, float] = (0.0, 1.0)
    decoder: Sine | Fourier = Sine(width=16)
    training: Training = Training()
    optional: Training | None = None
    seconds: float = 0.0

    def run(self, directory: Path, *, progress: bool = True) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.toml").write_text(to_toml(self))
        (directory / "started").touch()
        time.sleep(self.seconds)
        if self.seed == 13:
            raise ValueError("seed must not be 13")
        (directory / "report.md").write_text(f"counted to {self.training.steps}\n")

    def simulate(self, path: Path) -> None:
        path.write_text("data")

    def evaluate(self, directory: Path) -> None:
        (directory / "metrics.json").write_text(json.dumps({"steps": 1}))

    def forecast(
        self, directory: Path, *, parameter: float, out: Path, num_frames: int | None
    ) -> None:
        out.write_text(f"{parameter} {num_frames}")


register_recipe("toy", "tests.recipes.toy:ToyRecipe")
