"""Mosaic's Navier–Stokes experiments with phix beside its peers: one command.

    python bench/mosaic/run.py                       # everything, on a quiet machine
    python bench/mosaic/run.py --debug               # Mosaic's small versions
    python bench/mosaic/run.py --problem ns-3d-grid --experiment cost/spatial_cost
    python bench/mosaic/run.py --table               # only the table, of results there

Each experiment runs in a process of its own (`experiment.py`): one of the peers keeps a
compiled gradient for the first viscosity it sees. Left out are `forward/cylinder` and
`optimization/drag_opt`, which need an obstacle in a channel; the peers are left out of
them as well. Results go to `runs/mosaic`, the table to `bench/mosaic/results.md`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path


HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[1] / "runs" / "mosaic"
OBSTACLES = ("forward/cylinder", "optimization/drag_opt")
SOLVERS = {
    "ns-3d-grid": ["exponax", "phix-etdrk2", "phix-etdrk2-f64", "phix-etdab2"],
    "ns-grid": ["jax-cfd", "phix-etdrk4", "phix-etdrk4-f64", "phix-etdab2"],
}
# Minutes each: with one entry of phix beside the peer, its others run the rest.
LONG = ("gradient/horizon_sweep_limits", "optimization/recovery")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problem", choices=SOLVERS, action="append")
    parser.add_argument("--experiment", action="append", help="or how its name begins")
    parser.add_argument("--solver", action="append", help="folders, see SOLVERS")
    parser.add_argument("--debug", action="store_true", help="Mosaic's small versions")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for each")
    options = parser.parse_args()
    results = RESULTS.with_name("mosaic-debug") if options.debug else RESULTS
    os.environ |= {"MOSAIC_RESULTS_DIR": str(results), "JAX_PLATFORMS": "cpu"}
    if not options.table:
        run_all(options, results)
    from table import write_table

    write_table(results, SOLVERS, HERE / "results.md", options.debug)


def run_all(options: argparse.Namespace, results: Path) -> None:
    from experiment import configure

    for problem in options.problem or SOLVERS:
        cfg, _ = configure(problem, SOLVERS[problem])
        for name in cfg.experiments:
            wanted = options.experiment or [""]
            if name.startswith("ics/") or name in OBSTACLES:
                continue
            if not any(name.startswith(start) for start in wanted):
                continue
            run_one(options, results, problem, name)


def run_one(
    options: argparse.Namespace, results: Path, problem: str, name: str
) -> None:
    solvers = options.solver or SOLVERS[problem]
    if name.startswith(LONG) and not options.solver:
        solvers = solvers[:2]
    folder = results / problem / f"{name}{'_debug' if options.debug else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, str(HERE / "experiment.py"), problem, name, *solvers]
    start = time.perf_counter()
    with open(folder / "log.txt", "w") as log:
        try:
            done = subprocess.run(
                command + ["--debug"] * options.debug,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=options.timeout,
                check=False,
            )
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = "timeout"
    last = (folder / "log.txt").read_text().strip().splitlines()[-1:]
    facts = json.loads(last[0]) if code == 0 else {"failed": str(code), "last": last}
    facts["wall_s"] = round(time.perf_counter() - start, 1)
    (folder / "process.json").write_text(json.dumps(facts))
    print(f"{problem:11s} {name:45s} {json.dumps(facts)}", flush=True)


if __name__ == "__main__":
    main()
