"""The jobs of the amangkurat recipe: four cases, their diagnostics, the report."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from phix import integrate, pde, plot
from phix.data import Trajectory, trajectory_path
from phix.metrics import renyi_entropy, shannon_entropy, tsallis_entropy
from phix.recipes import _amangkurat_report as report, amangkurat_published as published
from phix.recipes._regimes import compare_regimes
from phix.recipes._run_folder import run_folder
from phix.recipes.amangkurat import AmangkuratRecipe, Case
from phix.space import Grid


VARIANTS = {
    "linear": published.linear_case,
    "kink": published.kink_case,
    "breather": published.breather_case,
    "collision": published.collision_case,
}


@dataclasses.dataclass(frozen=True)
class Solved:
    """A case with what is known of it.

    - `energy`: in closed form.
    - `exact`: φ at the frames in closed form, `"time x"`; None where there is none.
    - `warnings`: what `check_initial_condition` finds.
    """

    equation: pde.KleinGordon
    trajectory: Trajectory
    energy: float
    exact: np.ndarray | None
    warnings: dict[str, str]

    @property
    def phi(self) -> np.ndarray:
        """The field, `"time x"`."""
        return np.asarray(self.trajectory.us[:, 0])

    @property
    def rate(self) -> np.ndarray:
        """Its rate."""
        return np.asarray(self.trajectory.us[:, 1])


def run(recipe: AmangkuratRecipe, directory: Path) -> None:
    """Everything, into a run directory. Short enough to start again from the start."""
    plot.require_matplotlib()
    with run_folder(recipe, directory) as folder, jax.enable_x64(True):
        start = time.perf_counter()
        cases = solve_cases(recipe)
        variants = {name: run() for name, run in VARIANTS.items()}
        for name, solved in cases.items():
            solved.trajectory.save(folder.path / f"{name}.nc")
        samples = {
            name: report.draw_sample(recipe, solved.phi)
            for name, solved in cases.items()
        }
        numbers: dict[str, Any] = {
            "cases": {name: diagnose(solved) for name, solved in cases.items()},
            "published": {
                name: {
                    "largest": variant.largest,
                    "drift": variant.drift,
                    "shannon": variant.entropies()["shannon"],
                }
                for name, variant in variants.items()
            },
            "regimes": compare_regimes(samples),
        }
        report.draw(recipe, cases, variants, numbers, samples, folder.figures)
        numbers["seconds"] = time.perf_counter() - start
        folder.write_metrics(report.plain(numbers))
        folder.write_report(report.markdown(recipe, cases, numbers))
        print(report.summary(numbers))


def simulate(recipe: AmangkuratRecipe, path: Path) -> None:
    """Four files beside each other, named after their cases."""
    path = trajectory_path(path)
    with jax.enable_x64(True):
        for name, solved in solve_cases(recipe).items():
            file = path.with_name(f"{path.stem}-{name}{path.suffix}")
            solved.trajectory.save(file)
            print(f"{file}: {solved.phi.shape[0]} frames")


def solve_cases(recipe: AmangkuratRecipe) -> dict[str, Solved]:
    """The four cases, solved in double precision and checked before they start."""
    builders = {
        "linear": _linear,
        "kink": _kink,
        "breather": _breather,
        "collision": _collision,
    }
    return {name: build(recipe) for name, build in builders.items()}


def _linear(recipe: AmangkuratRecipe) -> Solved:
    equation, x, ts = _setting(recipe.linear, pde.Linear(1.0))
    width = 2.0
    phi = jnp.exp(-((x / width) ** 2))
    k = 2 * np.pi * np.fft.rfftfreq(x.size, equation.space.spacing[0])
    wave = np.fft.rfft(phi) * np.cos(np.sqrt(1 + k**2) * ts[:, None])
    energy = 0.5 * np.sqrt(np.pi / 2) * (width + 1 / width)
    exact = np.fft.irfft(wave, x.size)
    u0 = jnp.stack([phi, jnp.zeros_like(phi)])
    return _solved(recipe, equation, u0, ts, energy, exact)


def _kink(recipe: AmangkuratRecipe) -> Solved:
    equation, x, ts = _setting(recipe.kink, pde.Phi4(), "antiperiodic")
    u0 = pde.kink(equation.potential, x)
    exact = np.tanh(np.asarray(x) / np.sqrt(2)) * np.ones((ts.size, 1))
    energy = 2 * np.sqrt(2) / 3
    return _solved(recipe, equation, u0, ts, energy, exact, rigid=True)


def _breather(recipe: AmangkuratRecipe) -> Solved:
    equation, x, ts = _setting(recipe.breather, pde.SineGordon())
    omega = recipe.omega
    width = np.sqrt(1 - omega**2)
    height = width / omega * np.cos(omega * ts[:, None])
    exact = 4 * np.arctan(height / np.cosh(width * np.asarray(x)))
    u0 = pde.breather(x, omega=omega)
    return _solved(recipe, equation, u0, ts, 16 * width, exact)


def _collision(recipe: AmangkuratRecipe) -> Solved:
    equation, x, ts = _setting(recipe.collision, pde.Phi4())
    u0 = pde.kink_antikink(
        equation.potential, x, speed=recipe.speed, separation=recipe.separation
    )
    energy = 2 * 2 * np.sqrt(2) / 3 / np.sqrt(1 - recipe.speed**2)
    return _solved(recipe, equation, u0, ts, energy, None)


def _setting(
    case: Case, potential: pde.AbstractPotential, sides: str = "periodic"
) -> tuple[pde.KleinGordon, jax.Array, np.ndarray]:
    """The equation, its nodes, and the times of the frames."""
    extent = (-case.half_width, case.half_width)
    grid = Grid(case.num_points, extent, sides)
    ts = np.linspace(0.0, case.duration, case.num_frames)
    return pde.KleinGordon(grid, potential), grid.axes[0], ts


def _solved(
    recipe: AmangkuratRecipe,
    equation: pde.KleinGordon,
    u0: jax.Array,
    ts: np.ndarray,
    energy: float,
    exact: np.ndarray | None,
    rigid: bool = False,
) -> Solved:
    warnings = pde.check_initial_condition(
        equation, u0, speed=0.0, energy=energy, rigid=rigid
    )
    scheme = getattr(integrate, recipe.scheme)()
    trajectory = integrate.solve(equation, u0, ts, dt=recipe.dt, scheme=scheme)
    return Solved(equation, trajectory, float(energy), exact, warnings)


def diagnose(solved: Solved) -> dict[str, Any]:
    """The numbers of one case; those of each frame as arrays."""
    phi, grid = solved.phi, solved.equation.space
    (h,) = grid.spacing
    # The first node is both ends of the box, whose mean is its middle.
    x = np.asarray(grid.axes[0]).copy()
    x[0] = 0.0
    energies = np.asarray(
        jax.jit(jax.vmap(solved.equation.invariants["energy"]))(solved.trajectory.us)
    )
    square = jnp.asarray(phi**2)
    centre = (square @ x) / square.sum(axis=1)
    entropies = {
        "shannon": np.asarray(shannon_entropy(square, h)),
        "renyi": np.asarray(renyi_entropy(square, 2.0, h)),
        "tsallis": np.asarray(tsallis_entropy(square, 2.0, h)),
    }
    error = None if solved.exact is None else np.abs(phi - solved.exact).max(axis=1)
    return {
        "largest": float(np.abs(phi).max()),
        "drift": float(centre[-1] - centre[0]),
        "energy": float(energies[0]),
        "energy_closed_form": solved.energy,
        "energy_drift": np.abs(energies / energies[0] - 1),
        "error": error,
        "turns_at_centre": _turns(phi[:, phi.shape[1] // 2]),
        "composite": _composite(entropies),
        **entropies,
    }


def _composite(entropies: dict[str, np.ndarray]) -> np.ndarray:
    """The published mixture of three entropies, of the differential ones."""
    weights = {"shannon": 0.5, "renyi": 0.3, "tsallis": 0.2}
    return sum((w * entropies[name] for name, w in weights.items()), np.zeros(()))


def _turns(values: np.ndarray) -> int:
    """How often a value changes its sign."""
    return int(np.sum(values[1:] * values[:-1] < 0))
