"""Scalar fields with a potential: the Klein–Gordon family and the wave equation."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._errors import is_concrete, require
from phix._types import Array, Bool, Float, Inexact, PyTree, RealScalar
from phix.pde._base import Limits, as_parameter, in_precision_of
from phix.pde._hamiltonian import AbstractHamiltonian
from phix.pde._potentials import AbstractPotential, read_potential
from phix.pde._reaction import require_channels, require_sides
from phix.pde._seam import require_fitting, require_symmetric, seam
from phix.pde._semilinear import apply_symbol
from phix.pde._wave_modes import WaveModes
from phix.space import Grid, Modes, spectral_derivative


class KleinGordon(AbstractHamiltonian):
    r"""A real scalar field φ with a potential, in one to three dimensions.

    $$\varphi_{tt} = \nabla\cdot(c^2\nabla\varphi) - V'(\varphi) - \gamma\varphi_t
    + f(t, x)$$

    A field is $(\varphi, \varphi_t)$, `"2 *space"`. A scheme integrates the kept
    coefficients q of φ, less the ramp of a twisted grid, and p of $\varphi_t$; two
    transforms a step of `StormerVerlet`.

    **Arguments:**

    - `grid`: a `Grid` with periodic, antiperiodic, twisted, Dirichlet or Neumann sides.
        A lone φ⁴ kink wants antiperiodic sides, a lone sine-Gordon kink `Twisted(2π)`.
    - `potential`: `Linear(m)`, `Phi4()`, `SineGordon()`, `DoubleSineGordon(eta)`,
        `Phi6()`, or your own pure function V(φ), which may be a module with weights.
    - `speed`: $c$, length/time; a scalar or, on periodic and twisted grids, a field
        `"1 *space"`. Schemes with an exact linear flow want a scalar.
    - `damping`: γ, 1/time; None, a scalar, or a field `"1 *space"` such as
        `phix.pde.sponge`, which costs two more transforms.
    - `drive`: f; None, a field `"1 *space"`, or a function `f(t, x: "dim") -> scalar`.
    - `dealias`: kept fraction of modes. All by default: what resolves a kink leaves
        next to no aliasing.

    **Raises:** `ValueError` for another grid, a potential that is no pure function of φ
    or does not suit the sides (antiperiodic wants V even, twisted V periodic), or a
    parameter of another shape or out of range (traced: `valid()` is false). `solve`
    refuses a field that is complex, or does not fit the sides, and a step beyond the
    scheme's limit.

    !!! example "Good values"
        `KleinGordon(Grid(512, (-40.0, 40.0)), SineGordon())` from
        `breather(x, omega=0.5)`; dt = 0.02 with `BlanesMoan4` (the default), 0.005 with
        `StormerVerlet`.
    """

    space: Grid = eqx.field(static=True)
    modes: Modes = eqx.field(static=True)
    potential: AbstractPotential
    speed: Float[Array, "..."]
    damping: Float[Array, "..."] | None
    drive: Any

    def __init__(
        self,
        grid: Grid,
        potential: AbstractPotential | Callable,
        *,
        speed: RealScalar | Float[Array, " 1 *space"] = 1.0,
        damping: RealScalar | Float[Array, " 1 *space"] | None = None,
        drive: Float[Array, " 1 *space"] | Callable | None = None,
        dealias: float | None = None,
    ):
        require_sides(
            grid, "periodic", "antiperiodic", "twisted", "dirichlet", "neumann"
        )
        self.space = grid
        self.modes = grid.untwisted.modes(dealias)
        self.potential = read_potential(potential)
        self.speed = _number_or_field("speed", speed, grid)
        require(
            self.speed.ndim == 0 or not self.modes.trig_axes,
            "speed: a field needs periodic or twisted sides on every axis",
        )
        self.damping = (
            None if damping is None else _number_or_field("damping", damping, grid)
        )
        self.drive = (
            drive
            if drive is None or callable(drive)
            else _number_or_field("drive", drive, grid)
        )
        self.check_parameters()
        require_symmetric(grid, self.potential)

    @property
    def limits(self) -> Limits:
        """`speed` and `damping` are not negative; and those of the potential."""
        own = {name: (0.0, math.inf) for name in ("speed", "damping")}
        return {**own, **self.potential.limits}

    def semilinear(self) -> WaveModes:
        """The same equation for exponential schemes, `solve(kg.semilinear(), …)`.

        **Raises:** `ValueError` for a speed c(x), or a twisted grid.
        """
        return WaveModes(self.modes, self)

    # What a field must be

    def check(self, u: Array) -> None:
        """Raises `ValueError` for a field that is complex, does not fit the sides, or
        on which there is no finite force (values: where they are concrete)."""
        self.space.check(u)
        require_channels(u, 2)
        require(
            not jnp.iscomplexobj(u),
            "u is complex, and KleinGordon moves a real field: solve for u.real and "
            "u.imag one by one if it is linear, or write the coupled fields as one "
            "from_rhs",
        )
        if not is_concrete(u, self.potential):
            return
        require(
            bool(jnp.all(jnp.isfinite(self.potential.slope(u[:1])))),
            "potential has no finite force at some values of u",
        )
        for axis in range(self.space.ndim):
            require_fitting(self.space, u[:1], axis)

    def fits(self, u: Float[Array, "2 *space"]) -> Bool[Array, ""]:
        """Whether φ crosses every seam as smoothly as it goes on elsewhere."""
        gaps = [seam(self.space, u[:1], axis) for axis in range(self.space.ndim)]
        return jnp.all(jnp.stack([gap <= allowed for gap, allowed in gaps]))

    # Between the field and (q, p)

    def encode(self, u: Inexact[Array, "2 *space"]) -> tuple[Array, Array]:
        """The kept coefficients of φ less its ramp, and of its rate."""
        require_channels(u, 2)
        c = self.modes.to_modes(u - self._ramp(u.dtype))
        return c[:1], c[1:]

    def decode(self, y: tuple[Array, Array]) -> Float[Array, "2 *space"]:
        """φ and its rate, at the nodes."""
        u = self.modes.to_nodes(jnp.concatenate(y))
        return u + self._ramp(u.dtype)

    def _ramp(self, dtype: Any) -> Float[Array, "..."]:
        """What φ and its rate have of the ramp; one zero where there is none."""
        if not self._gain.any():
            return jnp.zeros((1,) * (1 + self.space.ndim), dtype)
        ramp = self.space.ramp()[:1].astype(dtype)
        return jnp.concatenate([ramp, jnp.zeros_like(ramp)])

    @property
    def _gain(self) -> np.ndarray:
        """What φ gains along each axis."""
        return self.space.twist[0]

    @property
    def _slopes(self) -> list[float]:
        """Of the ramp, along each axis."""
        return (self._gain / np.array(self.space.lengths)).tolist()

    # The flows

    def velocity(self, p: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """p."""
        return p

    def force(
        self, t: RealScalar, q: Inexact[Array, "..."], args: PyTree = None
    ) -> Inexact[Array, "..."]:
        """The coefficients of the force, damping left out."""
        del args
        return self._linear_force(q) + self._rest(t, q)

    def friction(self, p: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        r"""The coefficients of $\gamma\varphi_t$."""
        if self.damping is None:
            return jnp.zeros_like(p)
        gamma = in_precision_of(self.damping, p)
        if gamma.ndim == 0:
            return gamma * p
        return self.modes.to_modes(gamma * self.modes.to_nodes(p))

    def kick(
        self,
        t: RealScalar,
        h: RealScalar,
        q: Inexact[Array, "..."],
        p: Inexact[Array, "..."],
        args: PyTree = None,
        *,
        linear: bool = True,
    ) -> Inexact[Array, "..."]:
        r"""$e^{-\gamma h}p + h\varphi_1(-\gamma h)F$, with a γ(x) at the nodes."""
        del args
        force = self._rest(t, q)
        if linear:
            force = force + self._linear_force(q)
        if self.damping is None:
            return p + h * force
        h = jnp.asarray(h, jnp.finfo(p.dtype).dtype)
        decay, weight = num.phis(1, -h * in_precision_of(self.damping, p))
        if decay.ndim == 0:
            return decay * p + h * weight * force
        fields = self.modes.to_nodes(jnp.concatenate([p, force]))
        return self.modes.to_modes(decay * fields[:1] + h * weight * fields[1:])

    def stiffness(self) -> Float[Array, "..."] | None:
        r"""$c^2|k|^2$, and $m^2$ of a linear field."""
        if self.speed.ndim:
            return None
        mass = self.potential.quadratic
        return -(self.speed**2) * self.modes.laplacian[None] + (
            0.0 if mass is None else mass
        )

    def fastest(self, u: Float[Array, "2 *space"]) -> Float[Array, ""]:
        r"""$\sqrt{\max c^2\max|k|^2 + \max V''}$, the curvature taken at u."""
        c = _largest(in_precision_of(self.speed, u))
        bend = _largest(self.potential.curvature(u[:1]))
        square = c**2 * float(-self.modes.laplacian.min()) + jnp.maximum(bend, 0)
        return jnp.sqrt(jnp.where(square > 0, square, 1)) * (square > 0)

    def _linear_force(self, q: Array) -> Array:
        if self.speed.ndim == 0:
            return -apply_symbol(self.stiffness(), q)
        square = in_precision_of(self.speed, q) ** 2
        total = jnp.zeros_like(q)
        for axis, gain in enumerate(self._slopes):
            symbol = self.modes.derivative(axis)
            slope = self.modes.to_nodes(apply_symbol(symbol, q)) + gain
            flux = self.modes.to_modes(square * slope)
            total = total + apply_symbol(symbol, flux)
        mass = self.potential.quadratic
        return total if mass is None else total - in_precision_of(mass, q) * q

    def _rest(self, t: RealScalar, q: Array) -> Array:
        """The force of the potential, unless the linear part has it, and the drive."""
        real = jnp.finfo(q.dtype).dtype
        field = None
        if self.potential.quadratic is None:
            phi = self.modes.to_nodes(q) + self._ramp(real)[:1]
            field = -self.potential.slope(phi)
        if self.drive is not None:
            push = self._drive_at(t, real)
            field = push if field is None else field + push
        return jnp.zeros_like(q) if field is None else self.modes.to_modes(field)

    def _drive_at(self, t: RealScalar, dtype: Any) -> Array:
        if not isinstance(self.drive, Callable):
            return self.drive.astype(dtype)
        drive, t = self.drive, jnp.asarray(t, dtype)
        return self.space.project(lambda x: drive(t, x), dtype).astype(dtype)

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Float[Array, "2"]:
        """The right-hand side at one point of a function `u(x) -> "2"`."""
        del args
        known = (self.speed, self.damping, self.drive)
        require(
            all(a.ndim == 0 for a in known if isinstance(a, Array)),
            "a speed, damping or drive known at the nodes only has no pointwise form",
        )
        phi, rate = u(x)
        bend = num.laplacian(lambda x: u(x)[:1])(x)[0]
        force = in_precision_of(self.speed, phi) ** 2 * bend - self.potential.slope(phi)
        if self.damping is not None:
            force = force - in_precision_of(self.damping, phi) * rate
        if self.drive is not None:
            force = force + (
                self.drive(t, x) if callable(self.drive) else self.drive.astype(x.dtype)
            )
        return jnp.stack([rate, force]).astype(phi.dtype)

    # What is kept

    @property
    def invariants(self) -> dict[str, Callable]:
        r"""`energy` $\int\tfrac12\varphi_t^2 + \tfrac12c^2|\nabla\varphi|^2 + V$; where
        no side is a wall `momentum` $-\int\varphi_t\partial_x\varphi$ along the first
        axis; in one dimension `charge` $\varphi(x_0 + L) - \varphi(x_0)$.

        The energy is kept without damping and drive, the momentum with one speed.
        """
        paired = all(left.paired for left, _ in self.space.boundary)
        named: dict[str, Callable] = {"energy": self._energy}
        if paired:
            named["momentum"] = self._momentum
        if paired and self.space.ndim == 1:
            named["charge"] = self._charge
        return named

    def _energy(self, u: Float[Array, "2 *space"]) -> Float[Array, ""]:
        phi, rate = u[:1], u[1:]
        q, _ = self.encode(u)
        bend = self.modes.to_nodes(self._linear_force(q))
        # -∫ r (∇·c²∇φ) is ∫c²∇r·∇φ for the remainder r; the ramp's share is added.
        local = 0.5 * (rate**2 - (phi - self._ramp(u.dtype)[:1]) * bend)
        if self.potential.quadratic is None:
            local = local + self.potential(phi)
        for axis, gain in enumerate(self._slopes):
            if gain:
                square = in_precision_of(self.speed, u) ** 2
                slope = spectral_derivative(self.space, phi, axis)
                local = local + 0.5 * square * gain * slope
        return self.space.integrate(local)[0]

    def _momentum(self, u: Float[Array, "2 *space"]) -> Float[Array, ""]:
        return -self.space.inner(u[1:], spectral_derivative(self.space, u[:1], 0))

    def _charge(self, u: Float[Array, "2 *space"]) -> Float[Array, ""]:
        first = u[0, 0]
        side = self.space.boundary[0][0]
        return (-2 * first if side.kind == "antiperiodic" else 0 * first) + float(
            self._gain[0]
        )


def _largest(x: Array) -> Array:
    # Not max, whose gradient is shared among all that are equal.
    return x.ravel()[jnp.argmax(x)]


def _number_or_field(name: str, value: Any, grid: Grid) -> Array:
    """A scalar or a field of one channel."""
    array = as_parameter(name, value, shape=None)
    require(
        array.shape in ((), (1, *grid.shape)),
        f"{name} must be a scalar or a field of shape {(1, *grid.shape)}, got "
        f"{array.shape}",
    )
    return array
