"""Times of interpolants whose γ is a square root at both ends."""

import jax.numpy as jnp

from phix._types import Array, Float, RealScalar


def clock(t: RealScalar) -> Float[Array, ""]:
    """What networks are told: log t/(1 − t), within ±8."""
    return jnp.clip(jnp.log(t) - jnp.log1p(-t), -8.0, 8.0)


def times(steps: int, first: float = 0.0) -> Float[Array, " times"]:
    r"""$\sin^2(\pi s/2)$ of even s from `first` to 1: γ is smooth in s."""
    return jnp.sin(jnp.pi / 2 * jnp.linspace(first, 1.0, steps + 1)) ** 2
