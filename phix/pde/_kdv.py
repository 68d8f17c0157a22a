"""The Korteweg–de Vries equation and its solitons."""

import itertools
import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._errors import require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import Limits, as_parameter, in_precision_of
from phix.pde._invariants import mass_and_energy
from phix.pde._reaction import require_channels, require_sides
from phix.pde._semilinear import AbstractSemilinear, apply_symbol
from phix.space import Grid, Modes


class KortewegDeVries(AbstractSemilinear):
    r"""The Korteweg–de Vries equation, periodic; in more dimensions the sum over axes.

    $$u_t + \sum_a\left(c\,u\,\partial_a u + d\,\partial_a^3u + \mu\,\partial_a^4u
    \right) = 0$$

    One channel. Humps travel as solitons and pass through each other. Nothing is damped
    unless $\mu > 0$. Two transforms per evaluation.

    **Arguments:**

    - `grid`: a periodic `Grid`.
    - `convection`: $c$, a scalar.
    - `dispersion`: $d$, a scalar.
    - `hyperdiffusion`: $\mu \ge 0$, a scalar.
    - `dealias`: kept fraction of modes; 2/3 has no aliasing.

    **Raises:** `ValueError` for another grid, or a parameter that is no scalar or out
    of range (traced: `valid()` is false).

    !!! example "Good values"
        `KortewegDeVries(Grid(256, (-20.0, 20.0)))` from `kdv_soliton`, dt = 0.001. The
        two-dimensional case of Φ-ROM: `KortewegDeVries(Grid((64, 64), (0.0, 15.0)),
        convection=-6.0, hyperdiffusion=0.03)`, dt = 0.04.

    ??? cite "Reference"
        D. J. Korteweg, G. de Vries, Philosophical Magazine 39 (1895) 422; in two
        dimensions H. Hosseini Dashtbayaz et al., arXiv:2505.14595.
    """

    modes: Modes = eqx.field(static=True)
    convection: Float[Array, ""]
    dispersion: Float[Array, ""]
    hyperdiffusion: Float[Array, ""]

    def __init__(
        self,
        grid: Grid,
        convection: RealScalar = 6.0,
        dispersion: RealScalar = 1.0,
        hyperdiffusion: RealScalar = 0.0,
        *,
        dealias: float = 2 / 3,
    ):
        require_sides(grid, "periodic")
        self.modes = grid.modes(dealias)
        self.convection = as_parameter("convection", convection)
        self.dispersion = as_parameter("dispersion", dispersion)
        self.hyperdiffusion = as_parameter("hyperdiffusion", hyperdiffusion)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`hyperdiffusion` is not negative."""
        return {"hyperdiffusion": (0.0, math.inf)}

    def symbol(self) -> Inexact[Array, "..."]:
        r"""$\sum_a (d\,ik_a^3 - \mu k_a^4)$."""
        total = -self.dispersion * self._sum(3) - self.hyperdiffusion * self._sum(4)
        return total[None]

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        r"""$-\tfrac c2\sum_a\partial_a u^2$."""
        del t, args
        require_channels(y, 1)
        square = self.modes.to_modes(self.modes.to_nodes(y) ** 2)
        c = in_precision_of(self.convection, y)
        return num.scale(-0.5 * c, apply_symbol(self._sum(1), square))

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Float[Array, " channels"]:
        """The right-hand side at one point of a function `u(x)`."""
        del t, args
        value = u(x)
        c, d, mu = in_precision_of(
            (self.convection, self.dispersion, self.hyperdiffusion), value
        )

        def along(v: Array) -> Array:
            first = _slope(u, v)
            third = _slope(_slope(first, v), v)
            fourth = _slope(third, v)
            return c * value * first(x) + d * third(x) + mu * fourth(x)

        return -jnp.sum(jax.vmap(along)(jnp.eye(x.size, dtype=x.dtype)), axis=0)

    @property
    def invariants(self) -> dict[str, Callable]:
        r"""`mass` $\int u$ and `momentum` $\tfrac12\int u^2$; in one dimension `energy`
        $\int\tfrac d2 u_x^2 - \tfrac c6 u^3$. All kept without hyper-diffusion."""
        grid = self.modes.grid
        known = mass_and_energy(grid)
        named = {"mass": known["mass"], "momentum": known["energy"]}

        def energy(u: Float[Array, " channels *space"]) -> Float[Array, ""]:
            y = self.encode(u)
            slope = self.decode(apply_symbol(self.modes.derivative(0), y))
            c, d = in_precision_of((self.convection, self.dispersion), u)
            return grid.integrate(0.5 * d * slope**2 - c * u**3 / 6)[0]

        return named | {"energy": energy} if grid.ndim == 1 else named

    def _sum(self, order: int) -> np.ndarray:
        """The symbol of the sum over axes of a derivative."""
        axes = range(self.modes.grid.ndim)
        total = sum(self.modes.derivative(axis, order) for axis in axes)
        return np.asarray(total)


def _slope(u: Callable, v: Array) -> Callable:
    return lambda x: jax.jvp(u, (x,), (v,))[1]


def kdv_soliton(
    x: Float[Array, "*points"],
    t: RealScalar = 0.0,
    speeds: RealScalar | Sequence[RealScalar] | Float[Array, " solitons"] = 1.0,
    centres: RealScalar | Sequence[RealScalar] | Float[Array, " solitons"] = 0.0,
) -> Float[Array, "*points"]:
    r"""Solitons of $u_t + 6uu_x + u_{xxx} = 0$ on the line: one, or several that meet.

    One is $\tfrac s2\,\mathrm{sech}^2\left(\tfrac{\sqrt s}2(x - st - x_0)\right)$;
    several are Hirota's $2\,\partial_x^2\log F$, exact at all times. On a box of length
    $L$ the ends see $e^{-\sqrt s L/2}$.

    **Arguments:**

    - `x`: coordinates of any shape.
    - `t`: time.
    - `speeds`: of each soliton, positive and different; height is half the speed.
    - `centres`: where each would be at time 0, were it left of all others.

    **Returns:** u, shaped as `x`.

    **Raises:** `ValueError` if not every soliton has a speed and a centre.

    ??? cite "Reference"
        R. Hirota, Phys. Rev. Lett. 27 (1971) 1192.
    """
    x = jnp.asarray(x, jnp.result_type(x, jnp.float32))
    speeds, centres = (
        jnp.atleast_1d(jnp.asarray(a, x.dtype)) for a in (speeds, centres)
    )
    require(
        speeds.ndim == 1 and speeds.shape == centres.shape,
        f"every soliton needs a speed and a centre, got shapes {speeds.shape} and "
        f"{centres.shape}",
    )
    k = jnp.sqrt(speeds)
    phase = k * (x[..., None] - speeds * jnp.asarray(t, x.dtype) - centres)
    # F is a sum over all sets of solitons, 2 (log F)'' twice the variance of the sum
    # of k over a set drawn with the terms as weights.
    sets = np.array(list(itertools.product((0.0, 1.0), repeat=k.size)))
    pairs = np.triu(np.ones((k.size, k.size)), 1)
    apart = jnp.abs(k[:, None] - k) + (1 - jnp.asarray(pairs, x.dtype))
    shift = 2 * jnp.log(apart / (k[:, None] + k)) * pairs.astype(x.dtype)
    sets = jnp.asarray(sets, x.dtype)
    shifts = jnp.einsum("si,ij,sj->s", sets, shift, sets, precision="highest")
    weights = jax.nn.softmax(num.matmul(phase, sets.T) + shifts, axis=-1)
    total = num.matmul(sets, k)
    mean = num.matmul(weights, total)
    return 2 * jnp.sum(weights * (total - mean[..., None]) ** 2, axis=-1)
