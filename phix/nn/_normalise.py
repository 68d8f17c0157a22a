"""Normalisers that travel with a model, and are never trained or decayed."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import is_concrete, require
from phix._types import Array, Float, PyTree


class AbstractNormaliser(eqx.Module):
    """An invertible, elementwise, affine map whose constants come from data.

    Its arrays are saved with the model but belong to the data: `trainable` leaves them
    out, so no optimiser moves them and no weight decay shrinks them.
    """

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """From the units of the data to numbers of order one."""

    @abc.abstractmethod
    def inverse(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Back to the units of the data."""


class MinMax(AbstractNormaliser):
    r"""Maps a box to $[-1, 1]^d$: $\tilde x = 2 (x - l) / (h - l) - 1$.

    **Arguments:**

    - `lower`, `upper`: opposite corners of the box, in the units of the coordinates.

    **Raises:** `ValueError` if a concrete `upper` does not exceed `lower`.
    """

    lower: Float[Array, " dim"]
    upper: Float[Array, " dim"]

    def __check_init__(self):
        if is_concrete(self.lower, self.upper):
            require(
                bool(jnp.all(self.upper > self.lower)),
                f"MinMax needs upper > lower on every axis, got lower={self.lower} and "
                f"upper={self.upper}; give points that span the domain.",
            )

    @classmethod
    def of(cls, points: Float[Array, "points dim"]) -> "MinMax":
        """The bounding box of `points`."""
        return cls(jnp.min(points, axis=0), jnp.max(points, axis=0))

    def __call__(self, x: Float[Array, "... dim"]) -> Float[Array, "... dim"]:
        """Coordinates in the box to $[-1, 1]$."""
        return 2 * (x - self.lower) / (self.upper - self.lower) - 1

    def inverse(self, x: Float[Array, "... dim"]) -> Float[Array, "... dim"]:
        """$[-1, 1]$ back to coordinates."""
        return self.lower + (x + 1) * (self.upper - self.lower) / 2


class Standardiser(AbstractNormaliser):
    r"""Maps each channel to mean 0 and deviation 1: $\tilde x = (x - m) / s$.

    The channel is the *first* axis of what it is called on; a vector of parameters is a
    row of channels.

    **Arguments:**

    - `mean`, `std`: one number per channel, in the units of the data.

    **Raises:** `ValueError` if a concrete `std` is not positive.
    """

    mean: Float[Array, " channels"]
    std: Float[Array, " channels"]

    def __check_init__(self):
        if is_concrete(self.std):
            require(
                bool(jnp.all(self.std > 0)),
                f"Standardiser needs std > 0 in every channel, got {self.std}; drop "
                "what does not vary, or pass std = 1 for it.",
            )

    @classmethod
    def of(cls, data: Float[Array, "..."], *, axis: int) -> "Standardiser":
        """Mean and deviation over every axis of `data` but the channel axis `axis`."""
        others = tuple(i for i in range(data.ndim) if i != axis % data.ndim)
        return cls(jnp.mean(data, axis=others), jnp.std(data, axis=others))

    def __call__(self, x: Float[Array, "channels ..."]) -> Float[Array, "..."]:
        """Data to standardised numbers."""
        return (x - _column(self.mean, x)) / _column(self.std, x)

    def inverse(self, x: Float[Array, "channels ..."]) -> Float[Array, "..."]:
        """Standardised numbers back to data."""
        return x * _column(self.std, x) + _column(self.mean, x)


class Fixed(eqx.Module):
    """What travels with a model and is not trained, like the numbers of a normaliser.

    - `value`: any PyTree.
    """

    value: PyTree


def trainable(model: PyTree) -> PyTree:
    """Which leaves an optimiser may move: floating arrays outside normalisers and
    `Fixed`.

    **Arguments:**

    - `model`: any PyTree of modules.

    **Returns:** a tree of `True`/`False` of the same structure, for `eqx.partition`.
    """

    def is_kept(node):
        return isinstance(node, AbstractNormaliser | Fixed)

    def mark(node):
        if is_kept(node):
            return jax.tree.map(lambda _: False, node)
        return eqx.is_inexact_array(node)

    return jax.tree.map(mark, model, is_leaf=is_kept)


def _column(values: Array, x: Array) -> Array:
    return values.reshape(values.shape + (1,) * (x.ndim - 1))
