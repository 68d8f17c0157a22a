"""Kolmogorov flow: pairs of a coarse view of the state now and the state later."""

import dataclasses
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import pde
from phix._types import Array, Bool, Float, IntScalar, PRNGKeyArray
from phix.integrate import solve
from phix.recipes._field_choices import LENGTH
from phix.recipes._interpolant_choices import KolmogorovFlow
from phix.space import Grid, Modes, random_vorticity, spectral_resample


# Trajectories solved side by side.
_TOGETHER = 16


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Standardised vorticities, "pairs 1 x y", float32.

    - `now`: what is known of the states now.
    - `later`: the states later, whole.
    """

    now: Array
    later: Array

    def flat(self) -> tuple[np.ndarray, np.ndarray]:
        """Both as "pairs nodes", float64."""
        parts = (np.asarray(u, float) for u in (self.now, self.later))
        now, later = (u.reshape(len(u), -1) for u in parts)
        return now, later


@dataclasses.dataclass(frozen=True)
class Flow:
    """Pairs of independent trajectories.

    - `force`: that of the vorticity, "1 x y", of unit amplitude.
    - `scale`: the standard deviation that vorticities were divided by, 1/time.
    - `seconds`: that making them took.
    """

    grid: Grid
    force: Array
    train: Pairs
    validation: Pairs
    test: Pairs
    scale: float
    seconds: float


def make_flow(flow: KolmogorovFlow, seed: int) -> Flow:
    """The pairs of a recipe; the same ones for the same seed."""
    start = time.perf_counter()
    counts = (flow.num_training, flow.num_validation, flow.num_test)
    grid = Grid((flow.num_points,) * 2, (0.0, LENGTH))
    parts = []
    for part, count in enumerate(counts):
        us = simulated(flow, count, jr.fold_in(jr.key(seed), part))
        pairs = us[:, :-1], us[:, 1:]
        if part:
            chosen = np.arange(flow.num_cases) * flow.num_pairs // flow.num_cases
            pairs = tuple(u[:, chosen] for u in pairs)
        parts.append([u.reshape(-1, *u.shape[2:]) for u in pairs])
    scale = float(jnp.std(parts[0][1]))
    view = jax.jit(jax.vmap(lambda u: seen(u, grid, flow.waves)))
    train, validation, test = (
        Pairs(view(now) / scale, later / scale) for now, later in parts
    )
    force = grid.project(lambda x: -jnp.cos(flow.wavenumber * x[1]), jnp.float32)
    seconds = time.perf_counter() - start
    return Flow(grid, force, train, validation, test, scale, seconds)


def equation(flow: KolmogorovFlow) -> pde.Vorticity:
    """On the nodes of the solver, in float32."""
    grid = Grid((flow.solver_points,) * 2, (0.0, LENGTH))
    force = pde.curl(pde.kolmogorov(flow.wavenumber, 1.0))
    steady = grid.project(lambda x: force(0.0, x), jnp.float32)
    return pde.Vorticity(grid, flow.viscosity, drag=flow.drag, forcing=steady)


def simulated(flow: KolmogorovFlow, count: int, key: PRNGKeyArray) -> Array:
    """Vorticities "trajectory time 1 x y" on the nodes that are seen, `lag` apart."""
    fluid = equation(flow)
    fine, onto = fluid.space, Grid((flow.num_points,) * 2, (0.0, LENGTH)).modes()
    ts = np.append(0.0, flow.spin_up + flow.lag * np.arange(flow.num_pairs + 1))

    def one(key):
        u0 = random_vorticity(fine, peak=jnp.float32(flow.wavenumber), key=key)
        run = solve(fluid, u0, ts, dt=flow.dt, throw=False)
        us = jax.vmap(lambda u: moved(u, fine.modes(), onto))(run.us[1:])
        return us, run.result

    us, codes = jax.lax.map(one, jr.split(key, count), batch_size=_TOGETHER)
    if bool(jnp.any(codes != 0)):
        raise ValueError(
            f"flow: the solver failed with dt = {flow.dt} and viscosity = "
            f"{flow.viscosity}; take a smaller dt or more solver_points"
        )
    return us


def moved(u: Float[Array, "1 x y"], modes: Modes, onto: Modes) -> Float[Array, "1 a b"]:
    """A field on other nodes; waves that they do not have are dropped."""
    return onto.to_nodes(spectral_resample(modes, modes.to_modes(u), onto))


def seen(u: Float[Array, "1 x y"], grid: Grid, waves: int) -> Float[Array, "1 x y"]:
    """What is known of a state: its waves up to a number along each axis."""
    few = Grid((2 * waves + 1,) * 2, grid.extent).modes()
    return moved(moved(u, grid.modes(), few), few, grid.modes())


def image(
    u: Float[Array, "channels x y"],
    along: IntScalar,
    halves: IntScalar,
    turned: Bool[Array, ""],
    wavenumber: int,
) -> Float[Array, "channels x y"]:
    """Vorticities under a symmetry of the force: a shift of nodes along x, so many half
    waves across (each with a reflection of x, in which vorticity changes sign), and a
    half turn."""
    half = u.shape[2] // (2 * wavenumber)
    u = jnp.roll(jnp.roll(u, jnp.asarray(along), 1), jnp.asarray(half * halves), 2)
    u = jnp.where(halves % 2 == 1, -jnp.roll(u[:, ::-1], 1, 1), u)
    return jnp.where(turned, jnp.roll(u[:, ::-1, ::-1], (1, 1), (1, 2)), u)


def random_image(
    u: Float[Array, "channels x y"], wavenumber: int, *, key: PRNGKeyArray
) -> Float[Array, "channels x y"]:
    """A random one of the images."""
    one, two, three = jr.split(key, 3)
    along = jr.randint(one, (), 0, u.shape[1])
    halves = jr.randint(two, (), 0, 2 * wavenumber)
    return image(u, along, halves, jr.bernoulli(three), wavenumber)
