"""Interleaved pairs and the interval of their ratio: how benchmarks here measure."""

import time
from collections.abc import Callable

import jax
import numpy as np


PAIRS = 15


def paired_times(first: Callable, second: Callable, pairs: int = PAIRS) -> np.ndarray:
    """Seconds of both, one after the other, `pairs` times, after a call of each."""
    times = interleaved_times({"first": first, "second": second}, pairs)
    return np.stack([times["first"], times["second"]], axis=1)


def interleaved_times(
    calls: dict[str, Callable], rounds: int = PAIRS
) -> dict[str, np.ndarray]:
    """Seconds of every call in every round, after a call of each."""
    names = list(calls)
    for call in calls.values():
        jax.block_until_ready(call())
    rows = []
    for _ in range(rounds):
        row = []
        for call in calls.values():
            start = time.perf_counter()
            jax.block_until_ready(call())
            row.append(time.perf_counter() - start)
        rows.append(row)
    return dict(zip(names, np.asarray(rows).T, strict=True))


def bootstrap(ratios: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (draws, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)
