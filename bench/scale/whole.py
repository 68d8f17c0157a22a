"""A hundred thousand Burgers runs, ten frames of each on the disk; with kills, goodput.

    python -m bench.scale.whole [--problem burgers] [--runs N] [--kill-every SECONDS]
        [--kills N]

Each run of `burgers` takes 1,000 steps on 256 points; of `turbulence`, which is to last
for minutes and write little, 1,000 on 64². The sweep runs in a process of its own,
which is killed by SIGKILL as asked and started again. Counted is everything from the
first start to the last exit: imports, compiling, writing, and reading back what earlier
processes had written. With kills it is run once undisturbed first, and prints what a
kill cost and the goodput: undisturbed seconds over seconds.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


PROBLEMS = ("burgers", "turbulence")


def child(directory, problem, runs):
    """The sweep itself."""
    import jax

    from bench.scale.problems import PROBLEMS
    from phix.parallel import make_mesh, use_cores
    from phix.sweeps import latin_hypercube, sweep

    use_cores()
    jax.config.update("jax_compilation_cache_dir", f"{directory}/programs")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    fn, ranges = PROBLEMS[problem]()
    points = latin_hypercube(ranges, runs)
    sweep(fn, points, directory, mesh=make_mesh(), progress=False)


def finished(directory, problem, runs, kill_every=None, kills=0):
    """Seconds until the sweep is whole, and how many kills it took."""
    command = [sys.executable, "-m", "bench.scale.whole", "--child", str(directory)]
    command += ["--problem", problem, "--runs", str(runs)]
    start, done = time.perf_counter(), 0
    while True:
        process = subprocess.Popen(command)
        try:
            code = process.wait(kill_every if done < kills else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
            continue
        if code:
            raise SystemExit(code)
        return time.perf_counter() - start, done


def report(directory, runs, seconds):
    from phix.sweeps import open_sweep

    lines = (directory / "log.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    with open_sweep(directory) as dataset:
        whole = bool((dataset.status == 0).all()) and dataset.sizes["point"] == runs
        size = dataset.nbytes
    print(
        f"{runs} runs in {seconds:.1f} s ({runs / seconds:.0f}/s with all it takes, "
        f"{last['rate']:.0f}/s between blocks); {size / 1e9:.2f} GB; all there and "
        f"successful: {whole}; goodput in its log {last['goodput']:.3f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--problem", default="burgers", choices=PROBLEMS)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--kill-every", type=float, default=60.0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--child", type=Path)
    options = parser.parse_args()
    if options.child:
        return child(options.child, options.problem, options.runs)
    root = Path(tempfile.mkdtemp())
    try:
        seconds, _ = finished(root / "whole", options.problem, options.runs)
        report(root / "whole", options.runs, seconds)
        if options.kills:
            every = options.kill_every
            killed, kills = finished(
                root / "killed", options.problem, options.runs, every, options.kills
            )
            report(root / "killed", options.runs, killed)
            cost = (killed - seconds) / max(kills, 1)
            print(
                f"{kills} kills, one every {every:g} s: {cost:.2f} s each; goodput "
                f"{seconds / killed:.3f}; same bits: {same(root)}"
            )
    finally:
        shutil.rmtree(root)


def same(root):
    from phix.sweeps import open_sweep

    with open_sweep(root / "whole") as a, open_sweep(root / "killed") as b:
        pieces = [slice(i, i + 4096) for i in range(0, a.sizes["point"], 4096)]
        return all(np.array_equal(a.u[rows], b.u[rows]) for rows in pieces)


if __name__ == "__main__":
    main()
