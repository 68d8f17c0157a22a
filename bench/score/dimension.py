"""The dimension of spheres in 20 dimensions, read from trained models.

    python -m bench.score.dimension [POINTS]

Spheres of 2, 5 and 10 dimensions, unit variance along their axes, turned at random in
20 dimensions; a perceptron of 128 × 3, 20,000 steps of 256 samples, as a gradient
(`Conservative`) and as it is; the count of `intrinsic_dimension` at points of the data
between σ/α of 0.3 and 0.1. "sheared" is the gradient with a gauge added: in a plane of
the sphere every circle turns at a speed of its own, which changes no density. Prints
the table of docs/scores.md.
"""

import sys
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from phix import score
from phix.nn import TimeMLP
from phix.recipes._gauge_sphere import sheared, sphere
from phix.train import ArraySource, fit, per_sample


DIM, LEVELS, SAMPLES, STEPS = 20, (0.3, 0.1), 50_000, 20_000
PATH = score.Linear()


def trained(k: int, conservative: bool, steps: int = STEPS) -> score.Predictor:
    """A predictor of the data, trained in float32, given back in float64."""
    net: Callable = TimeMLP(DIM, width=128, depth=3, key=jr.key(k), dtype=jnp.float32)
    net = score.Conservative(net) if conservative else net
    loss = score.MatchingLoss(
        times=score.LogNormalTimes(-1.7, 0.9), weight=score.edm_weight(1.0)
    )
    done = fit(
        score.Predictor(net, PATH, "data"),
        per_sample(loss),
        ArraySource(sphere(k, DIM, SAMPLES, 1).astype(jnp.float32), 256),
        optimiser=optax.adam(optax.cosine_decay_schedule(2e-3, steps)),
        steps=steps,
        key=jr.key(2),
        ema=0.995,
        progress=False,
    ).ema
    return jax.tree.map(
        lambda x: x.astype(float) if eqx.is_inexact_array(x) else x, done
    )


@eqx.filter_jit
def _dimension(predictor, x):
    return score.intrinsic_dimension(
        predictor, x, LEVELS, t_end=0.99, rtol=1e-5, atol=1e-7
    )


def dimensions(predictor, k: int, points: int) -> np.ndarray:
    """The counts at new points of the sphere."""
    return np.array(
        [int(_dimension(predictor, x).dimension) for x in sphere(k, DIM, points, 5)]
    )


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    print("| sphere | conservative | unconstrained | sheared | training s |")
    print("|---|---|---|---|---|")
    for k in (2, 5, 10):
        begun = time.perf_counter()
        gradient = trained(k, True)
        seconds = time.perf_counter() - begun
        models = (gradient, trained(k, False), sheared(gradient, k, DIM, LEVELS))
        cells = " | ".join(_counted(dimensions(m, k, points)) for m in models)
        print(f"| {k} | {cells} | {seconds:.0f} |", flush=True)


def _counted(found: np.ndarray) -> str:
    """How often each count was found."""
    values, counts = np.unique(found, return_counts=True)
    pairs = zip(values, counts, strict=True)
    return ", ".join(f"{value} at {count}" for value, count in pairs)


if __name__ == "__main__":
    main()
