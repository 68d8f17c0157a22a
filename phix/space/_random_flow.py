"""Random flows to start turbulence from."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float, PRNGKeyArray, RealScalar
from phix.space._grid import Grid
from phix.space._modes import Modes
from phix.space._random import noise, of_field


def random_vorticity(
    grid: Grid,
    *,
    peak: RealScalar,
    rms_velocity: RealScalar = 1.0,
    key: PRNGKeyArray,
) -> Float[Array, "1 x y"]:
    r"""The vorticity of a random flow in a periodic plane, to start turbulence from.

    $$E(\kappa) \propto \kappa^4 e^{-2(\kappa/\kappa_p)^2}$$

    is the mean kinetic energy per shell of wavenumbers, greatest at $\kappa_p$.
    It is the curl of `random_velocity` of the same key.

    **Arguments:**

    - `grid`: a two-dimensional periodic `Grid`.
    - `peak`: $\kappa_p$, 1/length: $2\pi$ times the number of eddies per length.
    - `rms_velocity`: the root mean square of the length of the velocity vector, which
        each field has exactly.
    - `key`: a random key; one key gives one flow at every resolution that holds it.

    **Returns:** `"1 *space"`, of zero mean, in the precision of the numbers given.

    **Raises:** `ValueError` for another grid; a concrete peak that is not positive or
    above the highest wavenumber of the grid; a concrete negative `rms_velocity`.

    !!! example "Good values"
        `random_vorticity(Grid((256, 256), (0.0, 2 * math.pi)), peak=6.0, key=key)`.
    """
    require(grid.ndim == 2, f"grid must be two-dimensional, got shape {grid.shape}")
    modes, dtype = _read_flow(grid, peak, rms_velocity)
    stream = _stream_function(modes, peak, rms_velocity, dtype, key)
    return modes.to_nodes(jnp.asarray(-modes.laplacian, dtype) * stream)


def random_velocity(
    grid: Grid,
    *,
    peak: RealScalar,
    rms_velocity: RealScalar = 1.0,
    key: PRNGKeyArray,
) -> Float[Array, " dim *space"]:
    r"""A random velocity field without divergence in a periodic box, 2-D or 3-D.

    $E(\kappa) \propto \kappa^4 e^{-2(\kappa/\kappa_p)^2}$ is the mean kinetic energy
    per shell of wavenumbers, greatest at $\kappa_p$.

    **Arguments:** and **Raises:** as for `random_vorticity`, and 3-D grids too.

    **Returns:** `"dim *space"`, of zero mean; its spectral divergence is zero to
    rounding.

    ??? cite "Reference"
        S. A. Orszag, G. S. Patterson, Numerical simulation of three-dimensional
        homogeneous isotropic turbulence, Physical Review Letters 28 (1972), 76, for the
        3-D spectrum.
    """
    require(grid.ndim in (2, 3), f"grid must be 2-D or 3-D, got shape {grid.shape}")
    modes, dtype = _read_flow(grid, peak, rms_velocity)
    nabla = [
        jnp.asarray(modes.derivative(axis), jnp.result_type(dtype, jnp.complex64))
        for axis in range(grid.ndim)
    ]
    if grid.ndim == 2:
        stream = _stream_function(modes, peak, rms_velocity, dtype, key)[0]
        return modes.to_nodes(jnp.stack([nabla[1] * stream, -nabla[0] * stream]))
    raw = _amplitude(modes, peak, dtype) * noise(modes, 3, dtype, key)
    raw = of_field(modes, raw)
    square = _without_zero(-modes.laplacian, dtype)
    divergence = sum(d * c for d, c in zip(nabla, raw, strict=True))
    flow = raw + jnp.stack([d * divergence / square for d in nabla])
    return modes.to_nodes(_scaled(modes, flow, flow, rms_velocity))


def _stream_function(
    modes: Modes, peak: RealScalar, rms: RealScalar, dtype: Any, key: PRNGKeyArray
) -> Array:
    kappa = jnp.sqrt(_without_zero(-modes.laplacian, dtype))
    speed = _amplitude(modes, peak, dtype) * noise(modes, 1, dtype, key)
    speed = of_field(modes, speed)
    return _scaled(modes, speed / kappa, speed, rms)


def _amplitude(modes: Modes, peak: RealScalar, dtype: Any) -> Array:
    """Root of the variance of a mode of velocity, up to a factor, for the spectrum
    above: shells grow as the wavenumber to the number of axes less one."""
    square = _without_zero(-modes.laplacian, dtype)
    waves = jnp.asarray(modes.laplacian != 0)
    log = (5 - modes.grid.ndim) / 4 * jnp.log(square) - square / peak**2
    # The greatest is one, so that no peak makes all of them underflow.
    log = jnp.where(waves, log, -jnp.inf)
    return jnp.exp(log - jax.lax.stop_gradient(log.max())).astype(dtype)


def _scaled(modes: Modes, c: Array, velocity: Array, rms: RealScalar) -> Array:
    """`c` times the number that gives the velocity its root mean square."""
    square = velocity.real**2 + velocity.imag**2
    mean = jnp.sum(jnp.asarray(modes.weights, square.dtype) * square)
    return c * (rms / jnp.sqrt(mean)).astype(square.dtype)


def _without_zero(square: np.ndarray, dtype: Any) -> Array:
    return jnp.asarray(np.where(square == 0, 1, square), dtype)


def _read_flow(grid: Grid, peak: RealScalar, rms: RealScalar) -> tuple[Modes, Any]:
    modes = grid.modes(1.0)
    require(
        not modes.trig_axes,
        f"grid must be periodic along every axis; axes {modes.trig_axes} are not",
    )
    if is_concrete(peak):
        top = math.sqrt(-modes.laplacian.min())
        require(
            0 < float(peak) <= top,
            f"peak must be positive and at most {top:.4g}, the highest wavenumber of "
            f"the grid, got {peak}; take more nodes for a higher one",
        )
    if is_concrete(rms):
        require(
            0 <= float(rms) < math.inf,
            f"rms_velocity must be finite and not negative, got {rms}",
        )
    return modes, jnp.result_type(peak, rms, 1.0)
