"""The FFTs of real fields on periodic axes: kept modes to nodes and back."""

import functools as ft
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax.lax as lax
import jax.numpy as jnp
import numpy as np

from phix._types import Array
from phix.space._forms import by_batch, linear
from phix.space._packed import packed_irfft, packed_rfft


# `modes` is a `Modes` throughout, of real fields where nothing else is said; arrays
# have channels first. Two real fields are the real and imaginary part of one complex
# FFT on the way to the nodes, which on CPUs takes 0.5 to 0.8 of the time of two real
# ones. (Not in pairs across a batch: a sample that blows up would take its partner
# along.)

# Of the way back, in two dimensions, this holds below so many nodes of so many bytes;
# above, two real FFTs take no more time than a complex one whose parts must be taken
# asunder. In three dimensions it does not hold.
_LARGE = {4: 2**16, 8: 2**14}
# Three FFTs and more that do not wait for each other XLA runs side by side on the cores
# of a CPU. From so many bytes of a field on each has its own, but for five fields and
# more on the way to the nodes, whose pairs are three FFTs already.
_HUGE, _FEWEST_IN_PAIRS = 3 * 2**17, 5


def analyse(modes: Any, u: Array) -> Array:
    """The kept coefficients of real fields."""
    sizes = [modes.grid.shape[a] for a in modes.periodic_axes]
    if modes.grid.ndim == 1:
        return _ANALYSE_LINE(modes, u)
    form = modes, float(1 / np.prod(sizes))
    # Of transposes with a highest wave of no sign JAX knows better.
    return _ANALYSE(form, u) if _symmetric(modes) else _sums(form, u)


def synthesise(modes: Any, c: Array) -> Array:
    """The real fields of coefficients."""
    if modes.grid.ndim == 1:
        return _SYNTHESISE_LINE(modes, c)
    if _symmetric(modes):
        return _SYNTHESISE((modes, False), c)
    return _inverse_real_fft(modes, c)


def analyse_complex(modes: Any, u: Array) -> Array:
    """The kept coefficients of complex fields."""
    return cut(modes, jnp.fft.fftn(u, axes=_axes(modes), norm="forward"))


def synthesise_complex(modes: Any, c: Array) -> Array:
    """The complex fields of coefficients."""
    full = write(modes, blank(modes, c), c)
    return jnp.fft.ifftn(full, axes=_axes(modes), norm="forward")


def _axes(modes: Any) -> tuple[int, ...]:
    """The periodic axes of an array with channels first."""
    return tuple(a + 1 for a in modes.periodic_axes)


def _symmetric(modes: Any) -> bool:
    """Whether the kept waves lie symmetrically about zero."""
    return all(2 * modes.highest(a) < modes.grid.shape[a] for a in modes.periodic_axes)


# Two dimensions and more: sums over nodes, and over modes, are each other's transposes


def _sums(form: tuple[Any, float], u: Array) -> Array:
    """Σ u exp(−ikx) over the nodes, times a factor: `form` is (modes, factor)."""
    modes, _ = form
    plane = modes.grid.ndim == 2
    if plane and u[0].size < _LARGE[u.dtype.itemsize] and _symmetric(modes):
        return _each(ft.partial(_sums_of_two, form), u, 2)
    if plane or _huge(modes, u):
        return _each(ft.partial(_real_sums, form), u)
    return _real_sums(form, u)


def _huge(modes: Any, like: Array) -> bool:
    """Whether one field, in the precision of an array, takes `_HUGE` bytes."""
    return math.prod(modes.grid.shape) * jnp.finfo(like.dtype).bits // 8 >= _HUGE


def _each(fn: Callable, x: Array, channels: int = 1) -> Array:
    """fn of every so many channels, joined: one operation for each."""
    parts = [fn(x[i : i + channels]) for i in range(0, x.shape[0], channels)]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts)


def _sums_of_two(form: tuple[Any, float], u: Array) -> Array:
    if u.shape[0] < 2:
        return _real_sums(form, u)
    modes, factor = form
    u = u if factor == 1 else u * np.asarray(factor, u.dtype)
    axes = _axes(modes)
    half, n = axes[-1], modes.grid.shape[axes[-1] - 1]
    z = jnp.fft.fftn(lax.complex(0.5 * u[:1], 0.5 * u[1:]), axes=axes)
    top = modes.highest(half - 1)
    zero = lax.slice_in_dim(z, 0, 1, axis=half)
    here = cut(modes, lax.slice_in_dim(z, 0, top + 1, axis=half))
    there = lax.slice_in_dim(z, n - top, n, axis=half)
    there = cut(modes, jnp.concatenate([there, zero], axis=half))
    there = jnp.conj(lax.rev(there, axes))
    gap = here - there
    return jnp.concatenate([here + there, lax.complex(gap.imag, -gap.real)])


def _real_sums(form: tuple[Any, float], u: Array) -> Array:
    modes, factor = form
    u = u if factor == 1 else u * np.asarray(factor, u.dtype)
    full = jnp.fft.rfftn(u, axes=_axes(modes))
    half = _axes(modes)[-1]
    return cut(modes, lax.slice_in_dim(full, 0, modes.shape[half - 1], axis=half))


def _sums_transposed(form: tuple[Any, float], ct: Array) -> Array:
    """Re Σ ct exp(−ikx) over the modes held, times the factor."""
    modes, factor = form
    share = _share(modes, ct, factor)
    return _SYNTHESISE((modes, True), lax.complex(share * ct.real, -share * ct.imag))


def _fields(form: tuple[Any, bool], c: Array) -> Array:
    """Re Σ c exp(ikx) over all modes; two channels share an FFT, or have one each.

    Of the modes that stand for themselves and their conjugates at once (none of the
    half axis) only what belongs to a real field counts; unless `form` says that these
    modes may hold something else, it is taken for granted that they do not.
    """
    modes, _ = form
    if modes.grid.ndim == 3 and 2 < c.shape[0] < _FEWEST_IN_PAIRS and _huge(modes, c):
        return _each(ft.partial(_inverse_real_fft, modes), c)
    return _each(ft.partial(_fields_of_pair, form), c, 2)


def _fields_transposed(form: tuple[Any, bool], ct: Array) -> Array:
    modes, _ = form
    sums = _ANALYSE((modes, 1.0), ct)
    waves = 1 / _share(modes, sums, 1.0)
    return lax.complex(waves * sums.real, -waves * sums.imag)


def _fields_of_pair(form: tuple[Any, bool], c: Array) -> Array:
    modes, loose = form
    if c.shape[0] < 2:
        return _inverse_real_fft(modes, c)
    axes = _axes(modes)
    half, n = axes[-1], modes.grid.shape[axes[-1] - 1]
    first, second = c[:1], c[1:]
    # Waves k are written at -k, so that the FFT without a factor is the sum wanted:
    # first + i second at -k, conjugate coefficients at k.
    here = lax.complex(first.real + second.imag, second.real - first.imag)
    there = lax.complex(first.real - second.imag, first.imag + second.real)
    z = write(modes, blank(modes, here), here)
    mirrored = lax.rev(lax.slice_in_dim(there, 1, None, axis=half), axes)
    z = write(modes, z, mirrored, n - modes.highest(half - 1))
    if loose:
        alone = lax.slice_in_dim(here, 0, 1, axis=half)
        other = lax.rev(lax.slice_in_dim(there, 0, 1, axis=half), axes)
        z = write(modes, z, 0.5 * (alone + other))
    z = jnp.fft.fftn(z, axes=axes)
    return jnp.concatenate([z.real, z.imag])


def _share(modes: Any, like: Array, factor: float) -> np.ndarray:
    """A factor, halved for modes that stand for their conjugates too."""
    shape = [1] * like.ndim
    half = _axes(modes)[-1]
    shape[half] = modes.shape[half - 1]
    share = np.full(shape, 0.5 * factor)
    share[(slice(None),) * half + (0,)] = factor
    return share.astype(jnp.finfo(like.dtype).dtype)


def _inverse_real_fft(modes: Any, c: Array) -> Array:
    sizes = [modes.grid.shape[a] for a in modes.periodic_axes]
    full = write(modes, blank(modes, c, real=True), c)
    return jnp.fft.irfftn(full, s=sizes, axes=_axes(modes), norm="forward")


_ANALYSE = linear("analyse", _sums, _sums_transposed)
_SYNTHESISE = linear("synthesise", _fields, _fields_transposed)


# One line: complex FFTs beat the real one for a single field, not for many


def _even(modes: Any) -> bool:
    return modes.grid.shape[0] % 2 == 0


def _analyse_line(modes: Any, u: Array) -> Array:
    return _each(ft.partial(_analyse_lines, modes), u, 2)


def _synthesise_line(modes: Any, c: Array) -> Array:
    return _each(ft.partial(_synthesise_lines, modes), c, 2)


def _in_pairs(modes: Any, channels: int) -> bool:
    """Along a line of odd length a complex FFT beats the real one for one field too."""
    return _symmetric(modes) and (channels == 2 or not _even(modes))


def _analyse_lines(modes: Any, u: Array) -> Array:
    if not _in_pairs(modes, u.shape[0]):
        return _analyse_one(modes, u)
    z = lax.complex(u[:1], u[1:] if u.shape[0] == 2 else jnp.zeros_like(u))
    z = jnp.fft.fft(z, norm="forward")
    n, top = modes.grid.shape[0], modes.highest(0)
    here = lax.slice_in_dim(z, 0, top + 1, axis=1)
    there = jnp.concatenate([z[:, n - top :], z[:, :1]], axis=1)
    there = jnp.conj(lax.rev(there, (1,)))
    first = 0.5 * (here + there)
    if u.shape[0] == 1:
        return first
    gap = 0.5 * (here - there)
    return jnp.concatenate([first, lax.complex(gap.imag, -gap.real)])


def _synthesise_lines(modes: Any, c: Array) -> Array:
    if not _in_pairs(modes, c.shape[0]):
        return _synthesise_one(modes, c)
    first, second = c[:1], c[1:] if c.shape[0] == 2 else jnp.zeros_like(c)
    # first + i second, and of the waves -k the conjugate coefficients of both.
    here = lax.complex(first.real - second.imag, first.imag + second.real)
    there = lax.complex(first.real + second.imag, second.real - first.imag)
    there = lax.rev(lax.slice_in_dim(there, 1, None, axis=1), (1,))
    z = write(modes, blank(modes, here), here)
    z = write(modes, z, there, modes.grid.shape[0] - modes.highest(0))
    z = jnp.fft.ifft(z, norm="forward")
    return z.real if c.shape[0] == 1 else jnp.concatenate([z.real, z.imag])


def _analyse_one(modes: Any, u: Array) -> Array:
    if not _even(modes):
        return _real_fft(modes, u)
    return lax.slice_in_dim(packed_rfft(u), 0, modes.shape[0], axis=1)


def _synthesise_one(modes: Any, c: Array) -> Array:
    if not _even(modes):
        return _inverse_real_fft(modes, c)
    return packed_irfft(write(modes, blank(modes, c, real=True), c))


def _real_fft(modes: Any, u: Array) -> Array:
    full = jnp.fft.rfft(u, norm="forward")
    return lax.slice_in_dim(full, 0, modes.shape[0], axis=1)


_ANALYSE_LINE = by_batch("analyse_line", _analyse_line, _real_fft)
_SYNTHESISE_LINE = by_batch("synthesise_line", _synthesise_line, _inverse_real_fft)


# Kept modes inside the array of all of them, which is in the order of the FFT


def _runs(modes: Any, axis: int) -> list[tuple[int, int, int]]:
    """(start among the kept, start among all, length) of waves < 0 and >= 0."""
    n, top = modes.grid.shape[axis], modes.highest(axis)
    return [(0, n - top, top), (top, 0, min(top, (n - 1) // 2) + 1)]


def blank(modes: Any, c: Array, real: bool = False) -> Array:
    """Zeros for all modes of as many channels as c; half of them for a real FFT."""
    shape = list(c.shape)
    for axis in modes.periodic_axes:
        shape[axis + 1] = modes.grid.shape[axis]
    if real:
        shape[_axes(modes)[-1]] = shape[_axes(modes)[-1]] // 2 + 1
    return jnp.zeros(shape, c.dtype)


def write(modes: Any, full: Array, c: Array, first: int = 0) -> Array:
    """Writes c among all modes, along the half axis from `first` on.

    Blocks written into zeros are faster than rolled or concatenated arrays.
    """
    whole = [a for a in modes.periodic_axes if a != modes.half_axis]
    for runs in itertools.product(*(_runs(modes, a) for a in whole)):
        block, corner = c, [0] * c.ndim
        if modes.half_axis is not None:
            corner[modes.half_axis + 1] = first
        for axis, (start, target, length) in zip(whole, runs, strict=True):
            block = lax.slice_in_dim(block, start, start + length, axis=axis + 1)
            corner[axis + 1] = target
        if block.size:
            full = lax.dynamic_update_slice(full, block, corner)
    return full


def cut(modes: Any, full: Array) -> Array:
    """The kept modes of all of them; along the half axis everything."""
    return _cut(modes, full, [a for a in modes.periodic_axes if a != modes.half_axis])


def _cut(modes: Any, full: Array, axes: list[int]) -> Array:
    # Blocks of blocks, each used once: XLA then joins them all in one pass.
    if not axes:
        return full
    axis, *others = axes
    blocks = [
        lax.slice_in_dim(full, target, target + length, axis=axis + 1)
        for _, target, length in _runs(modes, axis)
    ]
    return jnp.concatenate([_cut(modes, b, others) for b in blocks], axis + 1)
