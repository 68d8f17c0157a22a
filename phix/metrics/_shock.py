"""Where the shock is."""

import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Int, Real


def shock_position(u: Real[Array, "*frames n"]) -> Int[Array, "*frames"]:
    r"""The vertex before the largest downward jump, $\arg\max_i (u_i - u_{i+1})$.

    **Arguments:**

    - `u`: values along a line, space last: a field `"1 n"` or frames `"time 1 n"`.

    **Returns:** the index i of the left vertex of the jump, for each line; the first
    one among equals, 0 if u never falls. Not differentiable: it is an integer.

    **Raises:** `ValueError` for fewer than two vertices.
    """
    require(u.ndim >= 1 and u.shape[-1] >= 2, f"`u` needs two vertices; got {u.shape}")
    return jnp.argmin(jnp.minimum(jnp.diff(u), 0), axis=-1).astype(jnp.int32)
