"""An unknown potential from a few collisions, by a small network in the solver.

    python -m bench.waves.potential [--figure FILE]

Three kink–antikink collisions of φ⁴, frames of φ and its rate every 1.5, with noise of
standard deviation 1e-3. The network is V(φ) = Σ aᵢ log cosh(wᵢφ + bᵢ), 16 units, from
random weights. Each frame is the start of a run to the next; all misfits together are
least squares in the weights (Levenberg–Marquardt through `solve`). It knows nothing of
φ⁴. The score is the largest error of V′ on the visited range over the largest |V′|.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from phix import num, pde, solve
from phix.integrate import StormerVerlet
from phix.space import Grid


GRID = Grid(96, (-15.0, 15.0))
TRUE = pde.Phi4()
SPEEDS = (0.3, 0.45, 0.6)
FRAMES = np.arange(0.0, 24.1, 1.5)
NOISE, UNITS, DT = 1e-3, 16, 0.1


class Network(eqx.Module):
    """V(φ), a sum of soft ramps."""

    weights: jax.Array
    biases: jax.Array
    heights: jax.Array

    def __call__(self, phi):
        z = phi[..., None] * self.weights + self.biases
        # log cosh without overflow.
        soft = jnp.logaddexp(z, -z) - jnp.log(2.0)
        return jnp.sum(self.heights * soft, axis=-1)


def observe(key):
    """Frames of all collisions, "collisions frames 2 nodes", noise added."""
    equation = pde.KleinGordon(GRID, TRUE)

    def run(speed):
        u0 = pde.kink_antikink(TRUE, GRID.axes[0], speed=speed, separation=10.0)
        return solve(equation, u0, FRAMES, dt=0.05, throw=False).us

    us = jax.vmap(run)(jnp.asarray(SPEEDS))
    return us + NOISE * jax.random.normal(key, us.shape)


def recover(us, key):
    """The network, and what the fit says of itself."""
    starts, ends = us[:, :-1].reshape(-1, *us.shape[2:]), us[:, 1:]
    first, second = jax.random.split(key)
    net = Network(
        1.5 * jax.random.normal(first, (UNITS,)),
        2.0 * jax.random.normal(second, (UNITS,)),
        jnp.zeros(UNITS),
    )
    flat, rebuild = ravel_pytree(net)
    span = np.array([0.0, FRAMES[1]])

    def residual(z, _):
        equation = pde.KleinGordon(GRID, rebuild(z))
        step = lambda u0: solve(  # noqa: E731
            equation, u0, span, dt=DT, scheme=StormerVerlet(), throw=False
        ).us[-1]
        return (jax.vmap(step)(starts) - ends.reshape(starts.shape)).ravel()

    found = num.least_squares(residual, flat, damping=1e-2, max_iterations=60)
    return rebuild(found.x), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", default="")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    us = observe(jax.random.key(0))
    low, high = float(us[:, :, 0].min()), float(us[:, :, 0].max())
    start = time.perf_counter()
    net, found = jax.block_until_ready(jax.jit(recover)(us, jax.random.key(1)))
    seconds = time.perf_counter() - start
    phi = jnp.linspace(low, high, 400)
    slope = pde.KleinGordon(GRID, net).potential.slope(phi)
    true = TRUE.slope(phi)
    error = float(jnp.abs(slope - true).max() / jnp.abs(true).max())
    rms = float(found.residual_norm) / np.sqrt(us[:, 1:].size)
    print(f"visited: φ in [{low:.3f}, {high:.3f}]")
    print(f"{int(found.num_iterations)} iterations, {seconds:.0f} s with compilation; "
          f"misfit {rms:.2e} (noise {NOISE:g})")  # fmt: skip
    print(f"largest error of V′ over largest |V′|: {100 * error:.2f} %")
    if options.figure:
        draw(options.figure, phi, slope, true, us)


def draw(path, phi, slope, true, us) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(phi, true, "k", lw=3, alpha=0.3, label="true")
    left.plot(phi, slope, "C1--", label="recovered")
    left.set(xlabel="φ", ylabel="V′(φ)")
    left.legend()
    image = right.pcolormesh(GRID.axes[0], FRAMES, us[1, :, 0], cmap="RdBu_r",
                             shading="nearest")  # fmt: skip
    right.set(xlabel="x", ylabel="t", title=f"observed: speed {SPEEDS[1]}")
    figure.colorbar(image, label="φ")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
