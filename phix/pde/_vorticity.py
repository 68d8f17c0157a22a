"""Two-dimensional Navier–Stokes flow, by its vorticity."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._errors import require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import as_parameter
from phix.pde._flow import AbstractFlow, along, inverse_square, optional
from phix.pde._forcing import forcing_modes, read_forcing
from phix.pde._semilinear import apply_symbol, like_modes
from phix.space import Grid, Modes


class Vorticity(AbstractFlow):
    r"""Incompressible Navier–Stokes flow in two dimensions, periodic, by its vorticity.

    $$\omega_t + u\cdot\nabla\omega = \nu\Delta\omega - \alpha\omega + g,\qquad
    u = (\psi_y, -\psi_x),\quad -\Delta\psi = \omega$$

    The sign is the textbook's: $\omega = \partial_x u_y - \partial_y u_x$. The state is
    $\omega$, `"1 x y"`, and with `scalar_diffusivity` a passive scalar beside it,
    `"2 x y"`: $\theta_t + u\cdot\nabla\theta = \kappa\Delta\theta$. The flow has no
    mean; energy goes to large scales, enstrophy to small ones.

    $N = (\partial_y^2 - \partial_x^2)(u_x u_y) + \partial_x\partial_y(u_x^2 - u_y^2)$
    takes four real transforms.

    **Arguments:**

    - `grid`: a periodic `Grid` in two dimensions; any box, odd sizes too.
    - `nu`: viscosity $\nu \ge 0$, a scalar, length²/time.
    - `drag`: linear friction $\alpha \ge 0$, a scalar, 1/time.
    - `forcing`: $g$, the curl of a force: None, a field `"1 x y"`, or a function
        `g(t, x: "2")` to a scalar (one more transform per evaluation); see `curl` and
        `kolmogorov`.
    - `scalar_diffusivity`: $\kappa \ge 0$ of the passive scalar; None for no scalar.
    - `dealias`: kept fraction of modes; 2/3 has no aliasing.
    - `isotropic`: keep a disk of modes, no longer waves along the diagonals: explicit
        steps may be longer, by up to √2.

    **Raises:** `ValueError` for another grid, a parameter that is no scalar or is
    negative (traced: `valid()` is false), a forcing that does not fit.

    !!! example "Good values"
        `Vorticity(Grid((128, 128), (0.0, 2 * math.pi)), nu=2e-3)` from
        `random_vorticity` with peak 6 and unit velocity, dt = 0.01 by ETDRK4.

    ??? cite "Reference"
        C. Canuto, M. Y. Hussaini, A. Quarteroni, T. A. Zang, Spectral Methods:
        Evolution to Complex Geometries, Springer 2007, chapter 3; C. Basdevant,
        J. Comput. Phys. 50 (1983) 209 (fewer transforms).
    """

    modes: Modes = eqx.field(static=True)
    nu: Float[Array, ""]
    drag: Float[Array, ""]
    scalar_diffusivity: Float[Array, ""] | None
    forcing: PyTree
    flow_channels: ClassVar[int] = 1

    def __init__(
        self,
        grid: Grid,
        nu: RealScalar,
        *,
        drag: RealScalar = 0.0,
        forcing: Any = None,
        scalar_diffusivity: RealScalar | None = None,
        dealias: float = 2 / 3,
        isotropic: bool = False,
    ):
        require(
            grid.ndim == 2 and all(b[0].kind == "periodic" for b in grid.boundary),
            f"grid must be periodic and two-dimensional, got {grid}",
        )
        self.modes = grid.modes(dealias, isotropic=isotropic)
        self.nu = as_parameter("nu", nu)
        self.drag = as_parameter("drag", drag)
        self.scalar_diffusivity = optional("scalar_diffusivity", scalar_diffusivity)
        self.forcing = read_forcing(forcing, self.modes, 1)
        self.check_parameters()

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        """Transport by the flow, and the forcing."""
        del args
        kx, ky = (like_modes(k, y) for k in self.modes.wavenumbers)
        fields = self.modes.to_nodes(jnp.concatenate([self._velocity(y), y[1:]]))
        u, v, scalar = fields[0], fields[1], fields[2:]
        products = jnp.stack([u * v, v * v - u * u])
        if self.scalar_diffusivity is not None:
            products = jnp.concatenate([products, u * scalar, v * scalar])
        cross, stretch, *flux = self.modes.to_modes(products)
        rate = along((kx**2 - ky**2, kx * ky), (cross, stretch))[None]
        if self.forcing is not None:
            rate = rate + forcing_modes(self.forcing, self.modes, t, y)
        if not flux:
            return rate
        return jnp.concatenate([rate, num.scale(-1j, along((kx, ky), flux)[None])])

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Array:
        """Refused: the velocity at a point depends on the vorticity everywhere."""
        raise ValueError(
            "the vorticity equation is not local and has no pointwise form; take the "
            "velocity form with its pressure"
        )

    def velocity(
        self, u: Float[Array, " channels *space"]
    ) -> Float[Array, " dim *space"]:
        """The velocity `"2 x y"` of a vorticity field."""
        return self.flow(self.encode(u))

    def flow(
        self, y: Inexact[Array, " channels *modes"]
    ) -> Float[Array, " dim *space"]:
        """The velocity at the nodes, of a state."""
        return self.modes.to_nodes(self._velocity(y))

    @property
    def invariants(self) -> dict[str, Callable]:
        """`energy` and `enstrophy`, both kept without viscosity, drag and forcing, and
        `circulation`, always kept without forcing."""
        grid = self.modes.grid

        def energy(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
            v = self.velocity(u)
            return 0.5 * grid.inner(v, v)

        def enstrophy(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
            return 0.5 * grid.inner(u[:1], u[:1])

        def circulation(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
            return grid.integrate(u[:1])[0]

        return {"energy": energy, "enstrophy": enstrophy, "circulation": circulation}

    def _velocity(self, y: Array) -> Array:
        kx, ky = self.modes.wavenumbers
        inverse = inverse_square(self.modes)
        symbols = np.stack([1j * ky * inverse, -1j * kx * inverse])
        return apply_symbol(symbols, y[:1])
