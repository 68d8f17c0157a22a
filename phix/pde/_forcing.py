"""Forcing of the flow equations: none, a steady field, or a function of t and x."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._semilinear import like_modes
from phix.space import Modes


def read_forcing(forcing: Any, modes: Modes, channels: int) -> PyTree:
    """A user's forcing as what an equation stores.

    A function stays one. A steady field is stored by its kept coefficients, so that no
    transform is spent on it while time steps.
    """
    if forcing is None or callable(forcing):
        return forcing
    field = jnp.asarray(forcing, jnp.result_type(forcing, jnp.float32))
    modes.grid.check(field, "forcing")
    require(
        field.shape[0] == channels,
        f"forcing must have {channels} channel(s), got shape {field.shape}",
    )
    return modes.to_modes(field)


def forcing_modes(
    forcing: PyTree, modes: Modes, t: RealScalar, y: Inexact[Array, "..."]
) -> Array:
    """The coefficients of a forcing that is there at time t, in the precision of y."""
    if not isinstance(forcing, Callable):
        return like_modes(forcing, y)
    dtype = jnp.finfo(y.dtype).dtype
    t = jnp.asarray(t, dtype)
    field = modes.grid.project(lambda x: forcing(t, x), dtype)
    return modes.to_modes(field.astype(dtype))


def curl(f: Callable) -> Callable:
    r"""The vorticity forcing $\partial_x f_y - \partial_y f_x$ of a force f(t, x).

    **Arguments:**

    - `f`: `f(t, x: "2") -> "2"`, a force per unit mass in two dimensions.

    **Returns:** a function `(t, x) -> scalar`, for `Vorticity(forcing=…)`.
    """

    def rotation(t: RealScalar, x: Array) -> Array:
        slope = jax.jacfwd(lambda x: f(t, x))(x)
        return slope[1, 0] - slope[0, 1]

    return rotation


def kolmogorov(wavenumber: RealScalar, amplitude: RealScalar) -> Callable:
    r"""Kolmogorov's force $A\sin(ky)$ along the first axis.

    Under it the laminar flow is the same profile, $A/(\nu k^2 + \alpha)\sin(ky)$ with
    viscosity ν and drag α: `kolmogorov(k, A / (nu * k**2 + drag))(t, x)`.

    **Arguments:**

    - `wavenumber`: k, a wavenumber of the second axis.
    - `amplitude`: A, length/time².

    **Returns:** a function `(t, x: "dim") -> "dim"` in two or three dimensions;
    `Vorticity` takes `curl(kolmogorov(k, A))`.
    """

    def force(t: RealScalar, x: Array) -> Array:
        del t
        strength = jnp.asarray(amplitude, x.dtype)
        along = strength * jnp.sin(jnp.asarray(wavenumber, x.dtype) * x[1])
        return jnp.zeros_like(x).at[0].set(along)

    return force


def taylor_green(
    x: Float[Array, " dim"], t: RealScalar = 0.0, nu: RealScalar = 0.0
) -> Float[Array, " dim"]:
    r"""The Taylor–Green vortex at one point of the box $(0, 2\pi)^d$.

    $(\sin x\cos y, -\cos x\sin y)\,e^{-2\nu t}$, exact at all times, in two dimensions;
    $(\sin x\cos y\cos z, -\cos x\sin y\cos z, 0)$ in three, where it is the start only.

    **Arguments:**

    - `x`: a point; two or three coordinates.
    - `t`: time; two dimensions only.
    - `nu`: viscosity.

    **Returns:** the velocity `"dim"`. `grid.project(taylor_green)` is the field; the
    vorticity is that of `curl(lambda t, x: taylor_green(x, t, nu))`.

    **Raises:** `ValueError` for another number of coordinates.

    ??? cite "Reference"
        G. I. Taylor, A. E. Green, Proc. R. Soc. A 158 (1937) 499.
    """
    require(
        x.shape in ((2,), (3,)), f"x must be a point '2' or '3', got shape {x.shape}"
    )
    sin, cos = jnp.sin(x), jnp.cos(x)
    u, v = sin[0] * cos[1], -cos[0] * sin[1]
    if x.size == 3:
        return jnp.stack([u * cos[2], v * cos[2], jnp.zeros_like(u)])
    rate = 2 * jnp.asarray(nu, x.dtype) * jnp.asarray(t, x.dtype)
    return jnp.exp(-rate) * jnp.stack([u, v])
