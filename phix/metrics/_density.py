"""The density of a sample."""

import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float, RealScalar


def kernel_density(
    samples: Float[Array, " samples"],
    points: Float[Array, " points"],
    bandwidth: RealScalar | None = None,
) -> Float[Array, " points"]:
    r"""An estimate of the density that a sample was drawn from, by Gaussian kernels.

    $$\hat f(x) = \frac{1}{nb}\sum_{i=1}^n K\left(\frac{x - x_i}{b}\right),\qquad
    K(z) = \frac{e^{-z^2/2}}{\sqrt{2\pi}}$$

    Smooth for large b, rough for small; n times the number of points in memory and
    work. Near the edge of what can occur (0 for |φ|) it leaks across.

    **Arguments:**

    - `samples`: $x_i$, at least two, not all the same.
    - `points`: where the density is wanted.
    - `bandwidth`: b > 0; None for Scott's rule, $b = \hat\sigma n^{-1/5}$, right for a
        single hump and too smooth for several.

    **Returns:** the density at the points, whose integral over the line is 1.

    **Raises:** `ValueError` for fewer than two samples, or a concrete bandwidth that
    is not positive.

    ??? cite "Reference"
        D. W. Scott, Multivariate Density Estimation, Wiley 1992.
    """
    n = samples.size
    require(n >= 2, f"`samples` must hold at least two numbers, got {n}")
    if bandwidth is None:
        bandwidth = jnp.std(samples, ddof=1) * n**-0.2
    require(
        not is_concrete(bandwidth) or bool(np.asarray(bandwidth) > 0),
        f"`bandwidth` must be positive, got {bandwidth}; samples that are all the same "
        "have no density",
    )
    b = jnp.asarray(bandwidth, samples.dtype)
    z = (points[:, None] - samples) / b
    return jnp.exp(-0.5 * z**2).mean(axis=1) / (
        b * jnp.sqrt(2 * jnp.pi).astype(b.dtype)
    )
