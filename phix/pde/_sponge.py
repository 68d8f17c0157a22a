"""Layers that absorb waves at the ends of a box."""

import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float, RealScalar
from phix.space import Grid


def sponge(
    grid: Grid,
    width: float,
    strength: RealScalar = 2.0,
    axes: tuple[int, ...] | None = None,
) -> Float[Array, " 1 *space"]:
    r"""A damping γ(x) that rises towards both ends of each axis.

    $$\gamma = \gamma_0\sum_a\max(0, 1 - d_a/w)^2$$

    with $d_a$ the distance from the nearer end. A wave of speed c that crosses both
    layers of a periodic box keeps the fraction $e^{-\gamma_0w/3c}$ of its amplitude.

    ```python
    equation = KleinGordon(grid, Phi4(), damping=sponge(grid, 20.0))
    ```

    **Arguments:**

    - `grid`: the grid.
    - `width`: w, a length; below half of the box.
    - `strength`: $\gamma_0 \ge 0$, 1/time.
    - `axes`: which axes; all by default.

    **Returns:** γ at the nodes, `"1 *space"`.

    **Raises:** `ValueError` for a width that is not positive, or too large for the box.

    !!! example "Good values"
        w of two of the longest waves that are to be absorbed, $\gamma_0$ near their
        frequency: shorter or stronger layers reflect them.
    """
    axes = tuple(range(grid.ndim)) if axes is None else axes
    for axis in axes:
        require(
            0 < width < grid.lengths[axis] / 2,
            f"width must be positive and below half of axis {axis}, "
            f"{grid.lengths[axis] / 2:g}; got {width}",
        )
    require(
        not is_concrete(strength) or float(strength) >= 0,
        f"strength must not be negative, got {strength}",
    )
    total = np.zeros(grid.shape)
    for axis in axes:
        low, high = grid.extent[axis]
        x = grid.origin[axis] + grid.spacing[axis] * np.arange(grid.shape[axis])
        near = np.minimum(np.abs(x - low), np.abs(high - x))
        layer = np.maximum(0.0, 1 - near / width) ** 2
        total = total + layer.reshape(
            [-1 if a == axis else 1 for a in range(grid.ndim)]
        )
    strength = jnp.asarray(strength, jnp.result_type(strength, jnp.float32))
    return strength * jnp.asarray(total[None], strength.dtype)
