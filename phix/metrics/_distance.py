"""Distances between laws, from samples."""

import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float


def energy_distance(
    xs: Float[Array, "samples dim"], ys: Float[Array, "others same"]
) -> Float[Array, ""]:
    r"""$2E|x-y| - E|x-x'| - E|y-y'|$: zero for equal laws, else positive.

    Of the samples themselves, each pair counted, so ≥ 0 and about
    $E|x-x'|\,(1/n_x+1/n_y)$ between two sample sets of one law: report it beside that
    of two true sets.

    **Arguments:**

    - `xs`, `ys`: samples of the two laws. Cost: the product of their numbers, memory
        their sum.

    **Raises:** `ValueError` for samples of different dimensions.

    ??? cite "Reference"
        Székely, Rizzo, *Energy statistics: a class of statistics based on distances*,
        2013.
    """
    require(
        xs.ndim == ys.ndim == 2 and xs.shape[1] == ys.shape[1],
        f"`xs` and `ys` must be (samples, dim) with one dim; got {xs.shape} and "
        f"{ys.shape}",
    )
    return 2 * _mean(xs, ys) - _mean(xs, xs) - _mean(ys, ys)


@jax.jit
def _mean(xs: Array, ys: Array) -> Array:
    return jnp.mean(jax.lax.map(lambda x: jnp.mean(_length(ys - x)), xs))


def _length(apart: Array) -> Array:
    """Norms whose gradient at zero is zero."""
    square = jnp.sum(apart**2, axis=-1)
    root = jnp.sqrt(jnp.where(square > 0, square, 1))
    return jnp.where(square > 0, root, 0)
