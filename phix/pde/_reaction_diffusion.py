"""Reaction–diffusion equations of one and two species."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from phix._types import Array, Float, RealScalar
from phix.pde._base import Limits, as_parameter
from phix.pde._invariants import mass_and_energy
from phix.pde._reaction import (
    AbstractReaction,
    in_precision_of_field,
    require_channels,
    require_sides,
)
from phix.space import Grid, Modes


class FisherKPP(AbstractReaction):
    r"""The Fisher–Kolmogorov–Petrovsky–Piskunov equation of a spreading population.

    $$u_t = D\Delta u + r\,u(1 - u)$$

    Channel by channel. From a compact start a front runs at the speed $2\sqrt{rD}$.

    **Arguments:**

    - `grid`: a `Grid` with periodic or Neumann sides.
    - `diffusivity`: $D \ge 0$, a scalar, length²/time.
    - `rate`: $r$, a scalar, 1/time.
    - `dealias`: kept fraction of modes. With 1 most is resolved, and diffusion damps
        what aliasing does to the shortest waves; 2/3 has none.

    **Raises:** `ValueError` for another grid, or a parameter that is no scalar or out
    of range (traced: `valid()` is false).

    !!! example "Good values"
        `FisherKPP(Grid(256, (0.0, 100.0), "neumann"), 1.0)` from a bump at one end,
        dt = 0.1.

    ??? cite "Reference"
        R. A. Fisher, Annals of Eugenics 7 (1937) 355.
    """

    modes: Modes = eqx.field(static=True)
    diffusivity: Float[Array, ""]
    rate: Float[Array, ""]

    def __init__(
        self,
        grid: Grid,
        diffusivity: RealScalar,
        rate: RealScalar = 1.0,
        *,
        dealias: float = 1.0,
    ):
        require_sides(grid, "periodic", "neumann")
        self.modes = grid.modes(dealias)
        self.diffusivity = as_parameter("diffusivity", diffusivity)
        self.rate = as_parameter("rate", rate)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`diffusivity` is not negative."""
        return {"diffusivity": (0.0, math.inf)}

    def powers(self) -> tuple[Array, ...]:
        """Growth and diffusion."""
        return self.rate, self.diffusivity

    def reaction(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """$-r u^2$."""
        return -in_precision_of_field(self.rate, u) * u**2

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass`, the population."""
        return {"mass": mass_and_energy(self.modes.grid)["mass"]}


class GrayScott(AbstractReaction):
    r"""The Gray–Scott model of an autocatalytic reaction.

    $$u_t = D_u\Delta u - uv^2 + f(1 - u),\qquad v_t = D_v\Delta v + uv^2 - (f + k)v$$

    The state is the food and the catalyst, `"2 *space"`. From disturbances of the rest
    state (1, 0) spots, worms, mazes and spirals grow. Both fields share an FFT.

    **Arguments:**

    - `grid`: a `Grid` with periodic or Neumann sides.
    - `feed`: $f \ge 0$, a scalar, 1/time.
    - `kill`: $k \ge 0$, a scalar, 1/time.
    - `diffusivities`: $(D_u, D_v)$, not negative, length²/time.
    - `dealias`: kept fraction of modes. With 1 most is resolved, and diffusion damps
        what aliasing does to the shortest waves; 1/2 has none.

    **Raises:** `ValueError` for another grid, or a parameter of another shape or
    negative (traced: `valid()` is false).

    !!! example "Good values"
        On `Grid((128, 128), (-1.0, 1.0))`, dt = 1, `(feed, kill)`: gliders
        (0.014, 0.054), bubbles (0.098, 0.057), maze (0.029, 0.057), worms
        (0.058, 0.065), spirals (0.018, 0.051), spots (0.03, 0.062).

    ??? cite "Reference"
        J. E. Pearson, Science 261 (1993) 189; the sets of parameters: R. Ohana et al.,
        The Well, NeurIPS 2024.
    """

    modes: Modes = eqx.field(static=True)
    feed: Float[Array, ""]
    kill: Float[Array, ""]
    diffusivities: Float[Array, "2"]

    def __init__(
        self,
        grid: Grid,
        feed: RealScalar,
        kill: RealScalar,
        diffusivities: Any = (2e-5, 1e-5),
        *,
        dealias: float = 1.0,
    ):
        require_sides(grid, "periodic", "neumann")
        self.modes = grid.modes(dealias)
        self.feed = as_parameter("feed", feed)
        self.kill = as_parameter("kill", kill)
        self.diffusivities = read_pair(diffusivities)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """Nothing is negative."""
        return dict.fromkeys(("feed", "kill", "diffusivities"), (0.0, math.inf))

    def powers(self) -> tuple[Array, ...]:
        """Decay and diffusion."""
        return jnp.stack([-self.feed, -self.feed - self.kill]), self.diffusivities

    def reaction(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$(f - uv^2, uv^2)$."""
        require_channels(u, 2)
        made = u[0] * u[1] ** 2
        return jnp.stack([in_precision_of_field(self.feed, u) - made, made])

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass` of both."""
        return {"mass": mass_and_energy(self.modes.grid)["mass"]}


class Brusselator(AbstractReaction):
    r"""The Brusselator, a model of an oscillating reaction.

    $$u_t = D_u\Delta u + a - (b + 1)u + u^2v,\qquad v_t = D_v\Delta v + bu - u^2v$$

    The state is `"2 *space"`. The rest state $(a, b/a)$ oscillates for $b > 1 + a^2$
    and grows Turing patterns for $b > (1 + a\sqrt{D_u/D_v})^2$.

    **Arguments:**

    - `grid`: a `Grid` with periodic or Neumann sides.
    - `a`, `b`: concentrations fed, scalars, not negative.
    - `diffusivities`: $(D_u, D_v)$, not negative, length²/time.
    - `dealias`: kept fraction of modes. With 1 most is resolved, and diffusion damps
        what aliasing does to the shortest waves; 1/2 has none.

    **Raises:** `ValueError` for another grid, or a parameter of another shape or
    negative (traced: `valid()` is false).

    !!! example "Good values"
        `Brusselator(Grid((128, 128), (0.0, 100.0)), 1.0, 3.0, (1.0, 0.1))` from noise
        on the rest state: spirals; dt = 0.02.

    ??? cite "Reference"
        I. Prigogine, R. Lefever, J. Chem. Phys. 48 (1968) 1695.
    """

    modes: Modes = eqx.field(static=True)
    a: Float[Array, ""]
    b: Float[Array, ""]
    diffusivities: Float[Array, "2"]

    def __init__(
        self,
        grid: Grid,
        a: RealScalar,
        b: RealScalar,
        diffusivities: Any,
        *,
        dealias: float = 1.0,
    ):
        require_sides(grid, "periodic", "neumann")
        self.modes = grid.modes(dealias)
        self.a = as_parameter("a", a)
        self.b = as_parameter("b", b)
        self.diffusivities = read_pair(diffusivities)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """Nothing is negative."""
        return dict.fromkeys(("a", "b", "diffusivities"), (0.0, math.inf))

    def powers(self) -> tuple[Array, ...]:
        """Decay and diffusion."""
        return jnp.stack([-self.b - 1, jnp.zeros_like(self.b)]), self.diffusivities

    def reaction(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """$(a + u^2v, bu - u^2v)$."""
        require_channels(u, 2)
        a, b = in_precision_of_field((self.a, self.b), u)
        made = u[0] ** 2 * u[1]
        return jnp.stack([a + made, b * u[0] - made])

    @property
    def invariants(self) -> dict[str, Callable]:
        """`mass` of both."""
        return {"mass": mass_and_energy(self.modes.grid)["mass"]}


class LambdaOmega(AbstractReaction):
    r"""The λ–ω system: oscillators that diffuse.

    $$u_t = D\Delta u + (1 - r^2)u + \beta r^2 v,\qquad
    v_t = D\Delta v - \beta r^2u + (1 - r^2)v,\qquad r^2 = u^2 + v^2$$

    The state is `"2 *space"`. Plane waves of wavenumber q have the amplitude
    $\sqrt{1 - Dq^2}$ and turn clockwise at the rate $\beta(1 - Dq^2)$; spirals are
    typical.

    **Arguments:**

    - `grid`: a `Grid` with periodic or Neumann sides.
    - `diffusivity`: $D \ge 0$, a scalar, length²/time.
    - `beta`: $\beta$, a scalar, 1/time.
    - `dealias`: kept fraction of modes. With 1 most is resolved, and diffusion damps
        what aliasing does to the shortest waves; 1/2 has none.

    **Raises:** `ValueError` for another grid, or a parameter that is no scalar or out
    of range (traced: `valid()` is false).

    !!! example "Good values"
        `LambdaOmega(Grid((128, 128), (-10.0, 10.0)), 0.1, 1.0)` from a spiral,
        dt = 0.05.

    ??? cite "Reference"
        N. Kopell, L. N. Howard, Studies in Applied Mathematics 52 (1973) 291.
    """

    modes: Modes = eqx.field(static=True)
    diffusivity: Float[Array, ""]
    beta: Float[Array, ""]

    def __init__(
        self,
        grid: Grid,
        diffusivity: RealScalar,
        beta: RealScalar = 1.0,
        *,
        dealias: float = 1.0,
    ):
        require_sides(grid, "periodic", "neumann")
        self.modes = grid.modes(dealias)
        self.diffusivity = as_parameter("diffusivity", diffusivity)
        self.beta = as_parameter("beta", beta)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`diffusivity` is not negative."""
        return {"diffusivity": (0.0, math.inf)}

    def powers(self) -> tuple[Array, ...]:
        """Growth and diffusion."""
        return jnp.ones_like(self.diffusivity), self.diffusivity

    def reaction(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$r^2(\beta v - u, -\beta u - v)$."""
        require_channels(u, 2)
        beta = in_precision_of_field(self.beta, u)
        square = u[0] ** 2 + u[1] ** 2
        turned = jnp.stack([beta * u[1] - u[0], -beta * u[0] - u[1]])
        return square * turned

    @property
    def invariants(self) -> dict[str, Callable]:
        """`energy`, half the mean square of the amplitude."""
        return {"energy": mass_and_energy(self.modes.grid)["energy"]}


class FitzHughNagumo(AbstractReaction):
    r"""The FitzHugh–Nagumo equations of an excitable medium.

    $$u_t = D_u\Delta u + u - u^3 - v + I,\qquad
    v_t = D_v\Delta v + \varepsilon(u - bv)$$

    The state is the activator and the inhibitor, `"2 *space"`.

    **Arguments:**

    - `grid`: a `Grid` with periodic or Neumann sides.
    - `diffusivities`: $(D_u, D_v)$, not negative, length²/time.
    - `stimulus`: $I$, a scalar.
    - `recovery`: $\varepsilon \ge 0$, a scalar.
    - `decay`: $b$, a scalar.
    - `dealias`: kept fraction of modes. With 1 most is resolved, and diffusion damps
        what aliasing does to the shortest waves; 1/2 has none.

    **Raises:** `ValueError` for another grid, or a parameter of another shape or out of
    range (traced: `valid()` is false).

    !!! example "Good values"
        `FitzHughNagumo(Grid((128, 128), (-1.0, 1.0), "neumann", "centre"),
        (1e-3, 5e-3), -5e-3)` from unit noise, dt = 0.01: the diffusion–reaction set of
        PDEBench.

    ??? cite "Reference"
        R. FitzHugh, Biophysical Journal 1 (1961) 445; M. Takamoto et al., PDEBench,
        arXiv:2210.07182.
    """

    modes: Modes = eqx.field(static=True)
    diffusivities: Float[Array, "2"]
    stimulus: Float[Array, ""]
    recovery: Float[Array, ""]
    decay: Float[Array, ""]

    def __init__(
        self,
        grid: Grid,
        diffusivities: Any,
        stimulus: RealScalar = 0.0,
        recovery: RealScalar = 1.0,
        decay: RealScalar = 1.0,
        *,
        dealias: float = 1.0,
    ):
        require_sides(grid, "periodic", "neumann")
        self.modes = grid.modes(dealias)
        self.diffusivities = read_pair(diffusivities)
        self.stimulus = as_parameter("stimulus", stimulus)
        self.recovery = as_parameter("recovery", recovery)
        self.decay = as_parameter("decay", decay)
        self.check_parameters()

    @property
    def limits(self) -> Limits:
        """`diffusivities` and `recovery` are not negative."""
        return dict.fromkeys(("diffusivities", "recovery"), (0.0, math.inf))

    def powers(self) -> tuple[Array, ...]:
        """Growth, decay and diffusion."""
        decay = self.recovery * self.decay
        return jnp.stack([jnp.ones_like(decay), -decay]), self.diffusivities

    def reaction(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$(I - u^3 - v, \varepsilon u)$."""
        require_channels(u, 2)
        stimulus, recovery = in_precision_of_field((self.stimulus, self.recovery), u)
        return jnp.stack([stimulus - u[0] ** 3 - u[1], recovery * u[0]])

    @property
    def invariants(self) -> dict[str, Callable]:
        """`energy`, half the mean square of both."""
        return {"energy": mass_and_energy(self.modes.grid)["energy"]}


def read_pair(diffusivities: Any) -> Float[Array, "2"]:
    """Two diffusivities as one array."""
    return as_parameter("diffusivities", jnp.asarray(diffusivities), shape=(2,))
