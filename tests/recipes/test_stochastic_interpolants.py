"""The recipe of stochastic interpolants: its forecasts, its plane, and whole runs."""

import dataclasses
import functools
import json
import re
import shutil
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import pytest

from phix import plot, score
from phix.cli import main
from phix.recipes import (
    ConfigError,
    _forecast_baselines as base,
    _forecast_report as report,
    _plane_model as plane_model,
    _plane_run as plane_run,
    load_config,
    to_toml,
)
from phix.recipes._plane_choices import Moons
from phix.recipes._plane_laws import PlaneLaw, make_law
from phix.recipes.stochastic_interpolants import (
    Benchmark,
    Forecast,
    Interpolant,
    Members,
    Perceptron,
    Plane,
    StochasticInterpolants,
    Training,
    UNet,
)
from tests.recipes.kolmogorov import FLOW


CONFIGS = Path(__file__).parents[2] / "configs/score"
FORECAST = StochasticInterpolants(
    Forecast(
        flow=FLOW,
        interpolant=Interpolant(antithetic=False),
        network=UNet(widths=(4,), depth=1, patch=1),
        training=Training(steps=4, batch_size=2, checkpoint_every=2),
        members=Members(count=19, steps=4, levels=(1.0,)),
    )
)
PLANE = StochasticInterpolants(
    Plane(
        benchmarks=(Benchmark(target=Moons()),),
        interpolants=(Interpolant(antithetic=False),),
        couplings=("optimal",),
        network=Perceptron(width=8, depth=1),
        training=Training(steps=4, batch_size=8, checkpoint_every=2),
        num_samples=50,
        steps=4,
        levels=(0.3,),
    )
)


def check_distances(turned, densities=False):
    """The exact fields are as near to the target as two true sets, by ODE and by SDE;
    and their density is exact."""
    benchmark, plane = Benchmark(), Plane(num_samples=400, steps=48, levels=(0.3,))
    start, target = make_law(benchmark.start), make_law(benchmark.target)
    aim = target.exact
    assert start.exact is not None and aim is not None
    if turned:
        aim = score.oracles.Mixture(aim.weights, -aim.means, aim.covariances)
    predictor = score.oracles.Bridge(start.exact, aim, score.LinearInterpolant())
    if not densities:
        start = PlaneLaw(start.one, None)
    xs = start.draw(400, jr.key(0))
    row, _ = plane_run.measured(plane, predictor, start, target, xs, jr.key(1))
    floor = target.floor(400, jr.key(2))
    if densities:
        assert abs(row["nats"]) < 0.02 and row["off"] < 0.02
    else:
        assert row["ode"] < 3 * floor and row["sde"] < 3 * floor
        assert row["level"] == 0.3 and "nats" not in row


def test_exact_fields_are_at_the_target():
    check_distances(turned=False)
    with pytest.raises(AssertionError):  # at its mirror image
        check_distances(turned=True)


# Slow: a quarter of a minute of compiling.
@pytest.mark.slow
def test_exact_fields_have_the_density_of_the_target():
    check_distances(turned=False, densities=True)
    with pytest.raises(AssertionError):
        check_distances(turned=True, densities=True)


def test_the_verdict_counts_what_is_near():
    rows = {"a": {"ode": 0.02, "sde": 0.05, "level": 1.0}, "b": {"ode": 0.03}}
    for row in rows.values():
        row["seconds"] = 1.0
    found = {"floor": 0.01, "true": [0.005, 0.02], "rows": rows}
    assert [row[1:6] for row in plane_run.rows_of(found)[1:]] == [
        ["0.02000", "2.0", "0.05000", "5.0", "1"],
        ["0.03000", "3.0", "–", "–", "–"],
    ]
    said = plane_run.verdict(found)
    assert "0.01000 on the average, 0.00500 to 0.02000 in 2 draws" in said
    assert "Nearest: a, ODE, 2.0 times that; 2 of 3 within" in said


def test_the_verdict_leaves_the_solver_aside():
    rows = {base.SOLVER: (0.1, 0.1), "persistence": (1.0, 0.4)}
    rows |= {name: (0.5, 0.1) for name in report.LEARNED}
    said = report.verdict({n: {"rmse": a, "crps": b} for n, (a, b) in rows.items()})
    assert "RMSE 1.0000 (persistence)" in said and "equation: RMSE 0.1000" in said
    assert "interpolant, SDE: RMSE +50.0 %, CRPS +75.0 % better" in said


def test_fresh_pairs_are_new_each_step_and_the_same_again():
    law = make_law(Benchmark().target)
    source = plane_model.FreshPairs(law, law, 4)
    one, again, other = (source.draw(s, key=jr.key(0)).samples for s in (1, 1, 2))
    assert jnp.array_equal(one[0], again[0]) and not jnp.array_equal(one[0], other[0])
    assert not jnp.array_equal(one[0], one[1])


@pytest.mark.parametrize("name", ["kolmogorov", "plane"])
def test_configs_read(name):
    recipe = load_config(CONFIGS / f"interpolants_{name}_small.toml")
    assert isinstance(recipe, StochasticInterpolants)


KOLMOGOROV, IN_PLANE = 'kind = "kolmogorov_forecast"', 'kind = "plane"'


@pytest.mark.parametrize(
    "kind, table, words",
    [
        ('kind = "line"', "", "unknown problem.kind = 'line'"),
        (KOLMOGOROV, "flow = {num_points = 36}", "must divide by 2 · wavenumber = 8"),
        (KOLMOGOROV, "flow = {waves = 16}", "waves must be below num_points / 2 = 16"),
        (KOLMOGOROV, "flow = {solver_points = 16}", "solver_points must be at least"),
        (KOLMOGOROV, "flow = {num_cases = 50}", "num_cases must be at most num_pairs"),
        (KOLMOGOROV, "flow = {lag = 0.0}", "lag must be positive"),
        (KOLMOGOROV, "members = {count = 9}", "count must be at least 19"),
        (KOLMOGOROV, "members = {steps = 2}", "steps must be at least 4"),
        (KOLMOGOROV, "members = {levels = [-1.0]}", "levels must hold positive"),
        (KOLMOGOROV, 'interpolant = {latent = "none"}', "must be 'brownian' for a for"),
        (KOLMOGOROV, "network = {patch = 32}", "flow.num_points must divide by 64"),
        (IN_PLANE, "couplings = []", "couplings must hold some, each once"),
        (IN_PLANE, "interpolants = [{}, {}]", "interpolants must hold some, each once"),
        (IN_PLANE, 'couplings = ["optical"]', "'optical'.*optimal"),
        (IN_PLANE, "levels = []", "levels must hold positive numbers"),
        (IN_PLANE, "steps = 1", "steps must be at least 2"),
        (IN_PLANE, "interpolants = [{scale = 0.0}]", "scale must be positive"),
        (IN_PLANE, 'interpolants = [{path = "trigonometric", scale = 4.0}]', "below 4"),
    ],
)
def test_bad_configs_are_named(tmp_path, kind, table, words):
    text = f'recipe = "stochastic_interpolants"\n[problem]\n{kind}\n{table}\n'
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(tmp_path / "bad.toml")


def finished(tmp_path, monkeypatch, recipe):
    """Run, continued after the last network was lost, and evaluated anew: the folder
    and the numbers of the three."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        plot, "save_figure", functools.partial(plot.save_figure, dpi=30)
    )
    Path("tiny.toml").write_text(to_toml(recipe))
    folder = tmp_path / "runs/tiny"

    def numbers():
        found = json.loads((folder / "metrics.json").read_text())
        return json.loads(re.sub(r'"seconds": [\d.]+', '"seconds": 0', json.dumps(
            {k: v for k, v in found.items() if k != "seconds"}
        )))  # fmt: skip

    assert main(["run", "tiny.toml", "--quiet"]) == 0
    found = [numbers()]
    # Killed in the midst of the last training.
    last = max((folder / "checkpoints").iterdir(), key=lambda p: p.stat().st_mtime)
    shutil.rmtree(last / "4")
    (folder / "report.md").unlink()
    assert main(["run", "tiny.toml", "--quiet"]) == 0
    found.append(numbers())
    assert main(["evaluate", "runs/tiny"]) == 0
    return folder, [*found, numbers()]


def check_pages(folder, words):
    page = (folder / "report.md").read_text()
    for word in words:
        assert word in page
    for figure in re.findall(r"\((figures/.*?)\)", page):
        assert (folder / figure).stat().st_size > 1000


def test_a_run_in_the_plane_continues_and_is_evaluated_anew(tmp_path, monkeypatch):
    folder, found = finished(tmp_path, monkeypatch, PLANE)
    assert found[0] == found[1] == found[2]
    (row,) = found[0]["from normal to moons"]["rows"].values()
    assert {"ode", "sde", "level", "seconds"} == set(row)
    check_pages(folder, ["brownian γ, optimal", "From normal to moons", "Two true"])


# Slow: half a minute of compiling.
@pytest.mark.slow
def test_a_run_of_forecasts_continues_and_is_evaluated_anew(tmp_path, monkeypatch):
    folder, found = finished(tmp_path, monkeypatch, FORECAST)
    assert found[0] == found[1] == found[2]
    assert set(found[0]["rows"]) >= {"analogues", *report.LEARNED}
    # On as many nodes and from all that they hold, the solver is the truth.
    assert found[0]["rows"][base.SOLVER]["rmse"] < 1
    check_pages(
        folder, ["deterministic U-Net", "interpolant, SDE", "Variance by waves"]
    )


def run_of(name, tmp_path, **changes):
    recipe = load_config(CONFIGS / f"interpolants_{name}_small.toml")
    dataclasses.replace(recipe, **changes).run(tmp_path / "run", progress=False)
    return json.loads((tmp_path / "run/metrics.json").read_text())


@pytest.mark.slow
def test_kolmogorov_flow_is_forecast_with_its_small_scales(tmp_path):
    """The claims of the config: better than all that know no equation but the network
    of the mean, which it equals; intervals that hold; small scales that stay."""
    numbers = run_of("kolmogorov", tmp_path)
    rows, shares = numbers["rows"], numbers["waves"]["shares"]
    for name in report.LEARNED:
        for other in ("climatology", "persistence", "linear regression", "analogues"):
            assert rows[name]["crps"] < 0.7 * rows[other]["crps"]
            assert rows[name]["rmse"] < 0.7 * rows[other]["rmse"]
        assert rows[name]["crps"] < 1.05 * rows["deterministic U-Net"]["crps"]
        assert 0.85 < rows[name]["coverage"] < 0.95
        assert 0.7 < shares[f"{name}, members"][-1] < 1.3
    assert shares["deterministic U-Net, mean"][-1] < 0.5
    sde = rows[report.LEARNED[1]]
    assert sde["crps"] < rows[report.GAUSSIAN]["crps"]
    assert sde["rmse"] < rows[report.GAUSSIAN]["rmse"]


@pytest.mark.slow
def test_laws_in_the_plane_are_reached(tmp_path):
    """The claims of the config: every benchmark within three times the distance of two
    true sets by some way with γ, and without."""
    for found in run_of("plane", tmp_path).values():
        if "floor" in found:
            near = {n: min(r["ode"], r.get("sde", 9)) for n, r in found["rows"].items()}
            assert min(near.values()) <= 3 * found["floor"]
