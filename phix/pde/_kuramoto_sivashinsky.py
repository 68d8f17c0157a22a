"""The Kuramoto–Sivashinsky equation, of the slope and of the height."""

import math
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from phix import num
from phix._errors import require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import Limits, as_parameter
from phix.pde._invariants import mass_and_energy
from phix.pde._reaction import (
    laplacian_pointwise,
    laplacian_symbol,
    require_channels,
    require_sides,
)
from phix.pde._semilinear import AbstractSemilinear, apply_symbol
from phix.space import Grid, Modes


class AbstractKuramotoSivashinsky(AbstractSemilinear):
    r"""The linear part $-\Delta u - \nu\Delta^2u$, which both forms have."""

    nu: eqx.AbstractVar[Float[Array, ""]]

    @property
    def limits(self) -> Limits:
        """`nu` is not negative."""
        return {"nu": (0.0, math.inf)}

    def symbol(self) -> Float[Array, "..."]:
        r"""$|k|^2 - \nu|k|^4$."""
        return laplacian_symbol(self._powers(), self.modes.laplacian)

    def _powers(self) -> tuple[Array, ...]:
        return jnp.zeros_like(self.nu), -jnp.ones_like(self.nu), -self.nu


class KuramotoSivashinsky(AbstractKuramotoSivashinsky):
    r"""The Kuramoto–Sivashinsky equation in one dimension, periodic, conservative.

    $$u_t + \left(\tfrac12u^2\right)_x + u_{xx} + \nu u_{xxxx} = 0$$

    One channel. Waves longer than $2\pi\sqrt\nu$ grow, shorter ones are damped, and on
    long boxes the cells that form are chaotic. Two transforms per evaluation.

    **Arguments:**

    - `grid`: a periodic `Grid` in one dimension.
    - `nu`: damping $\nu \ge 0$ of the short waves, a scalar.
    - `dealias`: kept fraction of modes; 2/3 has no aliasing.

    **Raises:** `ValueError` for another grid, one too coarse to reach the damped waves,
    or a `nu` that is no scalar or negative (traced: `valid()` is false).

    !!! example "Good values"
        `KuramotoSivashinsky(Grid(64, (0.0, 22.0)))`, dt = 0.1: the leading Lyapunov
        exponent is 0.048. Large and chaotic: 256 nodes on (0, 100), 0.09.

    ??? cite "Reference"
        P. Cvitanović, R. L. Davidchack, E. Siminos, SIAM J. Applied Dynamical Systems 9
        (2010) 1; A.-K. Kassam, L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214.
    """

    modes: Modes = eqx.field(static=True)
    nu: Float[Array, ""]

    def __init__(self, grid: Grid, nu: RealScalar = 1.0, *, dealias: float = 2 / 3):
        require(
            grid.ndim == 1,
            f"grid must be one-dimensional, got shape {grid.shape}; FlameFront has "
            "any dimension",
        )
        require_sides(grid, "periodic")
        self.modes = grid.modes(dealias)
        self.nu = as_parameter("nu", nu)
        self.check_parameters()
        self.check_symbol()

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        r"""$-\left(\tfrac12u^2\right)_x$."""
        del t, args
        require_channels(y, 1)
        square = self.modes.to_modes(self.modes.to_nodes(y) ** 2)
        return apply_symbol(-0.5 * self.modes.derivative(0), square)

    def pointwise(
        self, t: RealScalar, x: Float[Array, "1"], u: Callable, args: PyTree = None
    ) -> Float[Array, "1"]:
        """The right-hand side at one point of a function `u(x)`."""
        del t, args
        transport = u(x) * num.gradient(u)(x)[:, 0]
        return laplacian_pointwise(self._powers(), u, x) - transport

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass`, kept; `energy`, which stays bounded."""
        return mass_and_energy(self.modes.grid)


class FlameFront(AbstractKuramotoSivashinsky):
    r"""The Kuramoto–Sivashinsky equation of a front's height, periodic.

    $$u_t + \tfrac12|\nabla u|^2 + \Delta u + \nu\Delta^2u = 0$$

    One channel, one to three dimensions; in one, $u_x$ obeys `KuramotoSivashinsky`. The
    mean of u runs away downwards at the rate $\tfrac12\langle|\nabla u|^2\rangle$.

    **Arguments:**

    - `grid`: a periodic `Grid`.
    - `nu`: damping $\nu \ge 0$ of the short waves, a scalar.
    - `dealias`: kept fraction of modes; 2/3 has no aliasing.

    **Raises:** `ValueError` for another grid, one too coarse to reach the damped waves,
    or a `nu` that is no scalar or negative (traced: `valid()` is false).

    !!! example "Good values"
        `FlameFront(Grid((128, 128), (0.0, 60.0)))` from small noise, dt = 0.1.

    ??? cite "Reference"
        G. I. Sivashinsky, Acta Astronautica 4 (1977) 1177.
    """

    modes: Modes = eqx.field(static=True)
    nu: Float[Array, ""]

    def __init__(self, grid: Grid, nu: RealScalar = 1.0, *, dealias: float = 2 / 3):
        require_sides(grid, "periodic")
        self.modes = grid.modes(dealias)
        self.nu = as_parameter("nu", nu)
        self.check_parameters()
        self.check_symbol()

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        r"""$-\tfrac12|\nabla u|^2$."""
        del t, args
        require_channels(y, 1)
        axes = range(self.modes.grid.ndim)
        slopes = [apply_symbol(self.modes.derivative(a), y) for a in axes]
        slopes = self.modes.to_nodes(jnp.concatenate(slopes))
        return self.modes.to_modes(-0.5 * jnp.sum(slopes**2, 0, keepdims=True))

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Float[Array, " channels"]:
        """The right-hand side at one point of a function `u(x)`."""
        del t, args
        steepness = 0.5 * jnp.sum(num.gradient(u)(x) ** 2, axis=-1)
        return laplacian_pointwise(self._powers(), u, x) - steepness

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass`, which never grows."""
        return {"mass": mass_and_energy(self.modes.grid)["mass"]}
