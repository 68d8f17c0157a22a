"""How well a fitted reduced model does, beside the baselines, and what it costs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import rom
from phix.metrics import relative_l2, shock_position
from phix.recipes._rom_choices import Choices
from phix.recipes._rom_data import Case, test_data, training_data
from phix.recipes._rom_methods import linear_baselines
from phix.space import random_sensors


# Frames of the training horizon whose inversion gives the reconstruction error.
_RECONSTRUCTED = 10
# Frames before the horizon to which a sliding front is fitted.
_FITTED = 30
_GALERKIN = "POD-Galerkin"


class Prediction(eqx.Module):
    """What one method makes of the test set; all arrays have the trajectory first.

    - `fields`: "trajectories time channels *space"; NaN where it makes no prediction.
    - `reconstruction`: error of the frames it was shown, or NaN where it has no latent.
    - `latents`: "trajectories time latent", or `None`.
    """

    fields: jax.Array
    reconstruction: jax.Array
    latents: jax.Array | None = None


def parts(recipe: Choices, case: Case) -> int:
    """How often `predict` and `measure` together call `done`."""
    frames = test_data(recipe, case.train)
    return len(linear_baselines(recipe, case.equation, frames)) + 4


def predict(
    recipe: Choices, case: Case, model: rom.ReducedModel, done: Callable[[], None]
) -> dict:
    """The predictions of the fitted model and of every baseline, by name; `done` is
    called after each."""
    train, test = training_data(recipe, case), test_data(recipe, case.test)
    predictions = {recipe.title: predict_rom(recipe, model, train, test)}
    done()
    # All frames: linear methods are cheap.
    frames = test_data(recipe, case.train)
    for name, method in linear_baselines(recipe, case.equation, frames).items():
        linear = rom.fit(method, frames, key=jr.key(recipe.seed))
        if not name.startswith(_GALERKIN):
            predictions[name] = predict_rom(recipe, linear, frames, test)
            done()
            continue
        # The solver's own scheme is right for its projection.
        scheme = recipe.equation.scheme() if recipe.equation.is_explicit else None
        made = predict_rom(recipe, linear, frames, test, scheme)
        floor = project(recipe, linear, test)
        made = Prediction(made.fields, floor.reconstruction, made.latents)
        predictions |= {name: made, name.replace(_GALERKIN, "POD projection"): floor}
        done()
    predictions["last frame, frozen"] = continue_last(recipe, test, slid=False)
    if test.grid.ndim == 1:
        predictions["last frame, slid"] = continue_last(recipe, test, slid=True)
    done()
    return predictions


def predict_rom(
    recipe: Choices,
    model: rom.ReducedModel,
    train: rom.TrainingData,
    test: rom.TrainingData,
    scheme: Any = None,
) -> Prediction:
    """Forecasts every test trajectory from the latent of its first frame."""
    horizon = recipe.split.horizon
    shown = test.us[:, : horizon : max(horizon // _RECONSTRUCTED, 1)]
    accept = rom.acceptance(model, train.us, train.grid)
    found = rom.invert_frames(model, shown, test.grid, accept=accept)
    ts = np.asarray(test.ts[0])

    @eqx.filter_jit
    def run(model, starts, cond):
        def one(row):
            start, cond = row
            given = cond if model.parameters else None
            made = rom.forecast(
                model, start, ts, test.grid, cond=given, scheme=scheme, throw=False
            )
            return made.latents, made.fields

        return jax.lax.map(one, (starts, cond))

    latents, fields = run(model, found.latent[:, 0], test.cond)
    return Prediction(fields, jnp.mean(found.error, axis=1), latents)


def project(
    recipe: Choices, model: rom.ReducedModel, test: rom.TrainingData
) -> Prediction:
    """Every frame projected on the modes of a linear model: a floor."""

    @eqx.filter_jit
    def nearest(model, us):
        def one(frames):
            latents = jax.vmap(model.decoder.project)(frames)
            return rom.decode_frames(model, latents, test.grid)

        return jax.lax.map(one, us)

    fields = nearest(model, test.us)
    floor = jax.vmap(relative_l2)(fields, test.us)[:, : recipe.split.horizon]
    return Prediction(fields, jnp.mean(floor, axis=1))


def continue_last(recipe: Choices, test: rom.TrainingData, *, slid: bool) -> Prediction:
    """Keeps or slides the last frame of the horizon; sees the truth up to there."""
    horizon, grid = recipe.split.horizon, test.grid
    ts, first = np.asarray(test.ts[0]), max(horizon - _FITTED, 0)

    def one(us):
        if slid:
            model = rom.slide(grid, ts[first:horizon], us[first:horizon])
        else:
            model = rom.freeze(grid, us[horizon - 1])
        start = jnp.zeros(grid.ndim, us.dtype)
        latents = rom.forecast(model, start, ts[horizon - 1 :]).latents[1:]
        fields = rom.decode_frames(model, latents, grid)
        return jnp.concatenate([jnp.full_like(us[:horizon], jnp.nan), fields])

    fields = eqx.filter_jit(jax.vmap(one))(test.us)
    return Prediction(fields, jnp.full(fields.shape[0], jnp.nan))


def measure(
    recipe: Choices,
    case: Case,
    model: rom.ReducedModel,
    predictions: dict[str, Prediction],
    spent: float,
    done: Callable[[], None],
) -> dict[str, Any]:
    """All numbers of the report; `done` is called after the errors by source and after
    the price."""
    train, test = training_data(recipe, case), test_data(recipe, case.test)
    horizon = recipe.split.horizon
    numbers: dict[str, Any] = {
        "errors": {
            name: scores(recipe, case, prediction)
            for name, prediction in predictions.items()
        }
    }
    if case.validation is not None:
        held = test_data(recipe, case.validation)
        made = predict_rom(recipe, model, train, held)
        error = np.asarray(jax.vmap(relative_l2)(made.fields, held.us))
        numbers["validation"] = {
            "within": _number(np.mean(error[:, :horizon])),
            "beyond": _number(np.mean(error[:, horizon:])),
        }
    if recipe.equation.kind == "burgers":
        numbers["shock_offset_cells"] = {
            name: shock_offsets(case, prediction)
            for name, prediction in predictions.items()
        }
    sources = rom.error_report(model, test, train=train, horizon=horizon)
    numbers["sources"] = {
        name: {span: _number(value) for span, value in row.items()}
        for name, row in sources.summary().items()
    }
    done()
    paid = price(recipe, model, train, test, spent)
    numbers["cost"] = paid.summary() | {"rows": paid.rows(), "notes": paid.notes()}
    done()
    return numbers


def scores(recipe: Choices, case: Case, prediction: Prediction) -> dict:
    """Mean errors of one method, the groups of the test apart."""
    errors = np.asarray(jax.vmap(relative_l2)(prediction.fields, case.test.us))
    horizon = recipe.split.horizon
    return {
        group: {
            "reconstruction": _number(np.mean(prediction.reconstruction[rows])),
            "within": _number(np.mean(errors[rows, :horizon])),
            "beyond": _number(np.mean(errors[rows, horizon:])),
        }
        for group, rows in case.rows().items()
    }


def shock_offsets(case: Case, prediction: Prediction) -> list[int]:
    """Cells between predicted and true shock at the last frame, by trajectory."""
    found = shock_position(prediction.fields[:, -1, 0])
    return np.abs(np.asarray(found - shock_position(case.test.us[:, -1, 0]))).tolist()


def price(
    recipe: Choices,
    model: rom.ReducedModel,
    train: rom.TrainingData,
    test: rom.TrainingData,
    spent: float,
) -> rom.Price:
    """What forecasts cost beside the recipe's solver."""
    sensors = random_sensors(test.grid, recipe.num_sensors, key=jr.key(recipe.seed))
    return rom.price(
        model,
        test,
        train=train,
        solver=recipe.equation.build,
        dt=recipe.equation.dt,
        scheme=recipe.equation.scheme(),
        sensors=sensors.points,
        spent=spent,
    )


def _number(x) -> float | None:
    return float(x) if np.isfinite(x) else None
