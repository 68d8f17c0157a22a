"""One line per equation: a small, well-resolved problem in any precision and size.

`EQUATIONS[name](dtype, shape)` returns the equation, an initial field and a step.
Shapes have two entries of at least 10; equations of one dimension take the first.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from phix import pde
from phix.space import Grid


BOX = ((0.0, 2 * np.pi), (-1.0, 2 * np.pi - 0.5))


def _waves(grid, channels, dtype, size=0.5, mean=0.3):
    """A few long waves, periodic on the box and different in every channel."""
    x = grid.coordinates.astype(dtype)
    turn = [2 * np.pi / length for length in grid.lengths]
    phase = sum((2 - a) * turn[a] * x[a] for a in range(grid.ndim))
    fields = [
        mean
        + size * jnp.sin(turn[0] * x[0] + 0.3 + c) * (1 + 0.2 * c)
        + 0.4 * size * jnp.cos(phase - 0.7 * c)
        for c in range(channels)
    ]
    return jnp.stack(fields).astype(dtype)


def _line(make, *parameters, channels=1, dt=0.01, **start):
    """Builds an equation of one dimension."""

    def build(dtype, shape):
        grid = Grid(shape[:1], BOX[:1])
        numbers = [jnp.asarray(value, dtype) for value in parameters]
        return make(grid, *numbers), _waves(grid, channels, dtype, **start), dt

    return build


def _plane(make, *parameters, channels=1, dt=0.01, boundary="periodic", **start):
    """Builds an equation of two dimensions on a box that is no square."""

    def build(dtype, shape):
        grid = Grid(shape, BOX, boundary)
        numbers = [jnp.asarray(value, dtype) for value in parameters]
        return make(grid, *numbers), _waves(grid, channels, dtype, **start), dt

    return build


def _variable_diffusion(dtype, shape):
    grid = Grid(shape, BOX)
    nu = _waves(grid, 1, dtype, size=0.1, mean=0.3)
    return pde.SpectralDiffusion(grid, nu), _waves(grid, 2, dtype), 0.01


def _schrodinger(dtype, shape):
    grid = Grid(shape, BOX)
    numbers = [jnp.asarray(value, dtype) for value in (0.8, 1.1)]
    u = _waves(grid, 2, dtype)
    u = (u[:1] + 1j * u[1:]).astype(jnp.result_type(dtype, jnp.complex64))
    return pde.NonlinearSchrodinger(grid, *numbers), u, 0.01


def _velocity(grid, nu, drag, diffusivity):
    return pde.NavierStokes(grid, nu, drag=drag, scalar_diffusivity=diffusivity)


def _scalar(grid, nu, drag, diffusivity):
    return pde.Vorticity(grid, nu, drag=drag, scalar_diffusivity=diffusivity)


def _cube(dtype, shape):
    grid = Grid((*shape, 10), (*BOX, (0.0, 2 * np.pi)))
    u = _waves(grid, 3, dtype)
    equation = pde.NavierStokes(grid, jnp.asarray(0.05, dtype))
    return equation, equation.decode(equation.encode(u)), 0.01


def _klein_gordon(grid, *numbers):
    coupling, vacuum, damping = numbers
    potential = pde.Phi4(coupling, vacuum)
    return pde.KleinGordon(grid, potential, speed=0.9 + 0 * damping, damping=damping)


def _wave_modes(grid, m, damping):
    equation = pde.KleinGordon(grid, pde.Linear(m), speed=0 * m + 1, damping=damping)
    return equation.semilinear()


PAIR = (0.05, 0.02)

EQUATIONS: dict[str, Callable] = {
    "Advection": _plane(pde.Advection, (0.7, -0.4), 0.02, channels=2),
    "SpectralDiffusion": _plane(pde.SpectralDiffusion, 0.3, channels=2),
    "SpectralDiffusion walls": _plane(
        pde.SpectralDiffusion, 0.3, boundary=("dirichlet", ("neumann", "dirichlet"))
    ),
    "SpectralDiffusion field": _variable_diffusion,
    "HyperDiffusion": _plane(pde.HyperDiffusion, 0.01),
    "ViscousBurgers": _line(pde.ViscousBurgers, 0.1),
    "ViscousBurgers plane": _plane(pde.ViscousBurgers, 0.1, channels=2),
    "KortewegDeVries": _line(pde.KortewegDeVries, 6.0, 1.0, 0.01, dt=0.002),
    "KortewegDeVries plane": _plane(pde.KortewegDeVries, -2.0, 0.3, 0.03, dt=0.002),
    "KuramotoSivashinsky": _line(pde.KuramotoSivashinsky, 0.9),
    "FlameFront": _plane(pde.FlameFront, 0.9),
    "AllenCahn": _plane(pde.AllenCahn, 0.4),
    "CahnHilliard": _plane(pde.CahnHilliard, 0.9, dt=0.005),
    "SwiftHohenberg": _plane(pde.SwiftHohenberg, 0.7, 1.0),
    "FisherKPP": _plane(pde.FisherKPP, 0.3, 0.8, boundary="neumann"),
    "GrayScott": _plane(pde.GrayScott, 0.03, 0.06, PAIR, channels=2, mean=0.4),
    "Brusselator": _plane(pde.Brusselator, 1.0, 2.5, PAIR, channels=2, mean=1.0),
    "LambdaOmega": _plane(pde.LambdaOmega, 0.1, 1.2, channels=2),
    "FitzHughNagumo": _plane(
        pde.FitzHughNagumo, PAIR, 0.1, 0.5, 0.8, channels=2, boundary="neumann"
    ),
    "NonlinearSchrodinger": _schrodinger,
    "KleinGordon": _plane(_klein_gordon, 1.2, 0.9, 0.1, channels=2),
    "WaveModes": _line(_wave_modes, 0.8, 0.1, channels=2),
    "Vorticity": _plane(pde.Vorticity, 0.05),
    "Vorticity with scalar": _plane(_scalar, 0.05, 0.1, 0.03, channels=2),
    "NavierStokes": _plane(_velocity, 0.05, 0.1, 0.03, channels=3),
    "NavierStokes cube": _cube,
}
