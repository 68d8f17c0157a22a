"""The jobs of the forecasts of Kolmogorov flow: fit, compare, report."""

import time
from typing import Any

import jax.random as jr
import numpy as np

from phix.recipes import _forecast_report as report
from phix.recipes._field_scores import dress, of_ensemble, of_gaussian
from phix.recipes._forecast_baselines import analogues, gaussians
from phix.recipes._forecast_data import Flow, make_flow
from phix.recipes._forecast_model import (
    drawn,
    fitted,
    gaussian_members,
    predicted,
)
from phix.recipes._interpolant_choices import Forecast
from phix.recipes._score_training import Fits
from phix.recipes._study_run import Findings


# Validation states on which noise levels are compared.
_TRIED = 12


def study(problem: Forecast, seed: int, fits: Fits) -> Findings:
    """Fits what is not fitted, and compares."""
    flow, key = make_flow(problem.flow, seed), jr.key(seed)
    mean, predictor = fitted(problem, flow, seed, fits)
    known = gaussians(problem.flow, flow)
    (_, later), (_, truth) = flow.validation.flat(), flow.test.flat()
    errors = predicted(mean, flow.validation) - later
    known["deterministic U-Net"] = dress(predicted(mean, flow.test), errors)
    rows = {name: of_gaussian(found, truth) for name, found in known.items()}
    ensembles = {}
    ensembles["analogues"], chosen = analogues(problem.flow, flow)
    rows["analogues"] = of_ensemble(ensembles["analogues"], truth) | {"chosen": chosen}
    ensembles[report.GAUSSIAN] = gaussian_members(
        mean, predictor, flow.test.now, problem.members.count, jr.fold_in(key, 19)
    )
    rows[report.GAUSSIAN] = of_ensemble(ensembles[report.GAUSSIAN], truth)
    for name, (members, row) in _learned(problem, seed, flow, mean, predictor).items():
        ensembles[name] = members
        rows[name] = of_ensemble(members, truth) | row
    means = {name: found.mean for name, found in known.items()}
    numbers = {"rows": rows, "waves": report.small_scales(flow, means, ensembles)}
    figures = report.draw(problem, flow, means, ensembles)
    return report.findings(problem, seed, flow, numbers, figures)


def _learned(
    problem: Forecast, seed: int, flow: Flow, mean, predictor
) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Members of the test pairs, by the ODE and by the SDE of the noise level that is
    best on the validation pairs."""
    choice, key = problem.members, jr.fold_in(jr.key(seed), 20)
    levels = [problem.interpolant.scale / 2 * level for level in choice.levels]
    known, truth = flow.validation.now[:_TRIED], flow.validation.flat()[1][:_TRIED]
    scores = {}
    for level in levels:
        members = drawn(mean, predictor, known, choice, level, key)
        scores[level] = of_ensemble(members, truth)["crps"]
    best = min(levels, key=scores.__getitem__)
    found, key = {}, jr.fold_in(key, 1)
    for name, level in ((report.LEARNED[0], None), (report.LEARNED[1], best)):
        start = time.perf_counter()
        members = drawn(mean, predictor, flow.test.now, choice, level, key)
        said = f"{choice.steps} steps" + ("" if level is None else f", ε = {level:g}")
        row = {"seconds": time.perf_counter() - start, "chosen": said}
        if level is not None:
            row["levels"] = {f"{e:g}": score for e, score in scores.items()}
        found[name] = members, row
    return found
