r"""Potentials V(φ) of scalar fields, each a small module whose numbers are leaves."""

import abc
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float, RealScalar
from phix.pde._base import AbstractPart, Limits, as_parameter, in_precision_of
from phix.pde._function import as_tree


class AbstractPotential(AbstractPart):
    r"""A potential V(φ), point by point; its numbers are parameters of the equation."""

    @abc.abstractmethod
    def __call__(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        """V, shaped as φ."""

    @abc.abstractmethod
    def slope(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$V'(\varphi)$."""

    @property
    @abc.abstractmethod
    def quadratic(self) -> Float[Array, ""] | None:
        r"""$m^2$ of a part $\tfrac12m^2\varphi^2$ that belongs to the linear flow."""

    @property
    @abc.abstractmethod
    def limits(self) -> Limits:
        """The ranges of its numbers."""

    def curvature(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$V''(\varphi)$, by AD."""
        return jax.jvp(self.slope, (phi,), (jnp.ones_like(phi),))[1]


class Linear(AbstractPotential):
    r"""$V = \tfrac12m^2\varphi^2$, the Klein–Gordon equation of a free field.

    **Arguments:**

    - `m`: the mass m ≥ 0, 1/time; 0 is the wave equation.
    """

    m: Float[Array, ""]

    def __init__(self, m: RealScalar = 1.0):
        self.m = as_parameter("m", m)

    def __call__(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        """V."""
        return 0.5 * in_precision_of(self.m, phi) ** 2 * phi**2

    def slope(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$m^2\varphi$."""
        return in_precision_of(self.m, phi) ** 2 * phi

    @property
    def quadratic(self) -> Float[Array, ""]:
        r"""$m^2$: all of it."""
        return self.m**2

    @property
    def limits(self) -> Limits:
        """`m` is not negative."""
        return {"m": (0.0, math.inf)}


class Phi4(AbstractPotential):
    r"""$V = \tfrac\lambda4(\varphi^2 - v^2)^2$: two vacua ±v and kinks between them.

    **Arguments:**

    - `coupling`: $\lambda > 0$.
    - `vacuum`: $v > 0$.
    """

    coupling: Float[Array, ""]
    vacuum: Float[Array, ""]

    def __init__(self, coupling: RealScalar = 1.0, vacuum: RealScalar = 1.0):
        self.coupling = as_parameter("coupling", coupling)
        self.vacuum = as_parameter("vacuum", vacuum)

    def __call__(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        """V."""
        coupling, v = in_precision_of((self.coupling, self.vacuum), phi)
        return 0.25 * coupling * (phi**2 - v**2) ** 2

    def slope(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$\lambda\varphi(\varphi^2 - v^2)$."""
        coupling, v = in_precision_of((self.coupling, self.vacuum), phi)
        return coupling * phi * (phi**2 - v**2)

    @property
    def quadratic(self) -> None:
        """None: the vacuum must stay at rest under both flows of a splitting."""

    @property
    def limits(self) -> Limits:
        """Both positive."""
        return {name: (_TINY, math.inf) for name in ("coupling", "vacuum")}


class SineGordon(AbstractPotential):
    r"""$V = 1 - \cos\varphi$: vacua $2\pi n$; integrable, solitons pass unharmed."""

    def __call__(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        """V, without cancellation near the vacua."""
        return 2 * jnp.sin(0.5 * phi) ** 2

    def slope(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$\sin\varphi$."""
        return jnp.sin(phi)

    @property
    def quadratic(self) -> None:
        """None: all vacua are alike."""

    @property
    def limits(self) -> Limits:
        """There are no numbers."""
        return {}


class DoubleSineGordon(AbstractPotential):
    r"""$V = (1 - \cos\varphi) + \eta\,(1 - \cos 2\varphi)$, not integrable.

    **Arguments:**

    - `eta`: η. Vacua are $2\pi n$ for $\eta > -1/4$; for $\eta > 1/4$ there are false
        vacua at odd multiples of π, and a kink is a pair of sub-kinks.

    ??? cite "Reference"
        D. K. Campbell, M. Peyrard, P. Sodano, Physica D 19 (1986) 165.
    """

    eta: Float[Array, ""]

    def __init__(self, eta: RealScalar = 0.25):
        self.eta = as_parameter("eta", eta)

    def __call__(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        """V, without cancellation near the vacua."""
        eta = in_precision_of(self.eta, phi)
        return 2 * jnp.sin(0.5 * phi) ** 2 + 2 * eta * jnp.sin(phi) ** 2

    def slope(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$\sin\varphi + 2\eta\sin2\varphi$."""
        return jnp.sin(phi) + 2 * in_precision_of(self.eta, phi) * jnp.sin(2 * phi)

    @property
    def quadratic(self) -> None:
        """None: all vacua are alike."""

    @property
    def limits(self) -> Limits:
        """η above -1/4, where 2πn are vacua."""
        return {"eta": (-0.25, math.inf)}


class Phi6(AbstractPotential):
    r"""$V = \tfrac\lambda2\varphi^2(\varphi^2 - v^2)^2$: three vacua −v, 0, v.

    **Arguments:**

    - `coupling`: $\lambda > 0$.
    - `vacuum`: $v > 0$.

    ??? cite "Reference"
        P. Dorey, K. Mersh, T. Romanczukiewicz, Y. Shnir, Phys. Rev. Lett. 107 (2011)
        091602.
    """

    coupling: Float[Array, ""]
    vacuum: Float[Array, ""]

    def __init__(self, coupling: RealScalar = 1.0, vacuum: RealScalar = 1.0):
        self.coupling = as_parameter("coupling", coupling)
        self.vacuum = as_parameter("vacuum", vacuum)

    def __call__(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        """V."""
        coupling, v = in_precision_of((self.coupling, self.vacuum), phi)
        return 0.5 * coupling * phi**2 * (phi**2 - v**2) ** 2

    def slope(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$\lambda\varphi(\varphi^2 - v^2)(3\varphi^2 - v^2)$."""
        coupling, v = in_precision_of((self.coupling, self.vacuum), phi)
        square = phi**2
        return coupling * phi * (square - v**2) * (3 * square - v**2)

    @property
    def quadratic(self) -> None:
        """None: the vacua must stay at rest under both flows of a splitting."""

    @property
    def limits(self) -> Limits:
        """Both positive."""
        return {name: (_TINY, math.inf) for name in ("coupling", "vacuum")}


class FunctionPotential(AbstractPotential):
    """A user's V(φ), its slope by AD; made by `read_potential`."""

    function: Callable

    def __call__(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        """V."""
        return self.function(phi)

    def slope(self, phi: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$V'$: one push of a tangent of ones, V being pointwise."""
        return jax.jvp(self.function, (phi,), (jnp.ones_like(phi),))[1]

    @property
    def quadratic(self) -> None:
        """Unknown."""

    @property
    def limits(self) -> Limits:
        """None are known."""
        return {}


_TINY = float(np.finfo(np.float32).tiny)
_PROBES = (-2.1, -0.7, 0.0, 0.3, 1.2)


def read_potential(potential: Any) -> AbstractPotential:
    """A potential, or a user's function, checked to be pure and pointwise.

    **Raises:** `ValueError` otherwise, or where the force is finite nowhere.
    """
    if isinstance(potential, AbstractPotential):
        return potential
    require(
        callable(potential),
        f"potential must be a potential of phix.pde or a function V(phi), got "
        f"{potential!r}",
    )
    read = FunctionPotential(as_tree(potential))
    probes = jnp.asarray(_PROBES)
    try:
        values, slopes = read(probes), read.slope(probes)
        again, turned = read(probes), read(probes[::-1])
    except Exception as error:
        raise ValueError(
            "potential must be a pure JAX function of phi alone, V(phi: '...') -> "
            f"'...'; called with an array it failed: {error}"
        ) from error
    require(
        jnp.shape(values) == probes.shape and not jnp.iscomplexobj(values),
        f"potential must return one real number per point, got shape "
        f"{jnp.shape(values)} for {probes.shape}",
    )
    if not is_concrete(values):
        return read
    same = bool(jnp.array_equal(values, again, equal_nan=True))
    require(
        same and bool(jnp.allclose(values, turned[::-1], equal_nan=True)),
        "potential is not a pure function of phi: the same points gave other values "
        "when asked again, or in another order",
    )
    require(
        bool(jnp.any(jnp.isfinite(slopes))),
        f"potential has no finite force: V' is not finite at any of {_PROBES}",
    )
    return read
