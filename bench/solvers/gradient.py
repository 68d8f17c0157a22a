"""Gradient through 100 steps of 2-D Navier–Stokes, 128²: time and temporaries.

    python -m bench.solvers.gradient

The gradient of the mean square of the last state with respect to the first, ETDRK2,
float32 (exponax: of its half spectra; phix: of fields, transforms included): exponax
and phix in plain reverse mode, phix with a budget of states (`memory`). Median of 15
interleaved pairs against exponax, 95 % bootstrap interval; temporaries as XLA plans
them; compile time counted for neither.
"""

import argparse
import functools

import jax
import jax.numpy as jnp
import numpy as np

from bench.solvers import peers
from bench.timing import bootstrap, paired_times
from phix import pde, solve
from phix.integrate import ETDRK2


NODES, STEPS, DT = 128, 100, 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, nargs="*", default=[100, 50, 20])
    grid, u0 = peers.flow(NODES, jnp.float32)
    equation = pde.Vorticity(grid, 1e-3)
    run, start = peers.navier_stokes_2d(NODES, 2, STEPS)["exponax"]
    theirs = jax.jit(jax.grad(lambda c: jnp.mean(jnp.abs(run(c)) ** 2)))
    theirs = theirs.lower(start).compile()
    print(f"exponax plain: {_megabytes(theirs):.1f} MB")
    for memory in [None, *parser.parse_args().memory]:

        def loss(u, memory=memory):
            run = solve(
                equation, u, [0.0, STEPS * DT], dt=DT, scheme=ETDRK2(), memory=memory
            )
            return jnp.mean(run.us[-1] ** 2)

        ours = jax.jit(jax.grad(loss)).lower(u0).compile()
        times = 1e3 * paired_times(functools.partial(ours, u0), lambda: theirs(start))
        ratios = times[:, 1] / times[:, 0]
        low, high = bootstrap(ratios)
        here, there = np.median(times, axis=0)
        print(f"phix memory={memory}: {_megabytes(ours):.2f} MB, {here:.1f} ms; "
              f"exponax {there:.1f} ms: {np.median(ratios):.2f} × as fast "
              f"[{low:.2f}, {high:.2f}]", flush=True)  # fmt: skip


def _megabytes(compiled) -> float:
    return compiled.memory_analysis().temp_size_in_bytes / 1e6


if __name__ == "__main__":
    main()
