"""The gradient passport: what a gradient through each equation and scheme is worth.

    python -m bench.passport [--out docs/passport.md]

For every equation with its default scheme, and every scheme on 2-D Navier–Stokes, from
the small problems of `tests/rosters/equations.py`:

- *error*: of the derivative of the mean square of the last of 20 states along a random
  direction of the first, against fourth-order central differences, at the best ε,
  relative, float64;
- *ratio*: time of value and gradient over time of the value, 100 steps;
- *bytes per step*: growth of XLA's temporaries with the number of steps in plain
  reverse mode, over the bytes of a field;
- *horizon*: the time after which gradients of float32 and float64 differ by 1 %, and
  the leading Lyapunov time of the same run where it is finite.
"""

import argparse
import os
import time
from datetime import date
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np

from phix import integrate, solve
from tests.rosters.equations import EQUATIONS


SHAPE = (32, 24)
SCHEMES = [
    name
    for name in integrate.__all__
    if isinstance(getattr(integrate, name), type)
    and issubclass(getattr(integrate, name), integrate.AbstractSplitScheme)
    and not name.startswith("Abstract")
]
LONGEST = 1280


def run(equation, dt, steps, scheme=None):
    """The last state as a function of the first."""
    ts = np.asarray([0.0, steps * dt])

    def last(u):
        return solve(equation, u, ts, dt=dt, scheme=scheme, throw=False).us[-1]

    return last


def loss_of(last):
    """The mean square of the last state."""
    return lambda u: jnp.mean(jnp.abs(last(u)) ** 2)


def direction(u, seed=0):
    """Smooth enough to be resolved, random enough to see everything."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=u.shape)
    if jnp.iscomplexobj(u):
        noise = noise + 1j * rng.normal(size=u.shape)
    return jnp.asarray(noise, u.dtype)


def difference_error(loss, u) -> float:
    """Relative error of the derivative along a direction, at the best ε."""
    loss, v = jax.jit(loss), direction(u)
    along = float(jnp.sum(jnp.real(jax.jit(jax.grad(loss))(u) * v)))
    errors = []
    for eps in (1e-2, 1e-3, 1e-4, 1e-5):
        near = loss(u + eps * v) - loss(u - eps * v)
        far = loss(u + 2 * eps * v) - loss(u - 2 * eps * v)
        errors.append(abs(float(8 * near - far) / (12 * eps) - along) / abs(along))
    return min(errors)


def cost(equation, u, dt, scheme=None) -> tuple[float, float]:
    """(value and gradient over value, in time; bytes a step over those of a field)."""
    loss = loss_of(run(equation, dt, 100, scheme))
    forward = jax.jit(loss).lower(u).compile()
    both = jax.jit(jax.value_and_grad(loss)).lower(u).compile()
    longer = loss_of(run(equation, dt, 200, scheme))
    twice = jax.jit(jax.value_and_grad(longer)).lower(u).compile()
    sizes = [c.memory_analysis().temp_size_in_bytes for c in (both, twice)]
    return _seconds(both, u) / _seconds(forward, u), (sizes[1] - sizes[0]) / (
        100 * u.nbytes
    )


def horizon(build, scheme=None) -> tuple[float, float]:
    """(time up to which float32 gradients hold to 1 %, leading Lyapunov time)."""
    (single, u32, dt), (double, u64, _) = (
        build(jnp.float32, SHAPE),
        build(jnp.float64, SHAPE),
    )
    u64 = u32.astype(u64.dtype)  # the same start, not the same formula
    reached, steps = 0.0, 20
    while steps <= LONGEST:
        g32 = jax.jit(jax.grad(loss_of(run(single, dt, steps, scheme))))(u32)
        g64 = jax.jit(jax.grad(loss_of(run(double, dt, steps, scheme))))(u64)
        gap = jnp.linalg.norm(g32 - g64) / jnp.linalg.norm(g64)
        if not gap <= 0.01:
            break
        reached, steps = steps * dt, steps * 4
    half = run(double, dt, LONGEST // 2, scheme)
    middle, tangent = jax.jit(lambda u, v: jax.jvp(half, (u,), (v,)))(
        u64, direction(u64)
    )
    _, later = jax.jit(lambda u, v: jax.jvp(half, (u,), (v,)))(middle, tangent)
    grown = float(jnp.linalg.norm(later) / jnp.linalg.norm(tangent))
    rate = np.log(grown) / (LONGEST // 2 * dt)
    return reached, 1 / rate if rate > 0 else np.inf


def row(name: str, build, scheme=None) -> str:
    """One line of the passport."""
    equation, u, dt = build(jnp.float64, SHAPE)
    error = difference_error(loss_of(run(equation, dt, 20, scheme)), u)
    ratio, size = cost(equation, u, dt, scheme)
    reached, lyapunov = horizon(build, scheme)
    more = "≥ " if reached >= LONGEST * build(jnp.float64, SHAPE)[2] else ""
    told = f"{lyapunov:.2g}" if np.isfinite(lyapunov) else "–"
    numbers = f"{error:.1e} | {ratio:.1f} | {size:.1f} | {more}{reached:.3g} | {told}"
    return f"| {name} | {numbers} |"


def _seconds(compiled, u) -> float:
    times = []
    for _ in range(7):
        start = time.perf_counter()
        jax.block_until_ready(compiled(u))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="also write the page here")
    out = parser.parse_args().out
    jax.config.update("jax_enable_x64", True)
    head = [
        "# Gradient passport",
        "",
        "What a gradient is worth, measured by `python -m bench.passport` "
        f"({date.today()}, 2 CPU cores, jax {version('jax')}, "
        f"{SHAPE[0]} × {SHAPE[1]} nodes or {SHAPE[0]}, float64).",
        "",
        *__doc__.strip().splitlines()[4:],
    ]
    titles = "| {} | error | ratio | fields per step | horizon | Lyapunov time |"
    lines = [*head, "", titles.format("equation"), "|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for name, build in EQUATIONS.items():
        lines.append(row(name, build))
        print(lines[-1], flush=True)
    table = ["", titles.format("scheme on Vorticity"), "|---|---|---|---|---|---|"]
    print("\n".join(table), flush=True)
    lines += table
    for name in SCHEMES:
        scheme = getattr(integrate, name)()
        lines.append(row(name, EQUATIONS["Vorticity"], scheme))
        print(lines[-1], flush=True)
    if out:
        with open(out + ".part", "w") as file:
            file.write("\n".join(lines) + "\n")
        os.replace(out + ".part", out)


if __name__ == "__main__":
    main()
