"""Posterior methods on a mixture, whose posterior is known.

    python -m bench.score.posteriors [SEEDS]

Three components in the plane, one linear sensor with noise 0.3, the exact denoiser on
the linear path, 2,000 chains, times even in λ (in t for DPS, which does better there).
Energy distance to as many true samples of the posterior, the mean over the seeds and
the largest, and the shares of the chains nearest to each component, of the first seed.
Prints the table of docs/scores.md.
"""

import functools
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.tree_util import Partial

from phix import score
from phix.metrics import energy_distance
from phix.recipes._plane_choices import Mixture
from phix.recipes._plane_laws import mixture_of


PATH = score.Linear()
NOISE, READING = 0.3, 1.16


@functools.cache
def problem():
    """The exact denoiser, the measurement, and the posterior."""
    with jax.ensure_compile_time_eval():
        return _problem()


def _problem():
    law = mixture_of(Mixture())
    operator, reading = jnp.array([[1.0, 0.7]]), jnp.array([READING])
    seen = score.Measurement(Partial(jnp.matmul, operator), reading, NOISE)
    return law.along(PATH), seen, law.given(operator, reading, NOISE**2 * jnp.eye(1))


def guided(
    guide: Callable | None, sampler: score.AbstractSampler, spacing: str = "log_snr"
) -> Callable:
    """100 calls of the denoiser with a guide; of the prior with None."""

    def one(key):
        exact, seen, _ = problem()
        predictor = exact if guide is None else score.Guided(exact, guide(seen))
        end = float("inf") if spacing == "time" else 7.0
        ts = score.times(PATH, 100, spacing, log_snr_range=(-7.0, end))
        noise, steps = jr.split(key)
        x = score.start(PATH, jnp.zeros(2), ts[0], key=noise)
        return score.sample(predictor, x, ts, sampler=sampler, key=steps, throw=False).x

    return one


def swept(method: Callable, ts: Callable) -> Callable:
    """A variational method from the pseudo-inverse of the reading."""

    def one(key):
        exact, seen, _ = problem()
        x = score.fit_readings(seen, jnp.zeros(2), level=0.0)
        return score.reconstruct(exact, seen, x, ts(), method=method(), key=key).x

    return one


@functools.cache
def _calibrated():
    exact, _, _ = problem()
    draw = lambda key: exact.law.sample(key=key)  # noqa: E731
    with jax.ensure_compile_time_eval():
        data = jax.vmap(draw)(jr.split(jr.key(1000), 2000))
        return score.calibrated_weight(exact, data, key=jr.key(1001))


def _flair_times():
    return jnp.append(jnp.linspace(1, 0.18, 52)[1:-1], 0.0)


def _ladder(steps: int) -> Callable:
    return lambda: score.times(PATH, steps)


SDE, ODE = score.EulerMaruyama(), score.DDIM()
METHODS = {
    "prior": guided(None, SDE),
    "DPS": guided(score.DPS, SDE, "time"),
    "DPS, flow": guided(score.DPS, ODE, "time"),
    "PiGDM": guided(score.PiGDM, SDE),
    "PiGDM, flow": guided(score.PiGDM, ODE),
    "MMPS": guided(score.MMPS, SDE),
    "MMPS, flow": guided(score.MMPS, ODE),
    "FLAIR, fresh noise": swept(
        lambda: score.flair(_calibrated(), score.fresh), _flair_times
    ),
    "FLAIR": swept(lambda: score.flair(_calibrated()), _flair_times),
    "RED-diff, rate 0.5": swept(lambda: score.red_diff(0.5), _ladder(50)),
    "RED-diff, rate 0.1": swept(lambda: score.red_diff(0.1), _ladder(100)),
}
CALLS = {name: 50 if "FLAIR" in name or "0.5" in name else 100 for name in METHODS}


def drawn(method: Callable, seed: int, chains: int = 2000) -> jax.Array:
    """Samples of a method."""
    return _compiled(method)(jr.split(jr.key(seed), chains))


@functools.cache
def _compiled(method: Callable) -> Callable:
    return jax.jit(jax.vmap(method))


def truth(seed: int, chains: int = 2000) -> jax.Array:
    """Samples of the posterior itself."""
    _, _, posterior = problem()
    draw = lambda key: posterior.sample(key=key)  # noqa: E731
    return jax.vmap(draw)(jr.split(jr.key(500 + seed), chains))


def distance(method: Callable, seed: int, chains: int = 2000) -> float:
    """Of samples of a method from those of the posterior."""
    return float(energy_distance(drawn(method, seed, chains), truth(seed, chains)))


def reached(xs: jax.Array) -> np.ndarray:
    """The share of samples nearest to each component of the posterior."""
    _, _, posterior = problem()
    apart = jnp.linalg.norm(xs[:, None] - posterior.means, axis=-1)
    return np.bincount(np.argmin(apart, axis=1), minlength=3) / len(xs)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    print("| method | calls | distance, mean | largest | nearest to each component |")
    print("|---|---|---|---|---|")
    floors = [float(energy_distance(truth(s), truth(s + 100))) for s in seeds]
    _row("the posterior itself", "", floors, truth(0))
    for name, method in METHODS.items():
        found = [distance(method, s) for s in seeds]
        _row(name, CALLS[name], found, drawn(method, 0))


def _row(name, calls, found, xs) -> None:
    shares = " / ".join(f"{share:.3f}" for share in reached(xs))
    mean, worst = np.mean(found), max(found)
    print(f"| {name} | {calls} | {mean:.3f} | {worst:.3f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
