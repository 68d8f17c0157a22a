"""Forcing of the flow equations: none, a steady field, or a function of t and x."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Inexact, PyTree, RealScalar
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
) -> Array | float:
    """The coefficients of the forcing at time t, in the precision of y; 0 if none."""
    if forcing is None:
        return 0.0
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
