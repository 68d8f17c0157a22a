"""The report of `kinetic_optimal`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from phix import plot, score
from phix.recipes._plane_choices import Components, Mixture, Ring
from phix.recipes._study_run import Section
from phix.recipes.kinetic_optimal import KineticOptimalRecipe


def about(recipe: KineticOptimalRecipe) -> str:
    """What was done."""
    training, network = recipe.training, recipe.network
    return (
        f"Euler's method on four paths, each from λ = log(α/σ) = {recipe.start:g}; "
        f"energy distances of {recipe.samples:,} samples from as many true ones, "
        f"means over {recipe.networks} noises. The path is "
        f"made from {recipe.path.samples:,} samples with a floor of "
        f"{recipe.path.floor:g}. Exact: with the velocity of the law. Trained: "
        f"{recipe.networks} perceptrons of {network.width} × {network.depth} that "
        f"learned the linear path ({training.steps:,} steps of {training.batch_size} "
        f"of {recipe.data:,} samples) and are resampled on the others; seed "
        f"{recipe.seed}."
    )


def title_of(choice: Components) -> str:
    """What the report calls a law."""
    if isinstance(choice, Ring):
        return f"Ring of {choice.components}, spread {choice.spread:g}"
    if isinstance(choice, Mixture):
        return f"Mixture of {len(choice.weights)} components"
    return f"Checkerboard of {choice.squares} × {choice.squares}"


def section(
    choice: Components,
    place: int,
    found: dict[str, Any],
    paths: dict[str, score.AbstractPath],
    gammas: dict[str, tuple],
    clouds: dict,
) -> Section:
    """One law."""
    names = list(paths)
    rows = [["velocity", "calls", "true sets", *names, "least"]]
    said = []
    for field in ("exact", "trained"):
        for calls, runs in found[field].items():
            cells = [f"{np.mean([run[n] for run in runs]):.4f}" for n in names]
            wins = sum(min(run, key=lambda n, r=run: r[n]) == names[0] for run in runs)
            least = f"{wins} of {len(runs)}"
            rows.append([field, calls, f"{found['two true sets']:.4f}", *cells, least])
            said.append(f"{field}, {calls} calls: {verdict(runs, names)}.")
    energy = found["energies"]
    listed = ", ".join(f"{name} {value:.3f}" for name, value in energy.items())
    text = (
        f"Kinetic energies of the exact flow: {listed}; the least possible "
        f"is {found['least energy']:.3f} by the measured γ, and "
        f"{found['least energy with the floor']:.3f} with the floor."
    )
    title = title_of(choice)
    figures = {
        f"samples_{place}": plot.point_panels(clouds, title=title),
        f"paths_{place}": draw_paths(paths, title),
        f"gamma_{place}": plot.curve_panels(
            {"": gammas}, xlabel="θ = arctan(α/σ)", ylabel="γ", title=title
        ),
    }
    return Section(title, rows, text, "\n".join(said), figures)


def verdict(runs: list[dict[str, float]], names: list[str]) -> str:
    """How the first path stands to the best of the others."""
    means = {name: float(np.mean([run[name] for run in runs])) for name in names}
    first, *others = names
    best = min(others, key=lambda name: means[name])
    ratio = means[first] / means[best]
    how = "nearer" if ratio < 1 else "farther"
    return f"{first} at {ratio:.2f} times {best}, the best of the others ({how})"


def draw_paths(paths: dict[str, score.AbstractPath], title: str):
    """α, σ and the angle of every path, from noise to data."""
    shares = np.linspace(0.0, 1.0, 201)
    panels: dict[str, dict[str, tuple]] = {"α": {}, "σ": {}, "θ = arctan(α/σ)": {}}
    for name, path in paths.items():
        ts = jnp.asarray(path.t_noise + (path.t_data - path.t_noise) * shares)
        alpha, sigma = (np.asarray(jax.vmap(of)(ts)) for of in (path.alpha, path.sigma))
        curves = (alpha, sigma, np.arctan2(alpha, sigma))
        for panel, curve in zip(panels.values(), curves, strict=True):
            panel[name] = (shares, curve)
    return plot.curve_panels(
        panels, xlabel="share of the way from noise to data", ylabel="", title=title
    )
