"""Latents from fewer sensors than latents: error against the weight of the prior.

    python bench/inversion_prior.py RUN [--sensors 81] [--inversions 1000]

Takes the model of a finished run of the recipe `phi_rom` and inverts frames of its test
trajectories from readings at random nodes, all in one jitted call, with the Gaussian
law of the training latents as prior and readings of the relative error s. Prints for
each s the misfit at the sensors, the error of the whole field, the mean number of
decodes and the wall time of the call, compiled; and the same without a prior. The last
line is the whole field inverted: the best that this decoder can do.
"""

import argparse
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import rom
from phix.metrics import relative_l2
from phix.recipes import load_config


NOISES = (1e-3, 1e-2, 3e-2, 0.1, 0.2, 0.3, 0.5, 1.0)
# Frames whose whole field is inverted, for comparison.
WHOLE = 20


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sensors", type=int, default=81)
    parser.add_argument("--inversions", type=int, default=1000)
    choices = parser.parse_args()
    recipe = load_config(choices.run / "config.toml")
    model, train, test = recipe.load(choices.run)
    law, grid = eqx.filter_jit(rom.latent_law)(model), test.grid
    frames = test.us.reshape(-1, *test.us.shape[2:])
    rows = np.linspace(0, len(frames) - 1, choices.inversions).astype(int)
    fields = frames[rows]
    points = grid.points.astype(fields.dtype)
    nodes = jr.choice(jr.key(0), len(points), (choices.sensors,), replace=False)
    seen = fields.reshape(len(rows), fields.shape[1], -1)[:, :, nodes]

    @eqx.filter_jit
    def inverted(model, law, noise, seen):
        def one(values):
            return rom.invert(
                model, points[nodes], values, prior=law, noise=noise, max_restarts=0
            )

        return jax.vmap(one)(seen)

    @eqx.filter_jit
    def errors(model, latents, truth):
        return relative_l2(rom.decode_frames(model, latents, grid), truth)

    print(f"{len(rows)} inversions from {seen.shape[1] * choices.sensors} readings at "
          f"{choices.sensors} sensors, r = {model.latents.shape[-1]}")  # fmt: skip
    print(f"{'s':<10}{'misfit':>10}{'field, mean':>13}{'field, median':>15}"
          f"{'decodes':>10}{'seconds':>10}")  # fmt: skip
    for noise in (*NOISES, None):
        prior = None if noise is None else law
        weight = jnp.asarray(noise or 0.0, fields.dtype)
        jax.block_until_ready(inverted(model, prior, weight, seen))
        start = time.perf_counter()
        found = jax.block_until_ready(inverted(model, prior, weight, seen))
        seconds = time.perf_counter() - start
        error = np.asarray(errors(model, found.latent, fields))
        name = "no prior" if noise is None else f"{noise:g}"
        print(f"{name:<10}{float(jnp.mean(found.error)):>10.4f}{error.mean():>13.4f}"
              f"{np.median(error):>15.4f}{float(jnp.mean(found.work)):>10.0f}"
              f"{seconds:>10.2f}", flush=True)  # fmt: skip
    few = fields[:: len(rows) // WHOLE]
    accept = rom.acceptance(model, train.us, train.grid)
    whole = rom.invert_frames(model, few[None], grid, accept=accept).error
    print(f"whole field of {len(few)} frames: {float(jnp.mean(whole)):.4f}")


if __name__ == "__main__":
    main()
