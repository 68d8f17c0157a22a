"""Latent trajectories, and their fields at any points."""

import math
from collections.abc import Callable
from functools import partial

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import Result, is_concrete, require
from phix._types import Array, Float, Int, PyTree, RealScalar
from phix.data import Trajectory
from phix.integrate import solve
from phix.nn import FourierDecoder
from phix.num import hermite
from phix.rom._model import AbstractLatentMap, ReducedModel
from phix.rom._readout import Readout
from phix.rom._velocity import decode_on
from phix.space import Grid


# Points decoded at a time.
_POINTS = 32768
# Numbers in a basis at most.
_BASIS = 2**24


class Forecast(eqx.Module):
    """The answer of `forecast`.

    - `ts`: times, as asked.
    - `latents`: the latent at each of them.
    - `fields`: decoded fields "time channels *space" on a grid, "time channels points"
      at points, `None` where none were asked for.
    - `result`, `first_bad_time`: as in `Trajectory`.
    """

    ts: Float[Array, " time"]
    latents: Float[Array, "time latent"]
    fields: Float[Array, "time channels ..."] | None
    result: Int[Array, ""]
    first_bad_time: Float[Array, ""]


def forecast(
    model: ReducedModel,
    latent: Float[Array, " latent"],
    ts: Float[Array | np.ndarray, " time"],
    points: Grid | Float[Array, "points dim"] | Readout | None = None,
    *,
    cond: Float[Array, "*time parameters"] | None = None,
    dt: RealScalar | None = None,
    scheme: dfx.AbstractSolver | None = None,
    throw: bool = True,
) -> Forecast:
    """Integrates the latent ODE from `latent` and decodes where asked.

    **Arguments:**

    - `model`: a `ReducedModel`.
    - `latent`: at `ts[0]`, for example from `invert`.
    - `ts`: output times, increasing.
    - `points`: a grid, an array of points, a `readout` of the model, or `None` for
      latents alone.
    - `cond`: the parameters of the equation, in the order of `model.parameters`; or
      their values at each of `ts`, "time parameters", linear in between: forcing,
      controls, boundary data.
    - `dt`: step of the latent ODE; by default one step an output interval. If it is
      longer than that, latents at output times are interpolated by cubics
      (`phix.num.hermite`): latents are often far smoother than frames are dense.
      Traced times or steps take one an interval at least. Of no account, like
      `scheme`, where the dynamics are an `AbstractLatentMap`.
    - `scheme`: a Diffrax solver, Bogacki–Shampine of order 3 by default.
    - `throw`: raise if the latents blow up, where that can be seen (not under jit).

    **Returns:** a `Forecast`. Latents cost one dynamics network a stage; fields one
    decode of the points a frame.

    **Raises:** `ValueError` for values of `cond` that are not one row for each of `ts`,
    or that vary where the dynamics are an `AbstractLatentMap`.
    """
    require(
        cond is None or cond.ndim == 1 or cond.shape[0] == len(ts),
        f"cond must hold one row for each of the {len(ts)} times, got shape "
        f"{None if cond is None else cond.shape}",
    )
    if isinstance(model.dynamics, AbstractLatentMap):
        trajectory = _mapped(model.dynamics, latent, ts, cond)
    else:
        trajectory = _integrated(model.dynamics, latent, ts, cond, dt, scheme)
    if throw:
        trajectory.throw()
    return Forecast(
        trajectory.ts,
        trajectory.us,
        None if points is None else decode_frames(model, trajectory.us, points),
        trajectory.result,
        trajectory.first_bad_time,
    )


def _integrated(
    dynamics: Callable,
    latent: Array,
    ts: Array | np.ndarray,
    cond: Array | None,
    dt: RealScalar | None,
    scheme: dfx.AbstractSolver | None,
) -> Trajectory:
    """The latents of a velocity."""
    velocity, args = dynamics, cond
    if cond is not None and cond.ndim == 2:
        velocity, args = _driven(dynamics, latent, ts, cond)
    scheme = dfx.Bosh3() if scheme is None else scheme
    march = partial(solve, velocity, latent, scheme=scheme, args=args, throw=False)
    if not is_concrete(ts):
        longest = jnp.max(jnp.diff(ts))
        return march(ts, dt=longest, max_steps=1) if dt is None else march(ts, dt=dt)
    times = np.asarray(ts)
    longest = float(np.max(np.diff(times)))
    if dt is None or not is_concrete(dt) or dt <= longest:
        return march(ts, dt=longest if dt is None else dt)
    count = max(1, math.ceil((times[-1] - times[0]) / float(dt) - 1e-6))
    knots = np.linspace(times[0], times[-1], count + 1)
    return _between(velocity, args, march(knots, dt=float(knots[1] - knots[0])), ts)


def _between(
    velocity: Callable, args: PyTree, made: Trajectory, ts: Array | np.ndarray
) -> Trajectory:
    """A trajectory at `ts`, by cubics between its own times."""
    slopes = jax.vmap(lambda t, y: velocity(t, y, args))(made.ts, made.us)
    times = jnp.asarray(ts, made.ts.dtype)
    us = hermite(times, made.ts, made.us, slopes)
    bad = ~jnp.all(jnp.isfinite(us), axis=1)
    first = jnp.where(jnp.any(bad), times[jnp.argmax(bad)], made.first_bad_time)
    return eqx.tree_at(
        lambda made: (made.ts, made.us, made.first_bad_time), made, (times, us, first)
    )


def _driven(
    dynamics: Callable, latent: Array, ts: Array | np.ndarray, cond: Array
) -> tuple[Callable, tuple]:
    """The velocity whose parameters vary in time, and its arguments."""
    # As `solve` counts time.
    times = jnp.asarray(ts, jnp.promote_types(latent.dtype, jnp.float32))

    def velocity(t: Array, y: Array, args: tuple) -> Array:
        times, values = args
        place = jnp.clip(jnp.searchsorted(times, t, side="right"), 1, times.size - 1)
        before, after = times[place - 1], times[place]
        share = jnp.clip((t - before) / (after - before), 0, 1).astype(values.dtype)
        now = (1 - share) * values[place - 1] + share * values[place]
        return dynamics(t, y, now)

    return velocity, (times, cond)


def _mapped(
    dynamics: AbstractLatentMap,
    latent: Array,
    ts: Array | np.ndarray,
    cond: Array | None,
) -> Trajectory:
    """The latents of dynamics that need no integration."""
    require(
        cond is None or cond.ndim == 1,
        f"{type(dynamics).__name__} takes parameters that are constant in time, got "
        "cond of shape "
        f"{None if cond is None else cond.shape}",
    )
    if is_concrete(ts):
        # Known also under jit, to dynamics that count their steps.
        with jax.ensure_compile_time_eval():
            ts = jnp.asarray(ts, latent.dtype)
    else:
        ts = jnp.asarray(ts, latent.dtype)
    latents = dynamics(latent, ts, cond)
    bad = ~jnp.all(jnp.isfinite(latents), axis=1)
    failed = jnp.any(bad)
    code = jnp.where(failed, Result.non_finite, Result.successful).astype(jnp.int32)
    when = jnp.where(failed, ts[jnp.argmax(bad)], jnp.inf).astype(ts.dtype)
    return Trajectory(ts, latents, None, {}, code, {}, when)


def decode_frames(
    model: ReducedModel,
    latents: Float[Array, "time latent"],
    points: Grid | Float[Array, "points dim"] | Readout,
) -> Float[Array, "time channels ..."]:
    """The field of every latent, on a grid or at points.

    **Arguments:**

    - `model`: whose decoder is used.
    - `latents`: "time latent".
    - `points`: a grid, "points dim", or a `readout`, which takes the decoder's place.

    **Returns:** "time channels *space" on a grid, "time channels points" at points. A
    few frames at a time: what is in between fits into a cache. Of many frames of a
    decoder that is affine in the latent, its `basis` is made once and each frame is a
    product with it.
    """
    if isinstance(points, Readout):
        return jax.vmap(points)(latents)
    on_grid = isinstance(points, Grid)
    if isinstance(model.decoder, FourierDecoder):
        places = points.points.astype(latents.dtype) if on_grid else points
        if _basis_pays(model.decoder, latents.shape[0], places.shape[0]):
            offset, modes = model.decoder.basis(places)
            fields = offset + jnp.einsum(
                "cpr,tr->tcp", modes, latents, precision="highest"
            )
            return (
                fields.reshape(*fields.shape[:2], *points.shape) if on_grid else fields
            )

    def one(latent: Array) -> Array:
        if isinstance(points, Grid):
            return decode_on(model.decoder, points, latent)
        return model.decoder(points, latent)

    size = math.prod(points.shape) if on_grid else points.shape[0]
    together = max(1, _POINTS // size)
    if together >= latents.shape[0]:
        return jax.vmap(one)(latents)
    return jax.lax.map(one, latents, batch_size=together)


def _basis_pays(decoder: FourierDecoder, frames: int, points: int) -> bool:
    """Whether a basis costs less than the frames, and does not take much memory."""
    channels = decoder.fields.mean.shape[0]
    size = channels * points * decoder.latent_size
    # A decode, and for each channel one forth and back.
    return frames > 1 + 3 * channels and size <= _BASIS
