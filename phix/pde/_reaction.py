"""What equations with a polynomial of Laplacians and a pointwise reaction share."""

import abc
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix import num
from phix._errors import require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import in_precision_of
from phix.pde._semilinear import AbstractSemilinear
from phix.space import Grid


class AbstractReaction(AbstractSemilinear):
    r"""$u_t = \sum_j a_j\Delta^j u + R(u)$, R without derivatives."""

    @abc.abstractmethod
    def powers(self) -> Sequence[Array]:
        """$a_0, a_1, \\ldots$: of each power a number, or one per channel."""

    @abc.abstractmethod
    def reaction(self, u: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """R of the values "channels ..." at points, in their precision."""

    def symbol(self) -> Inexact[Array, "..."]:
        r"""$\sum_j a_j(-|k|^2)^j$."""
        return laplacian_symbol(self.powers(), self.modes.laplacian)

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        """R at the nodes."""
        del t, args
        return self.modes.to_modes(self.reaction(self.modes.to_nodes(y)))

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Inexact[Array, " channels"]:
        """The right-hand side at one point of a function `u(x)`."""
        del t, args
        return laplacian_pointwise(self.powers(), u, x) + self.reaction(u(x))


def laplacian_symbol(
    powers: Sequence[Array], laplacian: np.ndarray
) -> Inexact[Array, "..."]:
    """A polynomial of the Laplacian, "channels *modes"; one channel for all if alike.

    **Arguments:**

    - `powers`: of each power of the Laplacian a number, or one per channel.
    - `laplacian`: its own symbol.
    """
    total = jnp.zeros((1, *laplacian.shape))
    for a in reversed(powers):
        total = total * laplacian + a.reshape(-1, *(1,) * laplacian.ndim)
    return total


def laplacian_pointwise(
    powers: Sequence[Array], u: Callable, x: Float[Array, " dim"]
) -> Inexact[Array, " channels"]:
    """The same polynomial at a point of a function, by AD."""
    derivative, total = u, jnp.zeros_like(u(x))
    for a in powers:
        value = derivative(x)
        total = total + in_precision_of(a, value) * value
        derivative = num.laplacian(derivative)
    return total


def in_precision_of_field(parameters: PyTree, u: Array) -> PyTree:
    """Parameters in the precision of values "channels ...", one per channel spread."""
    return jtu.tree_map(
        lambda leaf: (
            leaf.reshape(leaf.shape + (1,) * (u.ndim - 1)) if leaf.ndim else leaf
        ),
        in_precision_of(parameters, u),
    )


def require_sides(grid: Grid, *kinds: str) -> None:
    """Raises unless every side of the grid is of one of the kinds."""
    have = {side.kind for sides in grid.boundary for side in sides}
    require(
        have <= set(kinds),
        f"grid must be {' or '.join(kinds)} on every side, got "
        f"{', '.join(sorted(have))}",
    )


def require_channels(u: Array, channels: int) -> None:
    """Raises unless an array "channels ..." has that many."""
    require(
        u.shape[0] == channels,
        f"u must have {channels} channel(s), got shape {u.shape}",
    )


def gradient_energy(equation: AbstractSemilinear, u: Array) -> Array:
    r"""$\int|\nabla u|^2$, as $-\int\bar u\Delta u$: the ends give nothing."""
    y = equation.encode(u)
    laplacian = jnp.asarray(equation.modes.laplacian, jnp.finfo(u.dtype).dtype)
    return -equation.modes.grid.inner(u, equation.decode(laplacian * y)).real
