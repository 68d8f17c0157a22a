"""Time per step beside amangkurat: Störmer–Verlet, float64, the same dt and nodes.

    python -m bench.waves.steps

The median of 15 interleaved pairs and the 95 % bootstrap interval of their ratio, one
core each; compile time is counted for neither side. That both make the same steps shows
in the largest difference of their last fields.
"""

import jax
import numpy as np

from bench.timing import bootstrap, paired_times
from bench.waves.peer import amangkurat
from phix import pde, solve
from phix.integrate import StormerVerlet
from phix.space import Grid


STEPS = 4000
DT = 7.5e-3


def start(name: str, grid: Grid):
    """A breather, or a φ⁴ pair about to meet."""
    x = grid.axes[0]
    if name == "SineGordon":
        return pde.breather(x, omega=0.5)
    return pde.kink_antikink(pde.Phi4(), x, speed=0.3, separation=20.0)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    print("| potential | N | phix µs/step | amangkurat µs/step | ratio [95 %] "
          "| difference |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for name in ("SineGordon", "Phi4"):
        for n in (512, 2048):
            # The package takes dt from its grid unless this lies in its narrow range.
            grid = Grid(n, (-40.0 * n / 512, 40.0 * n / 512))
            print(row(name, grid), flush=True)


def row(name: str, grid: Grid) -> str:
    equation, u0 = pde.KleinGordon(grid, getattr(pde, name)()), start(name, grid)
    ts, scheme = np.array([0.0, STEPS * DT]), StormerVerlet()
    ours = lambda: solve(equation, u0, ts, dt=DT, scheme=scheme).us  # noqa: E731
    theirs = amangkurat(grid, name, u0, DT, ts[-1])
    times = paired_times(ours, theirs) / STEPS * 1e6
    low, high = bootstrap(times[:, 1] / times[:, 0])
    here, there = np.median(times, axis=0)
    result = theirs()
    # The last frame it keeps is that before its last step.
    then = np.array([0.0, result["t"][-1]])
    field = solve(equation, u0, then, dt=DT, scheme=scheme).us[-1, 0]
    gap = np.abs(field - result["phi"][-1]).max()
    return (
        f"| {name} | {grid.shape[0]} | {here:.1f} | {there:.1f} "
        f"| {np.median(times[:, 1] / times[:, 0]):.2f} [{low:.2f}, {high:.2f}] "
        f"| {gap:.1e} |"
    )


if __name__ == "__main__":
    main()
