"""Tests of whether samples from several regimes come from one distribution."""

import itertools
from typing import Any

import numpy as np
from scipy import stats


def compare_regimes(samples: dict[str, np.ndarray]) -> dict[str, Any]:
    """Kruskal and Wallis's test of all samples, and of each pair Mann and Whitney's and
    Kolmogorov and Smirnov's, with Cliff's δ.

    Cliff's δ = P(a > b) − P(a < b) says how large a difference is, which a p-value does
    not. The p-values of the pairs are corrected for their number after Holm. All assume
    independent draws: values of one smooth field are not, so their p-values are too
    small.

    **Returns:** `{"kruskal": {"H", "p"}, "pairs": {"a – b": {"cliff", "ks", "p"}}}`.
    """
    whole = _numbers(stats.kruskal(*samples.values()))
    pairs, raw = {}, []
    for (first, a), (second, b) in itertools.combinations(samples.items(), 2):
        wins, _ = _numbers(stats.mannwhitneyu(a, b))
        distance, p = _numbers(stats.ks_2samp(a, b, method="asymp"))
        raw.append(p)
        pairs[f"{first} – {second}"] = {
            "cliff": 2 * wins / (a.size * b.size) - 1,
            "ks": distance,
        }
    for values, p in zip(pairs.values(), holm(raw), strict=True):
        values["p"] = p
    return {"kruskal": dict(zip("Hp", whole, strict=True)), "pairs": pairs}


def _numbers(result: Any) -> tuple[float, float]:
    """Statistic and p-value."""
    return float(result.statistic), float(result.pvalue)


def holm(p: list[float]) -> list[float]:
    """p-values corrected for their number, after S. Holm, Scand. J. Statistics 6
    (1979) 65: the smallest times n, the next times n − 1, …, never decreasing."""
    corrected, highest = [0.0] * len(p), 0.0
    for rank, index in enumerate(np.argsort(p)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        corrected[index] = highest
    return corrected
