"""Gradients of the Mosaic entries outside the harness: truth, memory, ratios.

    python bench/mosaic/gradients.py [differences] [horizons] [ratios]

`differences`: float64 throughout, gradient of the sum of squares against central
differences, in two and three dimensions.
`horizons`: Mosaic's long rollouts (20³ nodes, dt 0.05, ν 0.001) by ETDRK2: ⟨w, Jv⟩ by
forward mode against ⟨Jᵀw, v⟩ by checkpointed reverse mode, float64; checkpointed
against plain reverse mode, float32, to 640 steps; temporaries that XLA plans, float32;
time of value and gradient over that of the value at the longest.
`ratios`: plain jit in float32: time of the value, of value and gradient, temporaries.
"""

import importlib
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from experiment import PACKAGE
from mosaic.benchmarks.problems import get_config

from phix.integrate import ETDAB2, ETDRK2, ETDRK4


# Mosaic's solvers find its shared code by this.
sys.path.insert(0, str(PACKAGE))
backend = importlib.import_module("backend")


HORIZONS = [40 * 2**i for i in range(9)]
CASES = {
    "3-D 16 x 50": (3, 16, 50, ETDRK2),
    "3-D 32 x 50": (3, 32, 50, ETDRK2),
    "3-D 48 x 10": (3, 48, 10, ETDRK2),
    "3-D 48 x 50": (3, 48, 50, ETDRK2),
    "3-D 48 x 100": (3, 48, 100, ETDRK2),
    "3-D 64 x 50": (3, 64, 50, ETDRK2),
    "3-D 64 x 50, ETDAB2": (3, 64, 50, ETDAB2),
    "2-D 256 x 100": (2, 256, 100, ETDRK4),
    "2-D 256 x 100, ETDAB2": (2, 256, 100, ETDAB2),
}


def start(dim: int, nodes: int) -> np.ndarray:
    """Mosaic's own initial velocity."""
    problem, name = ("ns-grid", "multimode") if dim == 2 else ("ns-3d-grid", "tgv3d")
    ic = get_config(problem).make_ic[name]
    return np.asarray(ic(N=nodes, L=2 * np.pi, seed=42))


def flow(steps, scheme, dtype, nu=0.001, dt=0.05, memory=None):
    """The map from the initial to the final velocity."""

    def run(v0):
        values = (jnp.full(1, value, dtype) for value in (nu, dt))
        return backend.simulate(
            v0,
            *values,
            steps=steps,
            extent=2 * np.pi,
            scheme=scheme(),
            dtype=dtype,
            memory=memory,
        )

    return run


def energy_of(run):
    """The sum of squares of the final velocity, Mosaic's objective."""
    return lambda v: jnp.sum(run(v) ** 2)


def differences() -> None:
    for dim, steps, scheme in ((2, 20, ETDRK4), (3, 10, ETDRK2)):
        energy = jax.jit(energy_of(flow(steps, scheme, "float64")))
        v0 = start(dim, 16).astype(np.float64)
        direction = np.random.default_rng(0).standard_normal(v0.shape)
        direction /= np.linalg.norm(direction)
        slope = float(jnp.vdot(jax.jit(jax.grad(energy))(v0), direction))
        errors = {}
        for h in (1e-1, 1e-2, 1e-3, 1e-4):
            up, down = energy(v0 + h * direction), energy(v0 - h * direction)
            errors[h] = abs(float(up - down) / (2 * h) - slope) / abs(slope)
        told = ", ".join(f"h = {h:g}: {error:.1e}" for h, error in errors.items())
        print(f"differences {dim}-D 16 x {steps}: {min(errors.values()):.1e} ({told})")


def horizons() -> None:
    rng = np.random.default_rng(0)
    v0 = start(3, 20)
    v, w = rng.standard_normal((2, *v0.shape))
    for steps in HORIZONS:
        memory = backend.states_kept(steps)
        run = flow(steps, ETDRK2, "float64", memory=memory)
        pushed = jax.jit(lambda x, v, run=run: jax.jvp(run, (x,), (v,))[1])
        pulled = jax.jit(lambda x, w, run=run: jax.vjp(run, x)[1](w)[0])
        x = v0.astype(np.float64)
        jv, jw = pushed(x, v), pulled(x, w)
        first, second = float(jnp.vdot(w, jv)), float(jnp.vdot(jw, v))
        gap = abs(first - second) / abs(first)
        lines = [f"⟨w, Jv⟩ = ⟨Jᵀw, v⟩ to {gap:.1e}"]
        gradient = compiled(steps, memory, v0)
        lines.append(f"{megabytes(gradient):.1f} MB")
        lines.append(f"norm {float(jnp.linalg.norm(gradient(v0)[1])):.4g}")
        if steps <= 640:
            # Compared with as few states as the scan takes, whatever the entry takes.
            few = compiled(steps, round(16 * steps ** (1 / 3)), v0)(v0)[1]
            plain = compiled(steps, None, v0)
            gap = jnp.linalg.norm(few - plain(v0)[1]) / jnp.linalg.norm(few)
            lines.append(f"plain: {megabytes(plain):.0f} MB, differs by {gap:.1e}")
        if steps == HORIZONS[-1]:
            forward = jax.jit(objective(steps, None))
            lines.append(f"value {seconds(forward, v0, 2):.2f} s, and gradient "
                         f"{seconds(gradient, v0, 2):.2f} s")  # fmt: skip
        print(f"horizon {steps}: " + "; ".join(lines), flush=True)


def ratios() -> None:
    for name, (dim, nodes, steps, scheme) in CASES.items():
        v0 = start(dim, nodes)
        loss = energy_of(flow(steps, scheme, "float32", 0.01, 0.01))
        forward = jax.jit(loss)
        gradient = jax.jit(jax.value_and_grad(loss)).lower(v0).compile()
        pairs = [(seconds(forward, v0, 1), seconds(gradient, v0, 1)) for _ in range(7)]
        value, both = np.median(pairs, axis=0)
        ratio = np.median([b / a for a, b in pairs])
        print(
            f"ratio {name}: value {value:.3f} s, and gradient {both:.3f} s, "
            f"ratio {ratio:.2f}, {megabytes(gradient):.0f} MB",
            flush=True,
        )


def objective(steps, memory):
    return energy_of(flow(steps, ETDRK2, "float32", memory=memory))


def compiled(steps, memory, v0):
    return jax.jit(jax.value_and_grad(objective(steps, memory))).lower(v0).compile()


def megabytes(program) -> float:
    return program.memory_analysis().temp_size_in_bytes / 1e6


def seconds(call, v0, repeats: int) -> float:
    """The shortest of some calls, after one."""
    jax.block_until_ready(call(v0))
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(call(v0))
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    parts = {"differences": differences, "horizons": horizons, "ratios": ratios}
    for name in sys.argv[1:] or parts:
        with jax.enable_x64(name != "ratios"):
            parts[name]()


if __name__ == "__main__":
    main()
