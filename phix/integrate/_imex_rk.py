"""IMEX Runge–Kutta schemes: L implicit, N explicit, stage by stage."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax as dfx
import equinox as eqx

from phix._types import Array, Inexact, PyTree, RealScalar
from phix.integrate._split import AbstractOneStep
from phix.num import scale


Rows = tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class IMEXTableau:
    """Two Runge–Kutta schemes with the same nodes, of which the first is 0.

    `order` is that of both together.
    Row i of `implicit` has i + 1 entries, its last on the diagonal; row i of `explicit`
    has i. The weights are `implicit_weights` and `explicit_weights`, without the last
    where N of the last stage is not needed; `error_weights` multiply both rates in an
    estimate of the error.
    """

    order: int
    nodes: tuple[float, ...]
    implicit: Rows
    explicit: Rows
    implicit_weights: tuple[float, ...]
    explicit_weights: tuple[float, ...]
    error_weights: tuple[float, ...] = ()


class AbstractIMEXRungeKutta(AbstractOneStep):
    """Runs an `IMEXTableau`."""

    tableau: eqx.AbstractClassVar[IMEXTableau]

    def order(self, terms: PyTree) -> int:
        """That of the table."""
        del terms
        return self.tableau.order

    def coefficients(self, symbol: Inexact[Array, "..."], h: RealScalar) -> PyTree:
        """z = h · symbol and 1 / (1 - a z) for every number a on the diagonal."""
        z = h * symbol
        diagonal = {row[-1] for row in self.tableau.implicit} - {0.0}
        return z, {str(a): 1 / (1 - a * z) for a in sorted(diagonal)}

    def advance(
        self,
        nonlinear: Callable,
        t: RealScalar,
        h: RealScalar,
        y: Inexact[Array, "..."],
        coefficients: PyTree,
        history: PyTree,
    ) -> tuple[Inexact[Array, "..."], Inexact[Array, "..."] | None, PyTree]:
        """One step."""
        tableau, (z, inverses) = self.tableau, coefficients
        linear, rates = [], []
        rows = zip(tableau.nodes, tableau.implicit, tableau.explicit, strict=True)
        for node, (*earlier, diagonal), row in rows:
            stage = y + _weighted(earlier, linear) + _weighted(row, rates)
            if diagonal != 0:
                stage = scale(inverses[str(diagonal)], stage)
            linear.append(scale(z, stage))
            if len(rates) < len(tableau.explicit_weights):
                rates.append(h * nonlinear(t + node * h, stage))
        y1 = y + _weighted(tableau.implicit_weights, linear)
        y1 = y1 + _weighted(tableau.explicit_weights, rates)
        if not tableau.error_weights:
            return y1, None, history
        error = _weighted(tableau.error_weights, linear)
        return y1, error + _weighted(tableau.error_weights, rates), history


def _weighted(weights: tuple[float, ...] | list[float], values: list[Array]) -> Any:
    """The sum of the values whose weight is not 0."""
    pairs = zip(weights, values, strict=True)
    return sum(weight * value for weight, value in pairs if weight != 0)


_GAMMA = 1 - math.sqrt(0.5)
_DELTA = 1 - 1 / (2 * _GAMMA)


class ARS222(AbstractIMEXRungeKutta):
    """IMEX Runge–Kutta of order 2, two implicit stages, two evaluations a step.

    The implicit part is L-stable and stiffly accurate.

    ??? cite "Reference"
        U. M. Ascher, S. J. Ruuth, R. J. Spiteri, Appl. Numer. Math. 25 (1997) 151,
        section 2.6.
    """

    tableau: ClassVar[IMEXTableau] = IMEXTableau(
        order=2,
        nodes=(0.0, _GAMMA, 1.0),
        implicit=((0.0,), (0.0, _GAMMA), (0.0, 1 - _GAMMA, _GAMMA)),
        explicit=((), (_GAMMA,), (_DELTA, 1 - _DELTA)),
        implicit_weights=(0.0, 1 - _GAMMA, _GAMMA),
        explicit_weights=(_DELTA, 1 - _DELTA),
    )


class ARS443(AbstractIMEXRungeKutta):
    """IMEX Runge–Kutta of order 3, four implicit stages, four evaluations a step.

    The implicit part is L-stable and stiffly accurate.

    ??? cite "Reference"
        U. M. Ascher, S. J. Ruuth, R. J. Spiteri, Appl. Numer. Math. 25 (1997) 151,
        section 2.8.
    """

    tableau: ClassVar[IMEXTableau] = IMEXTableau(
        order=3,
        nodes=(0.0, 1 / 2, 2 / 3, 1 / 2, 1.0),
        implicit=(
            (0.0,),
            (0.0, 1 / 2),
            (0.0, 1 / 6, 1 / 2),
            (0.0, -1 / 2, 1 / 2, 1 / 2),
            (0.0, 3 / 2, -3 / 2, 1 / 2, 1 / 2),
        ),
        explicit=(
            (),
            (1 / 2,),
            (11 / 18, 1 / 18),
            (5 / 6, -5 / 6, 1 / 2),
            (1 / 4, 7 / 4, 3 / 4, -7 / 4),
        ),
        implicit_weights=(0.0, 3 / 2, -3 / 2, 1 / 2, 1 / 2),
        explicit_weights=(1 / 4, 7 / 4, 3 / 4, -7 / 4),
    )


def _from_diffrax(scheme: type[dfx.KenCarp4]) -> IMEXTableau:
    """The numbers Diffrax keeps, which solves its implicit stages by Newton."""
    explicit, implicit = scheme.tableau.tableaus
    diagonal = implicit.a_diagonal
    assert diagonal is not None  # it is implicit
    weights = tuple(map(float, implicit.b_sol))
    lower = ((), *implicit.a_lower)
    return IMEXTableau(
        order=4,
        nodes=(0.0, *map(float, implicit.c)),
        implicit=tuple(
            (*map(float, row), float(a)) for row, a in zip(lower, diagonal, strict=True)
        ),
        explicit=((), *(tuple(map(float, row)) for row in explicit.a_lower)),
        implicit_weights=weights,
        explicit_weights=tuple(map(float, explicit.b_sol)),
        error_weights=tuple(map(float, implicit.b_error)),
    )


class ARK4(AbstractIMEXRungeKutta):
    """IMEX Runge–Kutta of order 4, ARK4(3)6L[2]SA, six evaluations a step.

    The implicit part is L-stable and stiffly accurate. With an embedded scheme of
    order 3, so it takes adaptive steps too.

    ??? cite "Reference"
        C. A. Kennedy, M. H. Carpenter, Appl. Numer. Math. 44 (2003) 139.
    """

    tableau: ClassVar[IMEXTableau] = _from_diffrax(dfx.KenCarp4)
