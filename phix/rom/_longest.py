"""How long the steps of a latent ODE may be."""

from bisect import bisect_left

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix._types import Array, Float
from phix.metrics import relative_l2
from phix.rom._forecast import forecast
from phix.rom._model import AbstractLatentMap, ReducedModel
from phix.rom._readout import Readout
from phix.space import Grid


# Trajectories judged by at most.
_STARTS = 32


def longest_step(
    model: ReducedModel,
    ts: Float[np.ndarray, " time"],
    points: Grid | Float[Array, "points dim"] | Readout,
    *,
    tolerance: float = 0.01,
    starts: Float[Array, "trajectories latent"] | None = None,
    cond: Float[Array, "trajectories parameters"] | None = None,
    between: str = "fields",
    scheme: dfx.AbstractSolver | None = None,
) -> float:
    r"""The longest step at which forecasts are what they are by short ones.

    Of steps T/k, T the time of the forecast, the longest that moves its fields by at
    most `tolerance` from those of one step an output interval, relative and averaged
    over trajectories and frames. It asks for no truth: judge on the training starts,
    and use what it says as `dt` of `forecast`.

    **Arguments:**

    - `model`: whose dynamics are integrated.
    - `ts`: output times of the forecasts that are wanted.
    - `points`: where fields are compared, as for `forecast`; a few hundred points do.
    - `tolerance`: a tenth of the model's own error or less.
    - `starts`: latents to start from; by default those of the first training frames,
      some 32 of them.
    - `cond`: the parameters at each of them, where the model has any.
    - `between`, `scheme`: as for `forecast`; they change what a long step costs.

    **Returns:** the step; one output interval if none longer will do.

    **Raises:** `ValueError` for a tolerance that is not positive, dynamics that need no
    steps, and a model with parameters without `cond`.
    """
    require(tolerance > 0, f"tolerance must be positive, got {tolerance}")
    require(
        not isinstance(model.dynamics, AbstractLatentMap),
        f"{type(model.dynamics).__name__} takes no steps: forecast needs no dt for it",
    )
    starts = _some(model.latents[:, 0]) if starts is None else starts
    require(
        not model.parameters or cond is not None,
        f"cond must give {', '.join(model.parameters)} at each of the starts",
    )
    times = np.asarray(ts, float)
    conds = jnp.zeros((len(starts), 0), starts.dtype) if cond is None else cond

    @eqx.filter_jit
    def fields(model, starts, conds, dt):
        def one(row: tuple[Array, Array]) -> Array:
            start, cond = row
            made = forecast(
                model,
                start,
                times,
                points,
                cond=None if cond.size == 0 else cond,
                dt=dt,
                scheme=scheme,
                between=between,
                throw=False,
            )
            assert made.fields is not None
            return made.fields

        return jax.lax.map(one, (starts, conds))

    wanted = fields(model, starts, conds, None)
    counts = _counts(len(times) - 1)
    whole = float(times[-1] - times[0])

    def suffices(count: int) -> bool:
        found = fields(model, starts, conds, whole / count)
        away = jax.vmap(jax.vmap(relative_l2))(found, wanted)
        return bool(jnp.mean(away) <= tolerance)  # not if it is not finite

    place = bisect_left(counts, True, key=suffices)
    return whole / counts[place] if place < len(counts) else float(max(np.diff(times)))


def _some(latents: Array) -> Array:
    """Rows spread evenly over all of them."""
    rows = np.linspace(0, len(latents) - 1, min(_STARTS, len(latents)))
    return latents[np.round(rows).astype(int)]


def _counts(intervals: int) -> list[int]:
    """Numbers of steps below that of intervals, each about a fifth more."""
    numbers = np.unique(np.round(2 * 1.2 ** np.arange(60)).astype(int))
    return [int(n) for n in numbers if n < intervals]
