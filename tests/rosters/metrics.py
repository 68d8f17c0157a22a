"""Metrics under every transformation."""

import jax.numpy as jnp

from phix.metrics import relative_l2, rnmse
from tests.rosters.case import Case


def _pair(dtype):
    x = jnp.arange(24, dtype=dtype).reshape(3, 2, 4)
    return jnp.sin(x), jnp.cos(0.7 * x)


CASES = [
    Case(
        "relative_l2",
        lambda dtype: (relative_l2, _pair(dtype)),
        covers=("relative_l2",),
    ),
    Case("rnmse", lambda dtype: (rnmse, _pair(dtype)), covers=("rnmse",)),
]

EXEMPT = {"shock_position": "gives an integer index; tested against known jumps"}
