"""The breather over T = 50 on 512 nodes: every scheme beside amangkurat, to the truth.

    python -m bench.waves.breather

ω = 0.5 on a box of length 80, float64. amangkurat takes dt = 7.5e-3, with fixed steps
and with its adaptive ones, from the exact breather (its own is none). Ours take the dt
given; the wall time is the median of five runs, each after one of amangkurat, without
compilation. Errors are the largest of φ over all frames against the closed form; the
drift is the largest relative change of the energy.
"""

import functools as ft

import jax
import numpy as np

from bench.timing import paired_times
from bench.waves.peer import amangkurat
from phix import integrate, pde, solve
from phix.space import Grid


GRID = Grid(512, (-40.0, 40.0))
X = np.asarray(GRID.points[:, 0], float)
FRAMES = 50
RUNS = (
    ("StormerVerlet", 7.5e-3),
    ("StormerVerlet", 2.5e-3),
    ("Yoshida4", 1e-2),
    ("BlanesMoan4", 0.05),
    ("BlanesMoan6", 0.1),
    ("Strang", 7.5e-3),
    ("Strang", 2.5e-3),
    ("Splitting4", 0.05),
    ("Splitting6", 0.1),
)


def exact(t):
    """φ of the breather at rest, in NumPy; ω = 1/2."""
    eps = np.sqrt(0.75)
    return 4 * np.arctan(eps / 0.5 * np.cos(0.5 * t) / np.cosh(eps * X))


def their_row(equation, u0, adaptive: bool) -> str:
    result = amangkurat(GRID, "SineGordon", u0, 7.5e-3, 50.0, snapshots=FRAMES,
                        adaptive=adaptive)()  # fmt: skip
    error = max(np.abs(phi - exact(t)).max() for t, phi in
                zip(result["t"], result["phi"], strict=True))  # fmt: skip
    name = "adaptive" if adaptive else "fixed"
    return f"| amangkurat, {name} | 7.5e-3 | | | {error:.1e} |"


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    equation = pde.KleinGordon(GRID, pde.SineGordon())
    u0 = pde.breather(GRID.axes[0], omega=0.5)
    ts = np.linspace(0.0, 50.0, FRAMES + 1)
    energy = jax.jit(jax.vmap(equation.invariants["energy"]))
    theirs = amangkurat(GRID, "SineGordon", u0, 7.5e-3, 50.0, snapshots=FRAMES)
    print("| scheme | dt | wall s (amangkurat beside it) | energy drift | error of φ |")
    print("|---|---|---|---|---|")
    for adaptive in (False, True):
        print(their_row(equation, u0, adaptive), flush=True)
    for name, dt in RUNS:
        scheme = getattr(integrate, name)()
        ours = ft.partial(solve, equation, u0, ts, dt=dt, scheme=scheme)
        here, there = np.median(
            paired_times(lambda ours=ours: ours().us, theirs, 5), axis=0
        )
        us = ours().us
        e = np.asarray(energy(us))
        drift = np.abs(e / e[0] - 1).max()
        error = max(np.abs(u[0] - exact(t)).max() for t, u in zip(ts, us, strict=True))
        print(f"| {name} | {dt:g} | {here:.3f} ({there:.2f}) | {drift:.1e} "
              f"| {error:.1e} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
