"""Interleaved pairs and the interval of their ratio: how benchmarks here measure."""

import time
from collections.abc import Callable

import jax
import numpy as np


PAIRS = 15


def paired_times(first: Callable, second: Callable, pairs: int = PAIRS) -> np.ndarray:
    """Seconds of both, one after the other, `pairs` times, after a call of each."""
    jax.block_until_ready((first(), second()))
    rows = []
    for _ in range(pairs):
        row = []
        for call in (first, second):
            start = time.perf_counter()
            jax.block_until_ready(call())
            row.append(time.perf_counter() - start)
        rows.append(row)
    return np.asarray(rows)


def bootstrap(ratios: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (draws, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)
