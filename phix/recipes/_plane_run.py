"""The jobs of the interpolants between laws in the plane: fit, compare, report."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import plot, score
from phix._types import PRNGKeyArray
from phix.recipes._interpolant_choices import Benchmark, Plane
from phix.recipes._plane_laws import PlaneLaw, make_law
from phix.recipes._plane_model import fitted, log_density, moved
from phix.recipes._score_training import Fits
from phix.recipes._study_run import Findings, Section


# Of target samples whose density is computed, and of each panel of a figure.
_DENSITIES, _SHOWN = 500, 2000
# Of true sets whose distance is drawn.
_PAIRS = 8


def study(plane: Plane, seed: int, fits: Fits) -> Findings:
    """Fits what is not fitted, and compares."""
    numbers, sections = {}, []
    for place, benchmark in enumerate(plane.benchmarks):
        key = jr.fold_in(jr.key(seed), place)
        found, clouds = _compared(plane, benchmark, f"{place + 1}", key, fits)
        numbers[benchmark.title] = found
        figure = plot.point_panels(clouds, extent=(-2.6, 2.6), title=benchmark.title)
        sections.append(
            Section(
                benchmark.title.capitalize(),
                rows_of(found),
                verdict=verdict(found),
                text=_text(found),
                figures={f"{place + 1}-samples": figure},
            )
        )
    return Findings(numbers, sections, _about(plane, seed))


def _compared(
    plane: Plane, benchmark: Benchmark, name: str, key: PRNGKeyArray, fits: Fits
) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """The numbers of one benchmark, and the samples behind them."""
    start, target = make_law(benchmark.start), make_law(benchmark.target)
    keys = jr.split(key, 4)
    xs = start.draw(plane.num_samples, keys[0]).astype(jnp.float32)
    floor = target.floor(plane.num_samples, keys[1])
    truth = np.asarray(target.draw(_SHOWN, keys[2]))
    rows, clouds = {}, {}
    for coupling in plane.couplings:
        panels = {"truth": truth}
        for choice in plane.interpolants:
            label = f"{choice.title}, {coupling}"
            plain = label.replace(", ", "-").replace(" ", "-").replace("γ", "gamma")
            # The same weights at the start and the same batches for all.
            model = fitted(
                plane, choice, coupling, (start, target), f"{name}-{plain}", keys[3],
                fits,
            )  # fmt: skip
            row, drawn = measured(
                plane, model, start, target, xs, keys[1],
                stochastic=choice.latent != "none",
            )  # fmt: skip
            row["seconds"] = fits.seconds[f"{name}-{plain}"]
            rows[label] = row
            short = choice.title.replace(", ", ",\n")
            panels |= {f"{short}, {way}": ys[:_SHOWN] for way, ys in drawn.items()}
        clouds[coupling] = panels
    pairs = jr.split(jr.fold_in(keys[1], 8), (_PAIRS, 2))
    true = [target.apart(target.draw(len(xs), a), b) for a, b in pairs]
    return {"floor": floor, "true": true, "rows": rows}, clouds


def measured(
    plane: Plane,
    model: score.AbstractPredictor,
    start: PlaneLaw,
    target: PlaneLaw,
    xs: jax.Array,
    key: PRNGKeyArray,
    *,
    stochastic: bool = True,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Distances of samples by ODE and SDE from true ones, and of the density from the
    exact one: the mean of log p − log p̂ is the Kullback–Leibler divergence."""
    drawing, other, own = jr.split(jr.fold_in(key, 7), 3)
    ys = moved(model, xs, plane.steps, None, drawing)
    row, drawn = {"ode": target.apart(ys, own)}, {"ODE": np.asarray(ys)}
    if stochastic:
        found = {
            level: moved(model, xs, plane.steps, level, drawing)
            for level in plane.levels
        }
        tried = {level: target.apart(ys, other) for level, ys in found.items()}
        best = min(tried, key=tried.__getitem__)
        row |= {"sde": target.apart(found[best], own), "level": best}
        drawn["SDE"] = np.asarray(found[best])
    if start.exact is not None and target.exact is not None:
        seen = target.draw(_DENSITIES, own).astype(jnp.float32)
        exact = jax.vmap(target.exact.log_prob)(seen)
        apart = exact - log_density(model, seen, start.exact)
        row |= {"nats": float(jnp.mean(apart)), "off": float(jnp.mean(jnp.abs(apart)))}
    return row, drawn


def rows_of(found: dict[str, Any]) -> list[list[str]]:
    """One row for each interpolant and coupling."""
    rows = [
        ["interpolant, coupling", "ODE", "× true", "SDE", "× true", "ε", "KL (nats)",
         "mean error (nats)", "training s"]
    ]  # fmt: skip
    for name, row in found["rows"].items():
        cells = [name]
        for way in ("ode", "sde"):
            there = way in row
            cells.append(f"{row[way]:.5f}" if there else "–")
            cells.append(f"{row[way] / found['floor']:.1f}" if there else "–")
        cells.append(f"{row['level']:g}" if "level" in row else "–")
        for key in ("nats", "off"):
            cells.append(f"{row[key]:.3f}" if key in row else "–")
        rows.append([*cells, f"{row['seconds']:.0f}"])
    return rows


def verdict(found: dict[str, Any]) -> str:
    """Which is nearest, and how many are within three times the distance of two true
    sets."""
    ways = {
        f"{name}, {way.upper()}": row[way] / found["floor"]
        for name, row in found["rows"].items()
        for way in ("ode", "sde")
        if way in row
    }
    best = min(ways, key=ways.__getitem__)
    near = sum(share <= 3 for share in ways.values())
    true, low, high = found["floor"], min(found["true"]), max(found["true"])
    return (
        f"Two true sets: {true:.5f} on the average, {low:.5f} to {high:.5f} in "
        f"{len(found['true'])} draws. Nearest: {best}, {ways[best]:.1f} times that; "
        f"{near} of {len(ways)} within three times."
    )


def _text(found: dict[str, Any]) -> str:
    if any("nats" in row for row in found["rows"].values()):
        return ""
    return "No densities: one of the laws has none in closed form."


def _about(plane: Plane, seed: int) -> str:
    training = plane.training
    return f"""Laws in the plane, seed {seed}.

Energy distances of {plane.num_samples} samples from as many true ones, beside those of
two true sets on the average. ODE: {plane.steps // 2} steps of Heun; SDE:
{plane.steps} of Euler–Maruyama, ε the best on another true set. Densities: of the ODE,
at {_DENSITIES} true samples. All took {training.steps} steps of {training.batch_size}
fresh pairs with the same networks; flow matching has only that of the velocity, and
takes one evaluation where antithetic pairs with a noise take four."""
