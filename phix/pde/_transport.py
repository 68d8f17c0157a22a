"""Linear equations, exact by transforms: advection, diffusion, hyper-diffusion."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._errors import require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import Limits, as_parameter, in_precision_of
from phix.pde._invariants import mass_and_energy
from phix.pde._reaction import laplacian_pointwise, laplacian_symbol, require_sides
from phix.pde._semilinear import AbstractSemilinear, apply_symbol
from phix.space import Grid, Modes


class Advection(AbstractSemilinear):
    r"""Advection with a constant velocity, and diffusion, periodic.

    $$u_t + c\cdot\nabla u = \nu\Delta u$$

    Channel by channel, exact for any step with an exponential scheme.

    **Arguments:**

    - `grid`: a periodic `Grid`.
    - `velocity`: c, one number per axis, length/time; in one dimension a scalar will
        do.
    - `nu`: diffusivity $\nu \ge 0$, a scalar, length²/time.

    **Raises:** `ValueError` for another grid, or a parameter of another shape or out of
    range (traced: `valid()` is false).

    !!! example "Good values"
        `Advection(Grid((64, 64), (0.0, 1.0)), (1.0, 0.5))`, any dt.
    """

    modes: Modes = eqx.field(static=True)
    velocity: Float[Array, " dim"]
    nu: Float[Array, ""]

    def __init__(self, grid: Grid, velocity: Any, nu: RealScalar = 0.0):
        require_sides(grid, "periodic")
        self.modes = grid.modes(1.0)
        velocity = jnp.atleast_1d(jnp.asarray(velocity))
        self.velocity = as_parameter("velocity", velocity, shape=(grid.ndim,))
        self.nu = as_parameter("nu", nu)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`nu` is not negative."""
        return {"nu": (0.0, math.inf)}

    def symbol(self) -> Inexact[Array, "..."]:
        r"""$-ic\cdot k - \nu|k|^2$."""
        transport = sum(
            self.velocity[a] * self.modes.derivative(a)
            for a in range(self.modes.grid.ndim)
        )
        return (self.nu * self.modes.laplacian - transport)[None]

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        """Zero."""
        del t, args
        return jnp.zeros_like(y)

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Inexact[Array, " channels"]:
        r"""$\nu\Delta u - c\cdot\nabla u$ at one point of a function `u(x)`."""
        del t, args
        slope = num.gradient(u)(x)
        velocity, nu = in_precision_of((self.velocity, self.nu), slope)
        return nu * num.laplacian(u)(x) - num.matmul(slope, velocity)

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass`, kept, and `energy`, kept without diffusion."""
        return mass_and_energy(self.modes.grid)


class SpectralDiffusion(AbstractSemilinear):
    r"""The diffusion equation by transforms, its diffusivity a number or a field.

    $$u_t = \nabla\cdot(\nu\nabla u)$$

    Channel by channel. A constant ν is exact for any step with an exponential scheme,
    between periodic, Dirichlet (0) and Neumann (0) sides. With a field ν(x) the linear
    part is $\max\nu\,\Delta u$ and the rest is at most as stiff, so that exponential
    schemes stay stable; energy decays for any ν ≥ 0.

    **Arguments:**

    - `grid`: a `Grid` without inflow or outflow; periodic for a field ν(x).
    - `nu`: ν ≥ 0, a scalar, or a field `"1 *space"`, length²/time.
    - `dealias`: kept fraction of modes for a field ν(x); a number ν keeps all.

    **Raises:** `ValueError` for another grid, or a `nu` of another shape or negative
    (traced: `valid()` is false).

    !!! example "Good values"
        `SpectralDiffusion(Grid((64, 64), (0.0, 1.0), "neumann"), 0.1)`, any dt.
    """

    modes: Modes = eqx.field(static=True)
    nu: Float[Array, "..."]

    def __init__(self, grid: Grid, nu: Any, *, dealias: float = 2 / 3):
        self.nu = as_parameter("nu", nu, shape=None)
        if self.nu.ndim:
            require(
                self.nu.shape == (1, *grid.shape),
                f"nu must be a scalar or a field of shape {(1, *grid.shape)}, got "
                f"shape {self.nu.shape}",
            )
            require_sides(grid, "periodic")
        self.modes = grid.modes(dealias if self.nu.ndim else None)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`nu` is not negative."""
        return {"nu": (0.0, math.inf)}

    def symbol(self) -> Float[Array, "..."]:
        r"""$-\max\nu\,|k|^2$."""
        return jnp.max(self.nu) * self.modes.laplacian[None]

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        r"""$\nabla\cdot((\nu - \max\nu)\nabla u)$; zero for a number."""
        del t, args
        if not self.nu.ndim:
            return jnp.zeros_like(y)
        axes = range(self.modes.grid.ndim)
        symbols = [self.modes.derivative(a) for a in axes]
        rest = in_precision_of(self.nu - jnp.max(self.nu), y)
        flux = rest * self.modes.to_nodes(
            jnp.concatenate([apply_symbol(s, y) for s in symbols])
        )
        parts = jnp.split(self.modes.to_modes(flux), len(symbols))
        rates = [apply_symbol(s, part) for s, part in zip(symbols, parts, strict=True)]
        return jnp.sum(jnp.stack(rates), axis=0)

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Inexact[Array, " channels"]:
        r"""$\nu\Delta u$ at one point of a function `u(x)`.

        **Raises:** `ValueError` for a field ν, known on its nodes only.
        """
        del t, args
        require(not self.nu.ndim, "a diffusivity known at nodes has no pointwise form")
        curvature = num.laplacian(u)(x)
        return in_precision_of(self.nu, curvature) * curvature

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass`, kept between periodic and Neumann sides, and `energy`, which never
        grows."""
        return mass_and_energy(self.modes.grid)


class HyperDiffusion(AbstractSemilinear):
    r"""Hyper-diffusion $u_t = -\nu(-\Delta)^pu$, exact for any step.

    Channel by channel; it takes short waves away and leaves long ones alone, the more
    so the higher the order.

    **Arguments:**

    - `grid`: a `Grid` without inflow or outflow.
    - `nu`: ν ≥ 0, a scalar, length²ᵖ/time.
    - `order`: p ≥ 1, a whole number.

    **Raises:** `ValueError` for another grid, an order below 1, or a `nu` that is no
    scalar or negative (traced: `valid()` is false).

    !!! example "Good values"
        `HyperDiffusion(Grid((64, 64), (0.0, 2 * math.pi)), 1e-4)`, any dt.
    """

    modes: Modes = eqx.field(static=True)
    order: int = eqx.field(static=True)
    nu: Float[Array, ""]

    def __init__(self, grid: Grid, nu: RealScalar, order: int = 2):
        require(
            isinstance(order, int) and order >= 1,
            f"order must be a whole number of at least 1, got {order}",
        )
        self.modes = grid.modes()
        self.order = order
        self.nu = as_parameter("nu", nu)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`nu` is not negative."""
        return {"nu": (0.0, math.inf)}

    def symbol(self) -> Float[Array, "..."]:
        r"""$-\nu|k|^{2p}$."""
        return laplacian_symbol(self._powers(), self.modes.laplacian)

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        """Zero."""
        del t, args
        return jnp.zeros_like(y)

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Inexact[Array, " channels"]:
        """The right-hand side at one point of a function `u(x)`."""
        del t, args
        return laplacian_pointwise(self._powers(), u, x)

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass`, kept between periodic and Neumann sides, and `energy`, which never
        grows."""
        return mass_and_energy(self.modes.grid)

    def _powers(self) -> tuple[Array, ...]:
        highest = np.float64((-1.0) ** (self.order + 1)) * self.nu
        return (*[jnp.zeros_like(self.nu)] * self.order, highest)
