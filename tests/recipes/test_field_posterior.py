"""The recipes flair and red_diff: their fields, baselines and whole runs."""

import functools
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import pde, plot, score
from phix.cli import main
from phix.recipes import (
    ConfigError,
    _field_baselines as base,
    _field_report as report,
    _field_scores as scores,
    load_config,
    to_toml,
)
from phix.recipes._field_data import make_problem
from phix.recipes._field_prior import PATH, OnGaussian, random_image, spectrum_of
from phix.recipes.field_posterior import (
    CoarseGraining,
    FlairRecipe,
    Posterior,
    Sensors,
    Training,
    Transformer,
    UNet,
    Vortices,
)
from phix.space import Grid


CONFIGS = [
    Path(__file__).parents[2] / f"configs/score/{name}_small.toml"
    for name in ("flair", "red_diff")
]
GRID = Grid((8, 8), (0.0, 2 * np.pi))
SENSORS, CELLS = Sensors(share=0.2, noise=0.3), CoarseGraining(cell=2, noise=0.3)
TINY = FlairRecipe(
    fields=Vortices(
        num_points=8,
        solver_points=8,
        viscosity=0.05,
        peak=2.0,
        times=(0.5, 1.0),
        dt=0.25,
        num_training=3,
        num_validation=2,
        num_test=2,
    ),
    measurements=(SENSORS, CELLS),
    network=UNet(widths=(4, 4), depth=1, patch=1),
    training=Training(steps=2, batch_size=2),
    posterior=Posterior(
        mmps_steps=2, mmps_iterations=1, dps_steps=2, flair_steps=2, red_diff_steps=2
    ),
)


def problem(kind, count=3):
    truth = np.random.default_rng(0).normal(size=(count, 1, 8, 8))
    return make_problem(kind, GRID, jnp.asarray(truth), seed=1)


def check_operator(kind, matrix):
    """The matrix of the baselines is the operator of the posteriors."""
    found = problem(kind)
    for i, (nodes, readings) in enumerate(
        zip(found.nodes, found.readings, strict=True)
    ):
        operator = found.measurement(jnp.asarray(nodes), readings).operator
        by_matrix = matrix(found, nodes) @ np.asarray(found.truth[i]).ravel()
        np.testing.assert_allclose(operator(found.truth[i])[0], by_matrix, atol=1e-12)
        # The readings are that and noise.
        assert 0 < np.std(readings - by_matrix) < 3 * kind.noise


@pytest.mark.parametrize("kind", [SENSORS, CELLS])
def test_baselines_and_posteriors_see_the_same(kind):
    check_operator(kind, base.readings_matrix)
    with pytest.raises(AssertionError):  # readings of other nodes
        check_operator(kind, lambda p, nodes: base.readings_matrix(p, nodes[::-1]))


def check_conditioned(kind, posterior):
    """By precisions: (C⁻¹ + HᵀH/σ²)⁻¹, in place of the gain."""
    found = problem(kind)
    covariance = base._squared_exponential(8, 1.0, 1.2)
    mean, std = posterior(covariance, found)
    for i, nodes in enumerate(found.nodes):
        rows = base.readings_matrix(found, nodes)
        precision = np.linalg.inv(covariance) + rows.T @ rows / kind.noise**2
        truth = np.linalg.inv(precision)
        np.testing.assert_allclose(std[i] ** 2, np.diag(truth), rtol=1e-6)
        pulled = rows.T @ np.asarray(found.readings[i]) / kind.noise**2
        np.testing.assert_allclose(mean[i], truth @ pulled, atol=1e-6)


@pytest.mark.parametrize("kind", [SENSORS, CELLS])
def test_gaussian_baselines_are_exact(kind):
    def posterior(covariance, found):
        gauss = base.conditioned(covariance, found)
        return gauss.mean, gauss.std

    check_conditioned(kind, posterior)
    with pytest.raises(AssertionError):  # the deviation for the variance
        check_conditioned(
            kind, lambda c, p: (posterior(c, p)[0], posterior(c, p)[1] ** 2)
        )


def check_covariance(row):
    """Averaged over all images of the fields, as an outer product."""
    us = np.random.default_rng(2).normal(size=(2, 4, 4))
    total = np.zeros((16, 16))
    for u in us:
        for image in range(8):
            for i, j in np.ndindex(4, 4):
                seen = np.roll(base.symmetric(u, image), (i, j), (0, 1)).ravel()
                total += np.outer(seen, seen) / (2 * 8 * 16)
    np.testing.assert_allclose(row(us), total, atol=1e-12)


def test_the_averaged_covariance_is_that_of_all_images():
    check_covariance(lambda us: base.second_moments(us, 1.0))
    with pytest.raises(AssertionError):
        check_covariance(lambda us: base.second_moments(us, 0.0))


def check_nearest(nearest):
    """A field that is an image of a training field is found, from many readings."""
    us = np.random.default_rng(3).normal(size=(4, 8, 8)).astype(np.float32)
    images = [np.roll(base.symmetric(us[i], k), (i, 3), (0, 1)) for i, k in
              ((0, 0), (1, 1), (3, 6))]  # fmt: skip
    for kind in (Sensors(0.5, 1e-3), CoarseGraining(2, 1e-3)):
        found = make_problem(kind, GRID, jnp.asarray(images)[:, None], seed=0)
        np.testing.assert_allclose(
            nearest(us, found), np.reshape(images, (3, -1)), atol=1e-5
        )


def test_the_nearest_field_is_found_in_all_its_images():
    check_nearest(base.nearest_field)
    with pytest.raises(AssertionError):  # mirrored vortices that turn as before
        check_nearest(lambda us, p: -base.nearest_field(us, p))


def check_start(net):
    """Without a network the denoiser is the posterior mean of Gaussian fields that are
    read at every node with noise σ/α."""
    us = np.random.default_rng(5).normal(size=(20, 1, 8, 8))
    us = jnp.asarray(us + np.roll(us, 1, 2) + np.roll(us, 1, 3))
    predictor = score.Predictor(net(us), PATH, "velocity")
    covariance = base.second_moments(np.asarray(us[:, 0]), 1.0)
    x, t = us[0] + 0.4, 0.3
    noise = (t / (1 - t)) ** 2 * np.eye(64)
    truth = covariance @ np.linalg.solve(covariance + noise, np.ravel(x) / (1 - t))
    found = predictor.predict(t, x, "data").ravel()
    np.testing.assert_allclose(found, truth, atol=1e-10)


def test_the_untrained_prior_is_that_of_optimal_interpolation():
    def still(log_snr, x, cond):
        return jnp.zeros_like(x)

    check_start(lambda us: OnGaussian(still, spectrum_of(us)))
    with pytest.raises(AssertionError):  # the sum over the nodes, not their mean
        check_start(lambda us: OnGaussian(still, 64 * spectrum_of(us)))


def check_scores(of_members):
    """Members drawn from a Gaussian law have its numbers: CRPS and RMSE above them by
    the share 1/m that so many members cost, to four standard errors."""
    found, members = problem(SENSORS, count=20), 39
    rng = np.random.default_rng(6)
    shape = found.held.shape
    truth = np.asarray(found.truth).reshape(shape)
    std = rng.uniform(0.5, 1.5, shape)
    mean = truth + std * rng.normal(size=shape)
    mean[~found.held] += 100  # sensors do not count
    law = scores.of_gaussian(scores.Gaussian(mean, std), found.flat, found.held)
    drawn = mean + std * rng.normal(size=(members, *shape))
    numbers = of_members(drawn, found.flat, found.held)
    slack = 4 / np.sqrt(found.held.sum())
    for key, more in (("rmse", 0.5), ("crps", 1.0), ("coverage", 0.0), ("spread", 0.0)):
        assert abs(numbers[key] / law[key] - 1 - more / members) < slack
    assert abs(law["coverage"] - 0.9) < slack and numbers["diverged"] == 0


def test_the_scores_of_members_are_those_of_their_law():
    check_scores(scores.of_ensemble)
    with pytest.raises(AssertionError):  # members that are too sure
        check_scores(
            lambda xs, *seen: scores.of_ensemble(
                xs.mean(0) + 0.7 * (xs - xs.mean(0)), *seen
            )
        )


def test_diverged_chains_are_no_silent_loss():
    found = problem(SENSORS)
    drawn = np.random.default_rng(7).normal(size=(19, *found.held.shape))
    drawn[3, 1] = np.nan
    numbers = scores.of_ensemble(drawn, found.flat, found.held)
    assert numbers["diverged"] == 1 and np.isnan(numbers["rmse"])


def test_the_verdict_takes_the_best_baseline_of_each_score():
    rows = {"spline": (1.0, 0.4), "optimal interpolation": (0.8, 0.5)}
    rows |= {name: (0.6, 0.5) for name in report.LEARNED} | {"MMPS": (0.4, 0.1)}
    table = {n: {"rmse": a, "crps": b} for n, (a, b) in rows.items()}
    said = report.verdict({"rows": table})
    assert "RMSE 0.8000 (optimal interpolation), CRPS 0.4000 (spline)" in said
    assert "MMPS: RMSE +50.0 %, CRPS +75.0 % better" in said
    assert "DPS: RMSE +25.0 %, CRPS -25.0 % better" in said


def check_symmetry(image):
    """Images of a flow are flows: the equation commutes with them."""
    equation = pde.Vorticity(GRID, 1e-2)
    u = jnp.asarray(np.random.default_rng(4).normal(size=(1, 8, 8)))
    u = u - jnp.mean(u)
    rate = jax.jit(lambda u: equation.rhs(0.0, u, None))
    for key in jr.split(jr.key(0), 6):
        np.testing.assert_allclose(
            rate(image(u, key=key)), image(rate(u), key=key), atol=1e-10
        )


def test_images_of_a_flow_are_flows():
    image = jax.jit(random_image)
    check_symmetry(image)

    def unsigned(u, *, key):
        moved = image(u, key=key)
        return moved * jnp.sign(jnp.sum(moved**3) * jnp.sum(u**3))

    with pytest.raises(AssertionError):
        check_symmetry(unsigned)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_configs_read(config):
    recipe = load_config(config)
    assert recipe.posterior.members >= 19


@pytest.mark.parametrize(
    "table, words",
    [
        ("measurements = []", "measurements must hold at least one"),
        ('measurements = [{kind = "sensors", share = 1.5}]', "share must be between"),
        ('measurements = [{kind = "sensors", share = 1e-4}]', "is no sensor"),
        ('measurements = [{kind = "sensors", noise = 0.0}]', "noise must be positive"),
        ('measurements = [{kind = "coarse", cell = 5}]', "cell = 5 must divide"),
        ('measurements = [{kind = "cores"}]', "unknown .*kind = 'cores'.*coarse"),
        ("posterior = {members = 10}", "posterior: members must be at least 19"),
        ("posterior = {mmps_step = 3}", "unknown key posterior.mmps_step.*mmps_steps"),
        ("network = {widths = [6]}", "network: widths must be multiples of 4"),
        ("fields = {num_points = 30}", "fields.num_points must divide by 4"),
        ("fields = {solver_points = 16}", "solver_points must be at least num_points"),
        ("fields = {times = [3.0, 1.0]}", "times must be positive and increase"),
        ("training = {ema = 1.0}", "ema must be between 0 and 1"),
    ],
)
def test_bad_configs_are_named(tmp_path, table, words):
    (tmp_path / "bad.toml").write_text(f'recipe = "red_diff"\n{table}\n')
    with pytest.raises(ConfigError, match=words):
        load_config(tmp_path / "bad.toml")


def test_transformers_of_odd_width_are_named():
    with pytest.raises(ValueError, match="width must divide by 4 · heads = 16"):
        Transformer(width=40)


# Slow: a minute of compiling for four posteriors of two kinds of readings.
@pytest.mark.slow
def test_a_run_leaves_tables_figures_and_a_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        plot, "save_figure", functools.partial(plot.save_figure, dpi=30)
    )
    (tmp_path / "tiny.toml").write_text(to_toml(TINY))
    assert main(["run", "tiny.toml", "--quiet"]) == 0
    folder = tmp_path / "runs/tiny"
    said, page = capsys.readouterr().out, (folder / "report.md").read_text()
    for words in ("optimal interpolation", "nearest training field", "MMPS", "FLAIR"):
        assert words in said and words in page
    for figure in re.findall(r"\((figures/.*?)\)", page):
        assert (folder / figure).stat().st_size > 1000
    numbers = json.loads((folder / "metrics.json").read_text())
    assert len(numbers["measurements"]) == 2
    first = numbers["measurements"][0]["rows"]
    assert set(first) >= {"spline", "RED-diff", "DPS"}
    # From the weights of the run, the same numbers.
    assert main(["evaluate", "runs/tiny"]) == 0
    again = json.loads((folder / "metrics.json").read_text())
    rows = again["measurements"][0]["rows"]
    assert rows["FLAIR"]["rmse"] == first["FLAIR"]["rmse"]
