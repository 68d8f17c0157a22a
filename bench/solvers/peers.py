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


BOX, DT = 2 * math.pi, 1e-3
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


def navier_stokes_2d(nodes, order, steps):
    """phix and exponax, same order and dt; exponax turns the sign of the vorticity."""
    grid, u0 = flow(nodes, jnp.float32)
    nu = 1e-3
    peer = exponax.stepper.NavierStokesVorticity(
        2, BOX, nodes, DT, diffusivity=nu, order=order
    )
    return {
        "phix": phix_entry(pde.Vorticity(grid, nu), u0, DT, steps, SCHEMES[order]),
        "exponax": exponax_entry(peer, -u0, steps),
    }


def navier_stokes_cfd(nodes, steps):
    """phix ETDRK4 and jax-cfd's four-stage Crank–Nicolson Runge–Kutta."""
    grid, u0 = flow(nodes, jnp.float32)
    nu = 1e-3
    return {
        "phix": phix_entry(pde.Vorticity(grid, nu), u0, DT, steps, ETDRK4()),
        "jax-cfd CN-RK4": jax_cfd_entry(u0, nu, DT, steps),
    }


def navier_stokes_3d(nodes, steps):
    """Velocity form, ETDRK2."""
    grid = Grid((nodes,) * 3, (0.0, BOX))
    u0 = random_velocity(grid, peak=4.0, rms_velocity=1.0, key=jax.random.key(0))
    u0 = jnp.asarray(u0, jnp.float32)
    nu = 1e-2
    peer = exponax.stepper.NavierStokesVelocity(
        3, BOX, nodes, DT, diffusivity=nu, order=2
    )
    return {
        "phix": phix_entry(pde.NavierStokes(grid, nu), u0, DT, steps, ETDRK2()),
        "exponax": exponax_entry(peer, u0, steps),
    }


def burgers(nodes, conservative, steps):
    """One dimension, ETDRK2, float32."""
    equation, peer, waves = _burgers(nodes, conservative)
    return {
        "phix": phix_entry(equation, waves[0], DT, steps, ETDRK2()),
        "exponax": exponax_entry(peer, waves[0], steps),
    }


def burgers_batch(nodes, conservative, steps):
    """64 of them under vmap, on both sides."""
    equation, peer, waves = _burgers(nodes, conservative)

    def begin(u):
        return make_stepper(equation, u, DT, scheme=ETDRK2())

    stepper, _ = begin(waves[0])
    spectra = jax.vmap(lambda u: exponax.fft(u, num_spatial_dims=1))(waves)
    return {
        "phix": (
            repeat(jax.vmap(stepper), steps),
            jax.vmap(lambda u: begin(u)[1])(waves),
        ),
        "exponax": (repeat(jax.vmap(peer.step_fourier), steps), spectra),
    }


def _burgers(nodes, conservative):
    """Both codes' equation, and 64 starts."""
    grid, nu = Grid(nodes, (0.0, BOX)), 2e-2
    x, shifts = np.asarray(grid.axes[0]), np.arange(64)[:, None]
    waves = np.sin(x + shifts) + 0.5 * np.cos(2 * x)
    peer = exponax.stepper.Burgers(
        1, BOX, nodes, DT, diffusivity=nu, conservative=conservative
    )
    return pde.ViscousBurgers(grid, nu), peer, jnp.asarray(waves, jnp.float32)[:, None]
