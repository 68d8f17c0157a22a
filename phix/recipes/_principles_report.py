"""The report of `diffusion_principles`."""

from typing import Any

from phix import plot
from phix.recipes._study_run import Section
from phix.recipes.diffusion_principles import DiffusionPrinciplesRecipe


WANTED = 3.0


def about(recipe: DiffusionPrinciplesRecipe) -> str:
    """What was done."""
    training, network = recipe.training, recipe.network
    return (
        f"A law of kind {recipe.law.kind!r} in the plane, of unit mean square; "
        f"{recipe.data:,} samples. Each view is a perceptron of {network.width} × "
        f"{network.depth}, {training.steps:,} steps of {training.batch_size} samples, "
        f"with the same initial weights and batches. Energy distances are of "
        f"{recipe.samples:,} samples from as many true ones; seed {recipe.seed}."
    )


def sections(
    recipe: DiffusionPrinciplesRecipe,
    numbers: dict[str, Any],
    clouds: dict,
    guided: dict,
    jumped: dict,
) -> list[Section]:
    """Views, guidance, flow map."""
    floor = numbers["two true sets"]
    return [
        _views(recipe, numbers["views"], floor, clouds),
        _guidance(numbers["guidance"], guided),
        _jumps(numbers["jumps"], floor, jumped),
    ]


def _views(recipe, found, floor, clouds) -> Section:
    columns = {
        "noise error": ("noise error", ".4f"),
        "Fokker–Planck": ("Fokker–Planck", ".1e"),
        "round trip": ("round trip", ".0e"),
        "log-likelihood, mean": ("Δ log p, mean", "+.4f"),
        "log-likelihood, mean size": ("size", ".4f"),
        "ends apart": ("ends apart", ".4f"),
        "energy distance": ("energy distance", ".5f"),
    }
    rows = [["view", *(head for head, _ in columns.values()), "of true sets"]]
    for name, row in found.items():
        cells = [f"{row[key]:{form}}" for key, (_, form) in columns.items()]
        rows.append([name, *cells, f"{row['energy distance'] / floor:.2f}"])
    learned = {name: row for name, row in found.items() if name != "exact"}
    far = [n for n, r in learned.items() if r["energy distance"] > WANTED * floor]
    said = f"Two true sets are {floor:.5f} apart. " + (
        f"Farther than {WANTED:g} times that: {', '.join(far)}."
        if far
        else f"All views are within {WANTED:g} times that."
    )
    text = (
        "Noise error: root mean square of σ(s − ∇ log p), over nine levels of noise. "
        "Fokker–Planck: |∂ₜs + ∇(∇·v + v·s)| over |∂ₜs|, root mean squares at σ = α. "
        "Round trip: largest relative error of converting to another kind and back. "
        "Δ log p: by the flow less the closed form, nats. Ends apart: median distance "
        f"from where the exact flow takes the same noise. {recipe.calls} calls of "
        "DPM++ (2M), even in λ."
    )
    figure = plot.point_panels({"": clouds}, title="samples of each view")
    return Section("Three views", rows, text, said, {"views": figure})


def _guidance(found, clouds) -> Section:
    heads = ["weight", "network from exact", "two exact sets", "ratio", "from unguided"]
    rows = [heads]
    for row in found:
        ratio = row["distance"] / row["two sets"]
        numbers = [f"{row[k]:.5f}" for k in ("distance", "two sets")]
        rows.append(
            [f"{row['weight']:g}", *numbers, f"{ratio:.2f}", f"{row['unguided']:.4f}"]
        )
    text = (
        "Labels are the components. Energy distance of samples of the guided network "
        "from those of the exact guided field, the mean over the labels, beside that "
        "of two sets of the exact field on the average; and how far the exact guided "
        "field is from the component itself: guidance does not draw it for weights "
        "other than 1."
    )
    worst = max(found, key=lambda row: row["distance"] / row["two sets"])
    said = (
        f"Farthest at weight {worst['weight']:g}: "
        f"{worst['distance'] / worst['two sets']:.2f} times two exact sets."
    )
    figure = plot.point_panels(clouds, title="guided samples of all labels")
    return Section("Guidance", rows, text, said, {"guidance": figure})


def _jumps(found, floor, clouds) -> Section:
    names = list(dict.fromkeys(n for row in found for n in row if n != "calls"))
    rows = [["calls", *names, "true sets"]]
    said = []
    for row in found:
        cells = [f"{row[n]:.4f}" if n in row else "–" for n in names]
        rows.append([f"{row['calls']}", *cells, f"{floor:.4f}"])
        others = {n: row[n] for n in names if n in row and n != "flow map"}
        best = min(others, key=lambda n: others[n])
        said.append(
            f"Calls {row['calls']}: the map is at {row['flow map'] / floor:.1f} times "
            f"two true sets, {best} at {others[best] / floor:.1f}."
        )
    text = (
        "A flow map distilled from the view of the velocity by the Lagrangian loss, "
        "beside its teacher at the same number of calls: energy distances."
    )
    figure = plot.point_panels(clouds, title="few calls")
    return Section("A flow map", rows, text, "\n".join(said), {"jumps": figure})
