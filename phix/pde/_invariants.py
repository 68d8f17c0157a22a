"""Integrals that equations watch."""

from collections.abc import Callable

from phix._types import Array, Float, Inexact
from phix.space import Grid


def mass_and_energy(grid: Grid) -> dict[str, Callable]:
    r"""$\int \sum_c u_c\,dx$ and $\tfrac12\int |u|^2\,dx$ as named functions of u."""

    def mass(u: Inexact[Array, " channels *space"]) -> Inexact[Array, ""]:
        return grid.integrate(u).sum()

    def energy(u: Inexact[Array, " channels *space"]) -> Float[Array, ""]:
        return 0.5 * grid.inner(u, u).real

    return {"mass": mass, "energy": energy}
