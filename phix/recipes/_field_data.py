"""Vorticity fields of the score recipes, and what is seen of them."""

import dataclasses
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import pde, score
from phix._types import Array, Float
from phix.integrate import solve
from phix.recipes._field_choices import (
    LENGTH,
    Choices,
    CoarseGraining,
    Sensors,
    Vortices,
)
from phix.space import (
    CellMeans,
    Grid,
    NodeSensors,
    random_vorticity,
    spectral_resample,
)


# Trajectories solved side by side.
_TOGETHER = 16


@dataclasses.dataclass(frozen=True)
class Fields:
    """Standardised vorticities, each "fields 1 x y", float32.

    - `train`: all times of the training trajectories.
    - `validation`, `test`: of other trajectories, one time of each.
    - `scale`: the standard deviation they were divided by, 1/time.
    - `seconds`: that making them took.
    """

    grid: Grid
    train: Array
    validation: Array
    test: Array
    scale: float
    seconds: float


def make_fields(recipe: Choices) -> Fields:
    """The fields of a recipe; the same ones for the same seed."""
    start = time.perf_counter()
    made, data = {}, recipe.fields
    counts = {
        "train": data.num_training,
        "validation": data.num_validation,
        "test": data.num_test,
    }
    grid = Grid((data.num_points,) * 2, (0.0, LENGTH))
    for part, (name, count) in enumerate(counts.items()):
        key = jr.fold_in(jr.key(recipe.seed), part)
        us = _simulated(data, grid, count, key)
        if name == "train":
            made[name] = us.reshape(-1, *us.shape[2:])
        else:
            which = jnp.arange(count)
            made[name] = us[which, which % len(data.times)]
    scale = float(jnp.std(made["train"]))
    parts = {name: us / scale for name, us in made.items()}
    return Fields(grid, **parts, scale=scale, seconds=time.perf_counter() - start)


def _simulated(data: Vortices, grid: Grid, count: int, key: Array) -> Array:
    """Vorticities "trajectory time 1 x y"."""
    fine = Grid((data.solver_points,) * 2, (0.0, LENGTH))
    equation = pde.Vorticity(fine, data.viscosity)
    ts, modes, onto = np.array([0.0, *data.times]), fine.modes(), grid.modes()

    def coarse(u):
        return onto.to_nodes(spectral_resample(modes, modes.to_modes(u), onto))

    def one(key):
        u0 = random_vorticity(fine, peak=jnp.float32(data.peak), key=key)
        return solve(equation, u0, ts, dt=data.dt, throw=False)

    runs = jax.lax.map(one, jr.split(key, count), batch_size=_TOGETHER).throw()
    return jax.jit(jax.vmap(jax.vmap(coarse)))(runs.us[:, 1:])


class Problem(eqx.Module):
    """Fields and what is seen of each.

    - `truth`: "fields 1 x y".
    - `nodes`: numbers of the nodes of the sensors, or of the first node of each cell,
        "fields readings".
    - `stencil`: weights of a reading about such a node, "x y".
    - `readings`: "fields readings", with noise of deviation `noise`.
    - `held`: nodes that are no sensors, "fields nodes".
    """

    kind: Sensors | CoarseGraining = eqx.field(static=True)
    grid: Grid
    truth: Float[Array, "fields 1 x y"]
    nodes: np.ndarray
    stencil: np.ndarray
    readings: Float[Array, "fields readings"]
    held: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """The truth, "fields nodes", float64."""
        return np.asarray(self.truth, float).reshape(len(self.truth), -1)

    @property
    def noise(self) -> float:
        """Standard deviation of a reading."""
        return self.kind.noise

    def measurement(self, nodes: Array, readings: Array) -> score.Measurement:
        """What is seen of one field."""
        if isinstance(self.kind, CoarseGraining):
            operator = CellMeans(self.grid, self.kind.cell)
        else:
            operator = NodeSensors(self.grid, nodes)
        return score.Measurement(operator, readings[None], self.noise)


def make_problem(
    kind: Sensors | CoarseGraining, grid: Grid, truth: Array, seed: int
) -> Problem:
    """Sensors drawn anew for each field, noise for each reading."""
    rng = np.random.default_rng(seed)
    n, total, count = grid.shape[0], truth[0].size, len(truth)
    stencil = np.zeros(grid.shape)
    if isinstance(kind, CoarseGraining):
        stencil[: kind.cell, : kind.cell] = kind.cell**-2
        corners = np.arange(total).reshape(grid.shape)[:: kind.cell, :: kind.cell]
        nodes = np.tile(corners.ravel(), (count, 1))
        held = np.ones((count, total), bool)
    else:
        stencil[0, 0] = 1.0
        sensors = kind.count(n)
        nodes = np.stack([rng.permutation(total)[:sensors] for _ in range(count)])
        held = np.ones((count, total), bool)
        np.put_along_axis(held, nodes, False, axis=1)
    smooth = correlate(np.asarray(truth[:, 0], float), stencil)
    exact = np.take_along_axis(smooth.reshape(count, -1), nodes, 1)
    readings = exact + kind.noise * rng.normal(size=exact.shape)
    seen = jnp.asarray(readings, truth.dtype)
    return Problem(kind, grid, truth, nodes, stencil, seen, held)


def correlate(fields: np.ndarray, stencil: np.ndarray) -> np.ndarray:
    r"""$\sum_s w(s)\,u(x+s)$ on a periodic grid, of each of the fields."""
    return np.fft.ifft2(np.fft.fft2(fields) * np.conj(np.fft.fft2(stencil))).real
