"""Memory and time of trajectories of decaying turbulence on one CPU core, by size.

    python -m bench.scale.trajectory

Prints for each grid and for 1, 2 and 4 trajectories under `vmap` the bytes that the
compiled program holds for one of them, in fields of 4 n² bytes too, and the least of
five times of one step of one of them.
"""

import os
import time

import jax
import numpy as np

from bench.scale.problems import flow


STEPS = 100


def main() -> None:
    """One line a grid and batch."""
    os.sched_setaffinity(0, {0})
    for n in (64, 128, 256):
        fn, ranges = flow(n, STEPS)
        for together in (1, 2, 4):
            points = {"nu": np.full(together, ranges["nu"][0], np.float32)}
            run = jax.jit(jax.vmap(fn)).lower(points).compile()
            memory, times = run.memory_analysis(), []
            size = memory.temp_size_in_bytes + memory.output_size_in_bytes
            for _ in range(5):
                start = time.perf_counter()
                jax.block_until_ready(run(points))
                times.append((time.perf_counter() - start) / STEPS / together)
            print(f"{n}² × {together}: {size / together / 1e6:.2f} MB, "
                  f"{size / together / (4 * n**2):.1f} fields, "
                  f"{1e3 * min(times):.2f} ms a step", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
