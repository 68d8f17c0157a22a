"""The Euclidean norm with a finite gradient everywhere."""

import jax.numpy as jnp

from phix._types import Array, Inexact


def norm(x: Inexact[Array, "..."], *, axis: int | None = None) -> Array:
    r"""$\lVert x \rVert_2$ over `axis` (all axes by default), with gradient 0 at x = 0.

    `jnp.linalg.norm` has the gradient NaN there, which reaches every weight of a model
    as soon as one sample is fitted exactly.

    **Returns:** a real array without `axis`.
    """
    square = jnp.sum(jnp.real(x * jnp.conj(x)), axis=axis)
    is_zero = square == 0
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, square)))
