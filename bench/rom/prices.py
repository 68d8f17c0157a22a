"""What trained models of the table's problems cost beside their solver.

    python -m bench.rom.prices [kdv turbulence] [--rate 1e-2] [--frames 200]

Trains Φ-ROM as `bench.rom.table` does (seed 0), then prints `rom.price`: latents, 81
sensors and whole fields at 64², for so many frames within the times of the tests,
against the solver as it is and as coarse as the error allows; first by the decoder,
then by readouts fitted to it on forecasts of the training trajectories. The latents
take steps as long as the intervals of the training.
"""

import argparse
import time
from functools import partial

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


def readouts(
    model: rom.ReducedModel, problem: Problem, sensors: jax.Array, rank: int, sines: int
) -> tuple[rom.Readout, rom.Readout]:
    """Of the sensors and of the grid, where forecasts from the training starts lead."""
    ts = np.linspace(0.0, float(problem.test.ts[0, -1]), 80)

    def led(start):
        return rom.forecast(model, start, ts, throw=False).latents

    latents = jax.jit(jax.vmap(led))(model.latents[:, 0])
    latents = latents.reshape(-1, latents.shape[-1])
    near, *keys = jr.split(jr.key(2), 3)
    latents += 0.1 * jnp.std(latents, axis=0) * jr.normal(near, latents.shape)
    places = ((sensors, min(rank, len(sensors))), (problem.test.grid, rank))
    few, whole = (
        rom.readout(model, where, size, sines=sines, latents=latents, key=key)
        for (where, size), key in zip(places, keys, strict=True)
    )
    return few, whole


def main() -> None:
    """Trains and prints, problem by problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=["kdv", "turbulence"])
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps")
    parser.add_argument("--rank", type=int, default=64, help="of readouts")
    parser.add_argument("--sines", type=int, default=512, help="of readouts")
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
        sensors = jnp.asarray(grid.points)[nodes]
        start = time.perf_counter()
        few, whole = readouts(model, problem, sensors, choices.rank, choices.sines)
        fitting = time.perf_counter() - start
        pricing = partial(
            rom.price,
            model,
            test,
            train=problem.train,
            solver=problem.build,
            dt=problem.dt,
            latent_dt=float(shown.ts[0, 1] - shown.ts[0, 0]),
        )
        print(f"\n{name}\n{pricing(sensors=sensors, spent=spent)}")
        made = pricing(sensors=few, fields=whole, spent=spent + fitting)
        print(
            f"\n{name}, by readouts of {choices.sines} sines and rank {choices.rank}, "
            f"fitted in {fitting:.3g} s, from the decoder by {float(few.error):.2g} at "
            f"sensors and {float(whole.error):.2g} on the grid\n{made}"
        )


if __name__ == "__main__":
    main()
