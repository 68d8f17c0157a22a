"""The derivative of a minimiser, however it was found."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from phix._types import Array, Float


def at_minimum(
    objective: Callable[[Float[Array, " r"]], Float[Array, ""]],
    x: Float[Array, " r"],
) -> Float[Array, " r"]:
    r"""`x` itself, with the derivative of $\arg\min_x f(x)$ in what f closes over.

    By the implicit function theorem, $dx = -\nabla^2 f^{-1}\, d\nabla f$ with the exact
    Hessian, forward and reverse. The value costs nothing; a derivative costs r
    Hessian–vector products and one dense solve.

    **Arguments:**

    - `objective`: smooth near `x`.
    - `x`: a minimiser found by a search of any kind; its own derivative is dropped.

    **Returns:** `x`. The derivative is as accurate as the minimiser is stationary, and
    not finite where the Hessian is singular.

    ??? cite "Reference"
        M. Blondel et al., Efficient and modular implicit differentiation, NeurIPS 2022.
    """

    def keep(_, guess):
        return guess

    def tangent_solve(linear, y):
        hessian = jax.vmap(linear, out_axes=1)(jnp.eye(y.size, dtype=y.dtype))
        return jnp.linalg.solve(hessian, y)

    return lax.custom_root(
        jax.grad(objective), lax.stop_gradient(x), keep, tangent_solve
    )
