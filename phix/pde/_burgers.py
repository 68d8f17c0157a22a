"""Burgers' equation with a source and an inflow."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float, PyTree, RealScalar
from phix.pde._base import (
    AbstractMethodOfLines,
    Limits,
    as_parameter,
    in_precision_of,
)
from phix.pde._invariants import mass_and_energy
from phix.space import Grid, hold_inflow, laplacian, upwind_difference


class Burgers(AbstractMethodOfLines):
    r"""Burgers' equation in one dimension, with the source of the parametrised shock.

    $$u_t + \left(\tfrac12 u^2\right)_x = a\,e^{\mu x} + \nu u_{xx}$$

    The state has one channel, `"1 nodes"`. Fronts steepen into shocks that travel at
    the mean of the two sides. The flux is upwinded after Engquist and Osher: first
    order, conservative, and $(u_i^2 - u_{i-1}^2)/2h$ where $u > 0$; viscosity by
    central differences. The node of an inflow side is held at its initial value.

    **Arguments:**

    - `grid`: a one-dimensional `Grid`.
    - `mu`: growth rate $\mu$ of the source in space; a scalar, unit 1/length.
    - `amplitude`: $a$, the source at $x = 0$; a scalar.
    - `viscosity`: $\nu \ge 0$, a scalar; None leaves the term out and costs nothing.

    **Raises:** `ValueError` for another dimension, a parameter that is no scalar, or a
    concrete viscosity below zero (traced: `valid()` is false).

    !!! example "Good values"
        `Burgers(Grid(256, (0.0, 100.0), boundary=("inflow", "outflow")), 0.02)` from
        `burgers_shock` by forward Euler with dt = 0.07 (CFL at most 0.86): a shock that
        crosses half the box in 200 steps.

    ??? cite "Reference"
        H. Hosseini Dashtbayaz, H. Salehipour, A. Butscher, N. Morris, Physics-informed
        reduced order modeling of time-dependent PDEs via differentiable solvers,
        arXiv:2505.14595 (the problem); B. Engquist, S. Osher, Mathematics of
        Computation 34 (1980) (the flux).
    """

    space: Grid
    mu: Float[Array, ""]
    amplitude: Float[Array, ""]
    viscosity: Float[Array, ""] | None

    def __init__(
        self,
        grid: Grid,
        mu: RealScalar,
        amplitude: RealScalar = 0.02,
        viscosity: RealScalar | None = None,
    ):
        require(grid.ndim == 1, f"grid must be one-dimensional, got shape {grid.shape}")
        self.space = grid
        self.mu = as_parameter("mu", mu)
        self.amplitude = as_parameter("amplitude", amplitude)
        self.viscosity = None
        if viscosity is not None:
            self.viscosity = as_parameter("viscosity", viscosity)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`viscosity` is not negative."""
        return {"viscosity": (0.0, math.inf)}

    def rhs(
        self, t: RealScalar, u: Float[Array, "channels nodes"], args: PyTree = None
    ) -> Float[Array, "channels nodes"]:
        """The semi-discrete right-hand side, `"1 nodes"`."""
        del t, args
        self._check(u)
        convection = upwind_difference(self.space, u, _right_going, _left_going)
        (x,) = self.space.axes
        rate = self._source(x.astype(u.dtype), u) - convection
        if self.viscosity is not None:
            nu = in_precision_of(self.viscosity, u)
            rate = rate + nu * laplacian(self.space, u)
        return hold_inflow(self.space, rate)

    def pointwise(
        self, t: RealScalar, x: Float[Array, "1"], u: Callable, args: PyTree = None
    ) -> Float[Array, "1"]:
        r"""$a e^{\mu x} - u\,u_x + \nu u_{xx}$ at one point of a function `u(x)`."""
        del t, args

        def value_and_slope(x: Array) -> tuple[Array, Array]:
            return jax.jvp(u, (x,), (jnp.ones_like(x),))

        if self.viscosity is None:
            value, slope = value_and_slope(x)
            return self._source(x, value) - value * slope
        (value, slope), (_, bend) = jax.jvp(value_and_slope, (x,), (jnp.ones_like(x),))
        nu = in_precision_of(self.viscosity, value)
        return self._source(x, value) - value * slope + nu * bend

    def stable_step(self, u: Float[Array, "channels nodes"]) -> Float[Array, ""]:
        r"""$1/(\max|u|/h + 2\nu/h^2)$; $h/\max|u|$ without viscosity."""
        self._check(u)
        (h,) = self.space.spacing
        rate = jnp.max(jnp.abs(u)) / h
        if self.viscosity is not None:
            rate = rate + 2 * in_precision_of(self.viscosity, u) / h**2
        return 1 / rate

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass` (kept on periodic grids without source) and `energy` (never grows
        there)."""
        return mass_and_energy(self.space)

    def _source(self, x: Array, u: Array) -> Array:
        mu, amplitude = in_precision_of((self.mu, self.amplitude), u)
        return amplitude * jnp.exp(mu * x)

    def _check(self, u: Array) -> None:
        self.space.check(u)
        require(u.shape[0] == 1, f"u must have one channel, got shape {u.shape}")


def burgers_shock(x: Float[Array, "*points"]) -> Float[Array, "*points"]:
    r"""The initial profile of the parametrised Burgers shock, at x in [0, 100].

    $$u_0 = R + (L - R)\,\tfrac12\left(1 - \tanh\frac{x - 11.6}{0.38}\right),\quad
    L^2 = 4.2514^2 + \tfrac{0.04}{0.0285}(e^{0.0285x} - 1),\quad
    R = 1.00854 + 0.046588\,e^{0.0275x}$$

    A closed form fitted to the stored profile of the authors' data (relative L2 error
    6.6e-4): a shock at x = 11.6 between two smooth branches.

    **Arguments:**

    - `x`: coordinates of any shape.

    **Returns:** the profile, shaped as `x`; `grid.project(burgers_shock)` is the field.

    ??? cite "Reference"
        Data of H. Hosseini Dashtbayaz et al., arXiv:2505.14595.
    """
    left = jnp.sqrt(4.2514**2 + 0.04 / 0.0285 * jnp.expm1(0.0285 * x))
    right = 1.00854 + 0.046588 * jnp.exp(0.0275 * x)
    return right + (left - right) * 0.5 * (1 - jnp.tanh((x - 11.6) / 0.38))


def _right_going(u: Array) -> Array:
    return 0.5 * jnp.maximum(u, 0) ** 2


def _left_going(u: Array) -> Array:
    return 0.5 * jnp.minimum(u, 0) ** 2
