"""A Hamiltonian field as two families of travelling waves, for exponential schemes."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jax import lax

from phix._errors import require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import Limits
from phix.pde._hamiltonian import AbstractHamiltonian
from phix.pde._semilinear import AbstractSemilinear, like_modes
from phix.space import Modes


class WaveModes(AbstractSemilinear):
    r"""$\dot a_\pm = \mp i\omega a_\pm \pm iG$ for $a_\pm = \omega q \pm ip$.

    The same equation as the Hamiltonian it is made of, by `KleinGordon.semilinear()`,
    with the same fields; $G = F + \omega^2q$ is what is left of the force. Exponential
    and IMEX schemes follow the linear waves exactly; they are not symplectic.
    """

    modes: Modes = eqx.field(static=True)
    equation: AbstractHamiltonian

    def __init__(self, modes: Modes, equation: AbstractHamiltonian):
        require(
            equation.stiffness() is not None,
            "speed: a field c(x) has no diagonal linear part; exponential schemes want "
            "a scalar",
        )
        require(
            equation.space == modes.grid,
            "grid: exponential schemes do not know twisted sides; take Splitting4, "
            "which follows the linear waves exactly too",
        )
        self.modes = modes
        self.equation = equation

    @property
    def limits(self) -> Limits:
        """Those of the equation."""
        return self.equation.limits

    def _omega(self, y: Array) -> Array:
        """The frequencies; 1 in the place of zero, whose force is then all in N."""
        square = jnp.asarray(self.equation.stiffness())
        return like_modes(jnp.sqrt(jnp.where(square > 0, square, 1)), y)

    def symbol(self) -> Inexact[Array, " 2 *modes"]:
        r"""$\mp i\omega$."""
        omega = self._omega(self.modes.zeros())
        return jnp.concatenate([-1j * omega, 1j * omega])

    def _split(self, y: Array) -> tuple[Array, Array]:
        """q and p."""
        right, left = y[:1], y[1:]
        q, p = (right + left) / (2 * self._omega(y)), -0.5j * (right - left)
        return (q, p) if self.modes.periodic_axes else (q.real, p.real)

    def encode(self, u: Float[Array, " 2 *space"]) -> Inexact[Array, " 2 *modes"]:
        """Both families of waves."""
        q, p = self.equation.encode(u)
        if not jnp.iscomplexobj(q):
            q, p = (lax.complex(a, jnp.zeros_like(a)) for a in (q, p))
        q = self._omega(q) * q
        return jnp.concatenate([q + 1j * p, q - 1j * p])

    def decode(self, y: Inexact[Array, " 2 *modes"]) -> Float[Array, " 2 *space"]:
        """The field at the nodes."""
        return self.equation.decode(self._split(y))

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " 2 *modes"], args: PyTree = None
    ) -> Inexact[Array, " 2 *modes"]:
        r"""$\pm iG$, damping included."""
        q, p = self._split(y)
        _, force = self.equation.motion(t, (q, p), args)
        rest = 1j * (force + self._omega(y) ** 2 * q)
        return jnp.concatenate([rest, -rest])

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Float[Array, "2"]:
        """That of the equation."""
        return self.equation.pointwise(t, x, u, args)

    @property
    def invariants(self) -> dict[str, Callable]:
        """Those of the equation."""
        return self.equation.invariants
