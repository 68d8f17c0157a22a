"""The product that decides a result."""

import jax.numpy as jnp
from jax import lax

from phix._types import Array, Inexact


def matmul(a: Inexact[Array, "..."], b: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    """`a @ b` in the precision of its arguments on every platform.

    Left to themselves TPUs multiply float32 as bfloat16, three digits, and GPUs as
    TF32. Networks may; what decides a result may not.

    **Arguments:**

    - `a`, `b`: vectors, matrices or stacks of matrices, as for `jnp.matmul`.
    """
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
