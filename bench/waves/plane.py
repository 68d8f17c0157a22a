"""φ⁴ in two dimensions: a circular wall that collapses, and a radial breather.

    python -m bench.waves.plane

A quadrant with mirrors, float64. The wall starts at rest with radius 12 and should
follow R cos(t/R), as thin walls of constant tension do. The breather (an oscillon)
starts as a Gaussian dip to φ = 1.2 of width 2.4 in the vacuum −1; a sponge takes what
it radiates. Printed are the energy within r < 12 and the frequency at the centre, which
stays below √2, that of the slowest waves that could carry it off.
"""

import jax
import jax.numpy as jnp
import numpy as np

from phix import pde, solve
from phix.space import Grid


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    wall()
    oscillon()


def wall() -> None:
    grid = Grid((96, 96), (0.0, 24.0), "neumann", "centre")
    radius = jnp.linalg.norm(grid.coordinates, axis=0)
    u0 = jnp.stack([jnp.tanh((12.0 - radius) / 2**0.5), 0 * radius])
    ts = np.arange(0.0, 14.1, 2.0)
    us = solve(pde.KleinGordon(grid, pde.Phi4()), u0, ts, dt=0.1).us
    print("| t | radius of the wall | 12 cos(t/12) |")
    print("|---|---|---|")
    for t, u in zip(ts, us, strict=True):
        area = 4 * float(jnp.sum(u[0] > 0)) * grid.spacing[0] ** 2
        print(f"| {t:g} | {np.sqrt(area / np.pi):.2f} | {12 * np.cos(t / 12):.2f} |")


def oscillon() -> None:
    grid = Grid((96, 96), (0.0, 36.0), "neumann", "centre")
    radius = jnp.linalg.norm(grid.coordinates, axis=0)
    u0 = jnp.stack([2.2 * jnp.exp(-((radius / 2.4) ** 2)) - 1.0, 0 * radius])
    outside = jnp.clip((radius - 20.0) / 16.0, 0, 1)[None]
    equation = pde.KleinGordon(grid, pde.Phi4(), damping=outside**2)
    potential = equation.potential

    def core(u):
        slopes = jnp.gradient(u[0], grid.spacing[0])
        dense = 0.5 * (u[1] ** 2 + slopes[0] ** 2 + slopes[1] ** 2) + potential(u[0])
        return 4 * grid.integrate(jnp.where(radius < 12, dense, 0)[None])[0]

    ts = np.arange(0.0, 200.1, 0.25)
    us = solve(equation, u0, ts, dt=0.25).us
    energy, centre = np.asarray(jax.vmap(core)(us)), np.asarray(us[:, 0, 0, 0]) + 1
    print("\n| t | energy within r < 12 | frequency at the centre |")
    print("|---|---|---|")
    for start in (0.0, 50.0, 100.0, 150.0):
        there = (ts >= start) & (ts < start + 50)
        y = centre[there] - centre[there].mean()
        turns = np.flatnonzero((y[:-1] < 0) & (y[1:] >= 0))
        times = ts[there][turns] - y[turns] / (y[turns + 1] - y[turns]) * 0.25
        omega = 2 * np.pi * (len(times) - 1) / (times[-1] - times[0])
        print(
            f"| {start:g}–{start + 50:g} | {energy[there].mean():.2f} | {omega:.3f} |"
        )


if __name__ == "__main__":
    main()
