"""What a state means: grids, boundaries, stencils, modes, sensors, random fields."""

from phix.space._base import AbstractSpace as AbstractSpace
from phix.space._boundary import Boundary as Boundary, Twisted as Twisted
from phix.space._derivative import spectral_derivative as spectral_derivative
from phix.space._grid import Grid as Grid
from phix.space._modes import Modes as Modes
from phix.space._random import GaussianRandomField as GaussianRandomField
from phix.space._random_flow import (
    random_velocity as random_velocity,
    random_vorticity as random_vorticity,
)
from phix.space._sensors import (
    AbstractObservation as AbstractObservation,
    CellMeans as CellMeans,
    NodeSensors as NodeSensors,
    Sensors as Sensors,
    masked_sensors as masked_sensors,
    random_sensors as random_sensors,
)
from phix.space._shells import shell_spectrum as shell_spectrum
from phix.space._spectral import (
    spectral_evaluate as spectral_evaluate,
    spectral_resample as spectral_resample,
)
from phix.space._stencils import (
    derivative as derivative,
    divergence as divergence,
    gradient as gradient,
    hold_inflow as hold_inflow,
    laplacian as laplacian,
    pad as pad,
    upwind_difference as upwind_difference,
)
from phix.space._transform import AbstractTransform as AbstractTransform


__all__ = [
    "AbstractObservation",
    "AbstractSpace",
    "AbstractTransform",
    "Boundary",
    "CellMeans",
    "GaussianRandomField",
    "Grid",
    "Modes",
    "NodeSensors",
    "Sensors",
    "Twisted",
    "derivative",
    "divergence",
    "gradient",
    "hold_inflow",
    "laplacian",
    "masked_sensors",
    "pad",
    "random_sensors",
    "random_velocity",
    "random_vorticity",
    "shell_spectrum",
    "spectral_derivative",
    "spectral_evaluate",
    "spectral_resample",
    "upwind_difference",
]
