"""How much of a field each scale holds."""

import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix._types import Array, Float
from phix.space._grid import Grid


def shell_spectrum(
    grid: Grid, u: Float[Array, " channels *space"]
) -> tuple[np.ndarray, Float[Array, "channels shells"]]:
    r"""The mean square of a field by shells of wavenumbers.

    $$E_j = \sum_{(j-1/2)\kappa_0 \le |\kappa| < (j+1/2)\kappa_0} |\hat u_\kappa|^2,
    \qquad \kappa_0 = 2\pi/\max L$$

    so that $\sum_j E_j$ is the mean of u² (twice the energy of a velocity, the
    enstrophy of a vorticity).

    **Arguments:**

    - `grid`: a periodic grid.
    - `u`: a field on it.

    **Returns:** $j\kappa_0$, 1/length, from 0; and E, in the units of u².

    **Raises:** `ValueError` for a grid that is not periodic, or a field of another
    shape.
    """
    grid.check(u)
    modes = grid.modes()
    require(
        len(modes.periodic_axes) == grid.ndim,
        f"`grid` must be periodic; got boundaries {grid.boundary}",
    )
    unit = 2 * np.pi / max(grid.lengths)
    # A hair upwards: wavenumbers between two shells are on neither side by rounding.
    shell = np.floor(np.sqrt(-modes.laplacian) / unit + 0.5 + 1e-9).astype(int)
    power = modes.weights * jnp.abs(modes.to_modes(u)) ** 2
    power = power.astype(u.dtype).reshape(u.shape[0], -1)
    count = int(shell.max()) + 1
    sums = jax.vmap(lambda p: jax.ops.segment_sum(p, shell.ravel(), count))(power)
    return unit * np.arange(count), sums
