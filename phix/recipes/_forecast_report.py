"""What a run of the forecasts shows people: tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from phix import plot
from phix.recipes._field_scores import compared, mean_spectrum, score_rows
from phix.recipes._forecast_baselines import SOLVER
from phix.recipes._forecast_data import Flow
from phix.recipes._interpolant_choices import Forecast
from phix.recipes._study_run import Findings, Section


if TYPE_CHECKING:
    from matplotlib.figure import Figure


GAUSSIAN = "U-Net, Gaussian errors"
LEARNED = ("interpolant, ODE", "interpolant, SDE")


def verdict(scored: dict[str, dict[str, Any]]) -> str:
    """How the interpolants stand to the best that knows no equation."""
    blind = {name: row for name, row in scored.items() if name != SOLVER}
    solver = scored[SOLVER]
    return (
        f"{compared(blind, LEARNED)}\nThe solver, which knows the equation: "
        f"RMSE {solver['rmse']:.4f}, CRPS {solver['crps']:.4f}."
    )


def wave_rows(numbers: dict[str, Any]) -> list[list[str]]:
    """How much of the truth's variance single forecasts have, by waves."""
    bands = numbers["waves"]["bands"]
    rows = [["", *(f"waves {low}–{high}" for low, high in bands)]]
    for name, shares in numbers["waves"]["shares"].items():
        rows.append([name, *(f"{share:.2f}" for share in shares)])
    return rows


def small_scales(
    flow: Flow, means: dict[str, np.ndarray], ensembles: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Variance of forecasts and of members over that of the truth, by waves."""
    waves, true = mean_spectrum(flow.grid, np.asarray(flow.test.later))
    highest = flow.grid.shape[0] // 2
    edges = sorted({1, *(2**i for i in range(2, 6) if 2**i < highest), highest})
    bands = [(a, b - 1) for a, b in zip(edges, edges[1:], strict=False)]

    def shares(us):
        power = mean_spectrum(flow.grid, us)[1]
        inside = [(waves > a - 0.5) & (waves < b + 0.5) for a, b in bands]
        return [float(power[i].sum() / true[i].sum()) for i in inside]

    found = {f"{name}, mean": shares(us) for name, us in means.items()}
    for name, members in ensembles.items():
        found[f"{name}, mean"] = shares(members.mean(0))
        found[f"{name}, members"] = shares(members)
    return {"bands": bands, "shares": found}


def findings(
    problem: Forecast,
    seed: int,
    flow: Flow,
    numbers: dict[str, Any],
    figures: dict[str, Figure],
) -> Findings:
    """The numbers, the tables and what they say."""
    data, choice = problem.flow, problem.members
    levels = numbers["rows"][LEARNED[1]]["levels"]
    tried = ", ".join(f"{value:.4f} at {level}" for level, value in levels.items())
    about = f"""Forecasts of Kolmogorov flow, seed {seed}.

Vorticity on {data.num_points}² nodes, standardised. Known of the state now: waves up to
{data.waves} along each axis; forecast: the whole state {data.lag:g} later. Training:
{len(flow.train.now)} pairs of {data.num_training} trajectories under the symmetries of
the force; test: {len(flow.test.now)} pairs of {data.num_test} other trajectories,
{choice.count} members each. Settings were chosen on {len(flow.validation.now)} pairs of
yet others, whose errors are also the spread of the forecasts that have none of their
own; their CRPS is that of a normal law. The U-Net and the interpolant took
{problem.training.steps} steps each; the interpolant is told what the U-Net says.
"{GAUSSIAN}" is
the law that it leads to before it is trained, the U-Net with Gaussian errors of their
spectrum: what the training of the interpolant adds is beyond it."""
    scores = Section(
        "Scores",
        score_rows(numbers["rows"]),
        verdict=verdict(numbers["rows"]),
        text=f"CRPS on the validation pairs by noise level ε: {tried}.",
        figures={"forecast": figures["forecast"]},
    )
    waves = Section(
        "Variance by waves",
        wave_rows(numbers),
        text="Of forecasts and of single members, over that of the truth.",
        figures={"spectra": figures["spectra"]},
    )
    return Findings(numbers, [scores, waves], about)


def draw(
    problem: Forecast,
    flow: Flow,
    means: dict[str, np.ndarray],
    ensembles: dict[str, np.ndarray],
) -> dict[str, Figure]:
    """One test state with its forecasts, and spectra over all."""
    grid = flow.grid
    x, y = map(np.asarray, grid.axes)

    def image(values):
        return np.asarray(values).reshape(grid.shape)

    now, later = (u[0] for u in flow.test.flat())
    rows = {
        "truth and means": {"known now": image(now), "truth": image(later)}
        | {name: image(found[0]) for name, found in means.items()}
        | {name: image(xs[:, 0].mean(0)) for name, xs in ensembles.items()}
    }
    for name, xs in ensembles.items():
        count = len(rows["truth and means"])
        rows[f"members,\n{name}"] = {
            f"member {i + 1}": image(xs[i, 0]) for i in range(count)
        }
    last = "spread and error"
    rows[last] = {
        f"spread,\n{name}": image(ensembles[name][:, 0].std(0)) for name in LEARNED
    }
    rows[last] |= {
        f"error of the mean,\n{name}": image(abs(ensembles[name][:, 0].mean(0) - later))
        for name in LEARNED
    }
    signed = [name for name in rows if name != last]
    title = f"a time {problem.flow.lag:g} later"
    figures = {
        "forecast": plot.field_panels(rows, x=x, y=y, signed=signed, title=title)
    }

    curves = {"truth": np.asarray(flow.test.later), SOLVER: means[SOLVER]}
    curves["deterministic U-Net"] = means["deterministic U-Net"]
    for name in LEARNED:
        curves[f"{name}, members"] = ensembles[name]
    curves[f"{LEARNED[1]}, mean"] = ensembles[LEARNED[1]].mean(0)
    spectra = {name: mean_spectrum(grid, np.asarray(us)) for name, us in curves.items()}
    figures["spectra"] = plot.curve_panels(
        {"mean square of a shell": spectra},
        xlabel="wavenumber (1/length)",
        ylabel="share of the variance",
        log=True,
    )
    return figures
