"""Schemes that see a linear and a nonlinear part, as Diffrax solvers."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.lax as lax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import ArrayLike

from phix._errors import Result, require
from phix._types import Array, Inexact, PyTree, Real, RealScalar
from phix.integrate._barrier import unfused
from phix.num import DEAR


# What Diffrax takes for a time, so that its methods are overridden with their types.
DiffraxTime = Real[ArrayLike, ""]

_STAGE = "phix_stage"


class SplitState(eqx.Module):
    """What Diffrax carries between steps: the last step's length and its tables."""

    h: Any
    coefficients: PyTree
    history: PyTree


class AbstractSplitScheme(dfx.AbstractSolver):
    r"""A scheme for $\dot y = Ly + N(t, y)$ with a diagonal L.

    It takes two Diffrax terms, the linear first (`AbstractSemilinear.terms()`), in
    `diffrax.diffeqsolve` as in `solve`. Everything that depends on L and the step
    alone is in `coefficients`, computed once for as long as the step stays the same.
    """

    term_structure: ClassVar = dfx.MultiTerm[tuple[dfx.AbstractTerm, dfx.AbstractTerm]]
    interpolation_cls: ClassVar[Callable[..., dfx.LocalLinearInterpolation]] = (
        dfx.LocalLinearInterpolation
    )

    @abc.abstractmethod
    def coefficients(self, symbol: Inexact[Array, "..."], h: RealScalar) -> PyTree:
        """The tables of the scheme for the diagonal `symbol` and the step h."""

    @abc.abstractmethod
    def start(
        self,
        nonlinear: Callable,
        t: RealScalar,
        h: RealScalar,
        y: Inexact[Array, "..."],
        coefficients: PyTree,
    ) -> PyTree:
        """What a multistep scheme must know before its first step; `()` otherwise."""

    @abc.abstractmethod
    def advance(
        self,
        nonlinear: Callable,
        t: RealScalar,
        h: RealScalar,
        y: Inexact[Array, "..."],
        coefficients: PyTree,
        history: PyTree,
    ) -> tuple[Inexact[Array, "..."], Inexact[Array, "..."] | None, PyTree]:
        """The state at t + h, an estimate of its error (or None), the new history."""

    def init(
        self,
        terms: PyTree,
        t0: DiffraxTime,
        t1: DiffraxTime,
        y0: Inexact[Array, "..."],
        args: PyTree,
    ) -> SplitState:
        """Diffrax's `init`."""
        terms, t0, t1 = _unwrapped(terms, t0, t1)
        return self._begin(terms, t0, t1 - t0, y0, args)

    def step(
        self,
        terms: PyTree,
        t0: DiffraxTime,
        t1: DiffraxTime,
        y0: Inexact[Array, "..."],
        args: PyTree,
        solver_state: SplitState,
        made_jump: Any,
    ) -> tuple:
        """Diffrax's `step`; another step length than the last begins anew.

        Lengths that differ by the rounding of t are the same.
        """
        terms, t0, t1 = _unwrapped(terms, t0, t1)
        h, before = t1 - t0, solver_state.h
        eps = max(jnp.finfo(x.dtype).eps for x in (before, t0))
        allowed = 4 * eps * jnp.maximum(jnp.abs(t0), jnp.abs(t1))
        state = lax.cond(
            (jnp.abs(h - before) <= allowed) & ~jnp.asarray(made_jump),
            lambda: solver_state,
            lambda: self._begin(terms, t0, h, y0, args),
        )
        y1, error, history = self.advance(
            nonlinear_part(terms, args),
            t0,
            state.h,
            y0,
            state.coefficients,
            state.history,
        )
        state = SplitState(state.h, state.coefficients, history)
        return y1, error, {"y0": y0, "y1": y1}, state, dfx.RESULTS.successful

    def func(
        self,
        terms: PyTree,
        t0: DiffraxTime,
        y0: Inexact[Array, "..."],
        args: PyTree,
    ) -> Inexact[Array, "..."]:
        """The whole vector field, for Diffrax's choice of a first step."""
        linear, nonlinear = terms.terms
        return linear.vf(t0, y0, args) + nonlinear.vf(t0, y0, args)

    def _begin(self, terms, t, h, y, args) -> SplitState:
        h = jnp.asarray(h, jnp.finfo(y.dtype).dtype)
        coefficients = self.coefficients(symbol_of(terms, t, y, args), h)
        nonlinear = nonlinear_part(terms, args)
        return SplitState(h, coefficients, self.start(nonlinear, t, h, y, coefficients))


class AbstractOneStep(AbstractSplitScheme):
    """A split scheme that remembers nothing between steps."""

    def start(
        self,
        nonlinear: Callable,
        t: RealScalar,
        h: RealScalar,
        y: Inexact[Array, "..."],
        coefficients: PyTree,
    ) -> tuple:
        """Nothing."""
        del nonlinear, t, h, y, coefficients
        return ()


def _unwrapped(
    terms: PyTree, t0: DiffraxTime, t1: DiffraxTime
) -> tuple[dfx.MultiTerm, Array, Array]:
    """The terms themselves and the time they know.

    `diffeqsolve` puts each into a wrapper that turns a run backwards into one forwards.
    """
    linear, nonlinear = terms.terms
    t0, t1 = jnp.asarray(t0), jnp.asarray(t1)
    if isinstance(linear, dfx.ODETerm):
        return terms, t0, t1
    sign = linear.direction
    return dfx.MultiTerm(linear.term, nonlinear.term), sign * t0, sign * t1


def symbol_of(
    terms: PyTree, t: RealScalar, y: Inexact[Array, "..."], args: PyTree
) -> Inexact[Array, "..."]:
    """The diagonal of the linear term, read off by applying it to ones.

    Real ones, so that a real symbol stays real; of one channel, so that a symbol all
    channels share is stored once.
    """
    shape = (1, *y.shape[1:]) if y.ndim else ()
    ones = jnp.ones(shape, jnp.finfo(y.dtype).dtype)
    # Not `vf`, which refuses a symbol of more channels than ones.
    return terms.terms[0].vector_field(t, ones, args)


def nonlinear_part(terms: PyTree, args: PyTree) -> Callable:
    """N(t, y) of a pair of terms, in the precision of y."""

    def nonlinear(t: RealScalar, y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        rate = terms.terms[1].vf(t, y, args)
        require(
            jnp.iscomplexobj(y) or not jnp.iscomplexobj(rate),
            "the nonlinear part returns complex numbers for a real state; its imaginary"
            " part must be dropped in the equation, where it is known to vanish",
        )
        return rate.astype(y.dtype)

    return nonlinear


def prepare_split(
    scheme: AbstractSplitScheme, terms: PyTree, args: PyTree
) -> tuple[Callable, Callable, Callable]:
    """The scheme as the fixed-step driver runs it, see `make_advance`."""
    # Reverse mode keeps the states of the stages, and what a nonlinear part calls dear.
    # From a state it computes the fields anew: a quarter of the memory of fields and
    # products, and less traffic makes up for the transform. N too it computes anew,
    # where parameters or the step are differentiated; no other derivative needs it.
    part = nonlinear_part(terms, args)

    def nonlinear(t, y):
        return unfused(part(t, y), t)

    def begin(t, y):
        return jax.checkpoint(nonlinear, prevent_cse=False)(t, unfused(y, t))

    def step(t, h, y, tables, history):
        # The scan holds y already; the other stages must be kept from fusion, and kept.
        def at_stage(s, stage):
            return nonlinear(s, stage if stage is y else _kept(stage, s))

        y1, _, history = scheme.advance(at_stage, t, h, y, tables, history)
        return y1.astype(y.dtype), history

    policy = jax.checkpoint_policies.save_only_these_names(_STAGE, DEAR)
    step = jax.checkpoint(step, policy=policy, prevent_cse=False)

    def prepare(t, h, y):
        return scheme.coefficients(symbol_of(terms, t, y, args), h)

    def init(t0, h, y, tables):
        return scheme.start(begin, t0, h, y, tables)

    def advance(t0, t1, h, y, history, tables):
        del t1
        y1, history = step(t0, h, y, tables, history)
        return y1, history, Result.successful

    return prepare, init, advance


def _kept(stage: Inexact[Array, "..."], t: RealScalar) -> Inexact[Array, "..."]:
    """The state of a stage, computed once and kept for reverse mode by its name.

    In two real parts, since JAX 0.10 cannot keep complex numbers by name.
    """
    if not jnp.iscomplexobj(stage):
        return checkpoint_name(unfused(stage, t), _STAGE)
    parts = unfused(jnp.stack([stage.real, stage.imag]), t)
    parts = checkpoint_name(parts, _STAGE)
    return lax.complex(parts[0], parts[1])
