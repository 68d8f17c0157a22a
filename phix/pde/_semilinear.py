"""Equations with a linear part that is diagonal in transform space."""

import abc
from collections.abc import Callable
from typing import Any, cast

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix import num
from phix._errors import is_concrete, require
from phix._types import Array, Float, Inexact, PyTree, RealScalar
from phix.pde._base import AbstractEquation, Limits, as_parameter
from phix.space import Grid, Modes


class AbstractSemilinear(AbstractEquation):
    r"""An equation $\hat u_t = L\hat u + N(t, \hat u)$ for the coefficients of modes.

    Exponential and IMEX schemes see only the diagonal `symbol` L, which may be stiff,
    and the `nonlinear` part N, which should not be. What a scheme integrates are the
    kept coefficients `"channels *modes"`; `encode` drops the others.
    """

    modes: eqx.AbstractVar[Modes]

    @abc.abstractmethod
    def symbol(self) -> Inexact[Array, "..."]:
        """L: one real or complex number per channel and mode (channels may be 1)."""

    @abc.abstractmethod
    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        """N, in transform space."""

    @property
    def space(self) -> Grid:
        """The grid whose modes are kept."""
        return self.modes.grid

    def encode(
        self, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, " channels *modes"]:
        """The kept coefficients of a field."""
        return self.modes.to_modes(u)

    def decode(
        self, y: Inexact[Array, " channels *modes"]
    ) -> Inexact[Array, " channels *space"]:
        """The field at the nodes."""
        return self.modes.to_nodes(y)

    def rhs(
        self, t: RealScalar, u: Inexact[Array, " channels *space"], args: PyTree = None
    ) -> Inexact[Array, " channels *space"]:
        """The right-hand side of the kept modes, at the nodes."""
        y = self.encode(u)
        return self.decode(self.linear(t, y, args) + self.nonlinear(t, y, args))

    def linear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, "..."]:
        """L y, in the precision of y; of one channel y it gives all that L has."""
        del t, args
        return apply_symbol(self.symbol(), y)

    def terms(self) -> dfx.MultiTerm:
        """The linear and the nonlinear part as two Diffrax terms."""
        return dfx.MultiTerm(
            dfx.ODETerm(cast(Callable, self.linear)),
            dfx.ODETerm(cast(Callable, self.nonlinear)),
        )

    def stable_step(self, u: Inexact[Array, " channels *space"]) -> Float[Array, ""]:
        r"""The bound $2/\max|L|$ of the linear part alone.

        An explicit scheme must respect it; exponential and IMEX schemes need not, and
        are bounded by the nonlinear part, which this leaves out.
        """
        rates = jnp.abs(like_modes(self.symbol(), u)).ravel()
        # Not max, whose gradient is infinite where XLA computes L anew, rounded
        # otherwise, to look for the largest.
        rate = rates[jnp.argmax(rates)]
        return jnp.where(rate > 0, 2 / jnp.where(rate > 0, rate, 1), jnp.inf)

    def check_symbol(self) -> None:
        """Raises `ValueError` for a concrete L that grows towards the shortest waves.

        Such a problem is ill-posed, or the grid too coarse for its damping.
        """
        symbol = self.symbol()
        if not is_concrete(symbol):
            return
        rate = np.broadcast_to(
            np.real(np.asarray(symbol)), (symbol.shape[0], *self.modes.shape)
        )
        require(bool(np.all(np.isfinite(np.asarray(symbol)))), "symbol is not finite")
        size = np.sqrt(-self.modes.laplacian)
        outer, inner = size >= 0.9 * size.max(), size <= 0.5 * size.max()
        top, low = rate[:, outer].max(), max(rate[:, inner].max(), 0.0)
        require(
            bool(top <= low * (1 + 1e-6)),
            f"{type(self).__name__}: the linear part amplifies the shortest kept waves "
            f"fastest, at rate {top:.3g}; the problem is ill-posed (a diffusivity of "
            "the wrong sign?), or the grid too coarse to reach the damped waves",
        )


class FunctionSemilinear(AbstractSemilinear):
    """The semilinear equation of a user's own symbol; made by `from_symbol`."""

    modes: Modes = eqx.field(static=True)
    params: dict[str, Array]
    linear_part: Callable
    nonlinear_part: Callable | None

    def __init__(
        self,
        modes: Modes,
        params: dict[str, Array],
        linear_part: Callable,
        nonlinear_part: Callable | None,
    ):
        self.modes = modes
        self.params = params
        self.linear_part = linear_part
        self.nonlinear_part = nonlinear_part

    @property
    def limits(self) -> Limits:
        """None are known."""
        return {}

    def symbol(self) -> Inexact[Array, "..."]:
        """The user's `symbol(modes, **params)`."""
        return jnp.asarray(self.linear_part(self.modes, **self.params))

    def nonlinear(
        self, t: RealScalar, y: Inexact[Array, " channels *modes"], args: PyTree = None
    ) -> Inexact[Array, " channels *modes"]:
        """The user's `nonlinear(t, y, args, modes, **params)`; zero without one."""
        if self.nonlinear_part is None:
            return jnp.zeros_like(y)
        params = {name: like_modes(value, y) for name, value in self.params.items()}
        return self.nonlinear_part(t, y, args, self.modes, **params)

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Array:
        """Refused: symbols have no pointwise form."""
        raise ValueError("an equation known by its symbol has no pointwise form")

    @property
    def invariants(self) -> dict[str, Callable]:
        """None are known."""
        return {}


def from_symbol(
    symbol: Callable,
    grid: Grid,
    *,
    nonlinear: Callable | None = None,
    keep: float = 2 / 3,
    complex: bool = False,
    **params: Any,
) -> FunctionSemilinear:
    r"""The semilinear equation of your own symbol and nonlinear part.

    ```python
    def airy(modes, speed):
        return -speed * modes.derivative(0, 3)[None]

    equation = phix.pde.from_symbol(airy, grid, speed=1.0)
    ```

    **Arguments:**

    - `symbol`: `symbol(modes, **params)`, the diagonal linear part, an array
        `"channels *modes"` (an axis of size 1 is repeated); see `Modes.derivative`.
    - `grid`: a grid with a transform.
    - `nonlinear`: `nonlinear(t, y, args, modes, **params)`, the rest, from kept
        coefficients to the same; `modes.to_nodes` and `to_modes` lead to the nodes and
        back. None for a linear equation.
    - `keep`: the fraction of modes kept, as in `Modes`.
    - `complex`: whether fields are complex.
    - `params`: physical parameters: numbers or arrays, leaves of the equation.

    **Returns:** an equation for `solve`, with exponential and IMEX schemes.

    **Raises:** `ValueError` for a grid without transform, or a symbol that is not
    finite, has another shape, or grows towards the shortest waves.
    """
    equation = FunctionSemilinear(
        modes=grid.modes(keep, complex),
        params={
            name: as_parameter(name, value, shape=None)
            for name, value in params.items()
        },
        linear_part=jtu.Partial(symbol),
        nonlinear_part=None if nonlinear is None else jtu.Partial(nonlinear),
    )
    shape = equation.symbol().shape
    try:
        full = np.broadcast_shapes(shape, (1, *equation.modes.shape))
    except ValueError:
        full = ()
    require(
        full[1:] == equation.modes.shape,
        f"symbol returned shape {shape}; wanted (channels, "
        f"{', '.join(map(str, equation.modes.shape))}), or sizes of 1",
    )
    equation.check_parameters()
    equation.check_symbol()
    return equation


def apply_symbol(symbol: Any, y: Array) -> Array:
    """A table or parameter times coefficients y, in their precision."""
    # What is NumPy's stays so: `scale` then sees whether it is imaginary.
    as_array = jnp.asarray if isinstance(symbol, Array) else np.asarray
    return num.scale(as_array(symbol, _kind(symbol, y)), y)


def like_modes(values: Any, y: Array) -> Array:
    """A table or parameter in the precision of coefficients y; complex stays so."""
    return jnp.asarray(values, _kind(values, y))


def _kind(values: Any, y: Array) -> Any:
    real = jnp.finfo(y.dtype).dtype
    return jnp.result_type(real, jnp.complex64) if jnp.iscomplexobj(values) else real
