"""What `sweep` costs beyond a bare jitted map of the same points, at 1 s for a block.

    python -m bench.scale.overhead [burgers|flow] [pairs]

Each pair runs the same compiled program over the same blocks, once in a loop that waits
for each result, once as a sweep: dispatched, fetched, written, synced and logged. All
cores compute, so the writer has none of its own. Compilation is left out of both, and
so is the making of the store, once for a sweep, which is printed apart. Prints the
ratio of wall times, and that of processor times, which tells more on a machine that
others use.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from bench.scale.problems import PROBLEMS
from bench.timing import PAIRS, bootstrap
from phix.data import JsonLines, Progress, StopSignal
from phix.parallel import make_mesh, use_cores
from phix.sweeps import latin_hypercube
from phix.sweeps._driver import Driver
from phix.sweeps._outcome import columns
from phix.sweeps._program import Program
from phix.sweeps._store import Store


BLOCKS = 4  # for each device


def timed(call):
    """Seconds by the clock, and of the processor in all threads."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def one_second(program):
    """Sizes with about a second of processor time for a block."""
    sizes = program.sizes(None, 0.0)
    inputs = program.inputs(np.arange(program.devices * sizes.block))
    run = program.compiled(sizes.chunk)
    times = [timed(lambda: jax.block_until_ready(run(*inputs)))[1] for _ in range(4)]
    each = min(times[1:]) / program.devices
    return sizes._replace(block=sizes.block * 2 ** max(0, round(np.log2(1 / each))))


def main(name, pairs):
    use_cores()
    mesh = make_mesh()
    fn, ranges = PROBLEMS[name]()
    many = latin_hypercube(ranges, 2**20)
    sizes = one_second(Program(fn, many, None, mesh, "shard"))
    number = BLOCKS * mesh.size * sizes.block
    points = {key: column[:number] for key, column in many.items()}
    program = Program(fn, points, None, mesh, "shard")
    compiled = program.compiled(sizes.chunk)
    found = columns(program.shapes())
    folder = Path(tempfile.mkdtemp())

    def index(block):
        return np.arange(mesh.size * sizes.block) + block * mesh.size * sizes.block

    def bare():
        for block in range(BLOCKS):
            jax.block_until_ready(compiled(*program.inputs(index(block))))

    def made():
        shutil.rmtree(folder / "points.zarr", ignore_errors=True)
        Store.create(
            folder,
            points,
            found,
            {},
            block=sizes.block,
            chunk=sizes.chunk,
            identity={},
            started=time.time(),
        )

    def swept():
        with JsonLines(folder / "log.jsonl") as log:
            bar = Progress(number, enabled=False)
            driver = Driver(program, Store(folder), log, bar)
            driver.compiled[sizes.chunk] = compiled
            driver.finish(StopSignal())

    bare()
    made()
    swept()
    rows = np.array([(*timed(bare), *timed(made), *timed(swept)) for _ in range(pairs)])
    shutil.rmtree(folder)
    written = sum(np.prod(c.shape) * c.dtype.itemsize for c in found.values()) * number
    print(f"{name}: {number} points, chunks of {sizes.chunk}, blocks of {sizes.block}")
    seconds = np.median(rows[:, :2], 0) / BLOCKS
    print(
        f"a block on each of {mesh.size} devices: {seconds[0]:.2f} s by the clock, "
        f"{seconds[1]:.2f} s of processor time; {written / 1e6:.0f} MB in all"
    )
    print(f"making the store: {np.median(rows[:, 2]):.2f} s, once")
    for what, a, b in (("wall", 0, 4), ("processor", 1, 5)):
        ratios = rows[:, b] / rows[:, a]
        low, high = bootstrap(ratios)
        print(f"{what}: {np.median(ratios):.4f} [{low:.4f}, {high:.4f}]")


if __name__ == "__main__":
    name, pairs = [*sys.argv[1:], *("burgers", str(PAIRS))[len(sys.argv) - 1 :]]
    main(name, int(pairs))
