"""The jobs of the score recipes on fields: run and evaluate."""

import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr

from phix import plot, score
from phix.data import RunDirectory
from phix.recipes import _field_report as report
from phix.recipes._field_baselines import baselines
from phix.recipes._field_choices import Choices
from phix.recipes._field_data import Fields, make_fields, make_problem
from phix.recipes._field_methods import draw, methods
from phix.recipes._field_prior import blank, draw_prior, train
from phix.recipes._field_scores import of_ensemble, of_gaussian
from phix.recipes._run_folder import run_folder
from phix.recipes._score_training import checkpoints, saved_model


def run(recipe: Choices, directory: Path, *, progress: bool) -> None:
    """Makes the fields, fits and compares; takes up a run that was interrupted."""
    plot.require_matplotlib()
    with run_folder(recipe, directory) as folder:
        fields = make_fields(recipe)
        start = time.perf_counter()
        with checkpoints(recipe.training, folder.checkpoints, folder.config) as saved:
            predictor = train(
                recipe, fields, checkpoint=saved, log=folder.log, progress=progress
            )
        jax.block_until_ready(predictor)
        seconds = {"fields": fields.seconds, "training": time.perf_counter() - start}
        assess(recipe, fields, predictor, folder, seconds)


def evaluate(recipe: Choices, directory: Path) -> None:
    """Metrics, figures and report from the last checkpoint."""
    plot.require_matplotlib()
    with run_folder(recipe, directory) as folder:
        fields = make_fields(recipe)
        saved = checkpoints(recipe.training, folder.checkpoints, folder.config)
        predictor = saved_model(saved, blank(recipe, fields))
        assess(recipe, fields, predictor, folder, {"fields": fields.seconds})


def assess(
    recipe: Choices,
    fields: Fields,
    predictor: score.Predictor,
    folder: RunDirectory,
    seconds: dict[str, float],
) -> None:
    """Compares with the baselines, writes and prints the report."""
    start = time.perf_counter()
    numbers: dict[str, Any] = {"measurements": []}
    learned = methods(recipe, predictor, fields)
    for place, kind in enumerate(recipe.measurements):
        seeds = (1000 * recipe.seed + 2 * place, 1000 * recipe.seed + 2 * place + 1)
        validation = make_problem(kind, fields.grid, fields.validation, seeds[0])
        test = make_problem(kind, fields.grid, fields.test, seeds[1])
        known = baselines(fields, validation, test)
        rows = {
            name: of_gaussian(found, test.flat, test.held)
            for name, found in known.items()
        }
        drawn = {}
        for i, (name, (method, calls)) in enumerate(learned.items()):
            key = jr.fold_in(jr.fold_in(jr.key(recipe.seed), 20 + place), i)
            drawn[name], spent = draw(method, test, recipe.posterior.members, key)
            rows[name] = of_ensemble(drawn[name], test.flat, test.held)
            rows[name] |= {"seconds": spent, "chosen": calls}
        numbers["measurements"].append({"title": kind.title, "rows": rows})
        report.draw_problem(kind, test, known, drawn, folder.figures)
    prior = draw_prior(predictor, fields.grid, 64, jr.fold_in(jr.key(recipe.seed), 13))
    report.draw_prior(fields, prior, folder.figures)
    numbers["prior"] = prior_numbers(predictor, fields, prior, recipe.seed)
    numbers["seconds"] = seconds | {"evaluation": time.perf_counter() - start}
    folder.write_metrics(numbers)
    folder.write_report(report.markdown(recipe, fields, numbers))
    print(report.summary(numbers, folder.path))


def prior_numbers(
    predictor: score.Predictor, fields: Fields, prior: jax.Array, seed: int
) -> dict[str, float]:
    """Loss on fields it was not trained on, and moments of its samples."""
    ts = jnp.linspace(0.05, 0.95, 19)
    key = jr.fold_in(jr.key(seed), 14)
    errors = [
        jnp.mean(score.velocity_error(predictor, us[:64], ts, key=key))
        for us in (fields.train, fields.test)
    ]

    def kurtosis(us):
        return float(jnp.mean(us**4) / jnp.mean(us**2) ** 2)

    return {
        "velocity error, training": float(errors[0]),
        "velocity error, test": float(errors[1]),
        "kurtosis, training fields": kurtosis(fields.train),
        "kurtosis, samples": kurtosis(prior),
        "deviation, samples": float(jnp.std(prior)),
    }
