"""IMEX schemes of several steps: L implicit, N extrapolated."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from phix._types import Array, Inexact, PyTree, RealScalar
from phix.integrate._begin import past
from phix.integrate._split import AbstractSplitScheme
from phix.num import scale


@dataclasses.dataclass(frozen=True)
class MultistepFormula:
    r"""$(1 - \gamma z)y_1 = \delta z y_0 + \sum_j (a_j y_{-j} + b_j h N_{-j})$, z = hL.

    Of that `order`; `states` $a_j$ and `rates` $b_j$ from j = 0 on, equally many;
    `implicit` γ and `explicit` δ.
    """

    order: int
    states: tuple[float, ...]
    rates: tuple[float, ...]
    implicit: float
    explicit: float = 0.0


class AbstractIMEXMultistep(AbstractSplitScheme):
    """Runs a `MultistepFormula`, one evaluation of N a step.

    It remembers, for every later step, the sum of what the steps so far add to it:
    as many arrays as there are earlier steps, not twice as many.
    """

    formula: eqx.AbstractClassVar[MultistepFormula]

    def order(self, terms: PyTree) -> int:
        """That of the table."""
        del terms
        return self.formula.order

    def coefficients(self, symbol: Inexact[Array, "..."], h: RealScalar) -> PyTree:
        """The symbol, for the start, and what multiplies y and the rest."""
        formula, z = self.formula, h * symbol
        inverse = 1 / (1 - formula.implicit * z)
        return symbol, formula.states[0] + formula.explicit * z, inverse

    def start(
        self,
        nonlinear: Callable,
        t: RealScalar,
        h: RealScalar,
        y: Inexact[Array, "..."],
        coefficients: PyTree,
    ) -> tuple[Array, ...]:
        """What the steps before t, extrapolated, add to those after it."""
        lags = len(self.formula.states) - 1
        states, rates = past(nonlinear, t, h, y, coefficients[0], lags, lags + 2)
        sums = (jnp.zeros_like(y),) * lags
        for state, rate in zip(states[::-1], h * rates[::-1], strict=True):
            sums = self._added(state, rate, sums)
        return sums

    def advance(
        self,
        nonlinear: Callable,
        t: RealScalar,
        h: RealScalar,
        y: Inexact[Array, "..."],
        coefficients: PyTree,
        history: PyTree,
    ) -> tuple[Inexact[Array, "..."], None, PyTree]:
        """One step."""
        _, factor, inverse = coefficients
        formula, rate = self.formula, h * nonlinear(t, y)
        y1 = scale(factor, y) + formula.rates[0] * rate + history[0]
        y1 = scale(inverse, y1)
        return y1, None, self._added(y, rate, history)

    def _added(self, y: Array, rate: Array, sums: tuple) -> tuple[Array, ...]:
        """The sums after another step: each is one step nearer its use."""
        formula, moved = self.formula, (*sums[1:], 0.0)
        entries = zip(formula.states[1:], formula.rates[1:], moved, strict=True)
        return tuple(a * y + b * rate + earlier for a, b, earlier in entries)


class CNAB2(AbstractIMEXMultistep):
    """Crank–Nicolson for L, Adams–Bashforth for N. Order 2, one evaluation a step.

    Very stiff modes hardly decay: they change sign from step to step.

    ??? cite "Reference"
        U. M. Ascher, S. J. Ruuth, B. T. R. Wetton, SIAM J. Numer. Anal. 32 (1995) 797.
    """

    formula: ClassVar[MultistepFormula] = MultistepFormula(
        order=2, states=(1.0, 0.0), rates=(1.5, -0.5), implicit=0.5, explicit=0.5
    )


class SBDF2(AbstractIMEXMultistep):
    """Backward differences for L, extrapolation of N. Order 2, one evaluation a step.

    Stiff modes are gone after a step or two.

    ??? cite "Reference"
        U. M. Ascher, S. J. Ruuth, B. T. R. Wetton, SIAM J. Numer. Anal. 32 (1995) 797.
    """

    formula: ClassVar[MultistepFormula] = MultistepFormula(
        order=2, states=(4 / 3, -1 / 3), rates=(4 / 3, -2 / 3), implicit=2 / 3
    )


class SBDF3(AbstractIMEXMultistep):
    """Backward differences for L, extrapolation of N. Order 3, one evaluation a step.

    Not for dispersion or advection in L without damping: slightly unstable there.

    ??? cite "Reference"
        U. M. Ascher, S. J. Ruuth, B. T. R. Wetton, SIAM J. Numer. Anal. 32 (1995) 797.
    """

    formula: ClassVar[MultistepFormula] = MultistepFormula(
        order=3,
        states=(18 / 11, -9 / 11, 2 / 11),
        rates=(18 / 11, -18 / 11, 6 / 11),
        implicit=6 / 11,
    )
