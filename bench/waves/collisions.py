"""The map of φ⁴ kink–antikink collisions: speed in, bounces, speed out.

    python -m bench.waves.collisions [--speeds 2048] [--figure FILE]

One `vmap` over the speeds, float64, N = 512 on a box of length 200, BlanesMoan4. A
first pass over [0.18, 0.27]; a second, of as many speeds, between the first two
two-bounce windows, where the windows of three bounces lie. A window is a run of at
least three neighbouring speeds that escape after the same number of bounces. Last, the
outgoing speed by a fit of both kinks, its derivative with respect to the incoming one,
and the critical speed, where the square of the outgoing one falls to zero.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix import pde, solve
from phix.integrate import BlanesMoan4
from phix.space import Grid


GRID = Grid(512, (-100.0, 100.0))
MIDDLE = GRID.shape[0] // 2
DISTANCE, DT = 20.0, 0.3
TS = np.arange(0.0, 180.1, 0.3)
EQUATION = pde.KleinGordon(GRID, pde.Phi4())
# Campbell, Schonfeld, Wingate, Physica D 9 (1983) 1: the critical speed, and the
# frequency of the kink's shape mode that the windows count.
CRITICAL, SHAPE = 0.2598, 1.5**0.5


def collide(speed):
    """φ at the centre at all times, and the field at the end."""
    u0 = pde.kink_antikink(EQUATION.potential, GRID.axes[0], speed=speed,
                           separation=DISTANCE)  # fmt: skip
    us = solve(EQUATION, u0, TS, dt=DT, scheme=BlanesMoan4(), throw=False).us
    return us[:, 0, MIDDLE], us[-1]


def outcome(centre, u):
    """Bounces (0: none within the run), half the distance at the end, time between."""
    inside = centre > 0
    falls = jnp.cumsum(inside[:-1] & ~inside[1:])
    rises = jnp.cumsum(~inside[:-1] & inside[1:])
    half = 0.5 * GRID.spacing[0] * jnp.sum(u[0] > 0)
    # Out of reach of each other, and the centre back in the vacuum for long.
    escaped = (half > 6.0) & jnp.all(centre[-20:] > 0.5)
    first, second = jnp.argmax(rises == 1), jnp.argmax(rises == 2)
    wait = jnp.asarray(TS)[second] - jnp.asarray(TS)[first]
    return jnp.where(escaped, falls[-1], 0), half, wait


@eqx.filter_jit
def sweep(speeds):
    """Chunks of 64, each one batch."""
    return jax.lax.map(lambda u: outcome(*collide(u)), speeds, batch_size=64)


def outgoing(speed):
    """The speed at which the pair comes apart."""
    return -pde.locate_pair(
        EQUATION.potential, GRID, collide(speed)[1], speed=-0.1
    ).speed


def windows(speeds, bounces, count):
    """The runs of neighbouring speeds that escape after `count` bounces."""
    hit = np.concatenate([[False], np.asarray(bounces) == count, [False]])
    starts, stops = (
        np.flatnonzero(~hit[:-1] & hit[1:]),
        np.flatnonzero(hit[:-1] & ~hit[1:]),
    )
    return [(speeds[a], speeds[b - 1]) for a, b in zip(starts, stops, strict=True)
            if b - a >= 3]  # fmt: skip


def timed(speeds):
    start = time.perf_counter()
    result = jax.block_until_ready(sweep(jnp.asarray(speeds)))
    return [np.asarray(part) for part in result], time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speeds", type=int, default=2048)
    parser.add_argument("--figure", default="")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    first = np.linspace(0.18, 0.27, options.speeds)
    (bounces, half, wait), seconds = timed(first)
    print(f"{first.size} speeds in {seconds:.0f} s, compilation included: "
          f"{first.size / seconds:.1f} collisions/s, "
          f"{first.size * (TS.size - 1) * GRID.shape[0] / seconds:.3g} "
          "points × steps/s")  # fmt: skip
    pairs = windows(first, bounces, 2)
    print(
        "\n| two-bounce window | from | to | centre | time between bounces | ω_s T/2π |"
    )
    print("|---|---|---|---|---|---|")
    for number, (a, b) in enumerate(pairs, 1):
        middle = np.argmin(np.abs(first - (a + b) / 2))
        turns = SHAPE * wait[middle] / (2 * np.pi)
        print(f"| {number} | {a:.4f} | {b:.4f} | {(a + b) / 2:.4f} "
              f"| {wait[middle]:.1f} | {turns:.2f} |")  # fmt: skip
    fast = np.linspace(0.265, 0.275, 5)
    out = np.asarray(jax.jit(jax.vmap(outgoing))(jnp.asarray(fast)))
    slope, offset = np.polyfit(fast**2, out**2, 1)
    print(f"\ncritical speed {np.sqrt(-offset / slope):.4f}, literature {CRITICAL}")
    value, slope = jax.jit(jax.value_and_grad(outgoing))(0.3)
    pair = jax.jit(jax.vmap(outgoing))(jnp.asarray([0.3 - 1e-5, 0.3 + 1e-5]))
    print(f"in at 0.3, out at {value:.5f}; derivative {slope:.6f}, by differences "
          f"{(pair[1] - pair[0]) / 2e-5:.6f}")  # fmt: skip
    # Refinement: between the first two windows, with the edges of both.
    second = np.linspace(pairs[0][1] - 5e-4, pairs[1][0] + 5e-4, options.speeds)
    (finer, far, _), seconds = timed(second)
    three = windows(second, finer, 3)
    print(f"\nsecond pass, {seconds:.0f} s: {len(three)} windows of three bounces, the "
          f"widest {max((b - a for a, b in three), default=0):.1e}; "
          + ", ".join(f"{(a + b) / 2:.5f}" for a, b in three[:12]))  # fmt: skip
    if options.figure:
        draw(options.figure, (first, bounces, half), (second, finer, far))


def draw(path, *passes) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = ["0.8", "tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple"]
    figure, axes = plt.subplots(2, 1, figsize=(9, 5), layout="constrained")
    for axis, (speeds, bounces, half) in zip(axes, passes, strict=True):
        for count, colour in enumerate(colours):
            hit = bounces == count
            name = f"{count} bounce{'s' * (count > 1)}" if count else "captured"
            axis.plot(speeds[hit], half[hit], ".", ms=2, c=colour, label=name)
        axis.set(xlabel="speed in", ylabel="half the distance at t = 180",
                 xlim=(speeds[0], speeds[-1]))  # fmt: skip
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    axes[0].legend(markerscale=5, ncols=6, fontsize=8, **place)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
