"""Points of a sweep: named columns of numbers, a row for each point."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from phix._errors import require


Points = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, spread evenly or evenly in their logarithm.

    **Arguments:**

    - `low`, `high`: the ends, low < high.
    - `log`: whether the logarithm is spread evenly; needs low > 0.

    **Raises:** `ValueError` for ends in the wrong order or not finite.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        ordered = math.isfinite(self.high) and -math.inf < self.low < self.high
        require(ordered, f"low < high is wanted, both finite; got {self}")
        require(not self.log or self.low > 0, f"a log range needs low > 0; got {self}")

    def at(self, place: np.ndarray) -> np.ndarray:
        """The numbers at places from 0 (`low`) to 1 (`high`)."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return np.exp(low + (high - low) * place)
        return self.low + (self.high - self.low) * place


def product(axes: Mapping[str, Any]) -> Points:
    """Every combination of the values of each axis, the last axis running fastest.

    **Arguments:**

    - `axes`: the values `"values"` of each parameter by name.

    **Returns:** a column of as many rows as there are combinations for each name.

    !!! example
        ```python
        points = product({"nu": [0.01, 0.02], "amplitude": [1.0, 2.0, 3.0]})
        ```
    """
    values = [np.atleast_1d(np.asarray(axis)) for axis in axes.values()]
    require(len(values) > 0, "axes: names no parameter")
    mesh = np.meshgrid(*values, indexing="ij")
    return {name: m.ravel() for name, m in zip(axes, mesh, strict=True)}


def latin_hypercube(
    ranges: Mapping[str, Range | Sequence[float]], number: int, *, seed: int = 0
) -> Points:
    r"""Points of which every one of `number` slices of each range holds one.

    **Arguments:**

    - `ranges`: a `Range`, or a pair `(low, high)`, for each parameter.
    - `number`: how many points.
    - `seed`: another one gives other points.

    **Returns:** a column `"number"` for each name.

    ??? cite "Reference"
        M. D. McKay, R. J. Beckman, W. J. Conover, Technometrics 21 (1979) 239.
    """
    # Not by SciPy: to import its `stats` would be half a second of every start.
    rng = np.random.default_rng(seed)

    def draw(dim: int) -> np.ndarray:
        slices = rng.permuted(np.tile(np.arange(number), (dim, 1)), axis=1)
        return (slices + rng.random(slices.shape)).T / number

    return _spread(ranges, number, draw)


def sobol(
    ranges: Mapping[str, Range | Sequence[float]], number: int, *, seed: int = 0
) -> Points:
    """Points of a scrambled Sobol sequence, which fill the box evenly.

    The mean of a smooth function over them converges nearly as 1/number, or faster,
    where random points give 1/√number.

    **Arguments:**

    - `ranges`: a `Range`, or a pair `(low, high)`, for each parameter.
    - `number`: how many points, a power of two.
    - `seed`: of the scrambling.

    **Returns:** a column `"number"` for each name.

    **Raises:** `ValueError` for a number that is no power of two: the sequence is
    balanced there only.

    ??? cite "Reference"
        I. M. Sobol', USSR Comput. Math. Math. Phys. 7 (1967) 86; A. B. Owen, J.
        Complexity 14 (1998) 466 (the scrambling).
    """
    from scipy.stats import qmc

    require(
        number >= 1 and number & (number - 1) == 0,
        f"number: a Sobol sequence wants a power of two, got {number}; take "
        f"{1 << max(number, 1).bit_length()}",
    )
    return _spread(ranges, number, lambda dim: qmc.Sobol(dim, rng=seed).random(number))


def _spread(ranges, number, draw) -> Points:
    require(len(ranges) > 0, "ranges: names no parameter")
    require(number >= 1, f"number: got {number}, wanted at least 1")
    places = draw(len(ranges))
    return {
        name: (bounds if isinstance(bounds, Range) else Range(*bounds)).at(column)
        for (name, bounds), column in zip(ranges.items(), places.T, strict=True)
    }


def read_points(points: Mapping[str, Any]) -> Points:
    """The points as arrays with a row for each, checked."""
    columns = {name: np.asarray(column) for name, column in points.items()}
    require(len(columns) > 0, "points: names no parameter")
    for name, column in columns.items():
        require(
            isinstance(name, str) and name != "" and not set(name) & set("/\\\0"),
            f"points: the name {name!r} cannot be that of a file",
        )
        require(
            column.dtype.kind in "fiub" and column.ndim >= 1,
            f"points: {name} must be an array of real numbers with a row for each "
            f"point; got {column.dtype} of shape {column.shape}",
        )
    lengths = {name: len(column) for name, column in columns.items()}
    require(
        len(set(lengths.values())) == 1 and min(lengths.values()) > 0,
        f"points: every parameter needs as many rows, at least one; got {lengths}",
    )
    return columns


def digest(points: Points) -> str:
    """A short fingerprint of names and bits."""
    sha = hashlib.sha256()
    for name, column in points.items():
        sha.update(f"{name} {column.dtype.str} {column.shape}\n".encode())
        sha.update(np.ascontiguousarray(column).tobytes())
    return sha.hexdigest()[:32]
