"""Posteriors of vorticity fields: the small configs, one run for each seed.

    python -m bench.score.fields [CONFIG] [SEEDS]

Runs `configs/score/flair_small.toml` (or another) with seeds 0, 1, … into
runs/bench/NAME-SEED, or takes up what is there, and prints for each measurement RMSE,
CRPS and coverage of every method, seed by seed, and how MMPS stands to the best
baseline of each seed. Prints the tables of docs/scores.md.
"""

import dataclasses
import json
import sys
from pathlib import Path

from phix.recipes import load_config


CONFIG = Path(__file__).parents[2] / "configs/score/flair_small.toml"
BASELINES = (
    "spline",
    "Gaussian process",
    "optimal interpolation",
    "nearest training field",
)


def numbers(config: Path, seed: int) -> dict:
    """Those of a finished run; made where they are not there."""
    folder = Path("runs/bench") / f"{config.stem}-{seed}"
    if not (folder / "report.md").exists():
        dataclasses.replace(load_config(config), seed=seed).run(folder, progress=False)
    return json.loads((folder / "metrics.json").read_text())


def main() -> None:
    config = Path(sys.argv[1]) if len(sys.argv) > 1 else CONFIG
    seeds = range(int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    runs = [numbers(config, seed) for seed in seeds]
    for place, first in enumerate(runs[0]["measurements"]):
        print(f"\nFrom {first['title']}:\n")
        print("| method | RMSE | CRPS | 90 % intervals cover |")
        print("|---|---|---|---|")
        found = [run["measurements"][place]["rows"] for run in runs]
        for name in first["rows"]:
            cells = [
                " / ".join(form(rows[name][key]) for rows in found)
                for key, form in _COLUMNS.items()
            ]
            print(f"| {name} | {' | '.join(cells)} |")
        for key in ("rmse", "crps"):
            gains = []
            for rows in found:
                best = min(rows[name][key] for name in BASELINES)
                gains.append(f"{100 * (1 - rows['MMPS'][key] / best):.1f} %")
            print(
                f"\nMMPS under the best baseline in {key.upper()}: {', '.join(gains)}"
            )
    print()
    for seed, run in zip(seeds, runs, strict=True):
        spent = ", ".join(f"{k} {v:.0f} s" for k, v in run["seconds"].items())
        print(f"seed {seed}: {spent}")


_COLUMNS = {
    "rmse": "{:.3f}".format,
    "crps": "{:.3f}".format,
    "coverage": lambda share: f"{100 * share:.0f} %",
}

if __name__ == "__main__":
    main()
