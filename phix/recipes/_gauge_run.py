"""What `gauge_freedom` measures."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score
from phix._types import Array, Float
from phix.recipes import _gauge_report as report
from phix.recipes._gauge_models import (
    FREE,
    GRADIENT,
    LEVELS,
    PATH,
    PENALISED,
    decomposition,
    fit_plane,
    fit_sphere,
    project,
)
from phix.recipes._gauge_sphere import local_dimensions, sheared, sphere
from phix.recipes._plane_laws import PlaneLaw, make_law
from phix.recipes._plane_measures import carried, likelihoods, noise_error, starts
from phix.recipes._score_training import Fits
from phix.recipes._study_run import Findings
from phix.recipes.gauge_freedom import GaugeFreedomRecipe


_HIGH = 4.5


def study(recipe: GaugeFreedomRecipe, fits: Fits) -> Findings:
    """The law in the plane, then the sphere."""
    law = make_law(recipe.law)
    assert law.exact is not None
    root = jr.key(recipe.seed)
    keys = [jr.fold_in(root, i) for i in range(5)]
    data = law.draw(recipe.data, keys[0])
    learned = fit_plane(recipe, data, fits)
    fields = {"exact": law.exact.along(PATH), **learned}
    onto = {GRADIENT: learned[GRADIENT]}
    for name in ("exact", FREE, PENALISED):
        onto[name] = project(recipe, name, fields[name], learned[GRADIENT], data, fits)
    plane, clouds = measure_plane(recipe, law, fields, keys[1])
    gauges = measure_gauges(law, fields, onto, keys[2])
    for name, row in plane.items():
        row["seconds"] = fits.seconds.get(f"plane-{name}", float("nan"))
    dimensions = measure_sphere(recipe, fit_sphere(recipe, fits))
    numbers: dict[str, Any] = {
        "two true sets": law.floor(recipe.samples, keys[3]),
        "plane": plane,
        "gauges": gauges,
        "sphere": dimensions,
        "training": fits.seconds,
    }
    curls = {name: curl_map(field) for name, field in learned.items()}
    return Findings(
        numbers,
        report.sections(recipe, numbers, clouds, curls),
        report.about(recipe),
    )


def measure_plane(
    recipe: GaugeFreedomRecipe,
    law: PlaneLaw,
    fields: dict[str, Any],
    key: Array,
) -> tuple[dict[str, dict[str, float]], dict[str, Array]]:
    """Losses, errors, densities and samples of each score."""
    exact, keys = fields["exact"], jr.split(key, 5)
    data = law.draw(2000, keys[0])
    ts = jax.vmap(PATH.time_at)(jnp.asarray(LEVELS))
    span = (PATH.time_at(_HIGH), PATH.time_at(-_HIGH))
    grid = score.times(PATH, 50, "log_snr", log_snr_range=(-_HIGH, _HIGH))
    noise = starts(PATH, grid[0], recipe.samples, 2, keys[1])
    rows, clouds = {}, {}
    for name, field in fields.items():
        xs = carried(field, noise, grid, score.DPMpp2M()) / PATH.alpha(grid[-1])
        found, truth = likelihoods(field, exact, data[:500], span)
        off = np.asarray(jnp.abs(found - truth))
        errors = noise_error(field, exact, data, ts, keys[2])
        rows[name] = {
            "loss": float(denoising_loss(field, data, keys[3])),
            "noise error": float(jnp.sqrt(jnp.mean(errors))),
            "asymmetry": float(asymmetry(field, data[:500], keys[4])),
            "log-likelihood, mean": float(jnp.mean(found - truth)),
            "log-likelihood, mean size": float(off.mean()),
            "its standard error": float(off.std(ddof=1) / np.sqrt(len(off))),
            "energy distance": law.apart(xs, keys[4]),
        }
        clouds[name] = xs[:2000]
    return rows, clouds


@eqx.filter_jit
def denoising_loss(
    field: score.AbstractPredictor, data: Float[Array, "samples 2"], key: Array
) -> Float[Array, ""]:
    r"""$E|\hat\epsilon - \epsilon|^2/d$ at even times, ten of each sample."""

    def one(x, key):
        at, noise = jr.split(key)
        t = jr.uniform(at, minval=0.01)
        z = jr.normal(noise, x.shape)
        return jnp.mean((field.predict(t, PATH.mix(t, x, z), "noise") - z) ** 2)

    keys = jr.split(key, (10, len(data)))
    return jnp.mean(jax.vmap(lambda k: jax.vmap(one)(data, k))(keys))


@eqx.filter_jit
def asymmetry(
    field: score.AbstractPredictor, data: Float[Array, "samples 2"], key: Array
) -> Float[Array, ""]:
    r"""$|J - J^\top|/|J|$ of the score where σ = α, root mean squares."""
    t = PATH.time_at(0.0)
    xs = PATH.mix(t, data, jr.normal(key, data.shape))
    jacobians = jax.vmap(jax.jacfwd(lambda x: field.score(t, x)))(xs)
    apart = jacobians - jnp.swapaxes(jacobians, 1, 2)
    return jnp.sqrt(jnp.sum(apart**2) / jnp.sum(jacobians**2))


def measure_gauges(
    law: PlaneLaw, fields: dict[str, Any], onto: dict[str, score.Predictor], key: Array
) -> dict[str, dict[str, list[float]]]:
    """Of each score at each level: the share of what is no gradient, what it would do
    to the density, and how well Pythagoras holds."""
    ts = jax.vmap(PATH.time_at)(jnp.asarray(LEVELS))
    data = law.draw(1000, key)
    sigma = np.asarray(jax.vmap(PATH.sigma)(ts))
    found = {}
    for name, field in fields.items():
        split = decomposition(field, onto[name], data, ts, key)
        whole = split.conservative + split.remainder
        found[name] = {
            "share": np.asarray(split.fraction).tolist(),
            "residual": (sigma**2 * np.sqrt(np.asarray(split.residual))).tolist(),
            "Pythagoras": np.asarray(whole / split.field - 1).tolist(),
        }
    return found


def measure_sphere(
    recipe: GaugeFreedomRecipe, learned: dict[str, score.Predictor]
) -> dict[str, Any]:
    """The dimensions that each model and local principal components count."""
    choice = recipe.sphere
    k, size, levels = choice.dimension, choice.ambient, choice.levels
    points = sphere(k, size, choice.points, recipe.seed + 2)
    models: dict[str, score.AbstractPredictor] = dict(learned)
    models["conservative, sheared"] = sheared(
        learned[GRADIENT], k, size, levels, choice.shear
    )
    found: dict[str, Any] = {}
    for name, model in models.items():
        counts, slopes = _dimensions(model, points, levels)
        found[name] = {
            "counts": np.asarray(counts).tolist(),
            "slopes": np.median(np.asarray(slopes), axis=0).tolist(),
        }
    data = sphere(k, size, choice.data, recipe.seed + 1)
    near = local_dimensions(data, points, min(50, choice.data))
    found["local principal components"] = {"counts": np.asarray(near).tolist()}
    return found


@eqx.filter_jit
def _dimensions(predictor, points, levels):
    def one(x):
        found = score.intrinsic_dimension(
            predictor, x, levels, t_end=0.99, rtol=1e-4, atol=1e-6
        )
        return found.dimension, jnp.sort(found.slopes)

    return jax.lax.map(one, points)


def curl_map(field: score.AbstractPredictor) -> tuple[np.ndarray, np.ndarray]:
    r"""$\sigma^2(\partial_1s_2 - \partial_2s_1)$ on a square where σ = α."""
    t = PATH.time_at(0.0)
    # States are half the data and half the noise.
    axis = jnp.linspace(-1.8, 1.8, 61)
    return np.asarray(axis), np.asarray(_curl(field, t, axis))


@eqx.filter_jit
def _curl(field, t, axis):
    def one(x, y):
        jacobian = jax.jacfwd(lambda x: field.score(t, x))(jnp.stack([x, y]))
        return PATH.variance(t) * (jacobian[1, 0] - jacobian[0, 1])

    return jax.vmap(lambda x: jax.vmap(lambda y: one(x, y))(axis))(axis)
