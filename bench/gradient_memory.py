"""Gradient of a 1,000-step rollout: memory and time, checkpointed against plain.

    python bench/gradient_memory.py

2-D periodic diffusion on 128² nodes, 1,000 Euler steps in float64 by `phix.solve`; the
gradient of a misfit with respect to the initial field and ν. Prints its error against
central differences, the temporaries XLA plans (`compiled.memory_analysis()`) and the
time, with `memory=40` and without (plain reverse mode): median of interleaved pairs,
and the 95 % bootstrap interval of the ratio. Compile time is counted for neither.
"""

import argparse

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from timing import bootstrap, paired_times

from phix import Diffusion, Grid, solve


NODES, STEPS = 128, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, default=40, help="states to keep")
    memory = parser.parse_args().memory
    jax.config.update("jax_enable_x64", True)

    u0, target = jr.normal(jr.key(0), (2, 1, NODES, NODES), jnp.float64)
    at = u0, jnp.asarray(0.2)
    plain, checkpointed = (
        compile_gradient(None, target, at),
        compile_gradient(memory, target, at),
    )
    megabytes = [
        compiled.memory_analysis().temp_size_in_bytes / 1e6
        for compiled in (plain, checkpointed)
    ]
    times = 1e3 * paired_times(lambda: plain(*at), lambda: checkpointed(*at))
    ratios = times[:, 1] / times[:, 0]
    low, high = bootstrap(ratios)
    print(f"error of the gradient  u0, nu: {difference(checkpointed, target, at)}")
    print(f"temporaries            plain {megabytes[0]:.1f} MB, memory={memory} "
          f"{megabytes[1]:.1f} MB: 1/{megabytes[0] / megabytes[1]:.1f}")  # fmt: skip
    print(f"time                   plain {np.median(times[:, 0]):.0f} ms, "
          f"memory={memory} {np.median(times[:, 1]):.0f} ms: "
          f"{np.median(ratios):.2f}× [{low:.2f}, {high:.2f}]")  # fmt: skip


def misfit(u0, nu, target, memory):
    """Unit spacing and dt = 1, so that ν < 1/4 is stable."""
    grid = Grid((NODES, NODES), (0.0, float(NODES)))
    run = solve(
        Diffusion(grid, nu),
        u0,
        np.asarray([0.0, STEPS]),
        dt=1.0,
        scheme=dfx.Euler(),
        memory=memory,
    )
    return jnp.sum((run.us[-1] - 0.01 * target) ** 2)


def compile_gradient(memory, target, at):
    gradient = jax.grad(lambda u0, nu: misfit(u0, nu, target, memory), (0, 1))
    return jax.jit(gradient).lower(*at).compile()


def difference(compiled, target, at, h=1e-5):
    """Relative error of the derivative along one direction in u0, and in ν."""
    value = jax.jit(lambda u0, nu: misfit(u0, nu, target, None))
    (u0, nu), (slope, in_nu) = at, compiled(*at)
    direction = jnp.sin(2 * jnp.pi * jnp.arange(NODES) / NODES) * jnp.ones_like(u0)
    central = (value(u0 + h * direction, nu) - value(u0 - h * direction, nu)) / (2 * h)
    along = jnp.vdot(slope, direction)
    central_nu = (value(u0, nu + h) - value(u0, nu - h)) / (2 * h)
    pairs = (along, central), (in_nu, central_nu)
    return ", ".join(f"{abs(a - b) / abs(b):.1e}" for a, b in pairs)


if __name__ == "__main__":
    main()
