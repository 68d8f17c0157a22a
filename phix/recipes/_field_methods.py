"""The posteriors of fields that are drawn with a learned prior."""

import functools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score
from phix._types import Array, PRNGKeyArray
from phix.recipes._field_choices import Choices, Posterior
from phix.recipes._field_data import Fields, Problem
from phix.recipes._field_prior import LOG_SNR, PATH


def methods(
    recipe: Choices, predictor: score.Predictor, fields: Fields
) -> dict[str, tuple[Callable, str]]:
    """Each draws a field from a measurement and a key; with what it cost."""
    choices = recipe.posterior
    weight = score.calibrated_weight(
        predictor,
        fields.validation,
        key=jr.fold_in(jr.key(recipe.seed), 12),
        rate=choices.flair_rate,
    )
    keep = score.straight_share if choices.flair_keep else score.fresh
    return {
        "RED-diff": (
            functools.partial(
                _swept,
                predictor,
                score.red_diff(choices.red_diff_rate),
                score.times(PATH, choices.red_diff_steps),
            ),
            f"{choices.red_diff_steps}",
        ),
        "FLAIR": (
            functools.partial(
                _swept, predictor, score.flair(weight, keep), _flair_times(choices)
            ),
            f"{choices.flair_steps}",
        ),
        "DPS": (
            functools.partial(
                _guided,
                predictor,
                functools.partial(_unsure, choices.dps_noise),
                score.times(PATH, choices.dps_steps, "log_snr", log_snr_range=LOG_SNR),
            ),
            f"{choices.dps_steps}, 1 derivative each",
        ),
        "MMPS": (
            functools.partial(
                _guided,
                predictor,
                functools.partial(score.MMPS, iterations=choices.mmps_iterations),
                score.times(PATH, choices.mmps_steps, "log_snr", log_snr_range=LOG_SNR),
            ),
            f"{choices.mmps_steps}, {choices.mmps_iterations + 1} derivatives each",
        ),
    }


def _unsure(noise: float, seen: score.Measurement) -> score.Likelihood:
    """DPS that trusts the readings no more than such a noise allows."""
    return score.DPS(
        score.Measurement(seen.operator, seen.readings, jnp.maximum(seen.noise, noise))
    )


def _flair_times(choices: Posterior) -> Array:
    inner = jnp.linspace(1.0, 0.18, choices.flair_steps + 2)[1:-1]
    return jnp.append(inner, 0.0)


def _swept(predictor, method, ts, seen: score.Measurement, like: Array, key) -> Array:
    start = score.fit_readings(seen, jnp.zeros_like(like))
    return score.reconstruct(
        predictor, seen, start, ts, method=method, key=key, throw=False
    ).x


def _guided(predictor, guide, ts, seen: score.Measurement, like: Array, key) -> Array:
    noise, steps = jr.split(key)
    x = score.start(PATH, like, ts[0], key=noise)
    posterior = score.Guided(predictor, guide(seen))  # pyright: ignore[reportCallIssue]
    return score.sample(
        posterior, x, ts, sampler=score.EulerMaruyama(), key=steps, throw=False
    ).x


def draw(
    method: Callable, problem: Problem, members: int, key: PRNGKeyArray
) -> tuple[np.ndarray, float]:
    """Members for each field, "members fields nodes", and the seconds that it took,
    compilation included."""

    @jax.jit
    def all_of(rows):
        def one(row):
            truth, nodes, readings, key = row
            seen = problem.measurement(nodes, readings)
            return jax.vmap(lambda k: method(seen, truth * 0, k))(
                jr.split(key, members)
            )

        return jax.lax.map(one, rows)

    start = time.perf_counter()
    keys = jr.split(key, len(problem.nodes))
    nodes = jnp.asarray(problem.nodes)
    drawn = np.asarray(all_of((problem.truth, nodes, problem.readings, keys)))
    drawn = drawn.reshape(*drawn.shape[:2], -1).swapaxes(0, 1)
    return drawn, time.perf_counter() - start
