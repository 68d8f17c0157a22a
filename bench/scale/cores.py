"""From one core to two: the throughput of a sweep beside two pinned processes.

    python -m bench.scale.cores [burgers|flow] [rounds] [seconds]

In every round, one after the other: a sweep on one core; two sweeps at once, each a
process pinned to a core of its own, which is the most that two cores can give; and one
sweep on both cores. A rate is the median over the blocks of a sweep, from one to the
next, writing included. Prints the rates, the gain from one core to two, and the share
of the two pinned processes that it reaches.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.timing import bootstrap


class Worker:
    """A process that makes ready, and sweeps when told to."""

    def __init__(self, folder, name, cores, seconds):
        command = [sys.executable, "-m", "bench.scale.cores", "--worker"]
        command += [folder, name, json.dumps(cores), str(seconds)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes)
        assert self.process.stdout.readline().strip() == "ready"

    def go(self):
        print("go", file=self.process.stdin, flush=True)

    def rate(self):
        """Points a second."""
        return float(self.process.communicate()[0])


def work(folder, name, cores, seconds):
    os.sched_setaffinity(0, cores)
    import jax

    from bench.scale.problems import PROBLEMS
    from phix.parallel import make_mesh, use_cores
    from phix.sweeps import latin_hypercube, sweep
    from phix.sweeps._program import Program

    use_cores()
    mesh = make_mesh()
    fn, ranges = PROBLEMS[name]()
    many = latin_hypercube(ranges, 2**18)
    program = Program(fn, many, None, mesh, "shard")
    sizes = program.sizes(None, seconds / 8)
    inputs = program.inputs(np.arange(mesh.size * sizes.block))
    run = program.compiled(sizes.chunk)
    jax.block_until_ready(run(*inputs))
    start = time.process_time()
    jax.block_until_ready(run(*inputs))
    blocks = max(1, round(seconds * mesh.size / (time.process_time() - start)))
    number = mesh.size * sizes.block * blocks
    points = {key: column[:number] for key, column in many.items()}
    print("ready", flush=True)
    sys.stdin.readline()
    sweep(fn, points, folder, mesh=mesh, seconds=seconds / 8, progress=False)
    print(json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["rate"])


def one_round(name, seconds):
    """Rates of one core, of two pinned processes together, and of one sweep on both."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    rates = []
    for teams in ([cores[:1]], [cores[:1], cores[1:]], [cores]):
        with tempfile.TemporaryDirectory() as folder:
            workers = [
                Worker(f"{folder}/{i}", name, team, seconds)
                for i, team in enumerate(teams)
            ]
            for worker in workers:
                worker.go()
            rates.append(sum(worker.rate() for worker in workers))
    return rates


def main(name="burgers", rounds="15", seconds="8"):
    rows = np.array([one_round(name, float(seconds)) for _ in range(int(rounds))])
    one, pinned, both = np.median(rows, 0)
    print(
        f"{name}: {one:.4g} a second on one core, {pinned:.4g} by two pinned "
        f"processes, {both:.4g} by one sweep on two cores"
    )
    for what, a, b in (("ceiling", 1, 0), ("gain", 2, 0), ("share of ceiling", 2, 1)):
        ratios = rows[:, a] / rows[:, b]
        low, high = bootstrap(ratios)
        print(f"{what}: {np.median(ratios):.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        folder, name, cores, seconds = sys.argv[2:]
        work(Path(folder), name, json.loads(cores), float(seconds))
    else:
        main(*sys.argv[1:])
