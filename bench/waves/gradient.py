"""What gradients and batches cost: reverse mode over a forward run, one run of 64.

    python -m bench.waves.gradient

sine-Gordon, 200 steps, float64: the derivative of the field at the end with respect to
the field at the start, over the run alone; the median of 15 interleaved pairs and the
95 % bootstrap interval. Then 64 speeds of a breather in one `vmap`, µs per step and
field.
"""

import jax
import jax.numpy as jnp
import numpy as np

from bench.timing import bootstrap, paired_times
from phix import integrate, pde, solve
from phix.space import Grid


STEPS, DT = 200, 0.01


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    print("| scheme | N | forward µs/step | gradient / forward [95 %] "
          "| 64 at once, µs/step each |")  # fmt: skip
    print("|---|---|---|---|---|")
    for name in ("StormerVerlet", "BlanesMoan4", "Splitting4"):
        for n in (512, 2048):
            print(row(name, n), flush=True)


def row(name: str, n: int) -> str:
    grid = Grid(n, (-40.0 * n / 512, 40.0 * n / 512))
    equation, scheme = (
        pde.KleinGordon(grid, pde.SineGordon()),
        getattr(integrate, name)(),
    )
    ts = np.array([0.0, STEPS * DT])

    def last(u0):
        return solve(equation, u0, ts, dt=DT, scheme=scheme, throw=False).us[-1]

    forward = jax.jit(lambda u0: jnp.sum(last(u0) ** 2))
    backward = jax.jit(jax.value_and_grad(lambda u0: jnp.sum(last(u0) ** 2)))
    many = jax.jit(jax.vmap(last))
    u0 = pde.breather(grid.axes[0])
    times = paired_times(lambda: forward(u0), lambda: backward(u0))
    low, high = bootstrap(times[:, 1] / times[:, 0])
    batch = jax.vmap(lambda s: pde.breather(grid.axes[0], speed=s))(
        jnp.linspace(0.0, 0.5, 64)
    )
    each = paired_times(lambda: forward(u0), lambda: many(batch), 5)[:, 1] / 64
    scale = 1e6 / STEPS
    return (
        f"| {name} | {n} | {np.median(times[:, 0]) * scale:.1f} "
        f"| {np.median(times[:, 1] / times[:, 0]):.2f} [{low:.2f}, {high:.2f}] "
        f"| {np.median(each) * scale:.1f} |"
    )


if __name__ == "__main__":
    main()
