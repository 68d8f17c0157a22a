"""The transform of an antiperiodic axis: half-integer waves, one FFT of half size."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from phix._types import Array, Inexact


@dataclasses.dataclass(frozen=True)
class HalfWaves:
    r"""Cosines and sines that change sign across an axis of an even number n of nodes.

    $$u(x_j) = \sum_m a_m\cos\kappa_m(x_j - x_0) + b_m\sin\kappa_m(x_j - x_0),\qquad
    \kappa_m = \frac{2\pi}L\left(m + \tfrac12\right)$$

    with $x_0$ the first node and m below n/2. Coefficients are real and in the order
    $a_0, b_0, a_1, b_1, \ldots$. Of the complex waves $m + \tfrac12$, −n/2 ≤ m < n/2,
    those of even m hold all there is to know of a real field; they are the FFT of the
    n/2 numbers $(u_j - iu_{j+n/2})e^{-i\pi j/n}$.
    """

    def wavenumbers(self, n: int, length: float) -> np.ndarray:
        r"""κ of every coefficient of an axis of that length."""
        return (2 * math.pi / length) * (np.arange(n) // 2 + 0.5)

    def analyse(
        self, u: Inexact[Array, "..."], axis: int = -1
    ) -> Inexact[Array, "..."]:
        """From the values at the nodes of one axis to as many coefficients."""
        if jnp.iscomplexobj(u):
            return lax.complex(self.analyse(u.real, axis), self.analyse(u.imag, axis))
        u = jnp.moveaxis(u, axis, -1)
        n, half = u.shape[-1], u.shape[-1] // 2
        z = lax.complex(u[..., :half], -u[..., half:]) * _turn(n, u, -1)
        z = jnp.fft.fft(z, norm="forward")
        even = (half + 1) // 2
        c = _interleave(z[..., :even], jnp.conj(z[..., even:][..., ::-1]))
        return jnp.moveaxis(_interleave(c.real, -c.imag), -1, axis)

    def synthesise(
        self, c: Inexact[Array, "..."], n: int, axis: int = -1
    ) -> Inexact[Array, "..."]:
        """From coefficients, an even number of them, to the values at `n` nodes."""
        if jnp.iscomplexobj(c):
            parts = (self.synthesise(part, n, axis) for part in (c.real, c.imag))
            return lax.complex(*parts)
        c = jnp.moveaxis(c, axis, -1)
        padding = [(0, 0)] * (c.ndim - 1) + [(0, n - c.shape[-1])]
        c = jnp.pad(c, padding)
        c = lax.complex(c[..., ::2], -c[..., 1::2])
        z = jnp.concatenate([c[..., ::2], jnp.conj(c[..., 1::2][..., ::-1])], -1)
        z = jnp.fft.ifft(z, norm="forward") * _turn(n, c, 1)
        return jnp.moveaxis(jnp.concatenate([z.real, -z.imag], -1), -1, axis)

    def table(self, phase: Array, columns: int) -> Array:
        """Every wave at the phases $2\\pi(x - x_0)/L$: "points columns"."""
        angle = phase[:, None] * (jnp.arange(columns // 2, dtype=phase.dtype) + 0.5)
        return _interleave(jnp.cos(angle), jnp.sin(angle))


def _turn(n: int, like: Array, sign: int) -> Array:
    kind = jnp.result_type(like.dtype, jnp.complex64)
    return jnp.asarray(np.exp(sign * 1j * math.pi / n * np.arange(n // 2)), kind)


def _interleave(a: Array, b: Array) -> Array:
    """a₀, b₀, a₁, b₁, …; b may be one shorter."""
    gap = a.shape[-1] - b.shape[-1]
    b = jnp.pad(b, [(0, 0)] * (b.ndim - 1) + [(0, gap)])
    pairs = jnp.stack([a, b], -1).reshape(*a.shape[:-1], -1)
    return pairs[..., : pairs.shape[-1] - gap]
