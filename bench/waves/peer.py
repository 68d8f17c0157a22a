"""amangkurat at fixed steps on the nodes of a phix grid."""

from collections.abc import Callable

import numpy as np
from amangkurat.core.solver import KGSolver


POTENTIALS = {"SineGordon": "sine_gordon", "Phi4": "phi4"}


def amangkurat(
    grid, potential: str, u0, dt: float, t1: float, *, snapshots=1, adaptive=False
) -> Callable:
    """`run()`: the history that its `solve` returns.

    Its grids hold both ends; one cell short of the box, its nodes and period are ours.
    """
    (low, high), (n,) = grid.extent[0], grid.shape
    solver = KGSolver(
        nx=n,
        x_min=low,
        x_max=high - (high - low) / n,
        verbose=False,
        n_cores=1,
        adaptive_dt=adaptive,
    )
    phi, rate = np.array(u0, float)
    return lambda: solver.solve(
        phi, rate, dt, t1, POTENTIALS[potential], n_snapshots=snapshots
    )
