"""What trained models of the table's problems cost beside their solver.

    python -m bench.rom.prices [kdv turbulence] [--rate 1e-2] [--frames 200]
        [--keep DIR]

Trains Φ-ROM as `bench.rom.table` does (seed 0), then prints `rom.price`: latents, 81
sensors and whole fields at 64², for so many frames within the times of the tests,
against the solver as it is and as coarse as the error allows; first by the decoder,
then by readouts fitted to it on forecasts of the training trajectories. The latents
take the longest steps that move forecasts from the training starts by `--tolerance`
(`rom.longest_step`), and fields are decoded there and joined by splines. First frames
are inverted from `--nodes` of their nodes, to the most probable latent. `--keep` puts
trained models into a folder and takes them from there.
"""

import argparse
import dataclasses
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from bench.rom.problems import PROBLEMS, Problem
from bench.rom.table import trained
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
    parser.add_argument("--tolerance", type=float, default=0.01, help="of long steps")
    parser.add_argument("--nodes", type=int, default=512, help="that are inverted")
    parser.add_argument("--keep", type=Path, help="folder of trained models")
    choices = parser.parse_args()
    if choices.keep is not None:
        choices.keep.mkdir(parents=True, exist_ok=True)
    for name in choices.problems:
        start = time.perf_counter()
        problem = dataclasses.replace(PROBLEMS[name](), name=name)
        making, keys = time.perf_counter() - start, jr.key(0)[None]
        how = (choices.rate, keys, choices.share, choices.keep)
        (model,), training = trained(problem, "Φ-ROM", *how)
        spent = making + training
        test, grid = frames(problem, choices.frames), problem.test.grid
        nodes = jr.choice(jr.key(1), len(grid.points), (81,), replace=False)
        sensors = jnp.asarray(grid.points)[nodes]
        start = time.perf_counter()
        few, whole = readouts(model, problem, sensors, choices.rank, choices.sines)
        fitting = time.perf_counter() - start
        ts = np.asarray(test.ts[0])
        step = rom.longest_step(model, ts, sensors, tolerance=choices.tolerance)
        print(f"\n{name}: {(ts[-1] - ts[0]) / step:.0f} latent steps")
        pricing = partial(
            rom.price,
            model,
            test,
            train=problem.train,
            solver=problem.build,
            dt=problem.dt,
            latent_dt=step,
            between="fields",
            inverting=partial(
                rom.invert_frames, likely=True, nodes=choices.nodes, max_restarts=2
            ),
            places=sensors,
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
