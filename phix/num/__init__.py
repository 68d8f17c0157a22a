"""Numerics without physics: least squares, minimisation, checkpointed loops, AD, φ."""

from phix.num._ad import (
    divergence as divergence,
    gradient as gradient,
    laplacian as laplacian,
)
from phix.num._dmd import DMDSolution as DMDSolution, dmd as dmd, eig as eig
from phix.num._hermite import hermite as hermite
from phix.num._implicit import at_minimum as at_minimum
from phix.num._least_squares import (
    LeastSquaresSolution as LeastSquaresSolution,
    least_squares as least_squares,
)
from phix.num._lstsq import damped_lstsq as damped_lstsq
from phix.num._matmul import matmul as matmul
from phix.num._minimise import (
    MinimiseSolution as MinimiseSolution,
    minimise as minimise,
)
from phix.num._norm import norm as norm
from phix.num._phi import phi as phi, phis as phis
from phix.num._scale import scale as scale
from phix.num._scan import (
    DEAR as DEAR,
    checkpointed_scan as checkpointed_scan,
    dear as dear,
)
from phix.num._sine import cosine as cosine, sine as sine
from phix.num._spline import spline_weights as spline_weights


__all__ = [
    "DEAR",
    "DMDSolution",
    "LeastSquaresSolution",
    "MinimiseSolution",
    "at_minimum",
    "checkpointed_scan",
    "cosine",
    "damped_lstsq",
    "dear",
    "divergence",
    "dmd",
    "eig",
    "gradient",
    "hermite",
    "laplacian",
    "least_squares",
    "matmul",
    "minimise",
    "norm",
    "phi",
    "phis",
    "scale",
    "sine",
    "spline_weights",
]
