"""Where the error of a reduced model comes from."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix._types import Array, Float, Int
from phix.data import Trajectory
from phix.metrics import relative_l2
from phix.rom._data import TrainingData, training_data
from phix.rom._forecast import decode_frames, forecast
from phix.rom._invert import acceptance, invert_frames
from phix.rom._model import AbstractLatentMap, ReducedModel
from phix.rom._pod import LinearDecoder, pod_modes
from phix.rom._velocity import decoder_jacobian
from phix.space import Grid


# Frames at which everything but the rollout is measured.
_FRAMES = 8


class ErrorReport(eqx.Module):
    r"""The error of a model, split into its parts; made by `error_report`.

    All errors are $\lVert\hat u - u\rVert/\lVert u\rVert$ of a frame, those of a
    rollout "trajectories time", the others "trajectories frames" at the chosen
    `frames`:

    - `floor`: the frame projected on as many POD modes of the training data as the
      model has latents: the best that a linear model fitted to these data, of this
      size, could do. A nonlinear one that stays above it gains nothing by being so.
    - `reconstruction`: the frame inverted and decoded: what the decoder can represent.
    - `step`: one output interval from that latent: what the dynamics add at once.
    - `rollout`: the forecast from the first frame alone.
    - `condition`: $\kappa(J)$ of the decoder on the grid at that latent; beyond
      $1/\sqrt\varepsilon$ the latent velocity is decided by round-off or damping.

    `ts` are the times of the frames, `horizon` the number of those the training saw.
    """

    ts: Float[Array, " time"]
    frames: Int[np.ndarray, " frames"]
    floor: Float[Array, "trajectories frames"]
    reconstruction: Float[Array, "trajectories frames"]
    step: Float[Array, "trajectories frames"]
    rollout: Float[Array, "trajectories time"]
    condition: Float[Array, "trajectories frames"]
    horizon: int = eqx.field(static=True)

    def summary(self) -> dict[str, dict[str, float]]:
        """Means over trajectories and frames, within the horizon and beyond it (NaN
        where there are no such frames); of the condition numbers the median."""
        early = self.frames < self.horizon
        table = {}
        for name in ("floor", "reconstruction", "step", "condition"):
            values = np.asarray(getattr(self, name))
            mean = np.median if name == "condition" else np.mean
            table[name] = {
                "within": _over(mean, values[:, early]),
                "beyond": _over(mean, values[:, ~early]),
            }
        rollout = np.asarray(self.rollout)
        table["rollout"] = {
            "within": _over(np.mean, rollout[:, : self.horizon]),
            "beyond": _over(np.mean, rollout[:, self.horizon :]),
        }
        return table

    def __str__(self) -> str:
        """The summary as a table."""
        lines = [f"{'relative error':<16}{'within':>12}{'beyond':>12}"]
        for name, row in self.summary().items():
            lines.append(f"{name:<16}{row['within']:>12.4g}{row['beyond']:>12.4g}")
        return "\n".join(lines)


def error_report(
    model: ReducedModel,
    test: TrainingData | Trajectory | tuple,
    *,
    train: TrainingData | Trajectory | tuple,
    horizon: int | None = None,
    grid: Grid | None = None,
) -> ErrorReport:
    """The errors of a model on trajectories it has not seen, by their sources.

    **Arguments:**

    - `model`: a `ReducedModel`.
    - `test`, `train`: trajectories as for `fit`; those of the training give the floor.
    - `horizon`: how many frames of a test trajectory lie within the training's times;
      by default as many as a training trajectory has.
    - `grid`: of plain arrays.

    **Returns:** an `ErrorReport`; `print` shows it.

    **Raises:** `ValueError` for test trajectories that do not share their times, or
    that live on another grid than the training's.
    """
    test, train = (
        training_data(data, parameters=model.parameters, grid=grid)
        for data in (test, train)
    )
    ts = np.asarray(test.ts[0])
    require(
        bool(np.all(np.asarray(test.ts) == ts)),
        "test trajectories must share their times; report on them one by one",
    )
    require(
        test.us.shape[2:] == train.us.shape[2:],
        f"test fields of shape {test.us.shape[2:]} and training fields of shape "
        f"{train.us.shape[2:]} do not live on one grid",
    )
    count = len(ts)
    frames = np.unique(np.linspace(0, count - 2, min(_FRAMES, count - 1)).astype(int))
    shown = test.us[:, frames]
    accept = acceptance(model, train.us, train.grid)
    start = invert_frames(model, test.us[:, :1], test.grid, accept=accept).latent
    rollout, path = _forecast(model, start[:, 0], ts, test)
    # Beyond the horizon no training latent is near, but the forecast is.
    near = jnp.where(jnp.isfinite(path), path, 0)[:, frames]
    found = invert_frames(model, shown, test.grid, accept=accept, starts=near)
    latents = found.latent
    return ErrorReport(
        jnp.asarray(ts),
        frames,
        _floor(model, shown, train),
        _errors(_decode(model, latents, test.grid), shown),
        _step_errors(model, latents, test, ts, frames),
        _errors(rollout, test.us),
        _conditions(model, latents, test.grid),
        train.us.shape[1] if horizon is None else horizon,
    )


@eqx.filter_jit
def _decode(model: ReducedModel, latents: Array, grid: Grid) -> Array:
    return jax.vmap(lambda a: decode_frames(model, a, grid))(latents)


def _errors(prediction: Array, truth: Array) -> Array:
    return jax.vmap(relative_l2)(prediction, truth)


def _floor(model: ReducedModel, shown: Array, train: TrainingData) -> Array:
    """The error of the projection on POD modes of the training fields."""
    fields = train.us.reshape(-1, *train.us.shape[2:])
    rank = min(model.latents.shape[-1], fields.shape[0], fields[0].size)
    modes, _ = pod_modes(fields, rank)
    linear = LinearDecoder(train.grid, modes)
    near = jax.vmap(jax.vmap(lambda u: linear.field(linear.project(u))))(shown)
    return _errors(near, shown)


def _step_errors(
    model: ReducedModel,
    latents: Array,
    test: TrainingData,
    ts: np.ndarray,
    frames: np.ndarray,
) -> Array:
    """One interval from each frame."""
    places = frames[:, None] + np.arange(2)
    pairs = ts[places]
    if isinstance(model.dynamics, AbstractLatentMap):
        # They may count their steps, and must know the times: a program for each frame.
        made = [
            _forecast(model, latents[:, place], pair, test)[0]
            for place, pair in enumerate(pairs)
        ]
        after = jnp.stack(made, axis=1)[:, :, 1]
    else:
        after = _steps(model, latents, jnp.asarray(pairs), jnp.asarray(places), test)
    return _errors(after, test.us[:, frames + 1])


@eqx.filter_jit
def _steps(
    model: ReducedModel,
    latents: Array,
    pairs: Array,
    places: Array,
    test: TrainingData,
) -> Array:
    """The field one interval after every latent, in one program."""

    def one(latent, pair, cond):
        return _forecast_one(model, latent, pair, cond, test.grid)[0][1]

    varies = test.cond.ndim == 3
    frames = jax.vmap(one, (0, 0, 0 if varies else None))
    cond = test.cond[:, places] if varies else test.cond
    return jax.vmap(frames, (0, None, 0))(latents, pairs, cond)


def _forecast(
    model: ReducedModel, starts: Array, ts: np.ndarray, test: TrainingData
) -> tuple[Array, Array]:
    """Fields and latents of all trajectories."""

    @eqx.filter_jit
    def run(model, starts, cond):
        def one(row):
            return _forecast_one(model, row[0], ts, row[1], test.grid)

        # One after the other: what is in between of all of them at once is large.
        return jax.lax.map(one, (starts, cond))

    return run(model, starts, test.cond)


def _forecast_one(
    model: ReducedModel, latent: Array, ts: Array | np.ndarray, cond: Array, grid: Grid
) -> tuple[Array, Array]:
    given = cond if model.parameters else None
    made = forecast(model, latent, ts, grid, cond=given, throw=False)
    assert made.fields is not None
    return made.fields, made.latents


@eqx.filter_jit
def _conditions(model: ReducedModel, latents: Array, grid: Grid) -> Array:
    """The condition number of the decoder's Jacobian on the grid."""
    points = grid.points.astype(latents.dtype)

    def one(latent: Array) -> Array:
        jacobian = decoder_jacobian(model.decoder, points, latent)
        R = jnp.linalg.qr(jacobian.reshape(-1, latent.shape[0]), mode="r")
        values = jnp.linalg.svd(R, compute_uv=False)
        return values[0] / values[-1]

    # One after the other: a Jacobian on a whole grid is large.
    return jax.lax.map(lambda rows: jax.lax.map(one, rows), latents)


def _over(mean, values: np.ndarray) -> float:
    return float(mean(values)) if values.size else float("nan")
