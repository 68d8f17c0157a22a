"""Collective coordinates: where kinks are, and how fast, by differentiable fits."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jax import lax

from phix import num
from phix._errors import require
from phix._types import Array, Float, Int, RealScalar
from phix.pde._potentials import AbstractPotential
from phix.pde._solitons import kink, kink_antikink, kink_profile
from phix.space import Grid


class KinkFit(eqx.Module):
    """What `locate_kink` or `locate_pair` found.

    **Fields:**

    - `position`: the centre of the kink, or half the distance of a pair; a length.
    - `speed`: its speed; of a pair that of the kink on the left, positive if they
        approach each other.
    - `misfit`: the root mean square of what the fit leaves of φ and its rate.
    - `result`: a `phix.Result` code (int32).
    """

    position: Float[Array, ""]
    speed: Float[Array, ""]
    misfit: Float[Array, ""]
    result: Int[Array, ""]


def locate_kink(
    potential: AbstractPotential,
    grid: Grid,
    u: Float[Array, "2 nodes"],
    *,
    speed: RealScalar = 0.0,
    antikink: bool = False,
) -> KinkFit:
    r"""Position and speed of the kink that is nearest to a field, by least squares.

    $$\min_{x_0,u}\int(\varphi - K)^2 + (\varphi_t - \dot K)^2\,dx$$

    with K the boosted kink. Differentiable in u and in the numbers of the potential, by
    the implicit function theorem; works under `vmap` over the frames of a trajectory.

    **Arguments:**

    - `potential`: one with a known `kink_profile`.
    - `grid`: a grid of one dimension.
    - `u`: φ and its rate, `"2 nodes"`.
    - `speed`: a first guess; that of the position is where φ is midway.
    - `antikink`: fit a falling kink.

    **Returns:** a `KinkFit`.

    **Raises:** `ValueError` for another grid or a potential without known kink.
    """
    x = _line(grid, u)
    low, high = _vacua(potential, x)
    start = x[jnp.argmin(jnp.abs(u[0] - (low + high) / 2))]

    def template(x0: Array, v: Array) -> Array:
        return kink(potential, x, speed=v, centre=x0, antikink=antikink)

    return _fit(template, u, start, speed)


def locate_pair(
    potential: AbstractPotential,
    grid: Grid,
    u: Float[Array, "2 nodes"],
    *,
    speed: RealScalar = 0.0,
) -> KinkFit:
    r"""Half the distance, and the speed, of a kink and an antikink about x = 0.

    As `locate_kink`, with the field of `kink_antikink`.

    **Arguments:** as for `locate_kink`.

    **Returns:** a `KinkFit`; before a collision its speed is positive, after it
    negative.

    **Raises:** `ValueError` as for `locate_kink`.
    """
    x = _line(grid, u)
    low, high = _vacua(potential, x)
    inside = jnp.sum(jnp.where(u[0] > (low + high) / 2, 1, 0))
    start = 0.5 * grid.spacing[0] * inside.astype(x.dtype)

    def template(half: Array, v: Array) -> Array:
        return kink_antikink(potential, x, speed=v, separation=2 * half)

    return _fit(template, u, start, speed)


def _line(grid: Grid, u: Array) -> Array:
    grid.check(u)
    require(
        grid.ndim == 1 and u.shape[0] == 2,
        f"u must be (phi, rate) on a grid of one dimension, got shape {u.shape}",
    )
    return grid.axes[0].astype(u.dtype)


def _vacua(potential: AbstractPotential, x: Array) -> tuple[Array, Array]:
    ends = jnp.asarray([-jnp.inf, jnp.inf], x.dtype)
    low, high = kink_profile(potential, ends)
    return low, high


def _fit(template: Callable, u: Array, start: Array, speed: RealScalar) -> KinkFit:
    # The rapidity may take any value, the speed may not.
    rapidity = jnp.arctanh(jnp.asarray(speed, u.dtype))
    guess = lax.stop_gradient(jnp.stack([start, rapidity]))

    def residual(z: Array, u: Array) -> Array:
        return (template(z[0], jnp.tanh(z[1])) - u).ravel()

    # Radiation and wobble are left over: the last digits of the minimiser hang on a
    # tiny part of the sum of squares.
    rtol = float(jnp.finfo(u.dtype).eps) ** 0.75
    found = num.least_squares(residual, guess, args=u, damping=1e-3, rtol=rtol)
    scale = jnp.sqrt(jnp.asarray(u.shape[1], u.dtype))
    return KinkFit(
        found.x[0], jnp.tanh(found.x[1]), found.residual_norm / scale, found.result
    )
