"""The recipes in the plane: what they measure, and whole runs."""

import dataclasses
import functools
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
    _gauge_models as gauge,
    _gauge_sphere as spheres,
    _kinetic_report,
    _kinetic_run as kinetic,
    _plane_laws as laws,
    _plane_measures as measures,
    _principles_models as principles,
    load_config,
    to_toml,
)
from phix.recipes._plane_choices import Mixture, Ring
from phix.recipes._score_choices import Perceptron, Training
from phix.recipes.diffusion_principles import DiffusionPrinciplesRecipe, Guidance
from phix.recipes.gauge_freedom import GaugeFreedomRecipe, Sphere
from phix.recipes.kinetic_optimal import KineticOptimalRecipe, PathFromData
from tests.score.laws import Tagged, mixture


CONFIGS = Path(__file__).parents[2] / "configs/score"
NET, TRAINING = Perceptron(4, 1), Training(4, 4, checkpoint_every=2)
TWO = Mixture((1.0, 1.0), ((0.0, 0.0), (3.0, 0.0)), ((1.0, 0.0, 1.0),) * 2)
TINY = {
    "diffusion_principles": DiffusionPrinciplesRecipe(
        law=TWO,
        data=16,
        network=NET,
        training=TRAINING,
        guidance=Guidance(weights=(2.0,)),
        distillation=TRAINING,
        jumps=(1, 3),
        calls=3,
        samples=20,
    ),
    "kinetic_optimal": KineticOptimalRecipe(
        laws=(Ring(2, 0.1),),
        path=PathFromData(40, 20),
        data=16,
        network=NET,
        training=TRAINING,
        networks=1,
        calls=(2,),
        samples=20,
    ),
    "gauge_freedom": GaugeFreedomRecipe(
        law=TWO,
        data=16,
        network=NET,
        training=TRAINING,
        projection=TRAINING,
        samples=20,
        sphere=Sphere(1, 2, data=16, points=2),
    ),
}
LINEAR = score.Linear()


def check_noise_error(field):
    """A prediction of no noise errs by E|ε̂|²/d = σ²/(α²+σ²) on a standard Gaussian."""
    exact = score.oracles.gaussian(jnp.zeros(2), jnp.eye(2)).along(LINEAR)
    ts, data = jnp.array([0.2, 0.7]), jr.normal(jr.key(0), (20_000, 2))
    found = measures.noise_error(field(exact), exact, data, ts, jr.key(1))
    np.testing.assert_allclose(found, ts**2 / ((1 - ts) ** 2 + ts**2), rtol=0.05)


def test_errors_of_the_noise_are_those_in_closed_form():
    def still(log_snr, x, cond):
        return jnp.zeros_like(x)

    def blank(kind):
        return lambda _: score.Predictor(still, LINEAR, kind)

    check_noise_error(blank("noise"))
    with pytest.raises(AssertionError):
        check_noise_error(blank("velocity"))


def check_one_density(field):
    exact = mixture().along(LINEAR)
    xs = measures.states(LINEAR, 0.5, jr.normal(jr.key(0), (20, 2)), jr.key(1))
    assert measures.fokker_planck(field(exact), xs, 0.5) < 1e-6


def test_the_fokker_planck_residual_sees_two_densities():
    check_one_density(lambda exact: Tagged(exact, "velocity"))
    with pytest.raises(AssertionError):  # a score that comes late
        check_one_density(Late)


class Late(Tagged):
    kind: str = "score"

    def predict(self, t, x, kind, cond=None):
        late = t + 0.02 if kind == "score" else t
        return super().predict(late, x, kind, cond)


def check_labels(cond_of):
    """A label is its component alone, no label the mixture."""
    law = laws.mixture_of(TWO)
    found, x = principles.labelled(law), jnp.array([0.3, -0.4])
    for kind in ("data", "velocity"):
        for k, known in ((0, laws.component(law, 0)), (1, laws.component(law, 1))):
            np.testing.assert_allclose(
                found.predict(0.4, x, kind, cond_of(k)),
                known.along(LINEAR).predict(0.4, x, kind),
                atol=1e-12,
            )
    np.testing.assert_allclose(
        found.denoise(0.4, x, jnp.zeros(2)), law.along(LINEAR).denoise(0.4, x)
    )


def test_the_exact_field_knows_its_labels():
    check_labels(lambda k: jnp.eye(2)[k])
    with pytest.raises(AssertionError):
        check_labels(lambda k: jnp.eye(2)[1 - k])


MATRIX = jnp.array([[1.0, 0.7], [-0.2, 0.5]])


def check_curl(weight):
    """A linear prediction of noise: σ²‖A − Aᵀ‖²/d = σ²(a₁₂ − a₂₁)² at any state."""
    unit = np.hypot(0.6, 0.4)
    net = lambda log_snr, x, cond: MATRIX @ x  # noqa: E731
    times = lambda path, *, key, dtype: jnp.asarray(0.4, dtype)  # noqa: E731
    loss = gauge.Curled(score.MatchingLoss(times=times), weight)
    model, key = score.Predictor(net, LINEAR, "noise"), jr.key(0)
    value, found = loss(model, jnp.ones(2), step=0, key=key)
    plain, _ = loss.loss(model, jnp.ones(2), step=0, key=jr.split(key, 4)[0])
    curl = (0.4 / unit) ** 2 * 0.9**2
    np.testing.assert_allclose(found["curl"], curl, rtol=1e-12)
    np.testing.assert_allclose(value, plain + 3.0 * curl, rtol=1e-12)


def test_the_penalty_is_that_of_the_curl():
    check_curl(3.0)
    with pytest.raises(AssertionError):
        check_curl(2.0)


def check_potential(time):
    net = score.Conservative(lambda log_snr, x, cond: jnp.tanh(MATRIX @ x + log_snr))
    model, x = score.Predictor(net, LINEAR, "noise"), jnp.array([0.3, -1.2])
    found = jax.grad(gauge.potential(model, time(0.3)))(x)
    np.testing.assert_allclose(found, model.score(0.3, x), rtol=1e-10)


def test_the_potential_has_the_score_for_its_gradient():
    check_potential(lambda t: t)
    with pytest.raises(AssertionError):
        check_potential(lambda t: t + 0.1)


def check_gauge(plane):
    """The shear moves no density where turning the plane moves none."""
    exact = score.oracles.gaussian(jnp.zeros(3), jnp.diag(jnp.array([2.0, 2.0, 0.5])))
    exact = exact.along(LINEAR)
    found = spheres.Sheared(exact, plane, (0.3, 0.1), 20.0)
    t, x = 0.15, jnp.array([0.5, -0.3, 0.8])
    rest = lambda x: found.velocity(t, x) - exact.velocity(t, x)  # noqa: E731
    assert jnp.max(jnp.abs(rest(x))) > 0.1
    left = score.gauge_residual(rest, lambda x: exact.score(t, x), x)
    np.testing.assert_allclose(left, 0.0, atol=1e-10)


def test_the_sheared_twin_has_the_same_densities():
    check_gauge(jnp.eye(3)[:, :2])
    with pytest.raises(AssertionError):  # across the flat direction
        check_gauge(jnp.eye(3)[:, 1:])


def check_local(data):
    assert np.all(spheres.local_dimensions(data, data[:5], 30) == 2)


def test_principal_components_of_neighbours_count_dimensions():
    on = spheres.sphere(2, 4, 2000, 0)
    np.testing.assert_allclose(jnp.sum(on**2, axis=1), 3.0, rtol=1e-12)
    check_local(on)
    with pytest.raises(AssertionError):  # noise fills the space
        check_local(on + 0.3 * jr.normal(jr.key(0), on.shape))


def check_gamma(variances):
    """γ of Gaussian data, from the exact denoiser, to its luck with 4,000 samples."""
    exact = score.oracles.gaussian(jnp.zeros(2), jnp.diag(jnp.array([1.9, 0.1])))
    law = laws.PlaneLaw(exact.sample, exact)
    angles, found = kinetic.gamma(lambda s: kinetic.exact_error(law, s, jr.key(0)))
    s = np.tan(angles)
    wanted = 1 - (1 + s**2) * score.gaussian_denoising_error(variances)(s)
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_the_exact_gamma_is_that_in_closed_form():
    check_gamma(np.array([1.9, 0.1]))
    with pytest.raises(AssertionError):
        check_gamma(np.array([1.5, 0.5]))


def test_the_verdict_is_against_the_best_of_the_others():
    runs = [{"a": 1.0, "b": 4.0, "c": 2.0}, {"a": 2.0, "b": 1.0, "c": 9.0}]
    said = _kinetic_report.verdict(runs, ["a", "b", "c"])
    assert said == "a at 0.60 times b, the best of the others (nearer)"


@pytest.mark.parametrize("name", TINY)
def test_configs_read(name):
    recipe = load_config(CONFIGS / f"{name}_small.toml")
    assert isinstance(recipe, type(TINY[name]))


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("diffusion_principles", "jumps = [0]", "jumps must be positive, got"),
        ("diffusion_principles", "data = 10", "training.batch_size must be at most"),
        (
            "diffusion_principles",
            "guidance = {dropped = 1.0}",
            "guidance: dropped must",
        ),
        ("diffusion_principles", "guidance = {weights = []}", "weights must hold at"),
        (
            "diffusion_principles",
            'law = {kind = "moons"}',
            "unknown law.kind = 'moons'",
        ),
        ("kinetic_optimal", "laws = []", "laws must hold at least one"),
        ("kinetic_optimal", "calls = []", "calls must be positive"),
        ("kinetic_optimal", "path = {floor = -1.0}", "path: floor must not be neg"),
        ("kinetic_optimal", "start = 1.0", "start must be next to the noise, below 0"),
        ("kinetic_optimal", "networks = 0", "networks must be positive, got 0"),
        ("gauge_freedom", "sphere = {ambient = 2}", "ambient must be above dimension"),
        ("gauge_freedom", "sphere = {levels = [0.1, 0.3]}", "levels must fall"),
        ("gauge_freedom", "sphere = {data = 9}", "training.batch_size must be at most"),
        ("gauge_freedom", "curl_weigth = 1.0", "unknown key curl_weigth.*curl_weight"),
    ],
)
def test_bad_configs_are_named(tmp_path, name, table, words):
    (tmp_path / "bad.toml").write_text(f'recipe = "{name}"\n{table}\n')
    with pytest.raises(ConfigError, match=words):
        load_config(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    "name",
    [
        "kinetic_optimal",
        # Slow: half a minute of compiling each.
        pytest.param("diffusion_principles", marks=pytest.mark.slow),
        pytest.param("gauge_freedom", marks=pytest.mark.slow),
    ],
)
def test_a_run_reports_goes_on_and_is_evaluated_anew(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        plot, "save_figure", functools.partial(plot.save_figure, dpi=30)
    )
    (tmp_path / "tiny.toml").write_text(to_toml(TINY[name]))
    folder = tmp_path / "runs/tiny"
    # Stopped when something is measured, and the last training then cut short.
    with monkeypatch.context() as patched:
        patched.setattr(laws.PlaneLaw, "apart", stop)
        assert main(["run", "tiny.toml", "--quiet"]) == 130
    assert not (folder / "report.md").exists()
    last = max((folder / "checkpoints").iterdir(), key=lambda f: f.stat().st_mtime)
    shutil.rmtree(last / "4")
    assert main(["run", "tiny.toml", "--quiet"]) == 0
    said, page = capsys.readouterr().out, (folder / "report.md").read_text()
    assert "continuing" in said and (last / "4").is_dir()
    for heading in re.findall(r"^## (.*)$", page, re.MULTILINE):
        assert heading in said
    for figure in re.findall(r"\((figures/.*?)\)", page):
        assert (folder / figure).stat().st_size > 1000
    # From the weights of the run, the same numbers.
    first = numbers(folder)
    (folder / "report.md").unlink()
    assert main(["evaluate", "runs/tiny"]) == 0
    assert (folder / "report.md").exists() and numbers(folder) == first


def stop(*arguments):
    raise KeyboardInterrupt


def numbers(folder):
    """What a run measured, without its times."""
    found = json.loads((folder / "metrics.json").read_text())
    found.pop("seconds"), found.pop("training", None)
    for row in found.get("plane", {}).values():
        row.pop("seconds")
    return json.dumps(found)


def views_agree(found):
    """Every view within three times two true sets; labels drawn as well; the map ahead
    of its teacher in one and two calls."""
    floor = found["two true sets"]
    assert all(v["energy distance"] <= 3 * floor for v in found["views"].values())
    assert found["views"]["exact"]["Fokker–Planck"] < 1e-4
    for row in found["guidance"]:
        if row["weight"] == 1.0:
            assert row["distance"] <= 3 * row["two sets"]
    for row in found["jumps"][:2]:
        others = [v for n, v in row.items() if n not in ("calls", "flow map")]
        assert row["flow map"] <= 0.5 * min(others) and row["flow map"] <= 3 * floor


def few_steps_gain(found):
    """Where components are apart the path from data is nearest, exact and trained."""
    apart = found["laws"][0]
    for field in ("exact", "trained"):
        for runs in apart[field].values():
            assert np.mean([min(r, key=r.get) == kinetic.BEST for r in runs]) > 0.5
    for law in found["laws"]:
        least = law["energies"].pop(kinetic.BEST)
        assert least < min(law["energies"].values())
        # The floor costs energy on top; 5 % for the luck of 1,000 samples.
        assert 0.95 * law["least energy"] < least
        assert least < 1.05 * law["least energy with the floor"]


def gauges_are_free(found):
    """No gradient draws as well as one, and its densities are as near to a tenth of a
    nat; a gauge spoils the count of dimensions."""
    floor, plane = found["two true sets"], found["plane"]
    assert all(row["energy distance"] <= 3 * floor for row in plane.values())
    assert plane[gauge.GRADIENT]["asymmetry"] < 1e-3 < plane[gauge.FREE]["asymmetry"]
    sizes = [
        plane[n]["log-likelihood, mean size"] for n in (gauge.FREE, gauge.GRADIENT)
    ]
    assert abs(sizes[0] - sizes[1]) < 0.1
    right = {
        name: np.mean(np.equal(row["counts"], 2))
        for name, row in found["sphere"].items()
    }
    assert right[gauge.GRADIENT] >= 0.8 > 0.5 > right["conservative, sheared"]


CLAIMS = {
    "diffusion_principles": views_agree,
    "kinetic_optimal": few_steps_gain,
    "gauge_freedom": gauges_are_free,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_the_small_config_meets_its_claim(name, tmp_path):
    recipe = load_config(CONFIGS / f"{name}_small.toml")
    little = dataclasses.replace(recipe.training, steps=50)

    def found(recipe, folder):
        with jax.enable_x64(False):  # as users run it
            recipe.run(folder, progress=False)
        return json.loads((folder / "metrics.json").read_text())

    CLAIMS[name](found(recipe, tmp_path / "whole"))
    with pytest.raises(AssertionError):  # networks that have hardly learned
        CLAIMS[name](
            found(dataclasses.replace(recipe, training=little), tmp_path / "twin")
        )
