"""Cubic splines through values at knots, as one matrix."""

import numpy as np
from jaxtyping import Float64

from phix._errors import require


def spline_weights(
    t: Float64[np.ndarray, " time"], knots: Float64[np.ndarray, " knots"]
) -> Float64[np.ndarray, "time knots"]:
    r"""The weights W with which $y(t) = W\,y(\text{knots})$ is the cubic spline through
    the values.

    Twice continuously differentiable, with one cubic through the first three knots and
    one through the last three ("not a knot"); order 4 in the distance of the knots and
    exact for cubics. Two knots are joined by a line, three by a parabola. Where
    slopes are known, `hermite` needs no neighbours.

    **Arguments:**

    - `t`: where to interpolate, within the knots.
    - `knots`: increasing, at least two.

    **Returns:** NumPy numbers: of what is known before a program runs.

    **Raises:** `ValueError` for fewer than two knots, or knots that do not increase.

    **Reference:** C. de Boor, *A Practical Guide to Splines*, Springer 1978, ch. IV.
    """
    require(
        knots.size >= 2 and bool(np.all(np.diff(knots) > 0)),
        f"knots must be at least two increasing numbers, got {knots}",
    )
    from scipy.interpolate import CubicSpline  # slow to import, and rarely wanted

    return CubicSpline(knots, np.eye(knots.size), bc_type="not-a-knot")(t)
