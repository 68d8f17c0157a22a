"""Error against wall time, a panel for every equation and a curve for every scheme.

    python -m bench.work_precision [--only NAME ...] [--out PNG]

The small problems of `tests/rosters/equations.py` on 48 × 40 nodes (48 in one
dimension, 10 along the third), float64, over 160 of their own steps, in 10·2^i steps.
Error: relative L2 at T against EGLM6 in 10,240 steps. Time: the shortest of three calls
of the compiled run, the tables of the scheme counted, compilation not.
"""

import argparse
import math
import time

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

from bench.stepping import last_field
from phix import integrate
from phix.plot import save_figure
from tests.rosters.equations import EQUATIONS


SHAPE, SPAN, FINEST = (48, 40), 160, 10_240
LADDER = [10 * 2**i for i in range(8)]
SCHEMES = ("ETDRK4", "ETDRK2", "ETDAB3", "EGLM6", "SBDF3", "ARK4")
NOISE, WORST = 1e-13, 1.0


def curves(build) -> dict[str, list[tuple[float, float]]]:
    """(seconds, error) for every number of steps at which a scheme was stable."""
    equation, u0, dt = build(jnp.float64, SHAPE)
    last = last_field(equation, u0)

    def run(name, steps):
        scheme, h = getattr(integrate, name)(), jnp.asarray(SPAN * dt / steps)
        return jax.block_until_ready(last(scheme, h, jnp.asarray(steps)))

    truth = run("EGLM6", FINEST)
    found = {name: [] for name in SCHEMES}
    for name, points in found.items():
        for steps in LADDER:
            error = float(jnp.linalg.norm(run(name, steps) - truth))
            error /= float(jnp.linalg.norm(truth))
            if math.isfinite(error) and error < WORST:
                points.append((_seconds(run, name, steps), max(error, NOISE)))
    return found


def _seconds(run, name, steps) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run(name, steps)
        times.append(time.perf_counter() - start)
    return min(times)


def draw(found: dict):
    """One panel an equation, the same axes for all errors."""
    columns = min(4, len(found))
    rows = math.ceil(len(found) / columns)
    fig, panels = plt.subplots(
        rows, columns, figsize=(3.1 * columns, 2.5 * rows + 0.5), sharey=True,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for axes, (title, lines) in zip(panels.flat, found.items(), strict=False):
        for name, points in lines.items():
            seconds, errors = zip(*points, strict=True) if points else ((), ())
            axes.loglog(
                [1e3 * s for s in seconds], errors, "o-", label=name, ms=3, lw=1.2
            )
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.3)
    for axes in panels.flat[len(found) :]:
        axes.set_axis_off()
    fig.supxlabel("wall time, ms")
    fig.supylabel("relative error")
    handles, names = panels.flat[0].get_legend_handles_labels()
    fig.legend(
        handles, names, loc="outside upper center", ncols=len(names), frameon=False
    )
    return fig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(EQUATIONS))
    parser.add_argument("--out", default="docs/images/work_precision.png")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    found = {}
    for name in options.only:
        found[name] = curves(EQUATIONS[name])
        best = {
            scheme: min((e for _, e in p), default=None)
            for scheme, p in found[name].items()
        }
        print(name, {k: f"{v:.0e}" if v else "–" for k, v in best.items()}, flush=True)
    save_figure(draw(found), options.out)


if __name__ == "__main__":
    main()
