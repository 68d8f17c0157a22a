"""Euler's method with the exact velocity in few calls, on paths that differ.

    python -m bench.score.kinetic [SEEDS]

Standardised laws in the plane; the kinetic-optimal path is built from 2,000 samples, by
the held-out error of denoising. Energy distance of 4,000 samples from as many true
ones, the mean over the seeds, and over how many seeds the path from data has the least.
"true" is that of two true sets. Prints the table of docs/scores.md.
"""

import sys

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score
from phix.metrics import energy_distance
from phix.recipes._plane_choices import Checkerboard, Mixture, Ring
from phix.recipes._plane_laws import mixture_of, standardised, true_samples
from phix.recipes._plane_measures import carried


CALLS, SAMPLES, DATA = (5, 10), 4000, 2000
OTHERS = {
    "linear": score.Linear(),
    "trigonometric": score.Trigonometric(),
    "cosine": score.Cosine(),
}


LAWS = {
    "ring, spread 0.05": Ring(spread=0.05),
    "ring, spread 0.1": Ring(spread=0.1),
    "ring, spread 0.2": Ring(spread=0.2),
    "three components": Mixture(),
    "checkerboard": Checkerboard(),
}


def drawn(law: score.oracles.Mixture, count: int, seed: int) -> jax.Array:
    """True samples."""
    return true_samples(law, count, jr.key(seed))


def from_data(law: score.oracles.Mixture, seed: int = 7) -> score.KineticOptimal:
    """The path of least kinetic energy, from samples of a law."""
    data = drawn(law, DATA, seed)
    data = data - jnp.mean(data, axis=0)
    data = data / jnp.sqrt(jnp.mean(data**2))
    error = score.denoising_error(data, key=jr.key(seed), held_out=True)
    return score.kinetic_optimal(error, floor=0.02)


def distance(law, path, calls: int, seed: int, samples: int = SAMPLES) -> float:
    """Of samples by so many calls from true ones; one noise for all paths."""
    noise = jr.normal(jr.key(seed), (samples, 2))
    # Just inside the noise: there the slope of α may be infinite.
    start = path.t_noise + 1e-4 * (path.t_data - path.t_noise)
    ts = jnp.linspace(start, path.t_data, calls + 1)
    found = carried(law.along(path), noise, ts, score.Euler())
    return float(energy_distance(found, drawn(law, samples, 100 + seed)))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    names = " | ".join(OTHERS)
    print(f"| law | b | calls | true | kinetic-optimal | {names} | least |")
    print("|---|---|---|---|" + "---|" * (len(OTHERS) + 2))
    for name, choice in LAWS.items():
        law = standardised(mixture_of(choice))
        best = from_data(law)
        paths = (best.path, *OTHERS.values())
        pairs = [
            (drawn(law, SAMPLES, 100 + s), drawn(law, SAMPLES, 300 + s)) for s in seeds
        ]
        floor = np.mean([float(energy_distance(*pair)) for pair in pairs])
        for calls in CALLS:
            table = np.array(
                [[distance(law, p, calls, s) for p in paths] for s in seeds]
            )
            cells = " | ".join(f"{value:.4f}" for value in table.mean(axis=0))
            least = int(np.sum(np.argmin(table, axis=1) == 0))
            print(
                f"| {name} | {best.energy:.3f} | {calls} | {floor:.4f} | {cells} | "
                f"{least} of {len(table)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
