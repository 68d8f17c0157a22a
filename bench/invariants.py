"""The drift of every invariant of every equation, as a page of the documentation.

    python bench/invariants.py

Runs each equation by its default scheme in float64 and in float32 for the same time and
step, and writes `docs/invariants.md`: the relative change of every named quantity from
the start to the end, or its absolute change where it starts at zero.
"""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from phix import Grid, pde, solve


PAGE = Path(__file__).parents[1] / "docs" / "invariants.md"
LINE, PLANE = Grid(128, (0.0, 2 * np.pi)), Grid((48, 48), (0.0, 2 * np.pi))
CUBE = Grid((16, 16, 16), (0.0, 2 * np.pi))
RING = Grid(64, (0.0, 22.0))
PAIR = (0.02, 0.01)
# Name, equation, start, end, step, and the quantities that stay what they were.
RUNS = [
    ("Advection", pde.Advection(PLANE, (1.0, 0.5)), "waves", 5.0, 0.1, "mass energy"),
    ("SpectralDiffusion", pde.SpectralDiffusion(PLANE, 0.1), "waves", 5.0, 0.1, "mass"),
    ("HyperDiffusion", pde.HyperDiffusion(PLANE, 0.01), "waves", 5.0, 0.1, "mass"),
    ("ViscousBurgers", pde.ViscousBurgers(LINE, 0.1), "waves", 2.0, 0.01, "mass"),
    (
        "KortewegDeVries",
        pde.KortewegDeVries(Grid(256, (-25.0, 25.0))),
        "solitons",
        10.0,
        0.002,
        "mass momentum energy",
    ),
    (
        "KuramotoSivashinsky",
        pde.KuramotoSivashinsky(RING),
        "waves",
        100.0,
        0.1,
        "mass",
    ),
    ("FlameFront", pde.FlameFront(RING), "waves", 20.0, 0.1, ""),
    ("AllenCahn", pde.AllenCahn(PLANE, 0.2), "waves", 5.0, 0.02, ""),
    ("CahnHilliard", pde.CahnHilliard(PLANE, 0.3), "waves", 5.0, 0.005, "mass"),
    ("SwiftHohenberg", pde.SwiftHohenberg(PLANE, 0.7, 1.0), "waves", 5.0, 0.02, ""),
    ("FisherKPP", pde.FisherKPP(PLANE, 0.1), "pair", 5.0, 0.05, ""),
    ("GrayScott", pde.GrayScott(PLANE, 0.03, 0.06, PAIR), "pair", 10.0, 0.1, ""),
    ("Brusselator", pde.Brusselator(PLANE, 1.0, 2.5, PAIR), "pair", 5.0, 0.02, ""),
    ("LambdaOmega", pde.LambdaOmega(PLANE, 0.05), "pair", 5.0, 0.02, ""),
    ("FitzHughNagumo", pde.FitzHughNagumo(PLANE, PAIR), "pair", 5.0, 0.02, ""),
    (
        "NonlinearSchrodinger",
        pde.NonlinearSchrodinger(Grid(256, (-5 * np.pi, 5 * np.pi))),
        "packet",
        5.0,
        0.005,
        "mass momentum energy",
    ),
    (
        "Vorticity, ν = 0",
        pde.Vorticity(PLANE, 0.0),
        "waves",
        2.0,
        0.01,
        "energy enstrophy circulation",
    ),
    (
        "Vorticity, ν = 0.01",
        pde.Vorticity(PLANE, 0.01),
        "waves",
        2.0,
        0.01,
        "circulation",
    ),
    (
        "NavierStokes, ν = 0",
        pde.NavierStokes(CUBE, 0.0),
        "vortex",
        2.0,
        0.02,
        "energy helicity momentum_x momentum_y momentum_z",
    ),
]
INTRODUCTION = """# What stays what it was

Every equation names the integrals worth watching, `equation.invariants`. Below: their
change over a run by the default scheme, relative to the start, absolute where they
start at zero. **Bold** quantities are kept by the equation itself, so their change is
an error; the others are meant to change, and stand here to be compared.

"""


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    rows = [row for run in RUNS for row in changes(*run)]
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("phix-jax", "jax")
    )
    head = (
        f"Written by `bench/invariants.py` on {datetime.date.today()}, "
        f"{os.cpu_count()} cores of {platform.machine()}, {versions}.\n\n"
        "| equation | to t | dt | quantity | start | change, float64 | change, float32 "
        "|\n|---|---|---|---|---|---|---|\n"
    )
    PAGE.write_text(INTRODUCTION + head + "\n".join(rows) + "\n")
    print(PAGE.read_text())


def changes(name, equation, kind, end, dt, kept):
    """One row of the table for each quantity."""
    found = []
    for dtype in (jnp.float64, jnp.float32):
        u0 = jnp.asarray(START[kind](equation.space))
        single = jnp.result_type(dtype, 1j) if jnp.iscomplexobj(u0) else dtype
        u0 = equation.decode(equation.encode(u0.astype(single)))
        u = solve(equation, u0, np.array([0.0, end]), dt=dt).us[-1]
        # The integrals themselves in float64: what is measured is the run.
        wide = jnp.result_type(u0.dtype, jnp.float64)
        quantities = jax.vmap(lambda u: [f(u) for f in equation.invariants.values()])(
            jnp.stack([u0, u]).astype(wide)
        )
        found.append(np.asarray(quantities))
    for i, quantity in enumerate(equation.invariants):
        start = found[0][i, 0]
        zero = abs(start) < 1e-9
        drifts = [(f[i, 1] - f[i, 0]) / (1 if zero else abs(f[i, 0])) for f in found]
        shown = f"**{quantity}**" if quantity in kept.split() else quantity
        numbers = " | ".join(f"{drift:+.1e}" for drift in drifts)
        begun = "0" if zero else f"{start:.4g}"
        yield f"| {name} | {end:g} | {dt:g} | {shown} | {begun} | {numbers} |"


def waves(grid):
    x = [2 * np.pi * (c - e[0]) / (e[1] - e[0]) for c, e in _axes(grid)]
    return (
        0.3 + 0.5 * np.sin(x[0] + 0.3) + 0.2 * np.cos(2 * x[0] - x[-1] + 1)
        + 0.1 * np.sin(3 * x[-1])
    )[None]  # fmt: skip


def pair(grid):
    x = np.asarray(grid.coordinates)
    return np.stack(
        [0.6 + 0.2 * np.sin(x[0]) * np.cos(x[1]), 0.4 + 0.2 * np.cos(x[0] - 2 * x[1])]
    )


def _axes(grid):
    return zip(np.asarray(grid.coordinates), grid.extent, strict=True)


START = {
    "waves": waves,
    "pair": pair,
    "solitons": lambda grid: pde.kdv_soliton(
        grid.axes[0], 0.0, (1.0, 2.0), (3.0, -9.0)
    )[None],
    "packet": lambda grid: (
        pde.schrodinger_soliton(grid.axes[0], 0.0, 1.3, 0.6)[None]
        + 0.1 * np.cos(grid.axes[0] / 5)
    ),
    "vortex": lambda grid: (
        grid.project(pde.taylor_green)
        + 0.3 * jnp.sin(grid.coordinates[jnp.array([1, 2, 0])])
    ),
}


if __name__ == "__main__":
    main()
