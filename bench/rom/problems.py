"""The problems on which reduced models are compared, as small as they can be."""

import dataclasses

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np

from phix import rom, solve
from phix.pde import AbstractEquation, Burgers, Diffusion, burgers_shock
from phix.space import Grid


@dataclasses.dataclass(frozen=True)
class Problem:
    """Trajectories to learn from and to be judged by, and what suits them.

    - `horizon`: frames that the training trajectories have.
    - `fraction`: share of the points at which Φ-ROM and PINN-ROM see the rate.
    - `batch`, `steps`: of Φ-ROM; every other method gets as many decoded points.
    - `dt`: the step of the solver.
    """

    equation: AbstractEquation
    train: rom.TrainingData
    test: rom.TrainingData
    networks: rom.Networks
    horizon: int
    batch: int
    steps: int
    warmup: float
    fraction: float
    dt: float
    ranks: tuple[int, ...]


def diffusion() -> Problem:
    """Hot spots that spread and cool on a plate with cold edges; unseen spots."""
    grid = Grid((21, 21), (-20.0, 20.0), boundary="dirichlet")
    equation = Diffusion(grid, 2.0)
    rng = np.random.default_rng(0)
    size, width = rng.uniform(0.5, 2.0, 48), rng.uniform(3.0, 10.0, 48)
    centre = rng.integers(-12, 12, (48, 2)).astype(float)
    away = np.asarray(grid.points)[None] - centre[:, None]
    spots = np.exp(-np.sum(away**2, axis=2) / (2 * width[:, None] ** 2))
    u0s = jnp.asarray(size[:, None] * spots, jnp.float32).reshape(48, 1, *grid.shape)
    ts = 0.5 * np.arange(30)
    us = jax.vmap(lambda u: solve(equation, u, ts, dt=0.5).us)(u0s)
    train = rom.training_data((ts[:15], us[:32, :15]), grid=grid)
    test = rom.training_data((ts, us[32:]), grid=grid)
    networks = rom.Networks(8, "fourier", 32, 3, 64, 3)
    return Problem(
        equation, train, test, networks, 15, 80, 3000, 0.2, 0.25, 0.5, (8, 16)
    )


def burgers() -> Problem:
    """The Burgers shock at unseen sources, every fourth frame a snapshot."""
    grid = Grid(256, (0.0, 100.0), boundary=("inflow", "outflow"))
    equation, u0 = Burgers(grid, mu=0.02, amplitude=0.02), grid.project(burgers_shock)
    ts = 0.07 * np.arange(200)
    known = np.linspace(0.015, 0.03, 8)

    def run(mus):
        def one(mu):
            changed = equation.replace(mu=mu)
            return solve(changed, u0, ts, dt=0.07, scheme=dfx.Euler()).us

        return jax.vmap(one)(jnp.asarray(mus, jnp.float32))

    unseen = (known[1:] + known[:-1]) / 2
    cond, names = jnp.asarray(known, jnp.float32)[:, None], ("mu",)
    us = run(known)[:, :100:4]
    train = rom.training_data((ts[:100:4], us, cond), parameters=names, grid=grid)
    cond = jnp.asarray(unseen, jnp.float32)[:, None]
    test = rom.training_data((ts, run(unseen), cond), parameters=names, grid=grid)
    networks = rom.Networks(4, "sine", 32, 4, 64, 4)
    return Problem(
        equation, train, test, networks, 100, 80, 2400, 0.21, 0.1, 0.07, (4, 20)
    )


PROBLEMS = {"diffusion": diffusion, "burgers": burgers}
