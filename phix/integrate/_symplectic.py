"""Symplectic schemes: compositions of drifts, or exact linear flows, with kicks."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax as dfx
import equinox as eqx
import jax.lax as lax
import jax.numpy as jnp
import jax.tree_util as jtu

from phix._errors import Result, require
from phix._types import Array, PyTree, RealScalar
from phix.integrate._barrier import unfused
from phix.integrate._split import DiffraxTime
from phix.pde import AbstractHamiltonian


def palindrome(half: tuple[float, ...], length: int) -> tuple[float, ...]:
    """`half` and its mirror image, of that length in all."""
    return half + half[: length - len(half)][::-1]


@dataclasses.dataclass(frozen=True)
class Composition:
    r"""$A_{a_1h}B_{b_1h}A_{a_2h}\cdots B_{b_sh}A_{a_{s+1}h}$, the same backwards.

    A moves q by drifts, or along the linear flow; B kicks p. `moves` are the a, one
    more than `kicks`, the b. `limit` is the largest hω at which drifts and kicks keep
    an oscillator of frequency ω bounded.
    """

    order: int
    moves: tuple[float, ...]
    kicks: tuple[float, ...]
    limit: float


class SymplecticState(eqx.Module):
    """What Diffrax carries between steps: the last step's length and its tables."""

    h: Any
    tables: PyTree


class AbstractSymplectic(dfx.AbstractSolver):
    r"""Runs a `Composition` on a separable Hamiltonian, an `AbstractHamiltonian`.

    With `exact` false A is the drift $\dot q = \partial_pT$ and B all of the force:
    steps are bounded by the fastest wave. With `exact` true A is the flow of
    $\dot q = p,\ \dot p = -Kq$, followed exactly, and B what is left of the force: no
    limit comes from K. Damping belongs to B and keeps the order; a drive is taken at
    the times of the kicks.

    Fixed steps are symplectic, symmetric and reversible. Adaptive steps keep the
    *order* only: a step length that follows the state makes the map neither symplectic
    nor reversible, and energy drifts. Their error is that of two half steps, three
    steps' work.
    """

    composition: eqx.AbstractClassVar[Composition]
    exact: eqx.AbstractClassVar[bool]

    term_structure: ClassVar = dfx.AbstractTerm
    interpolation_cls: ClassVar[Callable[..., dfx.LocalLinearInterpolation]] = (
        dfx.LocalLinearInterpolation
    )

    def order(self, terms: PyTree) -> int:
        """That of the composition."""
        del terms
        return self.composition.order

    def error_order(self, terms: PyTree) -> int:
        """The local error of two half steps is one order higher."""
        del terms
        return self.composition.order + 1

    def tables(self, equation: AbstractHamiltonian, h: RealScalar, y: PyTree) -> PyTree:
        r"""$\cos\omega\tau$, $\sin\omega\tau/\omega$ and $\omega\sin\omega\tau$ for
        each move τ; of drifts nothing."""
        if not self.exact:
            return ()
        square = equation.stiffness()
        require(
            square is not None,
            f"{type(self).__name__} follows the linear flow exactly, and this "
            f"{type(equation).__name__} has none that is diagonal (a speed c(x), an "
            "energy of your own); take StormerVerlet or BlanesMoan4",
        )
        square = jnp.asarray(square, jnp.finfo(y[0].dtype).dtype)
        # The root has no derivative at zero, where nothing below depends on it.
        moving = square > 0
        omega = jnp.sqrt(jnp.where(moving, square, 1)) * moving
        distinct = {}
        for move in self.composition.moves:
            tau = move * h
            # numpy's sinc has a π inside.
            ratio = tau * jnp.sinc(omega * tau / jnp.pi)
            distinct[move] = jnp.cos(omega * tau), ratio, omega**2 * ratio
        return distinct

    def advance(
        self,
        equation: AbstractHamiltonian,
        t: RealScalar,
        h: RealScalar,
        y: tuple[Array, Array],
        tables: PyTree,
        args: PyTree,
    ) -> tuple[Array, Array]:
        """One step."""

        h = jnp.asarray(h, jnp.finfo(y[0].dtype).dtype)
        q, p = y
        now = 0.0
        composition = self.composition
        for a, b in itertools.zip_longest(composition.moves, composition.kicks):
            if self.exact:
                cos, ratio, bend = tables[a]
                q, p = cos * q + ratio * p, cos * p - bend * q
                if len(composition.kicks) > 1:
                    q, p = unfused((q, p), t)
            else:
                q = q + a * h * equation.velocity(p)
            now = now + a
            if b is not None:
                p = equation.kick(t + now * h, b * h, q, p, args, linear=not self.exact)
        return q, p

    def init(
        self,
        terms: PyTree,
        t0: DiffraxTime,
        t1: DiffraxTime,
        y0: PyTree,
        args: PyTree,
    ) -> SymplecticState:
        """Diffrax's `init`."""
        del args
        equation, sign = _unwrapped(terms, self)
        return self._begin(equation, sign * (jnp.asarray(t1) - t0), y0)

    def step(
        self,
        terms: PyTree,
        t0: DiffraxTime,
        t1: DiffraxTime,
        y0: PyTree,
        args: PyTree,
        solver_state: SymplecticState,
        made_jump: Any,
    ) -> tuple:
        """Diffrax's `step`; the error is that of two half steps."""
        del made_jump
        equation, sign = _unwrapped(terms, self)
        t0, t1 = jnp.asarray(t0), jnp.asarray(t1)
        h, before = sign * (t1 - t0), solver_state.h
        eps = max(jnp.finfo(x.dtype).eps for x in (before, t0))
        same = jnp.abs(h - before) <= 4 * eps * jnp.maximum(jnp.abs(t0), jnp.abs(t1))
        state = lax.cond(
            same, lambda: solver_state, lambda: self._begin(equation, h, y0)
        )
        y1 = self.advance(equation, sign * t0, state.h, y0, state.tables, args)
        error = self._error(equation, sign * t0, state.h, y0, y1, args)
        return y1, error, {"y0": y0, "y1": y1}, state, dfx.RESULTS.successful

    def func(self, terms: PyTree, t0: DiffraxTime, y0: PyTree, args: PyTree) -> PyTree:
        """The whole vector field, for Diffrax's choice of a first step."""
        return terms.vf(t0, y0, args)

    def _begin(self, equation, h, y) -> SymplecticState:
        h = jnp.asarray(h, jnp.finfo(y[0].dtype).dtype)
        return SymplecticState(h, self.tables(equation, h, y))

    def _error(self, equation, t, h, y0, y1, args) -> PyTree:
        # With fixed steps it is not read, and the compiler leaves it out.
        tables, y = self.tables(equation, h / 2, y0), y0
        for start in (t, t + h / 2):
            y = self.advance(equation, start, h / 2, y, tables, args)
        scale = 1 / (1 - 0.5**self.composition.order)
        return jtu.tree_map(lambda a, b: scale * (a - b), y1, y)


def _unwrapped(terms: PyTree, scheme: AbstractSymplectic) -> tuple[Any, Any]:
    """The equation behind a term, and the direction of time it is run in."""
    sign = 1
    if not isinstance(terms, dfx.ODETerm):
        terms, sign = terms.term, terms.direction
    return hamiltonian_of(getattr(terms.vector_field, "equation", None), scheme), sign


def hamiltonian_of(problem: Any, scheme: AbstractSymplectic) -> AbstractHamiltonian:
    """The problem, if a symplectic scheme can move it.

    **Raises:** `ValueError` otherwise.
    """
    require(
        isinstance(problem, AbstractHamiltonian),
        f"{type(scheme).__name__} moves a separable Hamiltonian, an energy T(p) + V(q):"
        " phix.pde.KleinGordon, or your own by phix.pde.from_hamiltonian; any other "
        "problem takes dfx.Tsit5() or its default scheme",
    )
    return problem


def prepare_symplectic(
    scheme: AbstractSymplectic, terms: PyTree, args: PyTree
) -> tuple[Callable, Callable, Callable]:
    """The scheme as the fixed-step driver runs it, see `make_advance`."""
    equation, _ = _unwrapped(terms, scheme)

    def prepare(t, h, y):
        del t
        return scheme.tables(equation, jnp.asarray(h, jnp.finfo(y[0].dtype).dtype), y)

    def init(t0, h, y, tables):
        del t0, h, y, tables
        return ()

    def advance(t0, t1, h, y, memory, tables):
        del t1
        y1 = scheme.advance(equation, t0, h, y, tables, args)
        y1 = jtu.tree_map(lambda new, old: new.astype(old.dtype), y1, y)
        return y1, memory, Result.successful

    return prepare, init, advance


def step_limit(scheme: Any, stats: dict) -> RealScalar:
    """The longest step of a scheme known to stay bounded, from Störmer–Verlet's."""
    if not isinstance(scheme, AbstractSymplectic) or scheme.exact:
        return float("inf")
    return stats.get("stable_step", float("inf")) * (0.5 * scheme.composition.limit)


_VERLET = Composition(order=2, moves=(0.5, 0.5), kicks=(1.0,), limit=2.0)

_OUTER = 1 / (2 - 2 ** (1 / 3))
_YOSHIDA4 = Composition(
    order=4,
    moves=palindrome((_OUTER / 2, (1 - _OUTER) / 2), 4),
    kicks=(_OUTER, 1 - 2 * _OUTER, _OUTER),
    limit=1.573,
)


def _blanes_moan(order, moves, kicks, limit) -> Composition:
    """Free coefficients, the middle ones following from both sums being one."""
    moves, kicks = (*moves, 1 - 2 * sum(moves)), (*kicks, 0.5 - sum(kicks))
    stages = 2 * len(kicks)
    return Composition(
        order, palindrome(moves, stages + 1), palindrome(kicks, stages), limit
    )


_BLANES_MOAN4 = _blanes_moan(
    4,
    (0.0792036964311957, 0.353172906049774, -0.0420650803577195),
    (0.209515106613362, -0.143851773179818),
    limit=3.132,
)
_BLANES_MOAN6 = _blanes_moan(
    6,
    (
        0.0502627644003922,
        0.413514300428344,
        0.0450798897943977,
        -0.188054853819569,
        0.541960678450780,
    ),
    (0.148816447901042, -0.132385865767784, 0.067307604692185, 0.432666402578175),
    limit=3.134,
)


class StormerVerlet(AbstractSymplectic):
    r"""Störmer–Verlet, as drift, kick, drift. Order 2, one force a step.

    Stable for $h\omega_{\max} < 2$.

    ??? cite "Reference"
        E. Hairer, C. Lubich, G. Wanner, Acta Numerica 12 (2003) 399.
    """

    composition: ClassVar[Composition] = _VERLET
    exact: ClassVar[bool] = False


class Yoshida4(AbstractSymplectic):
    r"""Yoshida's triple jump of Störmer–Verlet. Order 4, three forces a step.

    Stable for $h\omega_{\max} < 1.57$. `BlanesMoan4` is a dozen times as accurate at
    equal cost.

    ??? cite "Reference"
        H. Yoshida, Phys. Lett. A 150 (1990) 262.
    """

    composition: ClassVar[Composition] = _YOSHIDA4
    exact: ClassVar[bool] = False


class BlanesMoan4(AbstractSymplectic):
    r"""Blanes and Moan's S6. Order 4, six forces a step. Default of Hamiltonians.

    Stable for $h\omega_{\max} < 3.13$.

    ??? cite "Reference"
        S. Blanes, P. C. Moan, J. Comput. Appl. Math. 142 (2002) 313, table 2.
    """

    composition: ClassVar[Composition] = _BLANES_MOAN4
    exact: ClassVar[bool] = False


class BlanesMoan6(AbstractSymplectic):
    r"""Blanes and Moan's S10. Order 6, ten forces a step.

    Stable for $h\omega_{\max} < 3.13$.

    ??? cite "Reference"
        S. Blanes, P. C. Moan, J. Comput. Appl. Math. 142 (2002) 313, table 2.
    """

    composition: ClassVar[Composition] = _BLANES_MOAN6
    exact: ClassVar[bool] = False


class Strang(AbstractSymplectic):
    r"""Half the exact linear flow, kick, half the linear flow. Order 2, one force.

    No limit from the Laplacian: h resolves the nonlinear force alone. Steps with
    $h\omega$ near a multiple of π for an excited wave resonate.

    ??? cite "Reference"
        G. Strang, SIAM J. Numer. Anal. 5 (1968) 506; for waves E. Hairer, C. Lubich,
        G. Wanner, Geometric Numerical Integration (2006), section XIII.1.
    """

    composition: ClassVar[Composition] = _VERLET
    exact: ClassVar[bool] = True


class Splitting4(AbstractSymplectic):
    """`BlanesMoan4` with the exact linear flow. Order 4, six forces a step.

    ??? cite "Reference"
        S. Blanes, P. C. Moan, J. Comput. Appl. Math. 142 (2002) 313, table 2.
    """

    composition: ClassVar[Composition] = _BLANES_MOAN4
    exact: ClassVar[bool] = True


class Splitting6(AbstractSymplectic):
    """`BlanesMoan6` with the exact linear flow. Order 6, ten forces a step.

    ??? cite "Reference"
        S. Blanes, P. C. Moan, J. Comput. Appl. Math. 142 (2002) 313, table 2.
    """

    composition: ClassVar[Composition] = _BLANES_MOAN6
    exact: ClassVar[bool] = True
