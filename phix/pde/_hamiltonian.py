"""Equations of motion with a separable energy, and those of a user's own."""

import abc
import functools as ft
from collections.abc import Callable, Mapping
from typing import Any, cast

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Bool, Float, Inexact, PyTree, RealScalar
from phix.pde._base import AbstractEquation, Limits
from phix.pde._function import as_tree, cast_parameters, read_limits, read_parameters
from phix.space import AbstractSpace


class AbstractHamiltonian(AbstractEquation):
    r"""An equation $\dot q = \partial_p T(p),\ \dot p = F(t, q) - \Gamma p$.

    Symplectic schemes see only this: what a scheme integrates is `(q, p)`, two arrays
    of one shape; `velocity` and `kick` are the two flows it composes. Without drive and
    damping $F = -\partial_q V$ and the energy $T(p) + V(q)$ is kept. Where the linear
    part of the force is diagonal, `stiffness` is K in $F = -Kq + G(q)$, and schemes can
    follow it exactly.
    """

    @abc.abstractmethod
    def velocity(self, p: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        r"""$\dot q = \partial_p T$."""

    @abc.abstractmethod
    def force(
        self, t: RealScalar, q: Inexact[Array, "..."], args: PyTree = None
    ) -> Inexact[Array, "..."]:
        """F, damping left out."""

    @abc.abstractmethod
    def friction(self, p: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        r"""$\Gamma p$."""

    @abc.abstractmethod
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
        r"""p after h under $\dot p = F(t, q) - \Gamma p$, exactly, t and q held.

        With `linear=False` the part $-Kq$ of the force is left out.
        """

    @abc.abstractmethod
    def stiffness(self) -> Inexact[Array, "..."] | None:
        """K, to be broadcast against q; None where no scheme can follow it exactly."""

    @abc.abstractmethod
    def fastest(self, u: Array) -> Float[Array, ""] | None:
        """The highest frequency of small waves about u; None where it is unknown."""

    @abc.abstractmethod
    def check(self, u: Array) -> None:
        """Raises `ValueError` for a field that is none of this equation's."""

    @abc.abstractmethod
    def fits(self, u: Array) -> Bool[Array, ""]:
        """Whether the values of a field suit the space; may be traced."""

    def motion(
        self, t: RealScalar, y: tuple[Array, Array], args: PyTree = None
    ) -> tuple[Array, Array]:
        r"""$(\dot q, \dot p)$."""
        q, p = y
        return self.velocity(p), self.force(t, q, args) - self.friction(p)

    def rhs(self, t: RealScalar, u: Array, args: PyTree = None) -> Array:
        """The rate of change of the field a user sees."""
        y = self.encode(u)
        # Fields of a twisted grid have a ramp, their rates have none.
        return jax.jvp(self.decode, (y,), (self.motion(t, y, args),))[1]

    def terms(self) -> dfx.ODETerm:
        """`motion` as one Diffrax term; symplectic schemes ask it for its equation."""
        return dfx.ODETerm(cast(Callable, Motion(self)))

    def stable_step(self, u: Array) -> Float[Array, ""] | None:
        r"""Störmer–Verlet's limit $2/\omega_{\max}$ at u; see `fastest`."""
        rate = self.fastest(u)
        return None if rate is None else 2 / jnp.where(rate > 0, rate, 0)


class Motion(eqx.Module):
    """The vector field of a Hamiltonian equation, for Diffrax."""

    equation: AbstractHamiltonian

    def __call__(self, t: RealScalar, y: tuple, args: PyTree) -> tuple:
        """`equation.motion`."""
        return self.equation.motion(t, y, args)


class FunctionHamiltonian(AbstractHamiltonian):
    """The motion of a user's separable energy; made by `from_hamiltonian`."""

    space: AbstractSpace | None
    params: dict[str, Array]
    function: Callable
    bounds: tuple[tuple[str, tuple[float, float]], ...] = eqx.field(static=True)

    @property
    def limits(self) -> Limits:
        """The ranges given to `from_hamiltonian`."""
        return dict(self.bounds)

    def _energy(self, q: Array, p: Array) -> Array:
        return self.function(q, p, **cast_parameters(self.params, q))

    def velocity(self, p: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        r"""$\partial_p H$, which separability makes a function of p."""
        return jax.grad(self._energy, argnums=1)(jnp.zeros_like(p), p)

    def force(
        self, t: RealScalar, q: Inexact[Array, "..."], args: PyTree = None
    ) -> Inexact[Array, "..."]:
        r"""$-\partial_q H$."""
        del t, args
        return -jax.grad(self._energy)(q, jnp.zeros_like(q))

    def friction(self, p: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """None."""
        return jnp.zeros_like(p)

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
        """p + h F."""
        del linear
        return p + h * self.force(t, q, args)

    def stiffness(self) -> None:
        """None is known."""

    def fastest(self, u: Array) -> None:
        """Unknown."""
        del u

    def check(self, u: Array) -> None:
        """Two halves."""
        require(u.shape[:1] == (2,), f"u must be (q, p), '2 ...'; got shape {u.shape}")

    def fits(self, u: Array) -> Bool[Array, ""]:
        """All do."""
        del u
        return jnp.asarray(True)

    def encode(self, u: Array) -> tuple[Array, Array]:
        """q and p."""
        return u[0], u[1]

    def decode(self, y: tuple[Array, Array]) -> Array:
        """q and p in one array."""
        return jnp.stack(y)

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Array:
        """Refused: an energy of the whole state has no pointwise form."""
        raise ValueError("a motion known by its energy has no pointwise form")

    @property
    def invariants(self) -> dict[str, Callable]:
        """`energy`, the user's own."""
        return {"energy": lambda u: self._energy(u[0], u[1])}


def from_hamiltonian(
    energy: Callable,
    u0: Array,
    space: AbstractSpace | None = None,
    *,
    limits: Mapping[str, tuple[float, float]] | None = None,
    **params: Any,
) -> FunctionHamiltonian:
    r"""The motion $\dot q = \partial_p H,\ \dot p = -\partial_q H$ of your own energy.

    ```python
    pendulum = phix.pde.from_hamiltonian(
        lambda q, p: jnp.sum(0.5 * p**2 - jnp.cos(q)), jnp.zeros((2, 1))
    )
    ```

    **Arguments:**

    - `energy`: `energy(q, p, **params) -> scalar`, pure JAX and *separable*: a function
        of p plus one of q. The state is u = (q, p), `"2 ..."`.
    - `u0`: a state like those to come, for its shape; "2 ...".
    - `space`: where the state lives; None if nowhere.
    - `limits`, `params`: as for `from_rhs`.

    **Returns:** an equation for `solve`, with symplectic schemes.

    **Raises:** `ValueError` for a state that has no two halves, an energy that is no
    real scalar, or one that is not separable.
    """
    u0 = jnp.asarray(u0, jnp.result_type(u0, jnp.float32))
    require(
        u0.ndim >= 1 and u0.shape[0] == 2,
        f"u0 must be (q, p), two halves of one shape '2 ...'; got shape {u0.shape}",
    )
    equation = FunctionHamiltonian(
        space, read_parameters(params), as_tree(energy), read_limits(limits, params)
    )
    value = jax.eval_shape(equation._energy, u0[0], u0[1])
    require(
        value.shape == () and jnp.issubdtype(value.dtype, jnp.floating),
        f"energy must return a real scalar, got shape {value.shape} of {value.dtype}",
    )
    if is_concrete(u0, equation.params):
        _require_separable(equation, u0)
    equation.check_parameters()
    return equation


def _swapped(function: Callable, p: Array, q: Array) -> Array:
    return function(q, p)


def _require_separable(equation: FunctionHamiltonian, u0: Array) -> None:
    r"""Probes $\partial_q\partial_p H$ along random directions at random states."""
    rng = np.random.default_rng(0)
    draw = lambda: jnp.asarray(rng.normal(size=u0.shape[1:]), u0.dtype)  # noqa: E731
    for _ in range(3):
        q, p, along = u0[0] + draw(), u0[1] + draw(), draw()
        rate = jax.grad(equation._energy, argnums=1)
        _, mixed = jax.jvp(ft.partial(_swapped, rate, p), (q,), (along,))
        require(
            not bool(jnp.any(jnp.abs(mixed) > 0)),
            "energy is not separable: its slope in p depends on q, so kicks and drifts "
            "do not exist; use from_rhs with dfx.Tsit5() (any energy) instead",
        )
