"""Steps of a latent map, landing on the output times."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float


def march(
    step: Callable,
    start: Float[Array, " latent"],
    ts: Float[Array, " time"],
    dt: float | None,
) -> Float[Array, "time latent"]:
    """The latents at `ts` by steps of at most `dt`, equal ones in each interval.

    **Arguments:**

    - `step`: `step(latent, before, t, h, ratio)`: the latent at the time t, h after
      `latent`, ratio times as long after it as it is after `before`; 0 at the start.
    - `start`: at `ts[0]`.
    - `ts`: output times; traced only if dt is `None`.
    - `dt`: the longest step, or `None` for one step an interval.

    **Raises:** `ValueError` for times that are traced though `dt` is given.
    """
    counts = _counts(ts, dt)
    ends, lengths = _instants(jnp.asarray(ts, start.dtype), counts)
    # The step before the first is infinitely long.
    ratios = jnp.zeros_like(lengths).at[1:].set(lengths[1:] / lengths[:-1])

    def advance(state: tuple, now: tuple) -> tuple:
        latent = step(*state, *now)
        return (latent, state[0]), latent

    _, latents = jax.lax.scan(advance, (start, start), (ends, lengths, ratios))
    return jnp.concatenate([start[None], latents[np.cumsum(counts) - 1]])


def require_step(dt: float | None) -> None:
    """Refuses a step that is not positive."""
    require(dt is None or dt > 0, f"dt must be positive or None, got {dt}")


def _counts(ts: Array, dt: float | None) -> np.ndarray:
    """How many steps each output interval takes."""
    if dt is None:
        return np.ones(ts.shape[0] - 1, int)
    require(
        is_concrete(ts),
        "ts is traced, so the number of steps of dt is unknown: close over ts instead "
        "of passing it through jit, or give dt=None",
    )
    return np.asarray(
        [max(1, math.ceil(d / dt - 1e-6)) for d in np.diff(np.asarray(ts))]
    )


def _instants(ts: Array, counts: np.ndarray) -> tuple[Array, Array]:
    """The end and the length of every step."""
    owner = np.repeat(np.arange(counts.size), counts)
    place = np.concatenate([np.arange(1, n + 1) / n for n in counts])
    lengths = jnp.diff(ts)
    ends = ts[owner] + jnp.asarray(place, ts.dtype) * lengths[owner]
    return ends, lengths[owner] / jnp.asarray(counts[owner], ts.dtype)
