"""Latent inversion: Levenberg–Marquardt beside 1,000 steps of Adam.

    python bench/inversion.py runs/burgers_demo

Takes the model of a finished run, inverts the 9 unseen parameters × 10 frames of the
training horizon from α = 0, and prints for both methods the residuals, the work in
decodes of the point set (residual 1, gradient 3, Jacobian 1 + r) and the wall time of
the compiled call on the whole set (median of interleaved pairs; its 95 % bootstrap
interval for the ratio). Compile time is counted for neither.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from timing import bootstrap, paired_times

from phix import rom
from phix.data import RunDirectory
from phix.recipes import load_config, to_dict
from phix.recipes._rom_data import make_case
from phix.recipes._rom_run import restore


ADAM_STEPS, ADAM_RATE = 1000, 0.1
GRADIENT_WORK = 3
FRAMES = 10
# Two residuals are called equal when they differ by less than float32 can tell.
ROUNDING = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    folder = parser.parse_args().run
    recipe = load_config(folder / "config.toml")
    with RunDirectory(folder, to_dict(recipe)) as opened:
        case = make_case(recipe)
        model = restore(recipe, case, opened)
    stride = recipe.split.horizon // FRAMES
    us = case.test.us[:, : recipe.split.horizon : stride]
    fields = us.reshape(-1, us.shape[2], us[0, 0, 0].size)
    points = case.equation.space.points.astype(us.dtype)
    accept = rom.acceptance(model, case.train.us, case.equation.space)

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
    times = paired_times(lambda: marquardt(model, fields), lambda: adam(model, fields))
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
