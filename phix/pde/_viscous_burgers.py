"""Burgers' equation by transforms."""

import math
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import Limits, as_parameter, in_precision_of
from phix.pde._invariants import mass_and_energy
from phix.pde._reaction import require_channels, require_sides
from phix.pde._semilinear import AbstractSemilinear, apply_symbol
from phix.space import Grid, Modes


class ViscousBurgers(AbstractSemilinear):
    r"""Burgers' equation, periodic, in one to three dimensions.

    $$u_t + u\cdot\nabla u = \nu\Delta u$$

    The state has as many channels as the grid has dimensions, `"dim *space"`. Waves
    steepen into fronts of width $\nu/|u|$, which the grid must resolve.

    The transport is written $u\cdot\nabla u = \nabla\tfrac12|u|^2 + (\nabla\times u)
    \times u$: in one dimension the conservative form, two transforms; six in two
    dimensions and ten in three, where the advective form takes eight and fifteen.

    **Arguments:**

    - `grid`: a periodic `Grid`.
    - `nu`: viscosity $\nu \ge 0$, a scalar, length²/time.
    - `dealias`: kept fraction of modes; 2/3 has no aliasing.

    **Raises:** `ValueError` for another grid, or a `nu` that is no scalar or negative
    (traced: `valid()` is false).

    !!! example "Good values"
        `ViscousBurgers(Grid(256, (0.0, 2 * math.pi)), nu=0.02)` from a sine of
        amplitude 1, dt = 0.01.

    ??? cite "Reference"
        J. M. Burgers, Advances in Applied Mechanics 1 (1948) 171.
    """

    modes: Modes = eqx.field(static=True)
    nu: Float[Array, ""]

    def __init__(self, grid: Grid, nu: RealScalar, *, dealias: float = 2 / 3):
        require_sides(grid, "periodic")
        self.modes = grid.modes(dealias)
        self.nu = as_parameter("nu", nu)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`nu` is not negative."""
        return {"nu": (0.0, math.inf)}

    def symbol(self) -> Float[Array, "..."]:
        r"""$-\nu|k|^2$."""
        return self.nu * self.modes.laplacian[None]

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        """Transport of the velocity by itself."""
        del t, args
        dim = self.modes.grid.ndim
        require_channels(y, dim)
        symbols = [self.modes.derivative(a) for a in range(dim)]
        fields = self.modes.to_nodes(jnp.concatenate([y, _curl(symbols, y)]))
        u, rotation = fields[:dim], fields[dim:]
        half_square = 0.5 * jnp.sum(u**2, 0, keepdims=True)
        products = jnp.concatenate([half_square, _cross(rotation, u)])
        products = self.modes.to_modes(products)
        head, turn = products[0], products[1:]
        rate = -jnp.stack([apply_symbol(s, head) for s in symbols])
        return rate - turn if dim > 1 else rate

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Float[Array, " channels"]:
        r"""$\nu\Delta u - u\cdot\nabla u$ at one point of a function `u(x)`."""
        del t, args
        value, curvature = u(x), num.laplacian(u)(x)
        nu = in_precision_of(self.nu, value)
        slope = num.gradient(u)(x)
        return nu * curvature - num.matmul(slope, value)

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass`, kept in one dimension, and `energy`, which never grows there."""
        return mass_and_energy(self.modes.grid)


def _curl(symbols: list[np.ndarray], y: Array) -> Array:
    """The curl: nothing in one dimension, one channel in two, three in three."""
    if len(symbols) == 1:
        return y[:0]
    pairs = [(0, 1)] if len(symbols) == 2 else [(1, 2), (2, 0), (0, 1)]
    turns = [
        apply_symbol(symbols[a], y[b]) - apply_symbol(symbols[b], y[a])
        for a, b in pairs
    ]
    return jnp.stack(turns)


def _cross(rotation: Array, u: Array) -> Array:
    """Rotation × u, the rotation of a plane flow pointing out of the plane."""
    if u.shape[0] == 1:
        return u[:0]
    if u.shape[0] == 2:
        return jnp.stack([-rotation[0] * u[1], rotation[0] * u[0]])
    return jnp.cross(rotation, u, axis=0)
