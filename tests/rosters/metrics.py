"""Metrics under every transformation."""

import jax.numpy as jnp

from phix.metrics import (
    crps,
    energy_distance,
    gaussian_crps,
    kernel_density,
    relative_l2,
    renyi_entropy,
    rnmse,
    shannon_entropy,
    tsallis_entropy,
)
from tests.rosters.case import Case


def _pair(dtype):
    x = jnp.arange(24, dtype=dtype).reshape(3, 2, 4)
    return jnp.sin(x), jnp.cos(0.7 * x)


def _weights(dtype):
    x = jnp.arange(12, dtype=dtype).reshape(2, 6)
    return 1.2 + jnp.sin(x), jnp.asarray(0.3, dtype)


def _entropies(weights, spacing):
    return {
        "shannon": shannon_entropy(weights, spacing),
        "renyi": renyi_entropy(weights, 2.0, spacing),
        "tsallis": tsallis_entropy(weights, 0.5),
    }


def _sample(dtype):
    samples, points = jnp.arange(7, dtype=dtype), jnp.arange(3, dtype=dtype)
    return jnp.sin(samples), 0.3 * points - 0.2


def _forecast(dtype):
    samples, truth = _pair(dtype)
    return samples, truth[0], jnp.asarray(0.7, dtype)


def _scores(samples, truth, std):
    return crps(samples, truth), gaussian_crps(samples[0], std, truth)


CASES = [
    Case(
        "forecasts",
        lambda dtype: (_scores, _forecast(dtype)),
        ("crps", "gaussian_crps"),
    ),
    Case(
        "energy distance",
        lambda dtype: (
            lambda xs, ys: energy_distance(xs, ys),
            tuple(x.reshape(6, 4) for x in _pair(dtype)),
        ),
        ("energy_distance",),
    ),
    Case(
        "relative_l2",
        lambda dtype: (relative_l2, _pair(dtype)),
        covers=("relative_l2",),
    ),
    Case(
        "entropies",
        lambda dtype: (_entropies, _weights(dtype)),
        covers=("shannon_entropy", "renyi_entropy", "tsallis_entropy"),
    ),
    Case(
        "kernel_density",
        lambda dtype: (kernel_density, _sample(dtype)),
        covers=("kernel_density",),
    ),
    Case("rnmse", lambda dtype: (rnmse, _pair(dtype)), covers=("rnmse",)),
]

EXEMPT = {
    "interval_coverage": "counts; tested against exchangeable samples",
    "shock_position": "gives an integer index; tested against known jumps",
}
