"""Differential operators of functions of a point, by forward mode."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Inexact


Pointwise = Callable[[Inexact[Array, " dim"]], Inexact[Array, "..."]]


def gradient(u: Pointwise) -> Pointwise:
    r"""The derivative $\partial u_c/\partial x_i$ of a function of a point.

    **Arguments:**

    - `u`: a function of `x` "dim" with values of any shape, e.g. "channels".

    **Returns:**

    A function of `x` "dim" with values "channels dim". Cost: `dim` evaluations, forward
    mode, so it nests and goes under reverse mode cheaply.
    """

    def derivative(x):
        _check_point(x)

        def push(v):
            return jax.jvp(u, (x,), (v,))[1]

        return jax.vmap(push, out_axes=-1)(jnp.eye(x.size, dtype=x.dtype))

    return derivative


def divergence(flux: Pointwise) -> Pointwise:
    r"""The divergence $\sum_i\partial f_{\cdot i}/\partial x_i$ of a flux.

    **Arguments:**

    - `flux`: a function of `x` "dim" with values "... dim": a vector field "dim", or
        one flux per channel "channels dim".

    **Returns:**

    A function of `x` "dim" with values "...". Cost: `dim` evaluations.

    **Raises:**

    `ValueError`, when called, if the last axis of the flux is not `dim` long.
    """

    def trace(x):
        jacobian = gradient(flux)(x)
        require(
            jacobian.ndim > 1 and jacobian.shape[-2] == x.size,
            f"flux must return '... dim' with dim = {x.size}, got shape "
            f"{jacobian.shape[:-1]}",
        )
        return jnp.trace(jacobian, axis1=-2, axis2=-1)

    return trace


def laplacian(u: Pointwise) -> Pointwise:
    r"""The Laplacian $\sum_i\partial^2u_c/\partial x_i^2$ of a function of a point.

    **Arguments:**

    - `u`: a function of `x` "dim" with values of any shape, e.g. "channels".

    **Returns:**

    A function of `x` "dim" with values of the same shape as those of `u`. Forward over
    forward mode along each axis, never the full Hessian; cost: about `3 dim`
    evaluations.
    """

    def second(x):
        _check_point(x)

        def along(v):
            def slope(y):
                return jax.jvp(u, (y,), (v,))[1]

            return jax.jvp(slope, (x,), (v,))[1]

        return jnp.sum(jax.vmap(along)(jnp.eye(x.size, dtype=x.dtype)), axis=0)

    return second


def _check_point(x):
    require(jnp.ndim(x) == 1, f"x must be one point 'dim', got shape {jnp.shape(x)}")
