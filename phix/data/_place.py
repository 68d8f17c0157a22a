"""Arrays of a file on the device."""

import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import require


def placed(array: np.ndarray, name: str) -> jax.Array:
    """The array in the precision that it has.

    **Raises:** `ValueError` with the name if JAX is in 32-bit mode and it is not.
    """
    kept = jax.dtypes.canonicalize_dtype(array.dtype) == array.dtype
    require(
        kept,
        f"{name} is {array.dtype} and JAX is in 32-bit mode; enable jax_enable_x64, or "
        "pass dtype=jnp.float32",
    )
    return jnp.asarray(array)
