"""How networks are told a time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.typing import DTypeLike

from phix._types import Array, Float, PRNGKeyArray, RealScalar


# Waves of time, from the whole range of a log signal-to-noise ratio to tenths of it.
WAVES = 8
_RANGE = 40.0


def time_waves(t: RealScalar, dtype: DTypeLike) -> Float[Array, " waves"]:
    """Sines and cosines of t, 2 · `WAVES` numbers."""
    turns = 2.0 ** jnp.arange(WAVES, dtype=dtype) * (2 * jnp.pi / _RANGE / 2)
    angles = turns * jnp.asarray(t, dtype)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)])


class TimeEmbedding(eqx.Module):
    """A vector that tells a time: a perceptron of its waves."""

    first: eqx.nn.Linear
    second: eqx.nn.Linear

    def __init__(self, width: int, *, key: PRNGKeyArray, dtype: DTypeLike | None):
        one, other = jr.split(key)
        self.first = eqx.nn.Linear(2 * WAVES, width, dtype=dtype, key=one)
        self.second = eqx.nn.Linear(width, width, dtype=dtype, key=other)

    def __call__(self, t: RealScalar) -> Float[Array, " width"]:
        """The vector."""
        hidden = self.first(time_waves(t, self.first.weight.dtype))
        return jax.nn.silu(self.second(jax.nn.silu(hidden)))
