"""Laws in the plane that recipes choose. Imports no JAX.

`phix.recipes._plane_laws` makes them, of mean zero and unit mean square.
"""

import dataclasses
from typing import ClassVar

from phix.recipes._checks import require_positive


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Gaussian components, by default three, broad and narrow.

    - `weights`: one for each component, positive.
    - `means`: places of the components.
    - `covariances`: xx, xy and yy of each, positive definite.
    """

    kind: ClassVar[str] = "mixture"
    weights: tuple[float, ...] = (0.3, 0.4, 0.3)
    means: tuple[tuple[float, float], ...] = ((-2.5, 0.0), (1.9, 1.8), (1.2, -2.2))
    covariances: tuple[tuple[float, float, float], ...] = (
        (0.6, 0.0, 0.5),
        (0.1, 0.0, 0.6),
        (0.1, 0.0, 0.1),
    )

    def __post_init__(self):
        counts = len(self.weights), len(self.means), len(self.covariances)
        if min(counts) < 1 or len(set(counts)) > 1:
            raise ValueError(
                "weights, means and covariances must be as many as there are "
                f"components, got {counts[0]}, {counts[1]} and {counts[2]}"
            )
        if not all(weight > 0 for weight in self.weights):
            raise ValueError(f"weights must all be positive, got {self.weights}")
        for xx, xy, yy in self.covariances:
            if not (xx > 0 and xx * yy > xy**2):
                raise ValueError(
                    "covariances must be positive definite: xx > 0 and xx · yy > xy², "
                    f"got {(xx, xy, yy)}"
                )


@dataclasses.dataclass(frozen=True)
class Ring:
    """Equal round components, evenly on the unit circle.

    - `components`: how many.
    - `spread`: standard deviation of each, in radii of the ring.
    """

    kind: ClassVar[str] = "ring"
    components: int = 8
    spread: float = 0.1

    def __post_init__(self):
        require_positive(self, "components", "spread")


@dataclasses.dataclass(frozen=True)
class Checkerboard:
    """The dark squares of a board, each of three by three round components.

    - `squares`: along a side of the board.
    - `blur`: standard deviation of a component, in distances between components.
    """

    kind: ClassVar[str] = "checkerboard"
    squares: int = 4
    blur: float = 0.35

    def __post_init__(self):
        require_positive(self, "squares", "blur")


@dataclasses.dataclass(frozen=True)
class Moons:
    """Two half circles that reach into each other; no density in closed form.

    - `noise`: standard deviation about them, in radii.
    """

    kind: ClassVar[str] = "moons"
    noise: float = 0.1

    def __post_init__(self):
        require_positive(self, "noise")


Law = Mixture | Ring | Checkerboard | Moons
Components = Mixture | Ring | Checkerboard
