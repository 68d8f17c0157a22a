"""Time per step, compile time and temporaries: phix, its peers, the floor of FFTs.

    python -m bench.solvers.steps [--only NAME]

float32 unless the case says so; the median of 15 interleaved pairs and the 95 %
bootstrap interval of the ratio. Compile time is counted for neither side.
"""

import argparse
import functools as ft
import time

import jax
import jax.numpy as jnp
import numpy as np

from bench.solvers import peers
from bench.timing import bootstrap, paired_times


# name: how many steps to take, and the function that gives the entries for them
CASES = {
    "N-S 2-D 128² ETDRK2": (200, ft.partial(peers.navier_stokes_2d, 128, 2)),
    "N-S 2-D 256² ETDRK2": (50, ft.partial(peers.navier_stokes_2d, 256, 2)),
    "N-S 2-D 512² ETDRK2": (15, ft.partial(peers.navier_stokes_2d, 512, 2)),
    "N-S 2-D 128² ETDRK4": (100, ft.partial(peers.navier_stokes_2d, 128, 4)),
    "N-S 2-D 128² ETDRK4, jax-cfd": (100, ft.partial(peers.navier_stokes_cfd, 128)),
    "N-S 3-D 64³ ETDRK2": (8, ft.partial(peers.navier_stokes_3d, 64)),
    "Burgers 256": (2000, ft.partial(peers.burgers, 256, False)),
    "Burgers 256, conservative": (2000, ft.partial(peers.burgers, 256, True)),
    "Burgers 1024": (800, ft.partial(peers.burgers, 1024, False)),
    "Burgers 1024, conservative": (800, ft.partial(peers.burgers, 1024, True)),
    "Burgers 256 × 64": (300, ft.partial(peers.burgers_batch, 256, False)),
    "Burgers 256 × 64, conservative": (300, ft.partial(peers.burgers_batch, 256, True)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    only = parser.parse_args().only
    print("| case | phix µs/step | peer µs/step | ratio [95 %] | compile s "
          "| temporaries MB | FFT floor µs |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for name, (steps, build) in CASES.items():
        if only in name:
            print(row(name, build(steps), steps), flush=True)


def row(name: str, entries: dict, steps: int) -> str:
    """Measures one case."""
    compiled, compile_times, memory = [], [], []
    for run, start in entries.values():
        begin = time.perf_counter()
        program = jax.jit(run).lower(start).compile()
        compile_times.append(time.perf_counter() - begin)
        memory.append(program.memory_analysis().temp_size_in_bytes / 1e6)
        compiled.append((program, start))
    (ours, a), (theirs, b) = compiled
    times = paired_times(lambda: ours(a), lambda: theirs(b)) / steps * 1e6
    ratios = times[:, 1] / times[:, 0]
    low, high = bootstrap(ratios)
    here, there = np.median(times, axis=0)
    return (
        f"| {name} | {here:.1f} | {there:.1f} ({list(entries)[1]}) "
        f"| {np.median(ratios):.2f} [{low:.2f}, {high:.2f}] "
        f"| {compile_times[0]:.2f} / {compile_times[1]:.2f} "
        f"| {memory[0]:.2f} / {memory[1]:.2f} | {floor(name):.1f} |"
    )


def floor(name: str) -> float:
    """The FFTs of one phix step alone, complex ones, by the faster of jax and FFTW."""
    stages = 4 if "ETDRK4" in name else 2
    for mark, shape, count in (
        ("128²", (128, 128), 2), ("256²", (256, 256), 2), ("512²", (512, 512), 2),
        ("64³", (64, 64, 64), 4), ("256 × 64", (64, 256), 2),
        ("256", (256,), 2), ("1024", (1024,), 2),
    ):  # fmt: skip
        if mark in name:
            axes = (-1,) if "Burgers" in name else tuple(range(-len(shape), 0))
            return stages * count * min(_jax_fft(shape, axes), _fftw(shape, axes))
    return float("nan")


def _jax_fft(shape, axes) -> float:
    """Microseconds of one complex transform."""
    z = jnp.ones(shape, jnp.complex64)
    run = jax.jit(
        lambda z: jax.lax.fori_loop(
            0, 20, lambda _, z: jnp.fft.fftn(z, axes=axes, norm="ortho"), z
        )
    )
    return _best(lambda: jax.block_until_ready(run(z))) / 20


def _fftw(shape, axes) -> float:
    import pyfftw

    array = pyfftw.empty_aligned(shape, "complex64")
    array[:] = 1
    plan = pyfftw.builders.fftn(array, axes=axes, threads=1)
    return _best(plan)


def _best(call) -> float:
    call()
    times = []
    for _ in range(15):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return float(np.median(times)) * 1e6


if __name__ == "__main__":
    main()
