"""What a state means: grids, boundaries, stencils, sensors."""

from phix.space._base import AbstractSpace as AbstractSpace
from phix.space._boundary import Boundary as Boundary, Twisted as Twisted
from phix.space._grid import Grid as Grid
from phix.space._stencils import (
    derivative as derivative,
    divergence as divergence,
    gradient as gradient,
    hold_inflow as hold_inflow,
    laplacian as laplacian,
    pad as pad,
    upwind_difference as upwind_difference,
)


__all__ = [
    "AbstractSpace",
    "Boundary",
    "Grid",
    "Twisted",
    "derivative",
    "divergence",
    "gradient",
    "hold_inflow",
    "laplacian",
    "pad",
    "upwind_difference",
]
