"""Random flows to start turbulence from."""

import functools
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
    modes = _read_flow(grid, peak, rms_velocity)
    return _flow(modes, True, peak, rms_velocity, key)


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
    modes = _read_flow(grid, peak, rms_velocity)
    return _flow(modes, False, peak, rms_velocity, key)


# Compiled as one, or each of the many small steps is, where it is called eagerly.
@functools.partial(jax.jit, static_argnums=(0, 1))
def _flow(
    modes: Modes, curl: bool, peak: Array, rms: Array, key: PRNGKeyArray
) -> Array:
    """The velocity or, in a plane, its curl, at the nodes."""
    ndim, dtype = modes.grid.ndim, jnp.result_type(peak, rms, 1.0)
    drawn = noise(modes, 1 if ndim == 2 else 3, dtype, key)
    c = of_field(modes, _amplitude(modes, peak, dtype) * drawn)
    square = _without_zero(-modes.laplacian, dtype)
    nabla = [jnp.asarray(modes.derivative(a), c.dtype) for a in range(ndim)]
    if ndim == 2:
        stream = c / jnp.sqrt(square)
        flow = (
            square * stream
            if curl
            else jnp.stack([nabla[1] * stream[0], -nabla[0] * stream[0]])
        )
        return modes.to_nodes(flow * _factor(modes, c, rms))
    divergence = sum(d * channel for d, channel in zip(nabla, c, strict=True))
    flow = c + jnp.stack([d * divergence / square for d in nabla])
    return modes.to_nodes(flow * _factor(modes, flow, rms))


def _amplitude(modes: Modes, peak: RealScalar, dtype: Any) -> Array:
    """Root of the variance of a mode of velocity, up to a factor, for the spectrum
    above: shells grow as the wavenumber to the number of axes less one."""
    square = _without_zero(-modes.laplacian, dtype)
    waves = jnp.asarray(modes.laplacian != 0)
    log = (5 - modes.grid.ndim) / 4 * jnp.log(square) - square / peak**2
    # The greatest is one, so that no peak makes all of them underflow.
    log = jnp.where(waves, log, -jnp.inf)
    return jnp.exp(log - jax.lax.stop_gradient(log.max())).astype(dtype)


def _factor(modes: Modes, velocity: Array, rms: Array) -> Array:
    """What the velocity is multiplied with to have its root mean square."""
    square = velocity.real**2 + velocity.imag**2
    mean = jnp.sum(jnp.asarray(modes.weights, square.dtype) * square)
    return (rms / jnp.sqrt(mean)).astype(square.dtype)


def _without_zero(square: np.ndarray, dtype: Any) -> Array:
    return jnp.asarray(np.where(square == 0, 1, square), dtype)


def _read_flow(grid: Grid, peak: RealScalar, rms: RealScalar) -> Modes:
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
    return modes
