"""Gray–Scott 128², 10,000 steps of dt = 1, 1,001 frames: the sets of The Well.

    python bench/gray_scott.py [SET ...]

`solve` in float32 by its default scheme, ETDRK4, from clusters of Gaussians. Prints,
for each set of parameters, the wall time of a whole trajectory, compiling left out, and
relative L2 errors, both species together, at t = 1,000: of time steps and precision,
against float64 with dt = 1/4 on the same modes; and in all, against float64 with
dt = 1/2 on 256². Later errors say less: patterns amplify differences while they form,
and gliders, bubbles and spirals go on doing so.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from phix import Grid, solve
from phix.pde import GrayScott


SETS = {
    "gliders": (0.014, 0.054),
    "bubbles": (0.098, 0.057),
    "maze": (0.029, 0.057),
    "worms": (0.058, 0.065),
    "spirals": (0.018, 0.051),
    "spots": (0.03, 0.062),
}
GRID = Grid((128, 128), (-1.0, 1.0))
FRAMES = np.linspace(0.0, 10_000.0, 1001)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    names = parser.parse_args().sets
    jax.config.update("jax_enable_x64", True)
    start = clusters()
    jax.block_until_ready(run("maze", start, jnp.float32, 1.0, FRAMES).us)
    for name in names:
        begun = time.perf_counter()
        fast = run(name, start, jnp.float32, 1.0, FRAMES)
        jax.block_until_ready(fast.us)
        seconds = time.perf_counter() - begun
        frame = fast.us[100]
        steps = run(name, start, jnp.float64, 0.25, FRAMES[[0, 100]]).us[-1]
        nodes = run(name, refined(start), jnp.float64, 0.5, FRAMES[[0, 100]]).us[-1]
        print(
            f"{name:8s} {seconds:6.1f} s   error at t = 1,000: "
            f"{difference(frame, steps):.1e} of steps, "
            f"{difference(frame, nodes[:, ::2, ::2]):.1e} in all   "
            f"catalyst at the end up to {fast.us[-1, 1].max():.2f}",
            flush=True,
        )


def run(name, start, dtype, dt, ts):
    grid = Grid(start.shape[1:], GRID.extent)
    equation = GrayScott(grid, *SETS[name])
    return solve(equation, start.astype(dtype), ts, dt=dt)


def refined(u):
    """The field on twice the nodes."""
    twice = Grid((256, 256), GRID.extent)
    return twice.modes(0.5).to_nodes(GRID.modes(1.0).to_modes(u))


def clusters(count=24, width=0.05):
    """The rest state (1, 0) with bumps of the catalyst."""
    rng = np.random.default_rng(0)
    bumps = np.zeros(GRID.shape)
    for centre in rng.uniform(-1, 1, (count, 2)):
        gap = np.stack(GRID.coordinates) - centre[:, None, None]
        gap = (gap + 1) % 2 - 1
        bumps += np.exp(-np.sum(gap**2, 0) / (2 * width**2))
    bumps = np.tanh(1.5 * bumps)
    return jnp.asarray(np.stack([1 - 0.5 * bumps, 0.3 * bumps]))


def difference(u, exact):
    return float(jnp.linalg.norm(u - exact) / jnp.linalg.norm(exact))


if __name__ == "__main__":
    main()
