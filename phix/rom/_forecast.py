"""Latent trajectories, and their fields at any points."""

import math
from collections.abc import Callable
from functools import partial

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import Result, eagerly, is_concrete, nearest, require
from phix._types import Array, Float, Int, PyTree, RealScalar
from phix.data import Trajectory
from phix.integrate import solve
from phix.nn import FourierDecoder
from phix.num import hermite, spline_weights
from phix.rom._model import AbstractLatentMap, ReducedModel
from phix.rom._readout import Readout
from phix.rom._velocity import decode_on
from phix.space import Grid


# Points decoded at a time.
_POINTS = 32768
# Numbers in a basis at most.
_BASIS = 2**24
_BETWEEN = ("latents", "fields")


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
    between: str = "latents",
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
      `scheme`, where the dynamics are an `AbstractLatentMap`. See `longest_step`.
    - `scheme`: a Diffrax solver, Bogacki–Shampine of order 3 by default.
    - `between`: what is found in between where steps are longer than intervals:
      `"latents"`, each of which is decoded then; or `"fields"`, decoded at the end of
      the steps alone and joined by a cubic spline (`phix.num.spline_weights`), all
      through which a failure spreads.
    - `throw`: raise if the latents blow up, where that can be seen (not under jit).

    **Returns:** a `Forecast`. Latents cost one dynamics network a stage; fields one
    decode of the points a frame, or with `between="fields"` a step.

    **Raises:** `ValueError` for values of `cond` that are not one row for each of `ts`,
    or that vary where the dynamics are an `AbstractLatentMap`, and for another word in
    `between`.
    """
    require(
        between in _BETWEEN,
        f"unknown between {between!r}{nearest(between, _BETWEEN)}",
    )
    require(
        cond is None or cond.ndim == 1 or cond.shape[0] == len(ts),
        f"cond must hold one row for each of the {len(ts)} times, got shape "
        f"{None if cond is None else cond.shape}",
    )
    knots = None
    if isinstance(model.dynamics, AbstractLatentMap):
        made = _mapped(model.dynamics, latent, ts, cond)
    else:
        knots = _knots(ts, dt)
        made = _integrated(model.dynamics, latent, ts, cond, dt, knots, scheme)
    if throw:
        made.throw()
    latents, first_bad_time, fields = made.us, made.first_bad_time, None
    if knots is not None:
        latents, first_bad_time = _between(model.dynamics, made, knots, ts, cond)
    if points is not None and knots is not None and between == "fields":
        weights = jnp.asarray(
            spline_weights(np.asarray(ts, float), knots), latent.dtype
        )
        few = decode_frames(model, made.us, points)
        fields = jnp.tensordot(weights, few, 1, precision="highest")
    elif points is not None:
        fields = decode_frames(model, latents, points)
    return Forecast(
        made.ts if knots is None else jnp.asarray(ts, made.ts.dtype),
        latents,
        fields,
        made.result,
        first_bad_time,
    )


def _knots(ts: Array | np.ndarray, dt: RealScalar | None) -> np.ndarray | None:
    """Where steps end that are longer than output intervals, if they are."""
    if not is_concrete(ts) or dt is None or not is_concrete(dt):
        return None
    times = np.asarray(ts, float)
    if dt <= np.max(np.diff(times)):
        return None
    count = max(1, math.ceil((times[-1] - times[0]) / float(dt) - 1e-6))
    return np.linspace(times[0], times[-1], count + 1)


def _integrated(
    dynamics: Callable,
    latent: Array,
    ts: Array | np.ndarray,
    cond: Array | None,
    dt: RealScalar | None,
    knots: np.ndarray | None,
    scheme: dfx.AbstractSolver | None,
) -> Trajectory:
    """The latents of a velocity, at the knots if there are any."""
    velocity, args = _velocity(dynamics, latent, ts, cond)
    scheme = dfx.Bosh3() if scheme is None else scheme
    march = partial(solve, velocity, latent, scheme=scheme, args=args, throw=False)
    if knots is not None:
        return march(knots, dt=float(knots[1] - knots[0]))
    if dt is not None:
        return march(ts, dt=dt)
    if is_concrete(ts):
        return march(ts, dt=float(np.max(np.diff(np.asarray(ts)))))
    return march(ts, dt=jnp.max(jnp.diff(ts)), max_steps=1)


def _between(
    dynamics: Callable,
    made: Trajectory,
    knots: np.ndarray,
    ts: Array | np.ndarray,
    cond: Array | None,
) -> tuple[Array, Array]:
    """Latents at `ts` by cubics between the knots, and the first time that is bad."""
    velocity, args = _velocity(dynamics, made.us[0], ts, cond)
    slopes = jax.vmap(lambda t, y: velocity(t, y, args))(made.ts, made.us)
    dtype = made.first_bad_time.dtype
    with eagerly(ts, knots):
        times, ends = (jnp.asarray(np.asarray(x, float), dtype) for x in (ts, knots))
    us = hermite(times, ends, made.us, slopes)
    bad = ~jnp.all(jnp.isfinite(us), axis=1)
    first = jnp.where(jnp.any(bad), times[jnp.argmax(bad)], made.first_bad_time)
    return us, first


def _velocity(
    dynamics: Callable, latent: Array, ts: Array | np.ndarray, cond: Array | None
) -> tuple[Callable, PyTree]:
    """The velocity of the latents, and its arguments."""
    if cond is not None and cond.ndim == 2:
        return _driven(dynamics, latent, ts, cond)
    return dynamics, cond


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
