"""The recipe of stochastic interpolants: its forecasts, its plane, and whole runs."""

import dataclasses
import functools
import itertools
import json
import re
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import plot, score
from phix.cli import main
from phix.recipes import (
    ConfigError,
    _forecast_baselines as base,
    _forecast_data as data,
    _forecast_model as model,
    _forecast_report as report,
    _plane_model as plane_model,
    _plane_run as plane_run,
    load_config,
    to_toml,
)
from phix.recipes._plane_laws import make_law
from phix.recipes.stochastic_interpolants import (
    Benchmark,
    Forecast,
    Interpolant,
    KolmogorovFlow,
    Members,
    Perceptron,
    Plane,
    StochasticInterpolants,
    Training,
    UNet,
)
from phix.space import Grid


CONFIGS = Path(__file__).parents[2] / "configs/score"
WAVENUMBER = 2
FLOW = KolmogorovFlow(
    num_points=8,
    solver_points=8,
    viscosity=0.05,
    wavenumber=WAVENUMBER,
    dt=0.25,
    spin_up=0.5,
    waves=2,
    lag=0.5,
    num_pairs=10,
    num_training=2,
    num_validation=2,
    num_test=2,
)
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
        interpolants=(Interpolant(antithetic=False), Interpolant(latent="none")),
        couplings=("optimal",),
        network=Perceptron(width=8, depth=1),
        training=Training(steps=4, batch_size=8, checkpoint_every=2),
        num_samples=50,
        steps=4,
        levels=(0.3,),
    )
)
FORCE = data.equation(FLOW)


def fields(count, seed=0):
    us = np.random.default_rng(seed).normal(size=(count, 1, 8, 8))
    return jnp.asarray(us - us.mean((2, 3), keepdims=True))


def all_images(u):
    """Of one field, with all shifts along x, by the program of the training."""
    symmetries = itertools.product(range(8), range(2 * WAVENUMBER), (False, True))
    return [
        np.asarray(_image(u, along, halves, turned))
        for along, halves, turned in symmetries
    ]


@functools.partial(jax.jit)
def _image(u, along, halves, turned):
    return data.image(u, along, halves, turned, WAVENUMBER)


def check_symmetries(image):
    """Images of a flow are flows: the forced equation commutes with them."""
    u = fields(1)[0]
    rate = jax.jit(lambda u: FORCE.rhs(0.0, u, None))
    for along, halves, turned in itertools.product((0, 3), range(4), (False, True)):
        np.testing.assert_allclose(
            rate(image(u, along, halves, turned)),
            image(rate(u), along, halves, turned),
            atol=1e-5,
        )


def test_images_of_a_forced_flow_are_flows():
    check_symmetries(_image)
    with pytest.raises(AssertionError):  # half a wave of the force without reflection
        check_symmetries(lambda u, along, halves, turned: jnp.roll(u, 2 * halves, 2))


def check_view(seen):
    """As many waves as are kept, of the field itself; the rest is not there."""
    grid, u = Grid((8, 8), (0.0, 2 * np.pi)), fields(1)[0]
    found, whole = (np.fft.fft2(np.asarray(v)[0]) for v in (seen(u, grid, 2), u))
    low = np.abs(np.fft.fftfreq(8, 1 / 8)) <= 2
    kept = low[:, None] & low
    np.testing.assert_allclose(found[kept], whole[kept], atol=1e-10)
    np.testing.assert_allclose(found[~kept], 0, atol=1e-10)


def test_the_view_is_the_low_waves():
    check_view(data.seen)
    with pytest.raises(AssertionError):
        check_view(lambda u, grid, waves: data.seen(u, grid, 1))


def pairs(count, seed=0):
    us = fields(count, seed)
    later = jnp.roll(us, 1, 2) + 0.5 * us**2 + 0.1 * fields(count, seed + 1)
    return data.Pairs(us, later)


def check_climatology(profiles):
    """Moments of all images of all states, one by one."""
    train = pairs(3)
    images = np.array([all_images(u) for u in train.later])[:, :, 0]
    mean, std = profiles(train)
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)), atol=1e-10)
    np.testing.assert_allclose(std, images.std((0, 1, 2)), atol=1e-10)


def test_climatology_is_of_all_images():
    check_climatology(lambda train: base.profiles(train, WAVENUMBER))
    with pytest.raises(AssertionError):  # of the states as they are
        check_climatology(
            lambda train: (
                np.asarray(train.later).mean((0, 1, 2)),
                np.asarray(train.later).std((0, 1, 2)),
            )
        )


def check_regression(forecast):
    """Least squares from all numbers to all numbers, over all images, one by one."""
    train, asked = pairs(6), fields(2, 9)
    rows = [
        [np.ravel(v) for u in us for v in all_images(u)]
        for us in (train.now, train.later)
    ]
    now, later = map(np.array, rows)
    design = np.column_stack([now, np.ones(len(now))])
    matrix = np.linalg.lstsq(design, later, rcond=None)[0]
    truth = np.column_stack([asked.reshape(2, -1), np.ones(2)]) @ matrix
    np.testing.assert_allclose(forecast(train)(asked), truth, atol=1e-5)


def test_regression_is_that_of_all_images():
    check_regression(lambda train: base.LinearForecast(train, WAVENUMBER, 1e-9))
    with pytest.raises(AssertionError):
        check_regression(lambda train: base.LinearForecast(train, WAVENUMBER, 1.0))


def check_analogues(nearest):
    """By trying all images of all pairs."""
    train, asked = pairs(5), fields(3, 7)
    views = [np.array(all_images(u)) for u in train.now]
    after = [np.array(all_images(u)) for u in train.later]
    for i, u in enumerate(asked):
        far = [np.sum((v - u) ** 2, (1, 2, 3)) for v in views]
        order = np.argsort([f.min() for f in far])[:2]
        truth = [after[j][far[j].argmin()].ravel() for j in order]
        np.testing.assert_allclose(nearest(train, asked)[:, i], truth, atol=1e-5)


def test_analogues_are_nearest_in_all_images():
    check_analogues(lambda train, us: base.nearest_futures(train, us, WAVENUMBER, 2))
    with pytest.raises(AssertionError):  # the farthest
        check_analogues(
            lambda train, us: base.nearest_futures(train, -us, WAVENUMBER, 2)
        )


def still(t, x, cond):
    return jnp.zeros_like(x)


def gaussian_predictor(path, spectrum, net=still):
    halves = [
        model.OnGaussian(net, path, spectrum, jnp.zeros((1, 8, 8)), kind)
        for kind in ("velocity", "noise")
    ]
    return score.TwoSidedPredictor(halves[0], path, halves[1])


def check_gaussian(predictor_of):
    """Without a network the fields are the conditional means of (x₁, z) given x, by
    dense covariances; the future is Gaussian, with the spectrum of some fields."""
    path = Interpolant(scale=0.7).build()
    us = fields(30, 3) + jnp.roll(fields(30, 3), 1, 3)
    predictor = predictor_of(path, model.spectrum_of(us))
    row = np.fft.ifft2(np.mean(np.abs(np.fft.fft2(us[:, 0])) ** 2, 0) / 64).real
    places = np.stack(np.unravel_index(np.arange(64), (8, 8)))
    covariance = row[tuple((places[:, :, None] - places[:, None]) % 8)]
    now, mean, x = fields(3, 5)
    cond = jnp.concatenate([now, mean])
    for t in (0.1, 0.6):
        c = path.at(t)
        whole = c.beta**2 * covariance + c.gamma**2 * np.eye(64)
        pulled = np.linalg.solve(whole, np.ravel(x - c.alpha * now - c.beta * mean))
        noise, data_ = c.gamma * pulled, np.ravel(mean) + c.beta * covariance @ pulled
        velocity = c.d_alpha * np.ravel(now) + c.d_beta * data_ + c.d_gamma * noise
        for kind, truth in (("velocity", velocity), ("noise", noise), ("data", data_)):
            found = predictor.predict(t, x, kind, cond)
            np.testing.assert_allclose(found.ravel(), truth, atol=1e-8)


def test_untrained_it_is_the_exact_forecast_of_gaussian_fields():
    check_gaussian(gaussian_predictor)
    with pytest.raises(AssertionError):  # the sum over the nodes, not their mean
        check_gaussian(lambda path, spectrum: gaussian_predictor(path, 64 * spectrum))


def check_members(level, size):
    """Of a Gaussian future the members have its mean and its deviation, to 5 standard
    errors and the 3 % that 32 steps may cost."""
    path, count = Interpolant(scale=0.5).build(), 40
    predictor = gaussian_predictor(path, jnp.full((8, 5), size**2, jnp.float32))
    now = fields(4).astype(jnp.float32)
    found = model.drawn(
        lambda u: u + 2.0, predictor, now, Members(count, 32), level, jr.key(0)
    )
    apart = found - (np.asarray(now).reshape(4, -1) + 2.0)
    number = apart.size
    assert abs(apart.mean()) < 5 * 0.6 / np.sqrt(number)
    assert abs(apart.std() / 0.6 - 1) < 5 / np.sqrt(2 * number) + 0.03


def test_members_have_the_law_of_a_gaussian_future():
    for level in (None, 0.25, 0.5):
        check_members(level, 0.6)
    with pytest.raises(AssertionError):
        check_members(0.25, 0.5)


def check_distances(turned):
    """The exact fields are as near to the target as two true sets, by ODE and by SDE,
    and their density is exact."""
    benchmark, plane = Benchmark(), Plane(num_samples=400, steps=48, levels=(0.3,))
    start, target = make_law(benchmark.start), make_law(benchmark.target)
    aim = target.exact
    assert start.exact is not None and aim is not None
    if turned:
        aim = score.oracles.Mixture(aim.weights, -aim.means, aim.covariances)
    predictor = score.oracles.Bridge(start.exact, aim, score.LinearInterpolant())
    xs = start.draw(400, jr.key(0))
    row, _ = plane_run.measured(plane, predictor, start, target, xs, jr.key(1))
    floor = target.floor(400, jr.key(2))
    assert row["ode"] < 3 * floor and row["sde"] < 3 * floor and row["level"] == 0.3
    assert abs(row["nats"]) < 0.02 and row["off"] < 0.02


def test_exact_fields_are_at_the_target():
    check_distances(turned=False)
    with pytest.raises(AssertionError):  # at its mirror image
        check_distances(turned=True)


def test_the_verdict_counts_what_is_near():
    rows = {"a": {"ode": 0.02, "sde": 0.05}, "b": {"ode": 0.03}}
    said = plane_run.verdict({"floor": 0.01, "rows": rows})
    assert "Nearest: a, ODE, 2.0 times that; 2 of 3 within" in said


def test_the_verdict_leaves_the_solver_aside():
    rows = {base.SOLVER: (0.1, 0.1), "persistence": (1.0, 0.4)}
    rows |= {name: (0.5, 0.1) for name in report.LEARNED}
    said = report.verdict({n: {"rmse": a, "crps": b} for n, (a, b) in rows.items()})
    assert "RMSE 1.0000 (persistence)" in said and "equation: RMSE 0.1000" in said
    assert "interpolant, SDE: RMSE +50.0 %, CRPS +75.0 % better" in said


def check_small_scales(shares):
    """Fields of half the amplitude have a quarter of the variance, at all waves."""
    grid, us = Grid((8, 8), (0.0, 2 * np.pi)), fields(3)
    part = data.Pairs(us, us)
    flow = data.Flow(grid, jnp.zeros((1, 8, 8)), part, part, part, 1.0, 0.0)
    found = shares(flow, np.asarray(us).reshape(3, -1))
    np.testing.assert_allclose(found, 0.25, rtol=1e-4)


def test_small_scales_are_variances():
    def shares(flow, us, factor=0.5):
        found = report.small_scales(flow, {"half": factor * us}, {})
        return found["shares"]["half, mean"]

    check_small_scales(shares)
    with pytest.raises(AssertionError):
        check_small_scales(functools.partial(shares, factor=0.25))


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


def test_too_few_analogues_are_named():
    few = pairs(5)
    flow = data.Flow(
        Grid((8, 8), (0.0, 2 * np.pi)), jnp.zeros((1, 8, 8)), few, few, few, 1.0, 0.0
    )
    with pytest.raises(ValueError, match="5 training pairs are fewer than the 19"):
        base.analogues(FLOW, flow)


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
    rows = found[0]["from normal to mixture"]["rows"]
    with_noise, without = rows.values()
    assert "sde" in with_noise and "sde" not in without
    check_pages(
        folder, ["flow matching, optimal", "From normal to mixture", "Two true"]
    )


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


@pytest.mark.slow
def test_laws_in_the_plane_are_reached(tmp_path):
    """The claims of the config: every benchmark within three times the distance of two
    true sets by some way with γ, and without."""
    for found in run_of("plane", tmp_path).values():
        if "floor" in found:
            near = {n: min(r["ode"], r.get("sde", 9)) for n, r in found["rows"].items()}
            assert min(near.values()) <= 3 * found["floor"]
