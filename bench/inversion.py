"""Latent inversion: Levenberg–Marquardt beside 1,000 steps of Adam.

    python bench/inversion.py RUN [--frames 10] [--points 0] [--pairs 15]

Takes the model of a finished run of the recipe `phi_rom`, inverts so many frames of the
training horizon of every test trajectory from α = 0, on the whole grid or on so many
random nodes of it, and prints for both methods the residuals, the work in decodes of
the point set (residual 1, gradient 3, Jacobian 1 + r) and the wall time of the compiled
call on the whole set (median of interleaved pairs; its 95 % bootstrap interval for the
ratio). Compile time is counted for neither.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from timing import PAIRS, bootstrap, paired_times

from phix import rom
from phix.recipes import load_config


ADAM_STEPS, ADAM_RATE = 1000, 0.1
GRADIENT_WORK = 3
# Two residuals are called equal when they differ by less than float32 can tell.
ROUNDING = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--frames", type=int, default=10, help="of a trajectory")
    parser.add_argument("--points", type=int, default=0, help="random nodes; 0 for all")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    choices = parser.parse_args()
    recipe = load_config(choices.run / "config.toml")
    model, train, test = recipe.load(choices.run)
    stride = recipe.split.horizon // choices.frames
    us = test.us[:, : recipe.split.horizon : stride]
    fields = us.reshape(-1, us.shape[2], us[0, 0, 0].size)
    points = test.grid.points.astype(us.dtype)
    if choices.points:
        nodes = jr.choice(jr.key(0), len(points), (choices.points,), replace=False)
        points, fields = points[nodes], fields[:, :, nodes]
    accept = rom.acceptance(model, train.us, train.grid)

    @eqx.filter_jit
    def marquardt(model, fields):
        return jax.vmap(lambda u: rom.invert(model, points, u, accept=accept))(fields)

    @eqx.filter_jit
    def adam(model, fields):
        return jax.vmap(lambda u: adam_inversion(model, points, u))(fields)

    found, best = marquardt(model, fields), adam(model, fields)
    error, truth = np.asarray(found.error), np.asarray(best)
    reached = error <= truth * (1 + ROUNDING)
    work, adam_work = float(np.mean(found.work)), ADAM_STEPS * GRADIENT_WORK
    times = paired_times(
        lambda: marquardt(model, fields), lambda: adam(model, fields), choices.pairs
    )
    ratios = times[:, 1] / times[:, 0]
    low, high = bootstrap(ratios)
    print(f"frames                      {len(error)} (accept {accept:.4f})")
    print(f"mean error    LM / Adam     {error.mean():.5f} / {truth.mean():.5f}")
    print(f"largest error LM / Adam     {error.max():.5f} / {truth.max():.5f}")
    print(f"LM reaches Adam's best on   {100 * reached.mean():.1f} % of the frames")
    print(f"frames restarted            {int(np.sum(np.asarray(found.restarts) > 0))}")
    print(f"work          LM / Adam     {work:.1f} / {adam_work} decodes a frame: "
          f"{adam_work / work:.1f}× less")  # fmt: skip
    print(f"wall          LM / Adam     {np.median(times[:, 0]) * 1e3:.1f} / "
          f"{np.median(times[:, 1]) * 1e3:.1f} ms for all: "
          f"{np.median(ratios):.1f}× less [{low:.1f}, {high:.1f}]")  # fmt: skip


def adam_inversion(model, points, values):
    """The least relative residual along 1,000 Adam steps from α = 0, in one scan."""
    scale = jnp.linalg.norm(values)
    optimiser = optax.adam(ADAM_RATE)

    def cost(latent):
        return jnp.mean((model.decoder(points, latent) - values) ** 2)

    def step(carry, _):
        latent, memory, best = carry
        value, gradient = jax.value_and_grad(cost)(latent)
        change, memory = optimiser.update(gradient, memory)
        return (latent + change, memory, jnp.minimum(best, value)), None

    start = jnp.zeros(model.latents.shape[-1], values.dtype)
    carry = (start, optimiser.init(start), jnp.asarray(jnp.inf, values.dtype))
    (_, _, best), _ = jax.lax.scan(step, carry, length=ADAM_STEPS)
    return jnp.sqrt(best * values.size) / scale


if __name__ == "__main__":
    main()
