"""The product of coefficients with a table that is real, or imaginary."""

import jax
import jax.lax as lax
import jax.numpy as jnp
import numpy as np

from phix._types import Array, Inexact


def scale(
    table: Inexact[Array, "..."] | np.ndarray | complex, z: Inexact[Array, "..."]
) -> Inexact[Array, "..."]:
    """`table * z`, in as little arithmetic as it takes; broadcast as usual.

    A product of a real and a complex array makes the real one complex first, and then
    multiplies and adds its zeros: three times the arithmetic, which compilers may not
    leave out. Here a real table multiplies the parts of z, and so does one of imaginary
    numbers, with the parts swapped, where it can be looked at: a number or NumPy's.

    **Arguments:**

    - `table`: numbers, real or complex, in the precision of z.
    - `z`: coefficients, real or complex.
    """
    if not jnp.iscomplexobj(z):
        return jnp.multiply(table, z)
    if not jnp.iscomplexobj(table):
        return lax.complex(table * z.real, table * z.imag)
    if not isinstance(table, jax.Array) and not np.any(np.real(table)):
        slope = np.imag(table)
        return lax.complex(-slope * z.imag, slope * z.real)
    return jnp.multiply(table, z)
