"""The nonlinear Schrödinger equation and its soliton."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from phix._types import Array, Float, Inexact, RealScalar
from phix.pde._base import Limits, as_parameter, in_precision_of
from phix.pde._reaction import (
    AbstractReaction,
    gradient_energy,
    in_precision_of_field,
    require_sides,
)
from phix.pde._semilinear import apply_symbol
from phix.space import Grid, Modes


class NonlinearSchrodinger(AbstractReaction):
    r"""The cubic nonlinear Schrödinger equation of a complex field, periodic.

    $$iu_t + \tfrac d2\Delta u + \kappa|u|^2u = 0$$

    Channel by channel. Focusing for $\kappa d > 0$ (bright solitons in one dimension,
    collapse in more), defocusing for $\kappa d < 0$. Nothing is damped.

    **Arguments:**

    - `grid`: a periodic `Grid`; fields on it are complex.
    - `kappa`: $\kappa$, a scalar.
    - `dispersion`: $d$, a scalar.
    - `dealias`: kept fraction of modes; 1/2 has no aliasing.

    **Raises:** `ValueError` for another grid, or a parameter that is no scalar or not
    finite (traced: `valid()` is false).

    !!! example "Good values"
        `NonlinearSchrodinger(Grid(256, (-20.0, 20.0)))` from `schrodinger_soliton`,
        dt = 0.005.

    ??? cite "Reference"
        V. E. Zakharov, A. B. Shabat, Soviet Physics JETP 34 (1972) 62.
    """

    modes: Modes = eqx.field(static=True)
    kappa: Float[Array, ""]
    dispersion: Float[Array, ""]

    def __init__(
        self,
        grid: Grid,
        kappa: RealScalar = 1.0,
        dispersion: RealScalar = 1.0,
        *,
        dealias: float = 1 / 2,
    ):
        require_sides(grid, "periodic")
        self.modes = grid.modes(dealias, complex=True)
        self.kappa = as_parameter("kappa", kappa)
        self.dispersion = as_parameter("dispersion", dispersion)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """None."""
        return {}

    def powers(self) -> tuple[Array, ...]:
        """Nothing, and $id/2$."""
        return jnp.zeros_like(self.dispersion), 0.5j * self.dispersion

    def reaction(self, u: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        r"""$i\kappa|u|^2u$."""
        square = u.real**2 + u.imag**2
        return 1j * in_precision_of_field(self.kappa, u) * square * u

    @property
    def invariants(self) -> dict[str, Callable]:
        r"""`mass` $\int|u|^2$, `momentum` $\mathrm{Im}\int\bar u\nabla u$ along the
        first axis, `energy` $\tfrac12\int d|\nabla u|^2 - \kappa|u|^4$; all kept."""
        grid = self.modes.grid

        def mass(u: Inexact[Array, " channels *space"]) -> Float[Array, ""]:
            return grid.inner(u, u).real

        def momentum(u: Inexact[Array, " channels *space"]) -> Float[Array, ""]:
            y = self.encode(u)
            slope = self.decode(apply_symbol(self.modes.derivative(0), y))
            return grid.inner(u, slope).imag

        def energy(u: Inexact[Array, " channels *space"]) -> Float[Array, ""]:
            kappa, d = in_precision_of((self.kappa, self.dispersion), u)
            square = u.real**2 + u.imag**2
            quartic = grid.integrate(square**2).sum()
            return 0.5 * (d * gradient_energy(self, u) - kappa * quartic)

        return {"mass": mass, "momentum": momentum, "energy": energy}


def schrodinger_soliton(
    x: Float[Array, "*points"],
    t: RealScalar = 0.0,
    amplitude: RealScalar = 1.0,
    speed: RealScalar = 0.0,
    centre: RealScalar = 0.0,
) -> Inexact[Array, "*points"]:
    r"""The bright soliton of $iu_t + \tfrac12u_{xx} + |u|^2u = 0$ on the line.

    $$u = a\,\mathrm{sech}\left(a(x - vt - x_0)\right)\,
    e^{i\left(v(x - x_0) + (a^2 - v^2)t/2\right)}$$

    **Arguments:**

    - `x`: coordinates of any shape.
    - `t`: time.
    - `amplitude`: $a$.
    - `speed`: $v$; on a periodic box v must be a wavenumber of it.
    - `centre`: $x_0$, where the soliton is at time 0.

    **Returns:** u, complex, shaped as `x`.
    """
    t, a, v, centre = (
        jnp.asarray(value, x.dtype) for value in (t, amplitude, speed, centre)
    )
    s = x - centre
    phase = v * s + 0.5 * (a**2 - v**2) * t
    return (a / jnp.cosh(a * (s - v * t))) * jnp.exp(1j * phase)
