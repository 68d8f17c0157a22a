"""The numbers of docs/schemes.md: how far steps are stable, and what an error costs.

    python -m bench.schemes

First the largest dt·|λ| for which a mode of N alone (L = 0) does not grow: λ imaginary
(waves; growth of 0.2 % a step let pass) and negative (decay). Then the evaluations of N
to a relative error in the vorticity of decaying turbulence: 128², E(k) ~ k⁴
exp(−2(k/6)²), unit rms velocity, T = 2, float64, the largest step of the ladder
T/(25·√2^i) that meets it, against EGLM6 at T/1600. Both as Markdown.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from bench.stepping import last_field
from phix import Grid, integrate
from phix.pde import Vorticity
from phix.space import random_vorticity


EVALUATIONS = {
    "ETDRK1": 1, "ETDRK2": 2, "ETDRK3": 3, "ETDRK4": 4, "ETDAB2": 1, "ETDAB3": 1,
    "ETDAB4": 1, "EGLM4": 2, "EGLM5": 2, "EGLM6": 2, "CNAB2": 1, "SBDF2": 1,
    "SBDF3": 1, "ARS222": 2, "ARS443": 4, "ARK4": 6, "Lawson3": 5, "Lawson4": 4,
    "Lawson5": 6, "LawsonBS5": 7,
}  # fmt: skip
VISCOSITIES, TARGETS = (1.3e-2, 2e-3), (1e-3, 1e-5)
T, MOST = 2.0, 6400
LADDER = [round(25 * 2 ** (i / 2)) for i in range(18)]


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    print("| scheme | waves | decay |\n|---|---|---|")
    for name in EVALUATIONS:
        waves, decay = stable_steps(getattr(integrate, name)())
        print(f"| `{name}` | {waves:.1f} | {decay:.1f} |", flush=True)
    grid = Grid((128, 128), (0.0, 2 * math.pi))
    u0 = random_vorticity(grid, peak=6.0, key=jax.random.key(0))
    costs = [cost_of_error(Vorticity(grid, nu), u0) for nu in VISCOSITIES]
    head = " | ".join(f"ν = {nu:g}, {e:g}" for nu in VISCOSITIES for e in TARGETS)
    print(f"\n| scheme | {head} |\n|---|---|---|---|---|")
    for name in costs[0]:
        cells = " | ".join(cell for cost in costs for cell in cost[name])
        print(f"| `{name}` | {cells} |")


def stable_steps(scheme) -> tuple[float, float]:
    """The largest dt·|λ| tried, up to 4, before a mode grows: (waves, decay)."""
    one, none = jnp.asarray(1.0), jnp.zeros((1, 1))
    tables = scheme.coefficients(none, one)
    start = scheme.start(lambda t, y: y, 0.0, one, none + 0j, tables)

    def amplification(z):
        """The matrix of a step, from the state and what the scheme remembers."""

        def step(v):
            y, history = v[0].reshape(1, 1), tuple(a.reshape(1, 1) for a in v[1:])
            y, _, history = scheme.advance(
                lambda t, y: z * y, 0.0, one, y, tables, history
            )
            return jnp.stack([y, *history]).ravel()

        return jax.vmap(step, out_axes=1)(jnp.eye(1 + len(start), dtype=complex))

    sizes = np.arange(0.01, 4.005, 0.01)
    matrices = jax.jit(jax.vmap(amplification))
    limits = []
    for direction, allowed in ((1j, 2e-3), (-1, 1e-9)):
        powers = np.linalg.eigvals(np.asarray(matrices(direction * sizes)))
        grows = np.abs(powers).max(axis=1) > 1 + allowed
        limits.append(sizes[grows.argmax() - 1] if grows.any() else sizes[-1])
        limits[-1] = 0.0 if grows[0] else limits[-1]
    return limits[0], limits[1]


def cost_of_error(equation, u0) -> dict[str, list[str]]:
    """Evaluations of each scheme to each target."""

    last = last_field(equation, u0)

    def run(scheme, steps):
        return last(scheme, jnp.asarray(T / steps), jnp.asarray(steps))

    reference = run(integrate.EGLM6(), 1600)
    costs = {}
    for name, evaluations in EVALUATIONS.items():
        if name == "ETDRK1":
            continue
        met = [f"over {MOST}"] * len(TARGETS)
        for steps in LADDER:
            if steps * evaluations > MOST or not met[-1].startswith("over"):
                break
            gap = run(getattr(integrate, name)(), steps) - reference
            error = jnp.linalg.norm(gap) / jnp.linalg.norm(reference)
            for i, target in enumerate(TARGETS):
                if error <= target and met[i].startswith("over"):
                    met[i] = str(steps * evaluations)
        costs[name] = met
    return costs


if __name__ == "__main__":
    main()
