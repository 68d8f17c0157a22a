"""Explicit Runge–Kutta schemes in the frame that the linear part carries along."""

from collections.abc import Callable
from typing import ClassVar

import diffrax as dfx
import jax.numpy as jnp

from phix._types import Array, Inexact, PyTree, RealScalar
from phix.integrate._split import AbstractOneStep


# Nodes, rows of weights of the earlier stages, weights of the result.
Tableau = tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[float, ...]]


class AbstractLawson(AbstractOneStep):
    r"""Runs an explicit Runge–Kutta `tableau` on $v = e^{-tL}y$.

    $$y_1 = e^{z}y + h\sum_j b_j e^{(1 - c_j)z}N_j,\qquad z = hL$$

    Nodes may not fall, so that no exponential grows that should decay.
    """

    tableau: ClassVar[Tableau]
    _order: ClassVar[int]

    def order(self, terms: PyTree) -> int:
        """That of the table."""
        del terms
        return self._order

    def coefficients(self, symbol: Inexact[Array, "..."], h: RealScalar) -> PyTree:
        """h and the exponentials of every distance between two nodes."""
        return h, [jnp.exp((gap * h) * symbol) for gap in self._gaps()]

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
        nodes, rows, weights = self.tableau
        length, tables = coefficients
        decay = dict(zip(self._gaps(), tables, strict=True))
        values = []

        def carried(node: float, row: tuple[float, ...]) -> Array:
            total = decay[_gap(node, 0.0)] * y if node else y
            for w, start, value in zip(row, nodes, values, strict=False):
                if w:
                    value = decay[gap] * value if (gap := _gap(node, start)) else value
                    total = total + (w * length) * value
            return total

        for node, row in zip(nodes, rows, strict=True):
            values.append(nonlinear(t + node * h, carried(node, row)))
        return carried(1.0, weights), None, history

    def _gaps(self) -> list[float]:
        nodes, rows, weights = self.tableau
        gaps = {_gap(node, 0.0) for node in (*nodes, 1.0)}
        for node, row in zip((*nodes, 1.0), (*rows, weights), strict=True):
            gaps |= {_gap(node, c) for c, w in zip(nodes, row, strict=False) if w}
        return sorted(gaps - {0.0})


def _gap(node: float, start: float) -> float:
    """Equal distances as equal numbers."""
    return round(node - start, 12)


def _stages(tableau: dfx.ButcherTableau) -> Tableau:
    """Of a Diffrax scheme those stages that reach the result."""
    weights = [float(b) for b in tableau.b_sol]
    count = max(i for i, b in enumerate(weights) if b) + 1
    nodes = (0.0, *(float(c) for c in tableau.c))
    rows = ((), *(tuple(map(float, row)) for row in tableau.a_lower))
    return nodes[:count], rows[:count], tuple(weights[:count])


class Lawson4(AbstractLawson):
    """The classical Runge–Kutta scheme in the frame of L. Order 4, four evaluations.

    As stable as `ETDRK4`, and its tables are two exponentials: take it with
    `Courant(2.5)`, which makes new ones at every output time, or a fixed `dt`: it does
    not estimate its error. Fixed points are not those of
    the equation, and where N is large while L damps fast (sources at walls, a steady
    state) errors are too: take `ETDRK4` there.

    ??? cite "Reference"
        J. D. Lawson, SIAM J. Numer. Anal. 4 (1967) 372.
    """

    tableau: ClassVar[Tableau] = (
        (0.0, 0.5, 0.5, 1.0),
        ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    )
    _order: ClassVar[int] = 4


class Lawson5(AbstractLawson):
    """Tsitouras' Runge–Kutta scheme in the frame of L. Order 5, six evaluations.

    The cheapest way to errors of 1e-5 and less where transport bounds the step: per
    evaluation nearly as stable as schemes of four stages, and much more accurate,
    where viscosity damps the shortest waves; without it, h|λ| ≤ 1.4. What is said of
    `Lawson4` holds for it too.

    ??? cite "Reference"
        J. D. Lawson, SIAM J. Numer. Anal. 4 (1967) 372; Ch. Tsitouras, Comput. Math.
        Appl. 62 (2011) 770 (the table).
    """

    tableau: ClassVar[Tableau] = _stages(dfx.Tsit5.tableau)
    _order: ClassVar[int] = 5
