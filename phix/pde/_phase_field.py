"""Equations that go downhill in an energy: phases and patterns."""

import math
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from phix import num
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import Limits, as_parameter, in_precision_of
from phix.pde._invariants import mass_and_energy
from phix.pde._reaction import (
    AbstractReaction,
    gradient_energy,
    in_precision_of_field,
    laplacian_pointwise,
    laplacian_symbol,
    require_sides,
)
from phix.pde._semilinear import AbstractSemilinear, apply_symbol
from phix.space import Grid, Modes


class AllenCahn(AbstractReaction):
    r"""The Allen–Cahn equation of phases that may turn into each other.

    $$u_t = \epsilon^2\Delta u + u - u^3$$

    Channel by channel. Regions of ±1 form at unit rate; their walls, of width
    $\sqrt2\epsilon$, move by their curvature. The energy decays.

    **Arguments:**

    - `grid`: a `Grid` with periodic or Neumann sides.
    - `epsilon`: width of the walls $\epsilon \ge 0$, a scalar, length.
    - `dealias`: kept fraction of modes. With 1 most is resolved, and diffusion damps
        what aliasing does to the shortest waves; 1/2 has none.

    **Raises:** `ValueError` for another grid, or an `epsilon` that is no scalar or
    negative (traced: `valid()` is false).

    !!! example "Good values"
        `AllenCahn(Grid((128, 128), (0.0, 2 * math.pi)), 0.1)` from small noise,
        dt = 0.1.

    ??? cite "Reference"
        S. M. Allen, J. W. Cahn, Acta Metallurgica 27 (1979) 1085.
    """

    modes: Modes = eqx.field(static=True)
    epsilon: Float[Array, ""]

    def __init__(self, grid: Grid, epsilon: RealScalar, *, dealias: float = 1.0):
        require_sides(grid, "periodic", "neumann")
        self.modes = grid.modes(dealias)
        self.epsilon = as_parameter("epsilon", epsilon)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`epsilon` is not negative."""
        return {"epsilon": (0.0, math.inf)}

    def powers(self) -> tuple[Array, ...]:
        """Growth and diffusion."""
        return jnp.ones_like(self.epsilon), self.epsilon**2

    def reaction(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """$-u^3$."""
        return -(u**3)

    @property
    def invariants(self) -> dict[str, Callable]:
        r"""`energy` $\int\tfrac{\epsilon^2}2|\nabla u|^2 + \tfrac14(1 - u^2)^2$, which
        never grows."""
        return {"energy": _wall_energy(self, self.epsilon)}


class CahnHilliard(AbstractSemilinear):
    r"""The Cahn–Hilliard equation of phases that separate.

    $$u_t = \Delta\left(u^3 - u - \epsilon^2\Delta u\right)$$

    Channel by channel. A mixture separates into regions of ±1, which then coarsen.
    Mass is kept, and the energy decays.

    **Arguments:**

    - `grid`: a `Grid` with periodic or Neumann sides.
    - `epsilon`: width of the walls $\epsilon \ge 0$, a scalar, length.
    - `dealias`: kept fraction of modes. With 1 most is resolved, and diffusion damps
        what aliasing does to the shortest waves; 1/2 has none.

    **Raises:** `ValueError` for another grid, one too coarse for the walls, or an
    `epsilon` that is no scalar or negative (traced: `valid()` is false).

    !!! example "Good values"
        `CahnHilliard(Grid((128, 128), (0.0, 2 * math.pi)), 0.1)` from small noise,
        dt = 1e-3.

    ??? cite "Reference"
        J. W. Cahn, J. E. Hilliard, J. Chem. Phys. 28 (1958) 258.
    """

    modes: Modes = eqx.field(static=True)
    epsilon: Float[Array, ""]

    def __init__(self, grid: Grid, epsilon: RealScalar, *, dealias: float = 1.0):
        require_sides(grid, "periodic", "neumann")
        self.modes = grid.modes(dealias)
        self.epsilon = as_parameter("epsilon", epsilon)
        self.check_parameters()
        self.check_symbol()

    @property
    def limits(self) -> Limits:
        """`epsilon` is not negative."""
        return {"epsilon": (0.0, math.inf)}

    def symbol(self) -> Float[Array, "..."]:
        r"""$|k|^2 - \epsilon^2|k|^4$."""
        return laplacian_symbol(self._powers(), self.modes.laplacian)

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        r"""$\Delta u^3$."""
        del t, args
        cube = self.modes.to_modes(self.modes.to_nodes(y) ** 3)
        return apply_symbol(self.modes.laplacian, cube)

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Float[Array, " channels"]:
        """The right-hand side at one point of a function `u(x)`."""
        del t, args
        return laplacian_pointwise(self._powers(), u, x) + num.laplacian(
            lambda x: u(x) ** 3
        )(x)

    @property
    def invariants(self) -> dict[str, Callable]:
        r"""`mass`, kept, and `energy` $\int\tfrac{\epsilon^2}2|\nabla u|^2 +
        \tfrac14(1 - u^2)^2$, which never grows."""
        mass = mass_and_energy(self.modes.grid)["mass"]
        return {"mass": mass, "energy": _wall_energy(self, self.epsilon)}

    def _powers(self) -> tuple[Array, ...]:
        one = jnp.ones_like(self.epsilon)
        return 0 * one, -one, -(self.epsilon**2)


class SwiftHohenberg(AbstractReaction):
    r"""The Swift–Hohenberg equation of patterns of wavelength 2π.

    $$u_t = ru - (1 + \Delta)^2u + gu^2 - u^3$$

    Channel by channel. Stripes for small g, hexagons for larger; the energy decays.

    **Arguments:**

    - `grid`: a `Grid` with periodic or Neumann sides.
    - `r`: how far beyond onset, a scalar, 1/time.
    - `g`: strength of the quadratic term, a scalar.
    - `dealias`: kept fraction of modes. With 1 most is resolved, and diffusion damps
        what aliasing does to the shortest waves; 1/2 has none.

    **Raises:** `ValueError` for another grid, one too coarse to reach the damped waves,
    or a parameter that is no scalar (traced: `valid()` is false).

    !!! example "Good values"
        `SwiftHohenberg(Grid((128, 128), (0.0, 40 * math.pi)), 0.7, 1.0)` from noise,
        dt = 0.05.

    ??? cite "Reference"
        J. Swift, P. C. Hohenberg, Phys. Rev. A 15 (1977) 319.
    """

    modes: Modes = eqx.field(static=True)
    r: Float[Array, ""]
    g: Float[Array, ""]

    def __init__(
        self, grid: Grid, r: RealScalar, g: RealScalar = 0.0, *, dealias: float = 1.0
    ):
        require_sides(grid, "periodic", "neumann")
        self.modes = grid.modes(dealias)
        self.r = as_parameter("r", r)
        self.g = as_parameter("g", g)
        self.check_parameters()
        self.check_symbol()

    @property
    def limits(self) -> Limits:
        """None."""
        return {}

    def powers(self) -> tuple[Array, ...]:
        """$r - 1$, $-2$ and $-1$."""
        one = jnp.ones_like(self.r)
        return self.r - 1, -2 * one, -one

    def reaction(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """$gu^2 - u^3$."""
        return in_precision_of_field(self.g, u) * u**2 - u**3

    @property
    def invariants(self) -> dict[str, Callable]:
        r"""`energy` $\int\tfrac12((1 + \Delta)u)^2 - \tfrac r2u^2 - \tfrac g3u^3 +
        \tfrac14u^4$, which never grows."""
        grid = self.modes.grid

        def energy(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
            y = self.encode(u)
            stress = self.decode(apply_symbol(1 + self.modes.laplacian, y))
            r, g = in_precision_of((self.r, self.g), u)
            density = -r * u**2 / 2 - g * u**3 / 3 + u**4 / 4
            return 0.5 * grid.inner(stress, stress) + grid.integrate(density).sum()

        return {"energy": energy}


def _wall_energy(equation: AbstractSemilinear, epsilon: Array) -> Callable:
    grid = equation.modes.grid

    def energy(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
        wells = grid.integrate(0.25 * (1 - u**2) ** 2).sum()
        square = in_precision_of(epsilon, u) ** 2
        return 0.5 * square * gradient_energy(equation, u) + wells

    return energy
