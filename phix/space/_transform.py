"""Who computes the transform of a grid: the grid's own modes, or something else."""

import abc
from typing import Any

import numpy as np

from phix._types import Array, Inexact


class AbstractTransform(abc.ABC):
    """What a `Grid` may hold to compute its transform elsewhere than on one device.

    Compared and hashed by value, since it is part of the grid.
    """

    @abc.abstractmethod
    def check(self, grid: Any) -> None:
        """Raises `ValueError` unless it can transform fields on this grid."""

    @abc.abstractmethod
    def waves(self, kept: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """The whole numbers of the coefficients along each axis: the kept ones and,
        where more are held, zeros after them. Coefficients in excess are zero."""

    @abc.abstractmethod
    def to_modes(
        self, modes: Any, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, " channels *modes"]:
        """As `Modes.to_modes`."""

    @abc.abstractmethod
    def to_nodes(
        self, modes: Any, c: Inexact[Array, " channels *modes"]
    ) -> Inexact[Array, " channels *space"]:
        """As `Modes.to_nodes`."""
