"""What `diffusion_principles` measures."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score
from phix._types import Array, Float
from phix.metrics import energy_distance
from phix.recipes import _principles_report as report
from phix.recipes._plane_laws import (
    PlaneLaw,
    component,
    make_law,
    true_samples,
)
from phix.recipes._plane_measures import (
    carried,
    fokker_planck,
    likelihoods,
    noise_error,
    starts,
    states,
)
from phix.recipes._principles_models import (
    LOG_SNR,
    PATH,
    Models,
    fit_models,
    labelled,
)
from phix.recipes._score_training import Fits
from phix.recipes._study_run import Findings
from phix.recipes.diffusion_principles import DiffusionPrinciplesRecipe


_KINDS = ("data", "noise", "score", "velocity", "v_diffusion")
_SAMPLER = score.DPMpp2M()


def study(recipe: DiffusionPrinciplesRecipe, fits: Fits) -> Findings:
    """Fits all networks and measures them."""
    law = make_law(recipe.law)
    assert law.exact is not None
    models = fit_models(recipe, law.exact, fits)
    root = jr.fold_in(jr.key(recipe.seed), 100)
    keys = [jr.fold_in(root, i) for i in range(4)]
    floor = law.floor(recipe.samples, keys[0])
    views, clouds = measure_views(recipe, law, models.views, keys[1])
    guided, labelled_clouds = measure_guidance(recipe, law.exact, models, keys[2])
    jumps, jumped = measure_jumps(recipe, law, models, keys[3])
    numbers: dict[str, Any] = {
        "two true sets": floor,
        "views": views,
        "guidance": guided,
        "jumps": jumps,
        "training": fits.seconds,
    }
    clouds = {"true": np.asarray(law.draw(2000, keys[0]))} | clouds
    return Findings(
        numbers,
        report.sections(recipe, numbers, clouds, labelled_clouds, jumped),
        report.about(recipe),
    )


def grid_of(calls: int) -> Float[Array, " times"]:
    """Times even in λ, and the data."""
    inside = score.times(PATH, calls - 1, "log_snr", log_snr_range=LOG_SNR)
    return jnp.append(inside, PATH.t_data)


def measure_views(
    recipe: DiffusionPrinciplesRecipe,
    law: PlaneLaw,
    views: dict[str, score.Predictor],
    key: Array,
) -> tuple[dict[str, dict[str, float]], dict[str, Array]]:
    """Of each view and of the truth: errors, and samples from one noise."""
    assert law.exact is not None
    exact = law.exact.along(PATH)
    keys = jr.split(key, 4)
    data = law.draw(1000, keys[0])
    levels = jnp.linspace(-4.0, 4.0, 9)
    ts = jax.vmap(PATH.time_at)(levels)
    span = (PATH.time_at(LOG_SNR[1]), PATH.time_at(LOG_SNR[0]))
    grid = grid_of(recipe.calls)
    noise = starts(PATH, grid[0], recipe.samples, 2, keys[1])
    amid = PATH.time_at(0.0)
    there = states(PATH, amid, data[:200], keys[2])
    ends = carried(exact, noise, grid, _SAMPLER)
    rows, clouds = {}, {}
    for name, predictor in {"exact": exact, **views}.items():
        xs = carried(predictor, noise, grid, _SAMPLER)
        errors = noise_error(predictor, exact, data, ts, keys[3])
        found, truth = likelihoods(predictor, exact, data[:200], span)
        rows[name] = {
            "noise error": float(jnp.sqrt(jnp.mean(errors))),
            "noise error, least noise": float(jnp.sqrt(errors[-1])),
            "round trip": round_trip(predictor, there),
            "Fokker–Planck": float(fokker_planck(predictor, there, amid)),
            "log-likelihood, mean": float(jnp.mean(found - truth)),
            "log-likelihood, mean size": float(jnp.mean(jnp.abs(found - truth))),
            "ends apart": float(jnp.median(jnp.linalg.norm(xs - ends, axis=1))),
            "energy distance": law.apart(xs, keys[2]),
        }
        clouds[name] = xs[:2000]
    return rows, clouds


def round_trip(
    predictor: score.AbstractPredictor, xs: Float[Array, "states 2"]
) -> float:
    """The largest error of a prediction after its conversion to another kind and back,
    relative to the root mean square, over all kinds at λ = 0."""
    return float(_round_trip(predictor, xs))


@eqx.filter_jit
def _round_trip(predictor, xs):
    t = PATH.time_at(0.0)

    def converted(value, x, kind, other):
        return PATH.convert(score.Prediction(value, kind), t, x, other)

    def worst(kind, other):
        def one(x):
            value = predictor.predict(t, x, kind)
            back = converted(converted(value, x, kind, other), x, other, kind)
            return jnp.abs(back - value), value**2

        errors, squares = jax.vmap(one)(xs)
        return jnp.max(errors) / jnp.sqrt(jnp.mean(squares))

    return jnp.max(jnp.stack([worst(a, b) for a in _KINDS for b in _KINDS if a != b]))


def measure_guidance(
    recipe: DiffusionPrinciplesRecipe,
    law: score.oracles.Mixture,
    models: Models,
    key: Array,
) -> tuple[list[dict[str, float]], dict[str, dict[str, Array]]]:
    """Samples of the guided network beside those of the exact guided field, the mean
    over the labels, each from as many noises of its own."""
    exact, rows, clouds = labelled(law), [], {}
    grid, size = grid_of(recipe.calls), law.weights.size
    for weight in recipe.guidance.weights:
        found, drawn = [], {"exact field": [], "network": []}
        for k in range(size):
            keys = jr.split(jr.fold_in(key, k), 4)
            cond, count = jnp.eye(size)[k], recipe.samples // 2
            sets = {
                name: carried(
                    guided(field, weight, size),
                    starts(PATH, grid[0], count, 2, one),
                    grid,
                    _SAMPLER,
                    cond,
                )
                for name, field, one in (
                    ("exact field", exact, keys[0]),
                    ("again", exact, keys[1]),
                    ("network", models.guided, keys[2]),
                )
            }
            sets["plain"] = true_samples(component(law, k), count, keys[3])
            true = sets["exact field"]
            lengths = jnp.linalg.norm(true - sets["again"], axis=1)
            found.append(
                {
                    "distance": float(energy_distance(sets["network"], true)),
                    "two sets": float(2 * jnp.mean(lengths) / count),
                    "unguided": float(energy_distance(sets["plain"], true)),
                }
            )
            for name, clouds_of in drawn.items():
                clouds_of.append(sets[name][:700])
        means = {name: float(np.mean([f[name] for f in found])) for name in found[0]}
        rows.append({"weight": weight} | means)
        clouds[f"w = {weight:g}"] = {n: jnp.concatenate(c) for n, c in drawn.items()}
    return rows, clouds


def guided(
    predictor: score.AbstractPredictor, weight: float, labels: int
) -> score.ClassifierFree:
    """Classifier-free guidance, without a label being zeros."""
    much = jnp.asarray(weight)  # traced: one program for all weights
    # The path is a property, which the checker takes for an argument.
    return score.ClassifierFree(predictor, much, jnp.zeros(labels))  # pyright: ignore


def measure_jumps(
    recipe: DiffusionPrinciplesRecipe, law: PlaneLaw, models: Models, key: Array
) -> tuple[list[dict[str, float]], dict[str, dict[str, Array]]]:
    """The flow map beside its teacher, at equal numbers of calls."""
    teacher = models.views["flow: velocity"]
    keys = jr.split(key, 2)
    noise = jr.normal(keys[0], (recipe.samples, 2))
    rows, clouds, true = [], {}, {"true": law.draw(2000, keys[1])}
    for calls in recipe.jumps:
        even = score.times(PATH, calls)
        drawn = {
            "flow map": _jumped(models.flow_map, noise, even),
            "Euler": carried(teacher, noise, even, score.Euler()),
            "DPM++, even in t": carried(teacher, noise, even, _SAMPLER),
        }
        if calls > 2:
            drawn["DPM++, even in λ"] = carried(teacher, noise, few_of(calls), _SAMPLER)
        found = {name: law.apart(xs, keys[1]) for name, xs in drawn.items()}
        rows.append({"calls": calls} | found)
        drawn = true | {name: xs[:2000] for name, xs in drawn.items()}
        clouds["1 call" if calls == 1 else f"{calls} calls"] = drawn
    return rows, clouds


def few_of(calls: int) -> Float[Array, " times"]:
    """Few times even in λ, in a range that so few can follow, and both ends."""
    inside = score.times(PATH, calls - 2, "log_snr", log_snr_range=(-1.5, 1.5))
    return jnp.concatenate([jnp.ones(1), inside, jnp.zeros(1)])


@eqx.filter_jit
def _jumped(flow_map, noise, ts):
    return jax.vmap(lambda x: score.jump(flow_map, x, ts, throw=False).x)(noise)
