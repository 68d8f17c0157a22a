"""Error of Φ-ROM against the time it trains, by AdamW and by Muon.

    python -m bench.rom.optimisers [--problem burgers] [--longest 0.5] [--figure FILE]

Every optimiser takes its best rate of the problem's three, for each length of the
schedule (the longest, in those of the table, halved three times), by the rollout of
eight training trajectories; the error drawn is that of unseen trajectories on all
frames. Latents have three times the rate of the networks. Seconds are those of the
training, compilation counted.
"""

import argparse
import dataclasses
import time

import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np

from bench.rom.problems import PROBLEMS, Problem
from bench.rom.table import neural, rollout
from phix import plot, rom


HALVINGS = (8, 4, 2, 1)


def trained(problem: Problem, rule: str, share: float) -> tuple[float, ...]:
    """Seconds, errors of rollout and reconstruction, and rate of the best of three."""
    (_, data), found = problem.shown, []
    some = dataclasses.replace(data, us=data.us[:8], ts=data.ts[:8], cond=data.cond[:8])
    for rate in problem.rates:
        start = time.perf_counter()
        method = neural(problem, "Φ-ROM", rate, share, rule)
        model = rom.fit(method, data, key=jr.key(0))
        seconds = time.perf_counter() - start
        score = float(np.mean(rollout(model, some, data)[0]))
        found.append((score, seconds, model, rate))
    _, seconds, model, rate = min(found, key=lambda row: row[0])
    errors, reconstruction = rollout(model, problem.test, data)
    return seconds, float(np.mean(errors)), reconstruction, rate


def main() -> None:
    """Prints the table and draws the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", default="burgers", choices=PROBLEMS)
    parser.add_argument("--longest", type=float, default=0.5, help="of the steps")
    parser.add_argument("--figure")
    choices = parser.parse_args()
    problem = PROBLEMS[choices.problem]()
    figure, axes = plt.subplots(figsize=(5.0, 3.4), layout="constrained")
    for rule, label in (("adamw", "AdamW"), ("muon", "Muon")):
        points = []
        for part in HALVINGS:
            share = choices.longest / part
            points.append(trained(problem, rule, share))
            seconds, error, reconstruction, rate = points[-1]
            print(f"{label}: {int(share * problem.steps)} steps, {seconds:.1f} s, rate "
                  f"{rate:g}, error {error:.4f}, reconstruction {reconstruction:.4f}",
                  flush=True)  # fmt: skip
        axes.loglog(*np.array(points)[:, :2].T, "o-", label=label)
    axes.set_xlabel("training, s")
    axes.set_ylabel("relative error")
    axes.set_title(f"Φ-ROM, {choices.problem}")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    if choices.figure:
        plot.save_figure(figure, choices.figure)


if __name__ == "__main__":
    main()
