"""What a run of the amangkurat recipe shows people: tables, figures and a film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import plot
from phix.data import Trajectory
from phix.metrics import kernel_density
from phix.recipes import _markdown as md
from phix.recipes.amangkurat import AmangkuratRecipe
from phix.recipes.amangkurat_published import Published


if TYPE_CHECKING:
    from phix.recipes._amangkurat_run import Solved

_ENTROPIES = {
    "shannon": "Shannon",
    "renyi": "Rényi, α = 2",
    "tsallis": "Tsallis, q = 2",
    "composite": "composite: 0.5 S + 0.3 H₂ + 0.2 T₂",
}


def plain(numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers as JSON knows them, arrays by their mean, least and greatest."""

    def one(value):
        if isinstance(value, dict):
            return {name: one(item) for name, item in value.items()}
        if isinstance(value, np.ndarray):
            return dict(zip(("mean", "least", "greatest"), _spread(value), strict=True))
        return value

    return one(numbers)


def summary(numbers: dict[str, Any]) -> str:
    """The first table in plain text, for a terminal."""
    return md.aligned(case_rows(numbers))


def case_rows(numbers: dict[str, Any]) -> list[list[str]]:
    """One row for each case, the published numbers beside."""
    head = ["case", "max abs φ", "published", "drift", "published", "energy"]
    rows = [[*head, "closed form", "energy drift", "error"]]
    for name, case in numbers["cases"].items():
        old = numbers["published"][name]
        error = "–" if case["error"] is None else f"{case['error'].max():.1e}"
        rows.append(
            [
                name,
                f"{case['largest']:.4f}",
                f"{old['largest']:.4f}",
                f"{round(case['drift'], 4) + 0.0:.4f}",
                f"{round(old['drift'], 4) + 0.0:.4f}",
                f"{case['energy']:.6f}",
                f"{case['energy_closed_form']:.6f}",
                f"{case['energy_drift'].max():.1e}",
                error,
            ]
        )
    return rows


def markdown(
    recipe: AmangkuratRecipe, cases: dict[str, Solved], numbers: dict[str, Any]
) -> str:
    """The whole report."""
    entropies = [["case", *_ENTROPIES.values(), "published Shannon, without Δx"]]
    for name, case in numbers["cases"].items():
        old = numbers["published"][name]["shannon"]
        entropies.append(
            [name, *(_range(case[key]) for key in _ENTROPIES), _range(old)]
        )
    regimes = numbers["regimes"]
    pairs = [["pair", "Cliff's δ", "Kolmogorov–Smirnov", "p (Holm)"]]
    for name, pair in regimes["pairs"].items():
        pairs.append(
            [name, f"{pair['cliff']:.3f}", f"{pair['ks']:.3f}", _small(pair["p"])]
        )
    starts = [
        f"- {name}: {'; '.join(solved.warnings.values()) or 'nothing found'}"
        for name, solved in cases.items()
    ]
    return f"""# amangkurat with the physics put right

{AmangkuratRecipe.reference}

Scheme {recipe.scheme}, dt = {recipe.dt}, double precision. *Published* are the numbers
of `phix/recipes/amangkurat_published.py`, which makes the package's mistakes: a kink on
a periodic grid, a breather with momentum, kinks on top of the barrier and both moving
right, step lengths that change inside a two-step recursion.

{md.table(case_rows(numbers))}

Energy drift is the largest |E(t)/E(0) − 1|, error the largest difference from the
closed form at any frame; of a collision none is known. In it φ(0, t) changes its sign
{numbers["cases"]["collision"]["turns_at_centre"]} times.

![Error and energy](figures/accuracy.png)
![Published and right](figures/published.png)

## Starts, as `phix.pde.check_initial_condition` finds them

{chr(10).join(starts)}

## Fields

![Linear](figures/linear.png)
![Kink](figures/kink.png)
![Breather](figures/breather.png)
![Collision](figures/collision.png)

A film of the collision: `figures/collision.gif`. The trajectories: `*.nc`.

## Entropies of φ², differential: mean (least … greatest)

{md.table(entropies)}

![Entropies](figures/entropies.png)

φ² measures how much of the box is away from φ = 0. In φ⁴ that is nearly all of it, so
these entropies are near the logarithm of the box for a kink, and say little of order.

## Regimes

Kruskal–Wallis on {recipe.samples} values of |φ| of each case:
H = {regimes["kruskal"]["H"]:.1f}, p {_small(regimes["kruskal"]["p"])}. Values of a
smooth field are not independent, so these p-values are too small; δ is what can be
compared.

{md.table(pairs)}

![Densities](figures/densities.png)
![Phase portraits](figures/portraits.png)

Wall time of this run: {numbers["seconds"]:.1f} s.
"""


def draw(
    recipe: AmangkuratRecipe,
    cases: dict[str, Solved],
    variants: dict[str, Published],
    numbers: dict[str, Any],
    samples: dict[str, np.ndarray],
    folder: Path,
) -> None:
    """Writes the figures and the film."""
    times = {name: np.asarray(solved.trajectory.ts) for name, solved in cases.items()}
    films = {name: _phi_alone(solved.trajectory) for name, solved in cases.items()}
    for name, film in films.items():
        plot.save_figure(film.plot(title=name, label="φ"), folder / f"{name}.png")
    films["collision"].animate(folder / "collision.gif", label="φ")

    def over_time(key):
        found = numbers["cases"]
        return {
            n: (times[n], found[n][key]) for n in cases if found[n][key] is not None
        }

    figures = {
        "accuracy": plot.curve_panels(
            {
                "largest error against the closed form": over_time("error"),
                "|E(t)/E(0) − 1|": over_time("energy_drift"),
            },
            xlabel="t",
            ylabel="",
            log=True,
        ),
        "entropies": plot.curve_panels(
            {title: over_time(key) for key, title in _ENTROPIES.items()},
            xlabel="t",
            ylabel="entropy of φ²",
        ),
        "portraits": plot.curve_panels(
            {
                name: {
                    "right": _portrait(solved.phi, solved.rate),
                    "published": _portrait(
                        old.phi, np.gradient(old.phi, old.ts, axis=0)
                    ),
                }
                for (name, solved), old in zip(
                    cases.items(), variants.values(), strict=True
                )
            },
            xlabel="φ at x = 0",
            ylabel="its rate",
        ),
        "densities": plot.curve_panels(
            {
                name: {
                    "right": _density(samples[name]),
                    "published": _density(draw_sample(recipe, variants[name].phi)),
                }
                for name in cases
            },
            xlabel="|φ|",
            ylabel="density",
            log=True,
        ),
        "published": plot.curve_panels(
            {
                f"{name}, t = {variants[name].ts[-1]:.0f}": {
                    "right": (np.asarray(s.equation.space.axes[0]), s.phi[-1]),
                    "published": (variants[name].x, variants[name].phi[-1]),
                }
                for name, s in cases.items()
            },
            xlabel="x",
            ylabel="φ",
        ),
    }
    for name, fig in figures.items():
        plot.save_figure(fig, folder / f"{name}.png")


def draw_sample(recipe: AmangkuratRecipe, phi: np.ndarray) -> np.ndarray:
    """Values of |φ|, drawn from all frames and nodes."""
    values = np.abs(phi).ravel()
    return np.random.default_rng(recipe.seed).choice(values, recipe.samples)


def _phi_alone(trajectory: Trajectory) -> Trajectory:
    """The trajectory without the rates."""
    return eqx.tree_at(lambda t: t.us, trajectory, trajectory.us[:, :1])


def _portrait(phi: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in the middle of the box."""
    middle = phi.shape[1] // 2
    return phi[:, middle], rate[:, middle]


def _density(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The density of a sample, zero where next to nothing of it is."""
    points = np.linspace(0.0, sample.max(), 300)
    density = kernel_density(jnp.asarray(sample), jnp.asarray(points))
    return points, np.where(np.asarray(density) > 1e-3, density, 0.0)


def _small(p: float) -> str:
    return f"{p:.1e}" if p > 1e-300 else "< 1e-300"


def _spread(values: np.ndarray) -> tuple[float, float, float]:
    return float(values.mean()), float(values.min()), float(values.max())


def _range(values: np.ndarray) -> str:
    mean, least, greatest = _spread(values)
    return f"{mean:.4f} ({least:.4f} … {greatest:.4f})"
