"""Sine and cosine transforms: every type from I to IV as one real FFT."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from phix._errors import require
from phix._types import Array, Inexact


@dataclasses.dataclass(frozen=True)
class Basis:
    r"""The sines or cosines that obey the boundary at both ends of an axis.

    $$u(x_j) = \sum_m c_m \varphi_m(x_j),\qquad
    \varphi_m = \sin\kappa_m(x - a) \text{ or } \cos\kappa_m(x - a)$$

    Sines where the left end $a$ is Dirichlet, cosines where it is Neumann;
    $\kappa_m$ a whole multiple of $\pi/L$ where both ends are alike, half a step off
    where they differ. Both directions continue the field by reflection to a periodic
    one and take one real FFT of it. In SciPy's names, from nodes to modes:

    | ends | vertex | centre |
    |---|---|---|
    | Dirichlet, Dirichlet | DST-I | DST-II |
    | Neumann, Neumann | DCT-I | DCT-II |
    | Dirichlet, Neumann | DST-III | DST-IV |
    | Neumann, Dirichlet | DCT-III | DCT-IV |

    **Arguments:**

    - `odd`: for the left and the right end, whether the field is odd about it
        (Dirichlet) or even (Neumann).
    - `centre`: whether nodes are the middles of cells, or the corners.
    """

    odd: tuple[bool, bool]
    centre: bool

    @property
    def _half(self) -> bool:
        return self.odd[0] != self.odd[1]

    def _intervals(self, n: int) -> int:
        return n if self.centre else n - 1 + sum(self.odd)

    def _period(self, n: int) -> int:
        """Number of nodes after which the reflected field repeats."""
        return (4 if self._half else 2) * self._intervals(n)

    def _bins(self, n: int) -> np.ndarray:
        """Where the modes stand in the real FFT of the reflected field."""
        if self._half:
            return 2 * np.arange(n) + 1
        return np.arange(n) + all(self.odd)

    def _factors(self, n: int, modes: int) -> np.ndarray:
        """What c is multiplied with to give the real FFT of the reflected field."""
        period, bins = self._period(n), self._bins(modes)
        alone = (bins == 0) | (2 * bins == period)
        turn = np.exp(1j * math.pi * bins / period * self.centre)
        sine = -1j if self.odd[0] else 1
        return sine * turn * np.where(alone, period, period / 2)

    def wavenumbers(self, n: int, length: float) -> np.ndarray:
        r"""$\kappa_0, \ldots, \kappa_{n-1}$ for an axis of that length."""
        return self._bins(n) * (math.pi / (2 * length if self._half else length))

    def analyse(
        self, u: Inexact[Array, "..."], axis: int = -1
    ) -> Inexact[Array, "..."]:
        """From the values at the nodes of one axis to as many coefficients."""
        if jnp.iscomplexobj(u):
            return lax.complex(self.analyse(u.real, axis), self.analyse(u.imag, axis))
        n, axis = u.shape[axis], axis % u.ndim
        bins, factors = self._bins(n), self._factors(n, n)
        spectrum = jnp.fft.rfft(self._reflect(u, axis), axis=axis)
        spectrum = lax.slice_in_dim(
            spectrum, bins[0], bins[-1] + 1, 2 if self._half else 1, axis
        )
        return (spectrum * _along(1 / factors, axis, spectrum)).real

    def synthesise(
        self, c: Inexact[Array, "..."], n: int, axis: int = -1
    ) -> Inexact[Array, "..."]:
        """From coefficients, at most `n` of them, to the values at `n` nodes."""
        if jnp.iscomplexobj(c):
            parts = (self.synthesise(part, n, axis) for part in (c.real, c.imag))
            return lax.complex(*parts)
        modes, axis = c.shape[axis], axis % c.ndim
        period, bins = self._period(n), self._bins(modes)
        kind = jnp.result_type(c.dtype, jnp.complex64)
        spectrum = c * _along(self._factors(n, modes), axis, c.astype(kind))
        padding = [(0, 0, 0)] * c.ndim
        after = period // 2 - int(bins[-1])
        padding[axis] = (int(bins[0]), after, 1 if self._half else 0)
        spectrum = lax.pad(spectrum, jnp.zeros((), kind), padding)
        nodes = jnp.fft.irfft(spectrum, period, axis=axis)
        first = int(self.odd[0] and not self.centre)
        return lax.slice_in_dim(nodes, first, first + n, 1, axis)

    def _reflect(self, u: Array, axis: int) -> Array:
        """One period of the field, from the left end on."""
        if not self.centre:
            padding = [(0, 0)] * u.ndim
            padding[axis] = (int(self.odd[0]), int(self.odd[1]))
            u = jnp.pad(u, padding)
        inner = u if self.centre else lax.slice_in_dim(u, 1, -1, 1, axis)
        mirrored = jnp.flip(inner, axis)
        u = jnp.concatenate([u, -mirrored if self.odd[1] else mirrored], axis)
        return jnp.concatenate([u, -u], axis) if self._half else u


def trig_basis(left: str, right: str, node: str) -> Basis:
    """The basis for the kinds of boundary at two ends and the kind of nodes.

    **Arguments:**

    - `left`, `right`: `"dirichlet"` or `"neumann"`.
    - `node`: `"vertex"` or `"centre"`.

    **Raises:** `ValueError` for any other kind of boundary.
    """
    for kind in (left, right):
        require(
            kind in ("dirichlet", "neumann"),
            "sines and cosines need Dirichlet or Neumann ends, got "
            f"({left!r}, {right!r})",
        )
    return Basis((left == "dirichlet", right == "dirichlet"), node == "centre")


def _along(table: np.ndarray, axis: int, like: Array) -> Array:
    shape = [1] * like.ndim
    shape[axis] = len(table)
    return jnp.asarray(table.reshape(shape), like.dtype)
