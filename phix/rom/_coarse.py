"""A solver made as coarse in space and time as an error allows."""

import math
from collections.abc import Callable
from typing import NamedTuple

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._errors import is_concrete
from phix._types import Array, Float
from phix.integrate import solve
from phix.metrics import relative_l2
from phix.pde import AbstractDiscrete, AbstractEquation
from phix.rom._data import TrainingData
from phix.rom._velocity import with_parameters
from phix.space import Grid, spectral_resample


# Shares of the nodes of each axis that are tried, and the most intervals of a step.
_SHARES = (1.0, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125)
_LONGEST = 16
# Sides between which a field has modes.
_MODAL = ("periodic", "dirichlet", "neumann")


class Resolution(NamedTuple):
    """How finely a solver resolves.

    - `shape`: of its grid.
    - `steps`: in an output interval; 1/k for one step over k intervals, the frames in
      between interpolated linearly.
    """

    shape: tuple[int, ...]
    steps: float


class Solver(eqx.Module):
    """A solver of test trajectories, at any resolution.

    - `build`: from a grid to the equation on it.
    - `scheme`: a Diffrax solver, or `None` for the default one.
    - `test`: whose first frames, parameters and times are taken.
    """

    build: Callable
    scheme: dfx.AbstractSolver | None
    test: TrainingData

    def grid(self, resolution: Resolution) -> Grid:
        """The grid of a resolution, in the box of the test fields."""
        fine = self.test.grid
        return Grid(resolution.shape, fine.extent, fine.boundary, fine.node)

    def run(self, resolution: Resolution) -> Callable:
        """`run(u0, cond)`, a trajectory on the solver's own grid and times."""
        grid, fine = self.grid(resolution), self.test.grid
        equation: AbstractEquation = self.build(grid)
        ts, dt = self._times(resolution)
        if isinstance(equation, AbstractDiscrete):
            dt = None  # it has its own

        def run(u0: Array, cond: Array) -> Array:
            changed = with_parameters(equation, self.test.parameters, cond)
            start = resample(u0, fine, grid)
            made = solve(changed, start, ts, dt=dt, scheme=self.scheme, throw=False)
            return made.us

        return run

    def refine(self, resolution: Resolution) -> Callable:
        """`refine(us)`: what `run` gives, on the grid and times of the test fields."""
        grid, fine = self.grid(resolution), self.test.grid

        def refine(us: Array) -> Array:
            us = self._frames(us, resolution)
            return jax.vmap(lambda u: resample(u, grid, fine))(us)

        return refine

    def read(
        self, resolution: Resolution, points: Float[Array, "points dim"]
    ) -> Callable:
        """`read(us)`: what `run` gives at points, "time channels points", all times.

        As by `refine` and the grid's interpolation to the points, by weights.
        """
        grid, fine = self.grid(resolution), self.test.grid
        dtype = self.test.us.dtype
        number = math.prod(grid.shape)

        def seen(node: Array) -> Array:
            unit = jax.nn.one_hot(node, number, dtype=dtype).reshape(1, *grid.shape)
            return fine.evaluate(resample(unit, grid, fine), points.astype(dtype))[0]

        weights = jax.lax.map(seen, jnp.arange(number))

        def read(us: Array) -> Array:
            flat = us.reshape(*us.shape[:2], -1)
            few = num.matmul(flat, weights)
            return self._frames(few, resolution)

        return read

    def _frames(self, us: Array, resolution: Resolution) -> Array:
        """At all times of the test fields, by lines between those there are."""
        stride = round(1 / resolution.steps) if resolution.steps < 1 else 1
        if stride == 1:
            return us
        count = self.test.ts.shape[1]
        after, part = np.divmod(np.arange(count), stride)
        share = jnp.asarray(part / stride, us.dtype)
        share = share.reshape(count, *[1] * (us.ndim - 1))
        later = np.minimum(after + 1, us.shape[0] - 1)
        return (1 - share) * us[after] + share * us[later]

    def error(self, resolution: Resolution) -> float:
        """The mean error on the test trajectories."""
        run, refine = self.run(resolution), self.refine(resolution)

        @jax.jit
        def errors(starts, cond, us):
            def one(row):
                start, cond, truth = row
                return relative_l2(refine(run(start, cond)), truth)

            # One at a time: fine fields of all of them are large.
            return jnp.mean(jax.lax.map(one, (starts, cond, us)))

        return float(errors(self.test.us[:, 0], self.test.cond, self.test.us))

    def _times(self, resolution: Resolution) -> tuple[np.ndarray, float]:
        """Output times and the longest step, which lands on them."""
        ts = np.asarray(self.test.ts[0], float)
        if resolution.steps >= 1:
            return ts, float(np.max(np.diff(ts))) / resolution.steps
        stride = round(1 / resolution.steps)
        interval = stride * (ts[-1] - ts[0]) / (len(ts) - 1)
        return ts[0] + interval * np.arange(-(-(len(ts) - 1) // stride) + 1), math.inf


def resample(u: Array, grid: Grid, onto: Grid) -> Array:
    """A field on another grid of the same box: by its modes where the sides have any,
    else by multilinear interpolation. Dirichlet and Neumann sides are at zero."""
    if grid == onto:
        return u
    if all(side.kind in _MODAL for axis in grid.boundary for side in axis):
        here, there = grid.modes(), onto.modes()
        return there.to_nodes(spectral_resample(here, here.to_modes(u), there))
    field = grid.evaluate(u, onto.points.astype(u.dtype))
    return field.reshape(u.shape[0], *onto.shape)


def coarsest(
    solver: Solver, finest: Resolution, error: float
) -> tuple[Resolution, float]:
    """The resolution that solves the test trajectories with least work, of all that are
    at least as good as `error` on average.

    The error falls with the resolution. So the coarsest grid is found by bisection, and
    then, along one staircase, the longest step on it and on finer grids. The work of a
    step is counted as its nodes and 256 more, for what a step costs on any grid.

    **Arguments:**

    - `solver`: what is made coarse.
    - `finest`: the resolution to start from, which is taken if nothing else does.
    - `error`: mean relative error over trajectories and frames.

    **Returns:** the resolution and its error.
    """
    shapes, steps = _shapes(finest.shape), _steps(finest.steps, solver.test.ts)
    seen: dict[Resolution, float] = {finest: 0.0}

    def suffices(tried: Resolution) -> bool:
        if tried not in seen:
            seen[tried] = solver.error(tried)
        return seen[tried] <= error  # not if it is not finite

    low, high = 0, len(shapes) - 1
    while low < high:
        middle = (low + high) // 2
        if suffices(Resolution(shapes[middle], steps[0])):
            high = middle
        else:
            low = middle + 1
    best, shapes = finest, shapes[low:]
    while shapes and steps:
        tried = Resolution(shapes[0], steps[0])
        if _work(Resolution(shapes[0], steps[-1])) >= _work(best):
            break  # nor does any longer step on finer grids save anything
        if suffices(tried):
            best = min(best, tried, key=_work)
            steps.pop(0)
        else:
            shapes.pop(0)
    return best, seen[best]


def _work(resolution: Resolution) -> float:
    return resolution.steps * (math.prod(resolution.shape) + 256)


def _shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """From coarse to fine, even numbers of nodes but for the finest."""
    made = {tuple(max(4, 2 * round(s * n / 2)) for n in shape) for s in _SHARES[1:]}
    return [*sorted(s for s in made if math.prod(s) < math.prod(shape)), shape]


def _steps(finest: float, ts: Array) -> list[float]:
    """From short to long steps."""
    steps = [finest]
    while steps[-1] > 1:
        steps.append(float(math.ceil(steps[-1] / 2)))
    intervals = np.diff(np.asarray(ts[0], float))
    if is_concrete(ts) and np.ptp(intervals) <= 1e-3 * intervals.mean():
        stride = 2
        while stride <= min(_LONGEST, len(intervals)):
            steps.append(1 / stride)
            stride *= 2
    return steps
