"""Points of a sweep, as choices in a config. Imports no JAX.

Parameters are named by where they stand in the simulation: `"equation.nu"`,
`"start.amplitude.0"`. Each choice has `build()`, a column for each name.
"""

import dataclasses
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; with `log`, even in their logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        if not self.low < self.high:
            raise ValueError(f"low < high is wanted, got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, got {self.low}")

    def build(self):
        """The `phix.sweeps.Range`."""
        from phix.sweeps import Range

        return Range(self.low, self.high, self.log)


@dataclasses.dataclass(frozen=True)
class Spaced:
    """So many numbers from `low` to `high`, both ends included."""

    low: float
    high: float
    number: int
    log: bool = False

    def __post_init__(self):
        Range(self.low, self.high, self.log)
        if self.number < 2:
            raise ValueError(f"number must be at least 2, got {self.number}")


@dataclasses.dataclass(frozen=True)
class Product:
    """Every combination of the axes: lists of numbers, or spaced ones."""

    kind: ClassVar[str] = "product"
    axes: dict[str, tuple[float, ...] | Spaced]

    def build(self):
        """The columns."""
        import numpy as np

        from phix.sweeps import Range, product

        def values(axis):
            if isinstance(axis, Spaced):
                place = np.linspace(0.0, 1.0, axis.number)
                return Range(axis.low, axis.high, axis.log).at(place)
            return axis

        return product({name: values(axis) for name, axis in self.axes.items()})


@dataclasses.dataclass(frozen=True)
class Table:
    """A list of points: columns of one length."""

    kind: ClassVar[str] = "table"
    columns: dict[str, tuple[float, ...]]

    def build(self):
        """The columns."""
        import numpy as np

        return {name: np.asarray(column) for name, column in self.columns.items()}


@dataclasses.dataclass(frozen=True)
class LatinHypercube:
    """Points of `phix.sweeps.latin_hypercube`."""

    kind: ClassVar[str] = "latin_hypercube"
    ranges: dict[str, Range]
    number: int
    seed: int = 0

    def build(self):
        """The columns."""
        from phix.sweeps import latin_hypercube

        return latin_hypercube(_built(self.ranges), self.number, seed=self.seed)


@dataclasses.dataclass(frozen=True)
class Sobol:
    """Points of `phix.sweeps.sobol`; the number is a power of two."""

    kind: ClassVar[str] = "sobol"
    ranges: dict[str, Range]
    number: int
    seed: int = 0

    def build(self):
        """The columns."""
        from phix.sweeps import sobol

        return sobol(_built(self.ranges), self.number, seed=self.seed)


SweepPoints = Product | Table | LatinHypercube | Sobol


def _built(ranges):
    return {name: bounds.build() for name, bounds in ranges.items()}
