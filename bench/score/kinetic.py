"""Euler's method with the exact velocity in few calls, on paths that differ.

    python -m bench.score.kinetic [SEEDS]

Standardised laws in the plane; the kinetic-optimal path is built from 2,000 samples, by
the held-out error of denoising. Energy distance of 4,000 samples from as many true
ones, the mean over the seeds, and over how many seeds the path from data has the least.
"true" is that of two true sets. Prints the table of docs/scores.md.
"""

import functools
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score
from phix.metrics import energy_distance


CALLS, SAMPLES, DATA = (5, 10), 4000, 2000
OTHERS = {
    "linear": score.Linear(),
    "trigonometric": score.Trigonometric(),
    "cosine": score.Cosine(),
}


def ring(spread: float) -> score.oracles.Mixture:
    """Eight components on the unit circle."""
    angles = 2 * np.pi * np.arange(8) / 8
    means = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return score.oracles.Mixture(np.ones(8), means, spread**2 * np.eye(2))


def checkerboard() -> score.oracles.Mixture:
    """Eight squares, each of nine components that overlap."""
    squares = [(i, j) for i in range(4) for j in range(4) if (i + j) % 2 == 0]
    inside = (np.arange(3) + 0.5) / 3
    means = [(i + a, j + b) for i, j in squares for a in inside for b in inside]
    width = 0.35 / 3
    return score.oracles.Mixture(np.ones(len(means)), means, width**2 * np.eye(2))


def three() -> score.oracles.Mixture:
    """Broad and narrow components, as in `bench.score.posteriors`."""
    means = [[-2.5, 0.0], [1.9, 1.8], [1.2, -2.2]]
    covariances = [np.diag([0.6, 0.5]), np.diag([0.1, 0.6]), np.diag([0.1, 0.1])]
    return score.oracles.Mixture([0.3, 0.4, 0.3], means, covariances)


LAWS = {
    "ring, spread 0.05": functools.partial(ring, 0.05),
    "ring, spread 0.1": functools.partial(ring, 0.1),
    "ring, spread 0.2": functools.partial(ring, 0.2),
    "three components": three,
    "checkerboard": checkerboard,
}


def standardised(law: score.oracles.Mixture) -> score.oracles.Mixture:
    """The law of mean zero and unit mean square."""
    scale = jnp.sqrt(jnp.trace(law.covariance) / law.means.shape[1])
    means = (law.means - law.mean) / scale
    return score.oracles.Mixture(law.weights, means, law.covariances / scale**2)


def drawn(law: score.oracles.Mixture, count: int, seed: int) -> jax.Array:
    """True samples."""
    return jax.vmap(lambda key: law.sample(key=key))(jr.split(jr.key(seed), count))


def from_data(law: score.oracles.Mixture, seed: int = 7) -> score.KineticOptimal:
    """The path of least kinetic energy, from samples of a law."""
    data = drawn(law, DATA, seed)
    data = data - jnp.mean(data, axis=0)
    data = data / jnp.sqrt(jnp.mean(data**2))
    error = score.denoising_error(data, key=jr.key(seed), held_out=True)
    return score.kinetic_optimal(error, floor=0.02)


@eqx.filter_jit
def _carried(exact, noise, ts):
    euler = score.Euler()
    one = lambda x: score.sample(exact, x, ts, sampler=euler, throw=False).x  # noqa: E731
    return jax.vmap(one)(noise)


def distance(law, path, calls: int, seed: int, samples: int = SAMPLES) -> float:
    """Of samples by so many calls from true ones; one noise for all paths."""
    noise = jr.normal(jr.key(seed), (samples, 2))
    # Just inside the noise: there the slope of α may be infinite.
    start = path.t_noise + 1e-4 * (path.t_data - path.t_noise)
    ts = jnp.linspace(start, path.t_data, calls + 1)
    found = _carried(law.along(path), noise, ts)
    return float(energy_distance(found, drawn(law, samples, 100 + seed)))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    names = " | ".join(OTHERS)
    print(f"| law | b | calls | true | kinetic-optimal | {names} | least |")
    print("|---|---|---|---|" + "---|" * (len(OTHERS) + 2))
    for name, make in LAWS.items():
        law = standardised(make())
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
