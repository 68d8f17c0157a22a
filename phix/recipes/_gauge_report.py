"""The report of `gauge_freedom`."""

from typing import Any

import numpy as np

from phix import plot
from phix.recipes._gauge_models import GRADIENT, LEVELS
from phix.recipes._study_run import Section
from phix.recipes.gauge_freedom import GaugeFreedomRecipe


def about(recipe: GaugeFreedomRecipe) -> str:
    """What was done."""
    training, network = recipe.training, recipe.network
    return (
        f"The same perceptron of {network.width} × {network.depth} as it is, as a "
        f"gradient, and with a penalty of its curl (weight {recipe.curl_weight:g}): "
        f"{training.steps:,} steps of {training.batch_size} of the same samples; seed "
        f"{recipe.seed}."
    )


def sections(
    recipe: GaugeFreedomRecipe,
    numbers: dict[str, Any],
    clouds: dict,
    curls: dict[str, tuple],
) -> list[Section]:
    """The law in the plane, its gauges, the sphere."""
    return [
        _plane(recipe, numbers, clouds),
        _gauges(numbers["gauges"], curls),
        _sphere(recipe, numbers["sphere"]),
    ]


def _plane(recipe, numbers, clouds) -> Section:
    floor = numbers["two true sets"]
    columns = {
        "loss": ("loss", ".4f"),
        "noise error": ("noise error", ".4f"),
        "asymmetry": ("asymmetry", ".3f"),
        "log-likelihood, mean": ("Δ log p, mean", "+.4f"),
        "log-likelihood, mean size": ("size", ".4f"),
        "energy distance": ("energy distance", ".5f"),
    }
    heads = [head for head, _ in columns.values()]
    rows = [["score", *heads, "of true sets", "training s"]]
    for name, row in numbers["plane"].items():
        cells = [f"{row[key]:{form}}" for key, (_, form) in columns.items()]
        cells[4] += f" ± {row['its standard error']:.4f}"
        ratio = f"{row['energy distance'] / floor:.2f}"
        spent = f"{row['seconds']:.0f}" if np.isfinite(row["seconds"]) else "–"
        rows.append([name, *cells, ratio, spent])
    learned = {n: r for n, r in numbers["plane"].items() if n != "exact"}
    most, best = sorted(
        learned, key=lambda n: learned[n]["log-likelihood, mean size"], reverse=True
    )[:: len(learned) - 1]
    text = (
        f"A law of kind {recipe.law.kind!r}, {recipe.data:,} samples. Loss: that of "
        "the predicted noise on new samples. Noise error: root mean square of "
        "σ(s − ∇ log p). Asymmetry: |J − Jᵀ|/|J| of the score where σ = α. Δ log p: by "
        "the flow less the closed form, nats. Energy distance: "
        f"{recipe.samples:,} samples by 50 calls of DPM++ (2M)."
    )
    said = (
        f"Log-likelihoods err least with {best} and most with {most}; two true sets "
        f"are {floor:.5f} apart."
    )
    figure = plot.point_panels({"": clouds}, title="samples")
    return Section("Densities and samples", rows, text, said, {"samples": figure})


def _gauges(found, curls) -> Section:
    rows = [["score", *(f"λ = {level:g}" for level in LEVELS)]]
    for name, row in found.items():
        rows.append([f"{name}, share", *(f"{x:.1e}" for x in row["share"])])
    for name, row in found.items():
        rows.append([f"{name}, residual", *(f"{x:.1e}" for x in row["residual"])])
    text = (
        "Each score s is split into the gradient of a trained potential and a rest r, "
        "at levels λ = log(α/σ). Share: E|r|²/E|s|². Residual: root mean square of "
        "σ²(∇·r + r·∇φ), 0 for a rest that moves no density. The exact score has no "
        "rest: what its row shows is the error of the projection. The conservative "
        "one is its own potential: its rows are rounding. Pythagoras, "
        "E|∇φ|² + E|r|² = E|s|², holds to "
        f"{max(np.max(np.abs(row['Pythagoras'])) for row in found.values()):.0e}."
    )
    levels = np.asarray(LEVELS)
    panels = {
        title: {
            name: (levels, np.asarray(row[key]))
            for name, row in found.items()
            if name != GRADIENT
        }
        for key, title in (("share", "share of the rest"), ("residual", "residual"))
    }
    curve = plot.curve_panels(panels, xlabel="λ = log(α/σ)", ylabel="", log=True)
    axis = next(iter(curls.values()))[0]
    row = {name: values for name, (_, values) in curls.items()}
    curl = plot.field_panels(
        {"σ²(∂₁s₂ − ∂₂s₁)": row}, x=axis, y=axis, signed=["σ²(∂₁s₂ − ∂₂s₁)"]
    )
    return Section("Gauges", rows, text, "", {"gauges": curve, "curl": curl})


def _sphere(recipe, found) -> Section:
    choice = recipe.sphere
    rows = [["model", f"{choice.dimension} counted at", "counts", "slopes"]]
    for name, row in found.items():
        right = sum(count == choice.dimension for count in row["counts"])
        values, times = np.unique(row["counts"], return_counts=True)
        counts = ", ".join(f"{v}: {n}" for v, n in zip(values, times, strict=True))
        slopes = " ".join(f"{slope:.2f}" for slope in row.get("slopes", []))
        rows.append([name, f"{right} of {choice.points}", counts, slopes or "–"])
    text = (
        f"A sphere of {choice.dimension} dimensions in {choice.ambient}. Slopes "
        "d log σᵢ/d log(σ/α) of the map from noise to data, sorted, medians over the "
        f"points, between σ/α of {choice.levels[0]:g} and {choice.levels[1]:g}: 0 "
        "along the data, 1 across; the dimension is how many are below ½. The sheared "
        "twin is the conservative model with a gauge added that changes no density."
    )
    return Section("The dimension of a sphere", rows, text)
