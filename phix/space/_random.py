"""Random fields of a given spectrum, one key giving one field at every resolution."""

import functools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.extend.random import threefry_2x32

from phix._errors import is_concrete, require
from phix._types import Array, Float, Inexact, PRNGKeyArray
from phix.space._modes import Modes
from phix.space._spectral import mirrored


class GaussianRandomField(eqx.Module):
    r"""A distribution of fields whose modes are independent and Gaussian.

    $$u(x) = \sum_k c_k \prod_a \phi_{k_a}(x_a),\qquad \mathbb E c_k = 0,\quad
    \mathbb E |c_k|^2 = S_k$$

    Real fields, complex ones (circular coefficients) if the modes say so; zero on
    Dirichlet sides, of zero slope on Neumann sides. Each wave draws from the key and
    its own numbers: one key gives the same coefficients on a finer grid of the same box
    (save those of the highest wave of an even number of nodes), hence the same field
    where nodes are vertices, and up to rounding the same in another precision.

    ```python
    modes = grid.modes(1.0)
    prior = phix.space.GaussianRandomField(modes, lambda k: jnp.exp(-(k**2) / 8))
    u = prior.sample(key=key)
    ```

    **Arguments:**

    - `modes`: the modes that fields have, from `grid.modes(...)`; others are zero.
    - `spectrum`: the variance $S_k \ge 0$ of each mode: an array `"channels *modes"`
        or `"*modes"` (one channel; sizes of 1 are repeated), or a function of
        $|\kappa|$, 1/length, that gives such an array. The variance of u at a point of
        a periodic box is the sum of S over all waves. A leaf: fields and densities can
        be differentiated in it. Modes with $S_k = 0$ are exactly zero.

    **Raises:** `ValueError` for another shape and, where they can be looked at, for
    variances that are negative, not finite, or differ between the waves k and −k of a
    real field.

    !!! example "Good values"
        $S = (1 + |\kappa|^2 \ell^2)^{-s}$: correlated over the length $\ell$, and the
        smoother the larger s > dim/2 (a Matérn field).
    """

    modes: Modes = eqx.field(static=True)
    variance: Float[Array, " channels *modes"]

    def __init__(self, modes: Modes, spectrum: Callable | Any):
        self.modes = modes
        if callable(spectrum):
            size = np.sqrt(-modes.laplacian)
            spectrum = spectrum(jnp.asarray(size, jnp.result_type(float)))
        self.variance = _read_variance(modes, spectrum)

    def sample(self, *, key: PRNGKeyArray) -> Inexact[Array, " channels *space"]:
        """A field, `"channels *space"`, in the precision of the variance."""
        return self.modes.to_nodes(self.sample_modes(key=key))

    def sample_modes(self, *, key: PRNGKeyArray) -> Inexact[Array, " channels *modes"]:
        """The coefficients of a field: `sample` before it is taken to the nodes."""
        positive = self.variance > 0
        root = jnp.sqrt(jnp.where(positive, self.variance, 1.0))
        deviation = jnp.where(positive, root, 0.0)
        channels, dtype = self.variance.shape[0], self.variance.dtype
        drawn = noise(self.modes, channels, dtype, key)
        return of_field(self.modes, deviation * drawn)

    def log_prob(self, u: Inexact[Array, " channels *space"]) -> Float[Array, ""]:
        r"""The logarithm of the density of a field.

        The density is that of the independent real numbers among the coefficients
        (real and imaginary parts; one wave of each pair k, −k of a real field), so it
        does not depend on the number of nodes. Modes that are not kept, or have no
        variance, do not count.
        """
        c = self.modes.to_modes(u)
        require(
            c.shape == self.variance.shape,
            f"u of shape {u.shape} has not the {self.variance.shape[0]} channels of "
            "this distribution",
        )
        positive = self.variance > 0
        variance = jnp.where(positive, self.variance, 1.0)
        square = jnp.where(positive, c.real**2 + c.imag**2, 0.0)
        numbers, alone = self._numbers_per_mode()
        # Real: -log(2πS)/2 - c²/2S. Complex, two numbers: -log(πS) - |c|²/S.
        log_scale = jnp.log(math.pi * variance) + math.log(2) * alone
        terms = -0.5 * numbers * (log_scale + square / variance)
        return jnp.sum(jnp.where(positive, terms, 0.0))

    def kl(self, other: "GaussianRandomField") -> Float[Array, ""]:
        r"""The divergence $\mathrm{KL}(\text{self}\,\|\,\text{other})$.

        Infinite where one of them has variance in a mode in which the other has none.

        **Raises:** `ValueError` for fields of other modes or channels.
        """
        require(
            self.modes == other.modes and self.variance.shape == other.variance.shape,
            "other must have the same modes and channels",
        )
        here, there = self.variance > 0, other.variance > 0
        both = here & there
        ratio = jnp.where(both, self.variance, 1.0) / jnp.where(
            both, other.variance, 1.0
        )
        numbers, _ = self._numbers_per_mode()
        total = jnp.sum(0.5 * numbers * (ratio - 1 - jnp.log(ratio)))
        return jnp.where(jnp.any(here != there), jnp.inf, total)

    def _numbers_per_mode(self) -> tuple[Array, Array]:
        """How many real numbers each coefficient adds, a pair k, −k sharing its two;
        and whether the coefficient is real."""
        numbers = self.modes.weights * (2 if self.modes.complex else 1)
        dtype = self.variance.dtype
        alone = jnp.asarray(_own_mirror(self.modes), dtype)
        return jnp.asarray(numbers, dtype), alone


def _read_variance(modes: Modes, spectrum: Any) -> Float[Array, " channels *modes"]:
    variance = jnp.asarray(spectrum)
    variance = variance.astype(jnp.result_type(variance.dtype, 1.0))
    ndim = len(modes.shape)
    variance = variance[None] if variance.ndim == ndim else variance
    require(
        variance.ndim == ndim + 1
        and all(
            n in (1, m) for n, m in zip(variance.shape[1:], modes.shape, strict=True)
        ),
        f"spectrum must have the shape of the modes, {modes.shape}, with or without an "
        f"axis of channels, got {jnp.shape(spectrum)}",
    )
    variance = jnp.broadcast_to(variance, (variance.shape[0], *modes.shape))
    variance = modes.truncate(variance)
    if is_concrete(variance):
        seen = np.asarray(variance)
        require(
            bool(np.all(np.isfinite(seen) & (seen >= 0))),
            "spectrum must give finite variances of at least 0; lowest "
            f"{seen.min()}, highest {seen.max()}",
        )
        pair = np.where(_second_of_pair(modes), mirrored(modes, variance), variance)
        require(
            np.allclose(pair, seen, rtol=1e-5, atol=0),
            "spectrum must be the same for the waves k and -k of a real field",
        )
    return variance


# Compiled as one, or each of the many small steps is, where it is called eagerly.
@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def noise(modes: Modes, channels: int, dtype: Any, key: PRNGKeyArray) -> Array:
    """Complex numbers of unit variance for each mode, of independent phase.

    Each is a function of the key, its channel and its own wave: the block cipher that
    JAX draws random bits with, applied to these numbers instead of to places in an
    array, so that neither resolution nor precision changes it.
    """
    # Whole numbers from 0, side by side in 64 bits.
    words = [np.where(k < 0, -2 * k - 1, 2 * k) for k in modes.waves]
    words = [np.arange(channels), *words]
    width = 64 // len(words)
    words = [w.astype(np.uint64) << np.uint64(a * width) for a, w in enumerate(words)]
    counters = [
        functools.reduce(jnp.bitwise_or, np.ix_(*(f(w) for w in words)))
        for f in (_upper_half, _lower_half)
    ]
    seed = jr.bits(key, (2,), jnp.uint32)
    bits = threefry_2x32(seed, jnp.stack(counters)).astype(dtype)
    # Box and Muller's method, from shares of 1 in (0, 1].
    share = (bits + 1) / 2.0**32
    radius, angle = jnp.sqrt(-jnp.log(share[0])), 2 * math.pi * share[1]
    return jax.lax.complex(radius * jnp.cos(angle), radius * jnp.sin(angle))


def _upper_half(word: np.ndarray) -> np.ndarray:
    return (word >> np.uint64(32)).astype(np.uint32)


def _lower_half(word: np.ndarray) -> np.ndarray:
    return (word & np.uint64(2**32 - 1)).astype(np.uint32)


def of_field(modes: Modes, c: Array) -> Array:
    """Circular coefficients as those of a field: real where they have to be, conjugate
    for k and −k of a real field, of the same variance."""
    if modes.complex:
        return c
    alone = math.sqrt(2) * c.real
    if not modes.periodic_axes:
        return alone
    c = jnp.where(_own_mirror(modes), alone, c)
    return jnp.where(_second_of_pair(modes), jnp.conj(mirrored(modes, c)), c)


def _signs(modes: Modes) -> np.ndarray:
    """The sign of k along each periodic axis, 0 where k and −k are the same wave,
    `"axes *modes"`."""
    signs = [
        np.where(2 * np.abs(k) == modes.grid.shape[axis], 0, np.sign(k))
        for axis, k in enumerate(modes.waves)
    ]
    signs = np.stack(np.meshgrid(*signs, indexing="ij"))
    return signs[list(modes.periodic_axes)]


def _own_mirror(modes: Modes) -> np.ndarray:
    """The modes whose coefficient is real: k and −k are the same wave."""
    if modes.complex:
        return np.zeros(modes.shape, bool)
    return ~np.any(_signs(modes), axis=0)


def _second_of_pair(modes: Modes) -> np.ndarray:
    """The modes whose coefficient follows from that of −k, which is held too."""
    second = np.zeros(modes.shape, bool)
    if modes.half_axis is None:
        return second
    signs = _signs(modes)
    undecided = signs[-1] == 0
    for sign in signs[:-1]:
        second |= undecided & (sign < 0)
        undecided &= sign == 0
    return second
