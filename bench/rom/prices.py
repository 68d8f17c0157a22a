"""What trained models of the table's problems cost beside their solver.

    python -m bench.rom.prices [kdv turbulence] [--rate 1e-2] [--frames 200]

Trains Φ-ROM as `bench.rom.table` does (seed 0), then prints its errors and
`rom.price`: latents, 81 sensors and whole fields at 64², for so many frames within the
times of the tests, against the solver as it is and as coarse as the error allows. The
latents take steps as long as the intervals of the training.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from bench.rom.problems import PROBLEMS, Problem
from bench.rom.table import neural
from phix import rom, solve


def frames(problem: Problem, count: int) -> rom.TrainingData:
    """The test trajectories at `count` times."""
    test = problem.test
    ts = np.linspace(float(test.ts[0, 0]), float(test.ts[0, -1]), count)

    def one(u):
        return solve(problem.equation, u, ts, dt=problem.dt).us

    us = jax.lax.map(one, test.us[:, 0])
    return rom.training_data((ts, us), grid=test.grid)


def main() -> None:
    """Trains and prints, problem by problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=["kdv", "turbulence"])
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps")
    choices = parser.parse_args()
    for name in choices.problems:
        start = time.perf_counter()
        problem = PROBLEMS[name]()
        _, shown = problem.shown
        method = neural(problem, "Φ-ROM", choices.rate, choices.share)
        model = rom.fit(method, shown, key=jr.key(0))
        spent = time.perf_counter() - start
        test, grid = frames(problem, choices.frames), problem.test.grid
        nodes = jr.choice(jr.key(1), len(grid.points), (81,), replace=False)
        print(f"\n{name}")
        made = rom.price(
            model,
            test,
            train=problem.train,
            solver=problem.build,
            dt=problem.dt,
            latent_dt=float(shown.ts[0, 1] - shown.ts[0, 0]),
            sensors=jnp.asarray(grid.points)[nodes],
            spent=spent,
        )
        print(made)


if __name__ == "__main__":
    main()
