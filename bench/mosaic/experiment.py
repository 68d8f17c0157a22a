"""One Mosaic experiment in this process: the child of `run.py`.

    python bench/mosaic/experiment.py PROBLEM EXPERIMENT SOLVER... [--debug]

Solvers are Mosaic's own (`exponax`, `jax-cfd`, from the installed package) and the
folders beside this file under `solvers/`. The harness is the installed one, unmodified;
`inprocess:` tags stand in for images. Prints one line of JSON: seconds and peak memory.
"""

import argparse
import dataclasses
import json
import resource
import sys
import time
from pathlib import Path

import mosaic


PACKAGE = Path(mosaic.__file__).parent
HERE = Path(__file__).parent
OURS = HERE / "solvers"
PEERS = PACKAGE / "tesseracts" / "navier-stokes-grid"


def configure(problem: str, solvers: list[str]):
    """Mosaic's problem with these solvers only, and where each of them is."""
    # Solvers import `mosaic_shared` and `backend` by their bare names.
    sys.path[:0] = [str(PACKAGE), str(HERE)]
    from mosaic.benchmarks.core.config import discover_solvers
    from mosaic.benchmarks.problems import get_config
    from mosaic.benchmarks.problems.shared.plots.solver_styles import apply_styles

    cfg = get_config(problem)
    ours = discover_solvers(OURS.resolve())
    apply_styles(ours)
    known = {
        **{spec.dir: spec for spec in cfg.solvers},
        **{s.dir: s for s in ours.values()},
    }
    missing = [name for name in solvers if name not in known]
    if missing:
        raise SystemExit(f"unknown solver {missing}; known: {', '.join(sorted(known))}")
    chosen = [known[name] for name in solvers]
    tags = {
        spec.name: f"inprocess:{folder / spec.dir / 'tesseract_api.py'}"
        for spec in chosen
        for folder in (OURS if (OURS / spec.dir).is_dir() else PEERS,)
    }
    return dataclasses.replace(cfg, solvers=chosen), tags


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem")
    parser.add_argument("experiment")
    parser.add_argument("solvers", nargs="+")
    parser.add_argument("--debug", action="store_true", help="Mosaic's small version")
    options = parser.parse_args()
    cfg, tags = configure(options.problem, options.solvers)
    start = time.perf_counter()
    extra = {"debug": True} if options.debug else {}
    cfg.experiments[options.experiment].fn(cfg, tags, gpu_ids=[], **extra)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"seconds": round(seconds, 1), "peak_rss_mb": round(peak)}))


if __name__ == "__main__":
    main()
