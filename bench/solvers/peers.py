"""The same problem in phix and in its peers: each entry is a function to be timed.

An entry is `(run, start)`: `run(start)` takes `steps` steps and returns the last state.
States stay in the form each code advances fastest (kept modes, half spectra); the
transforms of input and output are counted for nobody.
"""

import math

import exponax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from phix import Grid, pde
from phix.integrate import ETDRK2, ETDRK4, make_stepper
from phix.space import random_velocity, random_vorticity


BOX = 2 * math.pi
SCHEMES = {2: ETDRK2(), 4: ETDRK4()}


def repeat(step, steps):
    """`steps` steps in one compiled scan, for every code alike."""

    def run(state):
        return lax.scan(lambda s, _: (step(s), None), state, None, length=steps)[0]

    return run


def phix_entry(equation, u0, dt, steps, scheme):
    """phix by its own stepper; the tables are part of it, as those of the peers."""
    stepper, state = make_stepper(equation, u0, dt, scheme=scheme)
    return repeat(stepper, steps), state


def exponax_entry(stepper, u0, steps):
    """exponax in Fourier space, as its notes on performance recommend."""
    state = exponax.fft(u0, num_spatial_dims=u0.ndim - 1)
    return repeat(stepper.step_fourier, steps), state


def jax_cfd_entry(u0, nu, dt, steps, scheme="crank_nicolson_rk4"):
    """jax-cfd's spectral vorticity equation."""
    import jax_cfd.base as cfd
    import jax_cfd.spectral as spectral

    grid = cfd.grids.Grid(u0.shape[1:], domain=((0, BOX), (0, BOX)))
    equation = spectral.equations.NavierStokes2D(nu, grid, smooth=True)
    step = getattr(spectral.time_stepping, scheme)(equation, dt)
    return repeat(step, steps), jnp.fft.rfftn(u0[0])


def flow(nodes, dtype, seed=0, peak=6.0):
    """Decaying turbulence: E(k) ~ k⁴ exp(−2(k/peak)²), unit rms velocity."""
    grid = Grid((nodes, nodes), (0.0, BOX))
    field = random_vorticity(grid, peak=peak, key=jax.random.key(seed))
    return grid, jnp.asarray(field, dtype)


def navier_stokes_2d(nodes, order, steps, dtype=jnp.float32):
    """phix and exponax, same order and dt; exponax turns the sign of the vorticity."""
    grid, u0 = flow(nodes, dtype)
    nu, dt = 1e-3, 1e-3
    peer = exponax.stepper.NavierStokesVorticity(
        2, BOX, nodes, dt, diffusivity=nu, order=order
    )
    return {
        "phix": phix_entry(pde.Vorticity(grid, nu), u0, dt, steps, SCHEMES[order]),
        "exponax": exponax_entry(peer, -u0, steps),
    }


def navier_stokes_cfd(nodes, steps, dtype=jnp.float32):
    """phix ETDRK4 and jax-cfd's four-stage Crank–Nicolson Runge–Kutta."""
    grid, u0 = flow(nodes, dtype)
    nu, dt = 1e-3, 1e-3
    return {
        "phix": phix_entry(pde.Vorticity(grid, nu), u0, dt, steps, ETDRK4()),
        "jax-cfd CN-RK4": jax_cfd_entry(u0, nu, dt, steps),
    }


def navier_stokes_3d(nodes, steps, dtype=jnp.float32):
    """Velocity form, ETDRK2."""
    grid = Grid((nodes,) * 3, (0.0, BOX))
    u0 = random_velocity(grid, peak=4.0, rms_velocity=1.0, key=jax.random.key(0))
    u0 = jnp.asarray(u0, dtype)
    nu, dt = 1e-2, 1e-3
    peer = exponax.stepper.NavierStokesVelocity(
        3, BOX, nodes, dt, diffusivity=nu, order=2
    )
    return {
        "phix": phix_entry(pde.NavierStokes(grid, nu), u0, dt, steps, ETDRK2()),
        "exponax": exponax_entry(peer, u0, steps),
    }


def burgers(nodes, steps, conservative, batch=None, dtype=jnp.float32):
    """One dimension, ETDRK2; a batch runs under vmap on both sides."""
    grid = Grid(nodes, (0.0, BOX))
    x = np.asarray(grid.axes[0])
    shifts = np.arange(batch or 1)[:, None]
    u0 = jnp.asarray(np.sin(x + shifts) + 0.5 * np.cos(2 * x), dtype)[:, None]
    nu, dt = 2e-2, 1e-3
    peer = exponax.stepper.Burgers(
        1, BOX, nodes, dt, diffusivity=nu, conservative=conservative
    )
    equation = pde.ViscousBurgers(grid, nu)
    entries = {
        "phix": phix_entry(equation, u0[0], dt, steps, ETDRK2()),
        "exponax": exponax_entry(peer, u0[0], steps),
    }
    if batch is None:
        return entries
    stepper, _ = make_stepper(equation, u0[0], dt, scheme=ETDRK2())
    states = jax.vmap(lambda u: make_stepper(equation, u, dt, scheme=ETDRK2())[1])(u0)
    spectra = jax.vmap(lambda u: exponax.fft(u, num_spatial_dims=1))(u0)
    return {
        "phix": (repeat(jax.vmap(stepper), steps), states),
        "exponax": (repeat(jax.vmap(peer.step_fourier), steps), spectra),
    }
