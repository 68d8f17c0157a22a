"""Exponential Runge–Kutta schemes: their tables, and those of orders 1 to 4."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import ClassVar

import jax.numpy as jnp

from phix._types import Array, Inexact, PyTree, RealScalar
from phix.integrate._split import AbstractOneStep
from phix.num import phis, scale


# k -> w stands for the entry h Σ w φ_k(c z), c the node of the row, z = h L; 0 -> w for
# h w e^{(c − c_j) z}, c_j the node of the stage that is weighed.
Entry = Mapping[int, float]
Row = tuple[Entry, ...]


@dataclasses.dataclass(frozen=True)
class ExponentialTableau:
    """The entries of an exponential Runge–Kutta scheme, stage by stage.

    `nodes[i]` is the time of stage i in steps; `rows[i]` its weights of the earlier
    stages; `weights` those of the result. Each is added to $e^{c_i z}y$. With
    `embedded`, the last stage, at the end of the step, is weighed against N at the
    result: the scheme with the one in the other's place has one order less. `order` is
    that of the scheme.
    """

    order: int
    nodes: tuple[float, ...]
    rows: tuple[Row, ...]
    weights: Row
    embedded: bool = False


class AbstractETDRK(AbstractOneStep):
    """Runs an `ExponentialTableau`."""

    tableau: ClassVar[ExponentialTableau]

    def order(self, terms: PyTree) -> int:
        """That of the table."""
        del terms
        return self.tableau.order

    def coefficients(self, symbol: Inexact[Array, "..."], h: RealScalar) -> PyTree:
        """$e^{c_i z}$ and the entries, row by row, for z = h · symbol."""
        return tabulate(self.tableau, symbol, h)

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
        *stages, last = coefficients
        values = [nonlinear(t, y)]
        for node, row in zip(self.tableau.nodes[1:], stages[1:], strict=True):
            values.append(nonlinear(t + node * h, combine(row, y, values)))
        y1 = combine(last, y, values)
        if not self.tableau.embedded:
            return y1, None, history
        # With fixed steps the error is not read, and the compiler leaves it out.
        error = scale(last[1][-1], values[-1] - nonlinear(t + h, y1))
        return y1, error, history


def tabulate(
    tableau: ExponentialTableau, symbol: Inexact[Array, "..."], h: RealScalar
) -> tuple[PyTree, ...]:
    """For every row $e^{cz}$ and its entries, z = h · symbol; the result's row last."""
    nodes, rows, z = (*tableau.nodes, 1.0), (*tableau.rows, tableau.weights), h * symbol
    highest = max(k for row in rows for entry in row for k in entry)
    at = {c: phis(highest, c * z) for c in set(nodes)}

    def table(c: float, j: int, k: int) -> Array | float:
        if k > 0:
            return at[c][k]
        return jnp.exp((c - nodes[j]) * z) if c != nodes[j] else 1.0

    return tuple(
        (
            at[c][0],
            tuple(
                h * sum(w * table(c, j, k) for k, w in entry.items()) if entry else None
                for j, entry in enumerate(row)
            ),
        )
        for c, row in zip(nodes, rows, strict=True)
    )


def combine(
    row: PyTree, y: Inexact[Array, "..."], values: list[Array]
) -> Inexact[Array, "..."]:
    r"""$e^{cz}y + \sum_j a_j N_j$ over the entries that are there."""
    decay, entries = row
    total = scale(decay, y)
    for entry, value in zip(entries, values, strict=True):
        if entry is not None:
            total = total + scale(entry, value)
    return total


class ETDRK1(AbstractETDRK):
    r"""Exponential Euler: $y_1 = e^{z}y + h\varphi_1(z)N(y)$. Order 1, one evaluation.

    ??? cite "Reference"
        S. M. Cox, P. C. Matthews, J. Comput. Phys. 176 (2002) 430.
    """

    tableau: ClassVar[ExponentialTableau] = ExponentialTableau(
        order=1, nodes=(0.0,), rows=((),), weights=({1: 1.0},)
    )


class ETDRK2(AbstractETDRK):
    """Exponential Runge–Kutta of order 2, two evaluations a step.

    ??? cite "Reference"
        S. M. Cox, P. C. Matthews, J. Comput. Phys. 176 (2002) 430, equation (22).
    """

    tableau: ClassVar[ExponentialTableau] = ExponentialTableau(
        order=2,
        nodes=(0.0, 1.0),
        rows=((), ({1: 1.0},)),
        weights=({1: 1.0, 2: -1.0}, {2: 1.0}),
    )


class ETDRK3(AbstractETDRK):
    """Exponential Runge–Kutta of order 3, three evaluations a step.

    ??? cite "Reference"
        S. M. Cox, P. C. Matthews, J. Comput. Phys. 176 (2002) 430, equations (23-25).
    """

    tableau: ClassVar[ExponentialTableau] = ExponentialTableau(
        order=3,
        nodes=(0.0, 0.5, 1.0),
        rows=((), ({1: 0.5},), ({1: -1.0}, {1: 2.0})),
        weights=({1: 1.0, 2: -3.0, 3: 4.0}, {2: 4.0, 3: -8.0}, {2: -1.0, 3: 4.0}),
    )


class ETDRK4(AbstractETDRK):
    """Krogstad's exponential Runge–Kutta of order 4, four evaluations a step.

    The default of semilinear equations. With adaptive steps a fifth evaluation, N at
    the result in the place of the last stage, makes an embedded scheme of order 3. On
    stiff problems the order falls to 3, that of Cox and Matthews' variant to 2.

    ??? cite "Reference"
        S. Krogstad, J. Comput. Phys. 203 (2005) 72, equation (51).
    """

    tableau: ClassVar[ExponentialTableau] = ExponentialTableau(
        order=4,
        nodes=(0.0, 0.5, 0.5, 1.0),
        rows=(
            (),
            ({1: 0.5},),
            ({1: 0.5, 2: -1.0}, {2: 1.0}),
            ({1: 1.0, 2: -2.0}, {}, {2: 2.0}),
        ),
        weights=(
            {1: 1.0, 2: -3.0, 3: 4.0},
            {2: 2.0, 3: -4.0},
            {2: 2.0, 3: -4.0},
            {2: -1.0, 3: 4.0},
        ),
        embedded=True,
    )
