"""Explicit Runge–Kutta schemes in the frame that the linear part carries along."""

from collections.abc import Sequence
from typing import ClassVar

import diffrax as dfx

from phix.integrate._etdrk import AbstractETDRK, ExponentialTableau, Row


def _carried(
    order: int,
    nodes: Sequence[float],
    rows: Sequence[Sequence[float]],
    weights: Sequence[float],
) -> ExponentialTableau:
    r"""A Runge–Kutta scheme for $v = e^{-tL}y$: slopes travel from node to node.

    Nodes may not fall, so that no exponential grows that should decay. Stages after the
    last that reaches the result are left out.
    """
    count = max(i for i, w in enumerate(weights) if w) + 1

    def entries(row: Sequence[float]) -> Row:
        return tuple({0: float(w)} if w else {} for w in row)

    return ExponentialTableau(
        order,
        tuple(map(float, nodes[:count])),
        tuple(map(entries, rows[:count])),
        entries(weights[:count]),
    )


class Lawson3(AbstractETDRK):
    r"""The five stages of order 3 that follow waves furthest, in the frame of L.

    Without L as stable for transport as five stages of order 3 can be, h|λ| ≤ √15 =
    3.87, .77 an evaluation (`Lawson4`: .71). Each stage reads the slope of the one
    before alone, so that there is little to do beside the evaluations. For errors of
    1e-3 where transport bounds the step; what is said of `Lawson4` holds for it too.

    ??? cite "Reference"
        I. P. E. Kinnmark, W. G. Gray, Math. Comput. Simul. 26 (1984) 181 (the
        polynomial); O. Guerra, P. A. Ullrich, Geosci. Model Dev. 9 (2016) 2007 (the
        table, KGU53); J. D. Lawson, SIAM J. Numer. Anal. 4 (1967) 372.
    """

    tableau: ClassVar[ExponentialTableau] = _carried(
        order=3,
        nodes=(0.0, 1 / 5, 1 / 5, 1 / 3, 2 / 3),
        rows=((), (1 / 5,), (0.0, 1 / 5), (0.0, 0.0, 1 / 3), (0.0, 0.0, 0.0, 2 / 3)),
        weights=(1 / 4, 0.0, 0.0, 0.0, 3 / 4),
    )


class Lawson4(AbstractETDRK):
    r"""The classical Runge–Kutta scheme in the frame of L. Order 4, four evaluations.

    $$y_1 = e^{z}y + h\sum_j b_j e^{(1 - c_j)z}N_j,\qquad z = hL$$

    As stable as `ETDRK4`, and its tables are exponentials alone: take it with
    `Courant(2.5)`, which makes new ones at every output time, or with a fixed `dt`; it
    does not estimate its error. Fixed points are not those of the equation, and where N
    is large while L damps fast (sources at walls, a steady state) errors are too: take
    `ETDRK4` there.

    ??? cite "Reference"
        J. D. Lawson, SIAM J. Numer. Anal. 4 (1967) 372.
    """

    tableau: ClassVar[ExponentialTableau] = _carried(
        order=4,
        nodes=(0.0, 0.5, 0.5, 1.0),
        rows=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
        weights=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    )


class Lawson5(AbstractETDRK):
    """Tsitouras' Runge–Kutta scheme in the frame of L. Order 5, six evaluations.

    For errors of 1e-5 where transport bounds the step and viscosity damps the shortest
    waves: there it may be as long as that of `LawsonBS5`, for one evaluation less.
    Without viscosity h|λ| ≤ 1.4 (`Lawson4`: 2.8). What else is said of `Lawson4` holds
    for it too.

    ??? cite "Reference"
        J. D. Lawson, SIAM J. Numer. Anal. 4 (1967) 372; Ch. Tsitouras, Comput. Math.
        Appl. 62 (2011) 770 (the table).
    """

    tableau: ClassVar[ExponentialTableau] = _carried(
        order=5,
        nodes=(0.0, *dfx.Tsit5.tableau.c.tolist()),
        rows=([], *(row.tolist() for row in dfx.Tsit5.tableau.a_lower)),
        weights=dfx.Tsit5.tableau.b_sol.tolist(),
    )


class LawsonBS5(AbstractETDRK):
    """Bogacki and Shampine's scheme in the frame of L. Order 5, seven evaluations.

    For errors of 1e-5 where they bound the step: at equal steps those of `Lawson5` are
    some seven times as large in decaying turbulence. Without viscosity h|λ| ≤ 2.0. What
    is said of `Lawson4` holds for it too.

    ??? cite "Reference"
        P. Bogacki, L. F. Shampine, Comput. Math. Appl. 32 (1996) 15 (the table);
        J. D. Lawson, SIAM J. Numer. Anal. 4 (1967) 372.
    """

    tableau: ClassVar[ExponentialTableau] = _carried(
        order=5,
        nodes=(0.0, 1 / 6, 2 / 9, 3 / 7, 2 / 3, 3 / 4, 1.0),
        rows=(
            (),
            (1 / 6,),
            (2 / 27, 4 / 27),
            (183 / 1372, -162 / 343, 1053 / 1372),
            (68 / 297, -4 / 11, 42 / 143, 1960 / 3861),
            (597 / 22528, 81 / 352, 63099 / 585728, 58653 / 366080, 4617 / 20480),
            (
                174197 / 959244,
                -30942 / 79937,
                8152137 / 19744439,
                666106 / 1039181,
                -29421 / 29068,
                482048 / 414219,
            ),
        ),
        weights=(
            587 / 8064,
            0.0,
            4440339 / 15491840,
            24353 / 124800,
            387 / 44800,
            2152 / 5985,
            7267 / 94080,
        ),
    )
