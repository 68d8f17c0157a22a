"""Exponential schemes that remember N at earlier steps."""

import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import numpy as np

from phix._types import Array, Inexact, PyTree, RealScalar
from phix.integrate._begin import lagrange, past
from phix.integrate._etdrk import Entry, ExponentialTableau, combine, tabulate
from phix.integrate._split import AbstractSplitScheme


class AbstractExponentialMultistep(AbstractSplitScheme):
    r"""Integrates $e^{(h-s)L}$ times a polynomial through old and new values of N.

    `steps` values of N are used, at t, t − h, …, and one more at every node of
    `stages`, found by the same rule from the values before it. It starts itself: N at
    times before the start is extrapolated from the first steps after it.
    """

    steps: eqx.AbstractClassVar[int]
    stages: eqx.AbstractClassVar[tuple[float, ...]]

    def coefficients(self, symbol: Inexact[Array, "..."], h: RealScalar) -> PyTree:
        """The symbol, for the start, and the entries for every node and the result."""
        return symbol, tabulate(_tableau(self.steps, self.stages), symbol, h)[1:]

    def start(
        self,
        nonlinear: Callable,
        t: RealScalar,
        h: RealScalar,
        y: Inexact[Array, "..."],
        coefficients: PyTree,
    ) -> tuple[Array, ...]:
        """N one, two, … steps before t."""
        symbol, _ = coefficients
        points = self.steps + len(self.stages)
        _, rates = past(nonlinear, t, h, y, symbol, self.steps - 1, points)
        return tuple(rates)

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
        _, (*stages, last) = coefficients
        values = [nonlinear(t, y), *history]
        memory = tuple(values[:-1])
        for node, row in zip(self.stages, stages, strict=True):
            values.append(nonlinear(t + node * h, combine(row, y, values)))
        return combine(last, y, values), None, memory

    def order(self, terms: PyTree) -> int:
        """The number of values the polynomial goes through."""
        del terms
        return self.steps + len(self.stages)


def _tableau(steps: int, stages: tuple[float, ...]) -> ExponentialTableau:
    """The schemes' entries; the values at steps and stages count as one row."""
    nodes = tuple(-float(j) for j in range(steps))
    rows = []
    for node in (*stages, 1.0):
        rows.append(tuple(_entry(row, node) for row in lagrange(nodes)))
        nodes = (*nodes, node)
    return ExponentialTableau(
        len(nodes) - 1, (0.0, *stages), ((), *rows[:-1]), rows[-1]
    )


def _entry(polynomial: np.ndarray, node: float) -> Entry:
    r"""$\int_0^c e^{(c-s)z} s^p ds = p! c^{p+1} \varphi_{p+1}(cz)$, term by term."""
    return {
        p + 1: float(a) * math.factorial(p) * node ** (p + 1)
        for p, a in enumerate(polynomial)
    }


class ETDAB2(AbstractExponentialMultistep):
    """Exponential Adams–Bashforth of order 2, one evaluation a step.

    Undamped waves grow slowly, as by any Adams–Bashforth scheme of order 2: on flows
    of little viscosity `ETDAB3` bears longer steps.

    ??? cite "Reference"
        S. M. Cox, P. C. Matthews, J. Comput. Phys. 176 (2002) 430, equation (6).
    """

    steps: ClassVar[int] = 2
    stages: ClassVar[tuple[float, ...]] = ()


class ETDAB3(AbstractExponentialMultistep):
    """Exponential Adams–Bashforth of order 3, one evaluation a step.

    ??? cite "Reference"
        M. Hochbruck, A. Ostermann, BIT 51 (2011) 889.
    """

    steps: ClassVar[int] = 3
    stages: ClassVar[tuple[float, ...]] = ()


class ETDAB4(AbstractExponentialMultistep):
    """Exponential Adams–Bashforth of order 4, one evaluation a step.

    ??? cite "Reference"
        M. Hochbruck, A. Ostermann, BIT 51 (2011) 889.
    """

    steps: ClassVar[int] = 4
    stages: ClassVar[tuple[float, ...]] = ()


class EGLM4(AbstractExponentialMultistep):
    """Exponential general linear scheme of order 4: three steps, two evaluations each.

    Its second value of N is that at half a step.

    ??? cite "Reference"
        A. Ostermann, M. Thalhammer, W. M. Wright, BIT 46 (2006) 409 (the family).
    """

    steps: ClassVar[int] = 3
    stages: ClassVar[tuple[float, ...]] = (0.5,)


class EGLM5(AbstractExponentialMultistep):
    """Exponential general linear scheme of order 5: four steps, two evaluations each.

    ??? cite "Reference"
        A. Ostermann, M. Thalhammer, W. M. Wright, BIT 46 (2006) 409 (the family).
    """

    steps: ClassVar[int] = 4
    stages: ClassVar[tuple[float, ...]] = (0.5,)


class EGLM6(AbstractExponentialMultistep):
    """Exponential general linear scheme of order 6: five steps, two evaluations each.

    The cheapest to a small error on smooth problems; see "How to choose a scheme".

    ??? cite "Reference"
        A. Ostermann, M. Thalhammer, W. M. Wright, BIT 46 (2006) 409 (the family).
    """

    steps: ClassVar[int] = 5
    stages: ClassVar[tuple[float, ...]] = (0.5,)
