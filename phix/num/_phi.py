"""The φ-functions of exponential integrators."""

import math

import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Inexact


def phi(k: int, z: Inexact[Array, "*shape"]) -> Inexact[Array, "*shape"]:
    r"""The function $\varphi_k$ of exponential integrators, element by element.

    $$\varphi_0(z) = e^z,\qquad \varphi_k(z) = \int_0^1 e^{(1-s)z}
    \frac{s^{k-1}}{(k-1)!}\,ds = \sum_{j\ge 0}\frac{z^j}{(j+k)!}$$

    ```python
    decay = phix.num.phi(1, -0.1 * jnp.arange(3.0))
    ```

    **Arguments:**

    - `k`: which of them, $k \ge 0$; static.
    - `z`: real or complex numbers of any shape, traced or not.

    **Returns:** $\varphi_k(z)$, in the shape and precision of `z`. Relative error of a
    few rounding errors for every $z$ with $\mathrm{Re}\,z \le 0$ (measured at most
    1e-15 in float64 and 2e-7 in float32 up to k = 3).

    **Raises:** `ValueError` for a negative `k`.

    !!! note
        The formula $(e^z - 1)/z$ loses all digits near $z = 0$, and the real part of a
        contour mean, seen in public codes, is wrong wherever $z$ is complex.

    ??? cite "Reference"
        M. Hochbruck, A. Ostermann, Exponential integrators, Acta Numerica 19 (2010),
        equation (2.10).
    """
    return phis(k, z)[k]


def phis(k: int, z: Inexact[Array, "*shape"]) -> tuple[Inexact[Array, "*shape"], ...]:
    r"""$\varphi_0(z), \ldots, \varphi_k(z)$ together, for the price of the last.

    Taylor's series of $\varphi_k$ and the recurrence downwards where $|z| < 1$,
    the recurrence $\varphi_{j+1} = (\varphi_j - 1/j!)/z$ upwards elsewhere: each is
    stable where it is used.

    **Arguments:** and **Raises:** as for `phi`.

    **Returns:** a tuple of `k + 1` arrays shaped as `z`.
    """
    require(k >= 0, f"k must be a whole number from 0, got {k}")
    if k == 0:
        return (jnp.exp(z),)
    small = jnp.abs(z) < 1
    # Both branches are evaluated; where one is not meant it gets a harmless argument,
    # so that its derivative is finite too.
    near = _downwards(k, jnp.where(small, z, 0))
    far = _upwards(k, jnp.where(small, 1, z))
    return tuple(jnp.where(small, a, b) for a, b in zip(near, far, strict=True))


def _downwards(k: int, z: Array) -> list[Array]:
    digits = -math.log10(float(jnp.finfo(z.dtype).eps))
    # |z| < 1: the first term left out is below rounding.
    terms = next(n for n in range(1, 40) if math.lgamma(n + k + 1) / 2.302 > digits + 1)
    value = jnp.zeros_like(z)
    for j in reversed(range(terms)):
        value = value * z + 1 / math.factorial(j + k)
    values = [value]
    for j in reversed(range(k)):
        values.append(values[-1] * z + 1 / math.factorial(j))
    return values[::-1]


def _upwards(k: int, z: Array) -> list[Array]:
    values = [jnp.exp(z)]
    for j in range(k):
        values.append((values[-1] - 1 / math.factorial(j)) / z)
    return values
