"""How well a fitted reduced model does, beside the baselines, and what it costs."""

import time
from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import rom
from phix.integrate import solve
from phix.metrics import relative_l2, shock_position
from phix.recipes._rom_data import Case, frame_times
from phix.recipes.phi_rom import PhiROMRecipe
from phix.space import random_sensors


# Frames of the training horizon whose inversion gives the reconstruction error.
_RECONSTRUCTED = 10
# Repetitions behind each median time.
_REPEATS = 15


class Prediction(eqx.Module):
    """What one method makes of the test set; all arrays have the trajectory first.

    - `fields`: "trajectories time channels *space"; NaN where it makes no prediction.
    - `reconstruction`: error of the frames it was shown, or NaN where it has no latent.
    - `latents`: "trajectories time latent", or `None`.
    """

    fields: jax.Array
    reconstruction: jax.Array
    latents: jax.Array | None = None


def predict(recipe: PhiROMRecipe, case: Case, model: rom.ReducedModel) -> dict:
    """The predictions of Φ-ROM and of every baseline, by name."""
    horizon = recipe.split.horizon
    shown = case.test.us[:, : horizon : max(horizon // _RECONSTRUCTED, 1)]
    grid = case.equation.space
    accept = rom.acceptance(model, case.train.us, grid)
    found = rom.invert_frames(model, shown, grid, accept=accept)
    flagship = predict_rom(recipe, case, model, found.latent[:, 0], found.error)
    predictions = {"Φ-ROM": flagship}
    for rank in recipe.pod_ranks:
        linear = rom.fit(
            rom.PODGalerkin(case.equation, rank),
            case.train,
            parameters=(recipe.equation.parameter,),
        )
        latents = jax.vmap(jax.vmap(linear.decoder.project))(case.test.us)
        fields = _decode(linear, latents, case)
        floor = jax.vmap(relative_l2)(fields, case.test.us)[:, :horizon]
        predictions[f"POD-Galerkin, rank {rank}"] = predict_rom(
            recipe, case, linear, latents[:, 0], floor, case.scheme
        )
        predictions[f"POD projection, rank {rank}"] = Prediction(
            fields, jnp.mean(floor, axis=1)
        )
    predictions["last frame, frozen"] = continue_last(recipe, case, slid=False)
    predictions["last frame, slid"] = continue_last(recipe, case, slid=True)
    return predictions


def predict_rom(
    recipe: PhiROMRecipe,
    case: Case,
    model: rom.ReducedModel,
    starts: jax.Array,
    errors: jax.Array,
    scheme: dfx.AbstractSolver | None = None,
) -> Prediction:
    """Forecasts all frames of every test trajectory from the latent of its first one;
    `errors` are those of the inverted frames."""
    ts, grid = np.asarray(case.test.ts[0]), case.equation.space
    cond = case.test.params[recipe.equation.parameter][:, None]

    @eqx.filter_jit
    def run(model, starts, cond):
        def one(latent, cond):
            return rom.forecast(
                model, latent, ts, grid, cond=cond, scheme=scheme, throw=False
            )

        return jax.vmap(one)(starts, cond)

    made = run(model, starts, cond.astype(starts.dtype))
    assert made.fields is not None
    return Prediction(made.fields, jnp.mean(errors, axis=1), made.latents)


@eqx.filter_jit
def _decode(model: rom.ReducedModel, latents: jax.Array, case: Case) -> jax.Array:
    """The fields of "trajectories frames latent" on the grid."""
    one = lambda a: rom.decode_frames(model, a, case.equation.space)  # noqa: E731
    return jax.vmap(one)(latents)


def mean_error(case: Case, prediction: Prediction) -> float:
    """The mean over all trajectories and frames."""
    return float(jnp.mean(jax.vmap(relative_l2)(prediction.fields, case.test.us)))


def continue_last(recipe: PhiROMRecipe, case: Case, *, slid: bool) -> Prediction:
    """Keeps or slides the last frame of the horizon; sees the truth up to there."""
    horizon, grid = recipe.split.horizon, case.equation.space
    ts = np.asarray(case.test.ts[0])

    def one(us):
        if slid:
            model = rom.slide(
                grid, ts[horizon - 30 : horizon], us[horizon - 30 : horizon]
            )
        else:
            model = rom.freeze(grid, us[horizon - 1])
        start = jnp.zeros(grid.ndim, us.dtype)
        latents = rom.forecast(model, start, ts[horizon - 1 :]).latents[1:]
        fields = rom.decode_frames(model, latents, grid)
        return jnp.concatenate([jnp.full_like(us[:horizon], jnp.nan), fields])

    fields = jax.vmap(one)(case.test.us)
    return Prediction(fields, jnp.full(fields.shape[0], jnp.nan))


def scores(recipe: PhiROMRecipe, case: Case, prediction: Prediction) -> dict:
    """Mean errors of one method, interpolated and extrapolated parameters apart."""
    errors = np.asarray(jax.vmap(relative_l2)(prediction.fields, case.test.us))
    horizon, outside = recipe.split.horizon, case.num_outside
    groups = {
        "interpolated": slice(None, -outside),
        "extrapolated": slice(-outside, None),
    }
    return {
        group: {
            "reconstruction": _number(np.mean(prediction.reconstruction[rows])),
            "within": _number(np.mean(errors[rows, :horizon])),
            "beyond": _number(np.mean(errors[rows, horizon:])),
        }
        for group, rows in groups.items()
    }


def shock_offsets(case: Case, prediction: Prediction) -> list[int]:
    """Cells between predicted and true shock at the last frame, by trajectory."""
    found = shock_position(prediction.fields[:, -1, 0])
    return np.abs(np.asarray(found - shock_position(case.test.us[:, -1, 0]))).tolist()


def costs(
    recipe: PhiROMRecipe, case: Case, model: rom.ReducedModel, error: float
) -> dict:
    """Seconds for one trajectory of all frames: the model's parts, and the solver's."""
    grid, ts = case.equation.space, np.asarray(case.test.ts[0])
    field = case.test.us[0, 0]
    points, flat = grid.points.astype(field.dtype), field.reshape(field.shape[0], -1)
    cond = case.test.params[recipe.equation.parameter][0][None].astype(field.dtype)
    sensors = random_sensors(grid, recipe.num_sensors, key=jr.key(recipe.seed))
    accept = rom.acceptance(model, case.train.us, grid)

    def inverting(u):
        return rom.invert(model, points, u, accept=accept)

    def forecasting(where):
        return lambda a, c: rom.forecast(model, a, ts, where, cond=c, throw=False)

    latent = inverting(flat).latent
    table = {
        "inversion of one frame": _seconds(
            lambda u: rom.invert(model, points, u), flat
        ),
        "latents only": _seconds(forecasting(None), latent, cond),
        f"at {recipe.num_sensors} sensors": _seconds(
            forecasting(sensors.points.astype(field.dtype)), latent, cond
        ),
        "full grid": _seconds(forecasting(grid), latent, cond),
        "solver, own grid": _seconds(_solver(recipe, grid.shape[0]), cond[0]),
    }
    coarse, coarse_error = coarsest_grid(recipe, case, error)
    table["solver, coarsest grid"] = _seconds(_solver(recipe, coarse), cond[0])
    return {
        "seconds": table,
        "coarse_vertices": coarse,
        "coarse_error": coarse_error,
        "frames": len(ts),
    }


def coarsest_grid(recipe: PhiROMRecipe, case: Case, error: float) -> tuple[int, float]:
    """The fewest vertices (by sixteens) on which the solver is as good as `error`.

    Its fields are interpolated to the points of the fine grid. Found by bisection, the
    error falling with the number of vertices.
    """
    fine = recipe.equation.num_points
    too_few, enough, reached = 16, fine, 0.0
    while enough - too_few > 16:
        size = (too_few + enough) // 32 * 16
        found = _coarse_error(recipe, case, size)
        if found <= error:
            enough, reached = size, found
        else:
            too_few = size
    return enough, reached


def _coarse_error(recipe: PhiROMRecipe, case: Case, size: int) -> float:
    grid = recipe.equation.build(size)[0].space
    points = case.equation.space.points.astype(case.test.us.dtype)

    def one(value):
        us = _solver(recipe, size)(value)
        return jax.vmap(lambda u: grid.evaluate(u, points))(us)

    us = jax.jit(jax.vmap(one))(case.test.params[recipe.equation.parameter])
    return float(jnp.mean(jax.vmap(relative_l2)(us, case.test.us)))


def _solver(recipe: PhiROMRecipe, num_points: int) -> Callable:
    equation, u0, scheme = recipe.equation.build(num_points)
    ts, dt = frame_times(recipe, recipe.split.num_frames), recipe.equation.dt

    def run(value):
        changed = equation.replace(**{recipe.equation.parameter: value})
        return solve(changed, u0, ts, dt=dt, scheme=scheme, throw=False).us

    return run


def _seconds(fn: Callable, *args: jax.Array) -> float:
    """The median time of the compiled function."""
    compiled = eqx.filter_jit(fn)
    jax.block_until_ready(compiled(*args))
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*args))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _number(x) -> float | None:
    return float(x) if np.isfinite(x) else None
