"""Steps of latent dynamics, as training takes them."""

from collections.abc import Callable

import diffrax as dfx
import jax
import jax.numpy as jnp

from phix._types import Array, Float
from phix.integrate import make_stepper


_CARRY_STEPS = 8


def latent_step(
    dynamics: Callable,
    latent: Float[Array, " latent"],
    t: Float[Array, ""],
    h: Float[Array, ""],
    cond: Float[Array, " parameters"] | None,
) -> Float[Array, " latent"]:
    """One step of Bogacki and Shampine's third order, that of `forecast`."""
    stepper, state = make_stepper(
        dynamics, latent, h, scheme=dfx.Bosh3(), t0=t, args=cond
    )
    return stepper(state, cond=cond).y


def carried(
    dynamics: Callable,
    t: Float[Array, ""],
    latent: Float[Array, " latent"],
    span: Float[Array, ""],
    cond: Float[Array, " parameters"] | None,
) -> Float[Array, " latent"]:
    """The latent that the dynamics reach in a time span; where they fail, the latent.

    Its derivative in the latent is taken as one.
    """
    h = span / _CARRY_STEPS

    def advance(now: Array, n: Array) -> tuple[Array, None]:
        return latent_step(dynamics, now, t + n * h, h, cond), None

    start = jax.lax.stop_gradient(latent)
    end, _ = jax.lax.scan(advance, start, jnp.arange(_CARRY_STEPS, dtype=latent.dtype))
    way = jnp.where(jnp.all(jnp.isfinite(end)), end - start, 0.0)
    return latent + jax.lax.stop_gradient(way)
