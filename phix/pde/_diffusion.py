"""The diffusion equation by stencils, with every boundary."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.tree_util as jtu

from phix import num
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import (
    AbstractMethodOfLines,
    Limits,
    as_parameter,
    in_precision_of,
)
from phix.pde._invariants import mass_and_energy
from phix.space import Grid, hold_inflow, laplacian


class Diffusion(AbstractMethodOfLines):
    r"""The diffusion equation in one to three dimensions, channel by channel.

    $$u_t = \nu\,\Delta u$$

    Everything is smoothed, the shorter the wave the faster. Second-order central
    differences on every boundary of `Grid`: Dirichlet and Neumann sides take `values`;
    an inflow side holds its nodes; on an outflow side curvature across it is zero.

    **Arguments:**

    - `grid`: a `Grid` in any dimension.
    - `nu`: diffusivity $\nu \ge 0$, a scalar, length²/time.
    - `values`: boundary values: a number for all sides, or one entry per axis, each for
        both sides or a pair `(left, right)`; each a number, or an array shaped as the
        field with size 1 along its own axis. A Dirichlet side takes the value of u, a
        Neumann side its derivative along the outward normal.

    **Raises:** `ValueError` for a concrete `nu` below zero (traced: `valid()` is
    false), a `nu` that is no scalar, or values that do not fit the grid.

    !!! example "Good values"
        `Diffusion(Grid((40, 40), (-20.0, 20.0), "dirichlet"), nu=2.0)` from a bump of
        width 3 to 10, dt = 0.1.
    """

    space: Grid
    nu: Float[Array, ""]
    values: PyTree

    def __init__(self, grid: Grid, nu: RealScalar, values: Any = 0.0):
        self.space = grid
        self.nu = as_parameter("nu", nu)
        self.values = jtu.tree_map(
            lambda value: as_parameter("values", value, shape=None), values
        )
        self.check_parameters()
        channels = [a.shape[0] for a in jtu.tree_leaves(self.values) if a.ndim]
        field = jax.ShapeDtypeStruct((max(channels, default=1), *grid.shape), float)
        jax.eval_shape(partial(laplacian, grid, values=self.values), field)

    @property
    def limits(self) -> Limits:
        """`nu` is not negative."""
        return {"nu": (0.0, math.inf)}

    def rhs(
        self, t: RealScalar, u: Inexact[Array, " channels *space"], args: PyTree = None
    ) -> Inexact[Array, " channels *space"]:
        """The semi-discrete right-hand side, shaped as `u`."""
        del t, args
        nu, values = in_precision_of((self.nu, self.values), u)
        return hold_inflow(self.space, nu * laplacian(self.space, u, values=values))

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Inexact[Array, " channels"]:
        r"""$\nu\,\Delta u$ at one point of a function `u(x)`."""
        del t, args
        curvature = num.laplacian(u)(x)
        return in_precision_of(self.nu, curvature) * curvature

    def stable_step(self, u: Inexact[Array, " channels *space"]) -> Float[Array, ""]:
        r"""$1 / (2\nu\sum_a h_a^{-2})$."""
        self.space.check(u)
        rate = 2 * sum(h**-2 for h in self.space.spacing)
        return 1 / (rate * in_precision_of(self.nu, u))

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass`, kept between periodic and insulated (Neumann 0) sides, and `energy`,
        which never grows there nor between Dirichlet sides at 0."""
        return mass_and_energy(self.space)
