"""Navier–Stokes flow in two and three dimensions, by its velocity."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.num import dear, scale
from phix.pde._base import as_parameter
from phix.pde._flow import AbstractFlow, along, inverse_square, optional
from phix.pde._forcing import forcing_modes, read_forcing
from phix.pde._semilinear import apply_symbol, like_modes
from phix.space import Grid, Modes


class NavierStokes(AbstractFlow):
    r"""Incompressible Navier–Stokes flow, periodic, by its velocity.

    $$u_t + \nabla\cdot(u\otimes u) = -\nabla p + \nu\Delta u - \alpha u + f,\qquad
    \nabla\cdot u = 0$$

    in two or three dimensions, density 1. The state is the velocity, `"dim *space"`,
    and with `scalar_diffusivity` a passive scalar after it, one channel more:
    $\theta_t + u\cdot\nabla\theta = \kappa\Delta\theta$. The pressure is eliminated by
    the projection on fields without divergence; `encode` projects a field that has
    some. A mean flow carries the rest along and is itself kept.

    In two dimensions N is found from $u_xu_y$ and $u_y^2 - u_x^2$, the trace of
    $u\otimes u$ left to the pressure: 4 real transforms. In three from five such
    products: 8 real transforms. With aliasing (`dealias` above 2/3) it is
    $u\times\omega$ there, 9 real transforms, which conserves energy and helicity all
    the same.

    **Arguments:**

    - `grid`: a periodic `Grid` in two or three dimensions; any box, odd sizes too.
    - `nu`: viscosity $\nu \ge 0$, a scalar, length²/time.
    - `drag`: linear friction $\alpha \ge 0$, a scalar, 1/time; of the mean flow too.
    - `forcing`: $f$, a force per unit mass: None, a field `"dim *space"`, or a function
        `f(t, x: "dim") -> "dim"` (transformed at every evaluation). A part with
        divergence goes into the pressure.
    - `scalar_diffusivity`: $\kappa \ge 0$ of the passive scalar; None for no scalar.
    - `dealias`: kept fraction of modes; 2/3 has no aliasing, 1 keeps all but the
        highest wave of an even number of nodes.
    - `isotropic`: keep a disk or ball of modes, no longer waves along the diagonals:
        explicit steps may be longer, by up to √2 in a plane, √3 in space.

    **Raises:** `ValueError` for another grid, a parameter that is no scalar or is
    negative (traced: `valid()` is false), a forcing that does not fit.

    !!! example "Good values"
        `NavierStokes(Grid((64, 64, 64), (0.0, 2 * math.pi)), nu=0.01)` from the
        Taylor–Green vortex $(\sin x\cos y\cos z, -\cos x\sin y\cos z, 0)$, dt = 0.02 by
        ETDRK4, to t = 10.

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
            grid.ndim in (2, 3) and all(b[0].kind == "periodic" for b in grid.boundary),
            f"grid must be periodic and two- or three-dimensional, got {grid}",
        )
        self.modes = grid.modes(dealias, isotropic=isotropic)
        self.nu = as_parameter("nu", nu)
        self.drag = as_parameter("drag", drag)
        self.scalar_diffusivity = optional("scalar_diffusivity", scalar_diffusivity)
        self.forcing = read_forcing(forcing, self.modes, grid.ndim)
        self.check_parameters()

    @property
    def flow_channels(self) -> int:
        """One for each direction."""
        return self.modes.grid.ndim

    def encode(
        self, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, " channels *modes"]:
        """The kept coefficients of a field, those of the velocity projected."""
        y = super().encode(u)
        dim = self.modes.grid.ndim
        return jnp.concatenate([self._project(y[:dim]), y[dim:]])

    def flow(
        self, y: Inexact[Array, " channels *modes"]
    ) -> Float[Array, " dim *space"]:
        """The velocity at the nodes, of a state."""
        return self.modes.to_nodes(y[: self.modes.grid.ndim])

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        """Transport by the flow, the pressure, and the forcing."""
        del args
        dim = self.modes.grid.ndim
        flow, scalar = jnp.split(y, [dim])
        turning = self._curl(flow) if self._turns else y[:0]
        fields = self.modes.to_nodes(jnp.concatenate([flow, turning, scalar]))
        fields = _components(dear(fields) if dim == 3 else fields)
        u, w, theta = fields[:dim], fields[dim:], fields[dim + turning.shape[0] :]
        if dim == 2:
            force = [u[0] * u[1], u[1] * u[1] - u[0] * u[0]]
        elif self._turns:
            force = [u[i] * w[j] - u[j] * w[i] for i, j in _CYCLIC]
        else:
            trace = u[2] * u[2]
            force = [a * a - trace for a in u[:2]] + [u[i] * u[j] for i, j in _CYCLIC]
        flux = [a * scalar for a in u for scalar in theta]
        products = self.modes.to_modes(jnp.concatenate([*force, *flux]))
        force, flux = jnp.split(products, [len(force)])
        if dim == 2:
            rate = self._planar_rate(force)
        else:
            rate = self._project(force if self._turns else self._spatial_force(force))
        if self.forcing is not None:
            rate = rate + self._project(forcing_modes(self.forcing, self.modes, t, y))
        if self.scalar_diffusivity is None:
            return rate
        return jnp.concatenate([rate, scale(-1j, self._divergence(flux))])

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Array:
        """Refused: the pressure at a point depends on the velocity everywhere."""
        raise ValueError(
            "the pressure is not local, so the velocity equation has no pointwise "
            "form; write the residual with the pressure as an unknown"
        )

    def vorticity(
        self, u: Float[Array, " channels *space"]
    ) -> Float[Array, " components *space"]:
        r"""$\nabla\times u$ of a field: one component in two dimensions, or three."""
        return self.modes.to_nodes(self._curl(self.encode(u)[: self.modes.grid.ndim]))

    @property
    def invariants(self) -> dict[str, Callable]:
        """`energy`, and `enstrophy` in two or `helicity` in three dimensions, kept
        without viscosity, drag and forcing; the components of `momentum`, kept without
        drag and forcing. In three dimensions `enstrophy` grows as vortices stretch."""
        grid, dim = self.modes.grid, self.modes.grid.ndim

        def energy(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
            return 0.5 * grid.inner(u[:dim], u[:dim])

        def enstrophy(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
            vorticity = self.vorticity(u)
            return 0.5 * grid.inner(vorticity, vorticity)

        def helicity(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
            return grid.inner(u[:dim], self.vorticity(u))

        def momentum(axis: int) -> Callable:
            return lambda u: grid.integrate(u[axis : axis + 1])[0]

        named = {"energy": energy, "enstrophy": enstrophy}
        if dim == 3:
            named["helicity"] = helicity
        components = {f"momentum_{'xyz'[a]}": momentum(a) for a in range(dim)}
        return {**named, **components}

    @property
    def _turns(self) -> bool:
        """Whether the force is found as u × ω: in three dimensions, with aliasing."""
        grid = self.modes.grid
        exact = all(3 * self.modes.highest(a) < n for a, n in enumerate(grid.shape))
        return grid.ndim == 3 and not exact

    def _spatial_force(self, products: Array) -> Array:
        r"""$-\nabla\cdot(u\otimes u - u_z^2 I)$ from its five products."""
        kx, ky, kz = self._waves(products)
        xx, yy, yz, xz, xy = _components(products)
        rows = [
            along((kx, ky, kz), (xx, xy, xz)),
            along((kx, ky, kz), (xy, yy, yz)),
            along((kx, ky), (xz, yz)),
        ]
        return scale(-1j, jnp.concatenate(rows))

    def _planar_rate(self, products: Array) -> Array:
        """The projected force in two dimensions, from $u_x u_y$ and $u_y^2 - u_x^2$."""
        kx, ky = self._waves(products)
        cross, stretch = _components(products)
        turn = along((kx**2 - ky**2, kx * ky), (cross, stretch))
        turn = apply_symbol(1j * inverse_square(self.modes), turn)
        return jnp.concatenate([scale(ky, turn), scale(-kx, turn)])

    def _curl(self, c: Array) -> Array:
        """The coefficients of the vorticity: one component, or three."""
        k, parts = self._waves(c), _components(c)
        pairs = _CYCLIC if len(k) == 3 else [(0, 1)]
        turns = [along((k[i], -k[j]), (parts[j], parts[i])) for i, j in pairs]
        return scale(1j, jnp.concatenate(turns))

    def _project(self, c: Array) -> Array:
        """The part of coefficients without divergence; the mean stays."""
        along = apply_symbol(inverse_square(self.modes), self._divergence(c))
        pairs = zip(self._waves(c), _components(c), strict=True)
        return jnp.concatenate([part - scale(k, along) for k, part in pairs])

    def _divergence(self, c: Array) -> Array:
        """The sum of k_a c_a, without the factor i."""
        return along(self._waves(c), _components(c))

    def _waves(self, c: Array) -> list[Array]:
        return [like_modes(kappa[None], c) for kappa in self.modes.wavenumbers]


_CYCLIC = ((1, 2), (2, 0), (0, 1))


def _components(c: Array) -> list[Array]:
    """One channel each. Reverse mode puts them together again in one piece, which it
    does not do for indexing: half the time of a gradient in three dimensions."""
    return jnp.split(c, c.shape[0])
