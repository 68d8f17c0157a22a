"""The transform of a grid: fields to the coefficients of its modes and back."""

import functools as ft
import math
import operator
from typing import Any

import equinox as eqx
import jax.lax as lax
import jax.numpy as jnp
import numpy as np

from phix._errors import checked_dtype, is_concrete, require
from phix._types import Array, Inexact
from phix.num import scale
from phix.space._fft import (
    analyse,
    analyse_complex,
    synthesise,
    synthesise_complex,
)
from phix.space._halfwaves import HalfWaves
from phix.space._hermitian import check_spectrum
from phix.space._trig import Basis, trig_basis


class Modes(eqx.Module):
    r"""The modes of a `Grid` that a state keeps; made by `grid.modes(keep)`.

    $$u(x) = \sum_k c_k \prod_a \phi_{k_a}(x_a)$$

    with $e^{i\kappa_k (x - x_0)}$ along periodic axes, cosines and sines of
    half-integer waves along antiperiodic ones (real coefficients, in pairs; an even
    number of nodes), and the sines or cosines that the boundary and the nodes ask for
    along the others. $x_0$ is the first node: the low end for vertex nodes, where
    coefficients do not depend on the resolution, and half a cell further for centre
    nodes. Everything is static; a `Modes` can be hashed.

    Along a periodic axis coefficients are in the order $-K \ldots K$; a real field
    needs only $0 \ldots K$ along its last periodic axis. Cost: a real FFT for a
    channel, and on the way to the nodes for two real channels together one complex FFT
    of that size (which on CPUs takes 0.5 to 0.8 of the time of two real ones), but in
    large cubes one for each, side by side: hand over all channels at once.

    **Arguments:**

    - `grid`: the grid; it must have no inflow, outflow or twisted side. A twisted
        field less its `grid.ramp()` is one on `grid.untwisted`.
    - `keep`: None for every mode, or the kept fraction $f \in (0, 1]$: along a periodic
        axis of n nodes those with $|k| < fn/2$, along another the first $\lceil
        fn\rceil$. With 2/3 products of two fields, with 1/2 of three, come out without
        aliasing.
    - `complex`: whether fields are complex.
    - `isotropic`: of the modes kept, only those inside the ellipsoid that touches the
        sides of their box are not zero: waves below one length in every direction, as
        far as `keep` goes along the axes. Transport along a diagonal then turns no
        wave faster than along an axis, and an explicit step may be longer, by up to
        $\sqrt d$ in d dimensions. (With `keep` None the wave n/2 goes too.)

    **Raises:** `ValueError` for a grid without transform, an odd number of nodes along
    an antiperiodic axis, a fraction out of range, or one that leaves no wave.
    """

    grid: Any = eqx.field(static=True)
    keep: float | None = eqx.field(static=True)
    complex: bool = eqx.field(static=True)
    isotropic: bool = eqx.field(static=True)

    def __init__(
        self,
        grid: Any,
        keep: float | None = None,
        complex: bool = False,
        isotropic: bool = False,
    ):
        self.grid = grid
        self.keep = None if keep is None else float(keep)
        self.complex = complex
        self.isotropic = isotropic
        for axis, sides in enumerate(grid.boundary):
            kinds = {side.kind for side in sides}
            bad = kinds & {"inflow", "outflow", "twisted"}
            require(
                not bad,
                f"grid has no transform: axis {axis} is {' and '.join(sorted(bad))}; "
                "use stencils (phix.space.derivative), other sides, or for a twisted "
                "field less its ramp grid.untwisted",
            )
            ok = "antiperiodic" not in kinds or grid.shape[axis] % 2 == 0
            require(ok, f"shape: antiperiodic {axis=} needs an even number of nodes")
        require(
            keep is None or 0 < keep <= 1,
            f"keep must be a fraction in (0, 1] or None, got {keep}",
        )
        for axis, n in enumerate(grid.shape):
            least = math.floor(2 / (keep or 1)) + 1
            require(
                keep is None or n == 1 or self.highest(axis) >= 1,
                f"grid is too small: of {n} nodes along axis {axis} the fraction "
                f"{keep} keeps no wave; take at least {least}",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of coefficients along each axis."""
        return tuple(k.size for k in self.waves)

    @property
    def wavenumbers(self) -> tuple[np.ndarray, ...]:
        """κ along each axis, float64, to be broadcast against `shape`; 1/length."""
        return tuple(
            self._spread(
                k * (2 * np.pi / self.grid.lengths[a])
                if self._periodic(a)
                else self._basis(a).wavenumbers(
                    self.grid.shape[a], self.grid.lengths[a]
                )[: k.size],
                a,
            )
            for a, k in enumerate(self.waves)
        )

    def derivative(self, axis: int, order: int = 1) -> np.ndarray:
        r"""The symbol $(i\kappa)^n$ of $\partial^n/\partial x_a^n$, for broadcasting.

        An odd derivative of the highest wave of an even number of nodes is zero on the
        nodes, and so is its symbol.

        **Raises:** `ValueError` for an odd order along an axis of sines or cosines:
        their derivative belongs to the other family.
        """
        kappa = self.wavenumbers[axis]
        if order % 2 == 0:
            return (-1.0) ** (order // 2) * kappa**order
        require(
            self._periodic(axis),
            f"order {order} along axis {axis}, which is not periodic, turns sines into "
            "cosines; take even orders, or phix.space.derivative",
        )
        symbol = (1j * kappa) ** order
        nyquist = 2 * np.abs(self.waves[axis]) == self.grid.shape[axis]
        return np.where(self._spread(nyquist, axis), 0, symbol)

    @property
    def laplacian(self) -> np.ndarray:
        r"""The symbol $-|\kappa|^2$ of the Laplacian, of the full shape."""
        total = sum(kappa**2 for kappa in self.wavenumbers)
        return -np.broadcast_to(total, self.shape)

    @property
    def weights(self) -> np.ndarray:
        """How many waves each coefficient stands for: 2 where the conjugate one of a
        real field is left out. On periodic grids the integral of |u|² is the volume
        times the sum of weights · |c|²."""
        weights = np.ones(self.shape)
        half = self.half_axis
        if half is not None:
            k = self.waves[half]
            alone = (k == 0) | (2 * k == self.grid.shape[half])
            weights = weights * self._spread(np.where(alone, 1.0, 2.0), half)
        return weights

    @property
    def inside(self) -> np.ndarray:
        """Which modes are not zero: all, or with `isotropic` those in the ellipsoid."""
        if not self.isotropic:
            return np.ones(self.shape, bool)
        lengths = self.grid.lengths
        total = sum(
            (kappa * lengths[axis] / (2 * np.pi * self._reach(axis))) ** 2
            for axis, kappa in enumerate(self.wavenumbers)
        )
        # Waves on the ellipsoid are out, however they were rounded.
        return np.broadcast_to(total, self.shape) < 1 - 1e-9

    def truncate(
        self, c: Inexact[Array, " channels *modes"]
    ) -> Inexact[Array, " channels *modes"]:
        """The coefficients with zeros outside of the ellipsoid, if there is one."""
        if not self.isotropic:
            return c
        return scale(self.inside.astype(jnp.finfo(c.dtype).dtype), c)

    def fastest(
        self, velocity: Inexact[Array, " dim *space"]
    ) -> Inexact[Array, " *space"]:
        r"""A bound of $|v\cdot\kappa|$ over the kept waves, at every node; 1/time.

        The rate at which transport by v turns the fastest of them. It is reached where
        all of a box is kept; with `isotropic` it is that of the ellipsoid.

        **Raises:** `ValueError` for axes that are not periodic, or a velocity of
        another number of components.
        """
        require(
            not self.trig_axes and len(velocity) == self.grid.ndim,
            f"velocity of {len(velocity)} component(s) on {self.grid}: wanted one for "
            "each axis, and periodic axes",
        )
        rates = []
        for axis, (v, length) in enumerate(
            zip(velocity, self.grid.lengths, strict=True)
        ):
            end = self._reach(axis) if self.isotropic else self.highest(axis)
            # An axis of one node holds no wave, however far the ellipsoid reaches.
            end = end if self.highest(axis) else 0
            rates.append(end * (2 * np.pi / length) * jnp.abs(v))
        if not self.isotropic:
            return ft.reduce(operator.add, rates)
        # Not a norm over an axis, which inside of a maximum is slow on CPUs.
        return jnp.sqrt(ft.reduce(operator.add, (rate**2 for rate in rates)))

    @property
    def periodic_axes(self) -> tuple[int, ...]:
        """The axes of exponentials."""
        return tuple(a for a in range(self.grid.ndim) if self._periodic(a))

    @property
    def trig_axes(self) -> tuple[int, ...]:
        """The axes of sines or cosines, or of both."""
        return tuple(a for a in range(self.grid.ndim) if not self._periodic(a))

    @property
    def half_axis(self) -> int | None:
        """The axis along which a real field needs no negative waves."""
        return (
            None if self.complex or not self.periodic_axes else self.periodic_axes[-1]
        )

    def highest(self, axis: int) -> int:
        """The highest wave K kept along a periodic axis, else the number of modes."""
        n = self.grid.shape[axis]
        if not self._periodic(axis):
            top = n if self.keep is None else math.ceil(self.keep * n - 1e-9)
            # Cosine and sine of a half-integer wave stay together.
            return top + top % 2 * self.grid.boundary[axis][0].paired
        return n // 2 if self.keep is None else math.ceil(self.keep * n / 2 - 1e-9) - 1

    @property
    def waves(self) -> tuple[np.ndarray, ...]:
        """The whole numbers of the modes kept along each axis, in order."""
        waves = ()
        for axis, n in enumerate(self.grid.shape):
            top, half = self.highest(axis), axis == self.half_axis
            both = self._periodic(axis) and not half
            last = min(top, (n - 1) // 2) if both else top + half - 1
            waves += (np.arange(-top if both else 0, last + 1),)
        return waves if (t := self.grid.transform) is None else t.waves(waves)

    def has_nyquist(self, axis: int) -> bool:
        """Whether the wave n/2 of n nodes is kept: a cosine, of no sign."""
        return self._periodic(axis) and 2 * self.highest(axis) == self.grid.shape[axis]

    def zeros(self, channels: int = 1, dtype: Any = None) -> Inexact[Array, "..."]:
        """Coefficients of a field of zeros, for fields of the given dtype."""
        dtype = checked_dtype(dtype)
        if self.periodic_axes:
            dtype = jnp.result_type(dtype, jnp.complex64)
        return jnp.zeros((channels, *self.shape), dtype)

    def to_modes(
        self, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, " channels *modes"]:
        """The coefficients of a field; modes that are not kept are dropped.

        **Raises:** `ValueError` for the shape of another grid, numbers that are neither
        of single nor of double precision, or a complex field where the modes are those
        of real ones.
        """
        self.grid.check(u)
        require(
            jnp.result_type(u)
            in (jnp.float32, jnp.float64, jnp.complex64, jnp.complex128),
            f"u is of {jnp.result_type(u)}, which has no FFT: u.astype(float)",
        )
        require(
            self.complex or not jnp.iscomplexobj(u),
            "u is complex, the modes are of real fields: grid.modes(complex=True)",
        )
        return self.truncate(self._all_modes(u))

    def _all_modes(self, u: Array) -> Array:
        if self.grid.transform is not None:
            return self.grid.transform.to_modes(self, u)
        for axis in self.trig_axes:
            u = self._basis(axis).analyse(u, axis + 1)
            u = lax.slice_in_dim(u, 0, self.shape[axis], axis=axis + 1)
        if not self.periodic_axes:
            return u
        if self.complex:
            return analyse_complex(self, u)
        return analyse(self, u)

    def to_nodes(
        self, c: Inexact[Array, " channels *modes"]
    ) -> Inexact[Array, " channels *space"]:
        """The field at the nodes, real unless the modes are of complex fields.

        **Raises:** `ValueError` for another shape and, where they can be looked at, for
        coefficients that are not finite or belong to no real field.
        """
        require(
            c.ndim == self.grid.ndim + 1 and c.shape[1:] == self.shape,
            f"c of shape {c.shape} does not hold coefficients of these modes: wanted "
            f"(channels, {', '.join(map(str, self.shape))})",
        )
        if self.grid.transform is not None:
            return self.grid.transform.to_nodes(self, c)
        if is_concrete(c):
            check_spectrum(self, np.asarray(c))
        if self.complex:
            c = synthesise_complex(self, c)
        elif self.periodic_axes:
            c = synthesise(self, c)
        for axis in self.trig_axes:
            c = self._basis(axis).synthesise(c, self.grid.shape[axis], axis + 1)
        return c

    def _reach(self, axis: int) -> float:
        """The wave at which the ellipsoid ends, not a whole number."""
        return (self.keep or 1.0) * self.grid.shape[axis] / 2

    # Which axis is what

    def _periodic(self, axis: int) -> bool:
        return self.grid.boundary[axis][0].kind == "periodic"

    def _basis(self, axis: int) -> Basis | HalfWaves:
        left, right = self.grid.boundary[axis]
        if left.kind == "antiperiodic":
            return HalfWaves()
        return trig_basis(left.kind, right.kind, self.grid.node)

    def _spread(self, values: np.ndarray, axis: int) -> np.ndarray:
        shape = [1] * self.grid.ndim
        shape[axis] = values.size
        return values.reshape(shape)
