"""Observation operators: what is seen of a field."""

import abc
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix._errors import is_concrete, nearest, require
from phix._types import Array, Float, Inexact, Int, PRNGKeyArray
from phix.space._grid import Grid


class AbstractObservation(eqx.Module):
    """A linear map from a field to what is measured of it."""

    points: eqx.AbstractVar[Float[Array, "sensors dim"]]
    """Where the sensors are."""

    @abc.abstractmethod
    def __call__(
        self, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, "channels sensors"]:
        """The readings of a field."""


class Sensors(AbstractObservation):
    """Sensors anywhere in the box, read by multilinear interpolation.

    **Arguments:**

    - `grid`: the grid of the fields.
    - `points`: positions `"sensors dim"`, an array leaf: readings can be differentiated
        with respect to where the sensors are.
    - `values`: boundary values of the equation, as for `pad`; they matter between the
        last node and a Dirichlet or centre Neumann side.

    **Raises:** `ValueError` for no point, points of the wrong shape or outside the box.
    """

    grid: Grid
    points: Float[Array, "sensors dim"]
    values: Any

    def __init__(self, grid: Grid, points: Any, values: Any = 0.0):
        self.grid = grid
        self.points = _read_points(grid, points)
        self.values = jax.tree.map(jnp.asarray, values)

    def __call__(
        self, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, "channels sensors"]:
        """The field at the sensors, second order in the spacing."""
        return self.grid.evaluate(u, self.points, values=self.values)


class NodeSensors(AbstractObservation):
    """Sensors on nodes of the grid, read exactly and without interpolation.

    **Arguments:**

    - `grid`: the grid of the fields.
    - `nodes`: numbers of the nodes in the order of `grid.points`, `"sensors"`.

    **Raises:** `ValueError` for no number, and for numbers that are not whole or not on
    the grid.
    """

    grid: Grid
    nodes: Int[Array, " sensors"]

    def __init__(self, grid: Grid, nodes: Any):
        nodes = jnp.asarray(nodes)
        require(
            nodes.ndim == 1 and jnp.issubdtype(nodes.dtype, jnp.integer),
            "nodes must be a list of whole numbers, got shape "
            f"{nodes.shape} and dtype {nodes.dtype}",
        )
        require(nodes.size > 0, _NO_SENSOR)
        total = math.prod(grid.shape)
        if is_concrete(nodes):
            seen = np.asarray(nodes)
            require(
                bool(np.all((seen >= 0) & (seen < total))),
                f"nodes must be in 0..{total - 1}, got {seen.min()}..{seen.max()}",
            )
        self.grid = grid
        self.nodes = nodes

    @property
    def points(self) -> Float[Array, "sensors dim"]:
        """Where the sensors are."""
        places = jnp.unravel_index(self.nodes, self.grid.shape)
        return jnp.stack(
            [x[place] for x, place in zip(self.grid.axes, places, strict=True)], axis=1
        )

    def __call__(
        self, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, "channels sensors"]:
        """The field at the nodes, bit for bit."""
        self.grid.check(u)
        return u.reshape(u.shape[0], -1)[:, self.nodes]


class CellMeans(AbstractObservation):
    """Coarse-graining: the mean over each cell of `cell` nodes a side.

    **Arguments:**

    - `grid`: the grid of the fields.
    - `cell`: nodes along each side of a cell, which every axis divides by.

    **Raises:** `ValueError` for a cell that does not divide the grid.
    """

    grid: Grid
    cell: int = eqx.field(static=True)

    def __init__(self, grid: Grid, cell: int):
        require(
            cell >= 1 and not any(n % cell for n in grid.shape),
            f"`cell` must divide every axis of the grid, {tuple(grid.shape)}; got "
            f"{cell}",
        )
        self.grid, self.cell = grid, cell

    @property
    def points(self) -> Float[Array, "sensors dim"]:
        """The centres of the cells, the means of their nodes."""
        middles = [jnp.mean(x.reshape(-1, self.cell), axis=1) for x in self.grid.axes]
        return jnp.stack([x.ravel() for x in jnp.meshgrid(*middles, indexing="ij")], 1)

    def __call__(
        self, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, "channels sensors"]:
        """The means, cells in the order of `points`."""
        self.grid.check(u)
        split = [part for n in self.grid.shape for part in (n // self.cell, self.cell)]
        inner = tuple(range(2, 2 * self.grid.ndim + 1, 2))
        means = jnp.mean(u.reshape(u.shape[0], *split), axis=inner)
        return means.reshape(u.shape[0], -1)


def masked_sensors(grid: Grid, mask: Any) -> NodeSensors:
    """A sensor on every node where a mask is true.

    **Arguments:**

    - `grid`: the grid of the fields.
    - `mask`: booleans, of the shape of the grid; known, not traced.

    **Raises:** `ValueError` for a mask of another shape or dtype, or true nowhere.
    """
    mask = np.asarray(mask)
    require(
        mask.shape == tuple(grid.shape) and mask.dtype == bool,
        f"`mask` must be of booleans and of shape {tuple(grid.shape)}; got "
        f"{mask.dtype} of shape {mask.shape}",
    )
    return NodeSensors(grid, np.flatnonzero(mask))


def random_sensors(
    grid: Grid,
    num_sensors: int,
    *,
    key: PRNGKeyArray,
    replace: bool = False,
    on: str = "nodes",
) -> AbstractObservation:
    """Sensors at random places, fixed once drawn.

    **Arguments:**

    - `grid`: the grid of the fields.
    - `num_sensors`: how many.
    - `key`: a random key.
    - `replace`: whether two sensors may share a node; only for `on="nodes"`.
    - `on`: `"nodes"`, uniform over the nodes (`NodeSensors`), or `"anywhere"`, uniform
        over the box (`Sensors`).

    **Returns:** an observation operator.

    **Raises:** `ValueError` for more sensors than nodes without replacement.
    """
    total = math.prod(grid.shape)
    require(num_sensors > 0, f"num_sensors must be positive, got {num_sensors}")
    require(on in ("nodes", "anywhere"), f"unknown on={on!r}{nearest(on, _PLACES)}")
    if on == "anywhere":
        require(not replace, 'replace has a meaning only for on="nodes"')
        low, high = jnp.asarray(grid.extent, jnp.result_type(float)).T
        share = jr.uniform(key, (num_sensors, grid.ndim), low.dtype)
        return Sensors(grid, low + share * (high - low))
    require(
        replace or num_sensors <= total,
        f"num_sensors={num_sensors} exceeds the {total} nodes of the grid; take fewer "
        "or replace=True",
    )
    return NodeSensors(grid, jr.choice(key, total, (num_sensors,), replace=replace))


_PLACES = ("nodes", "anywhere")
_NO_SENSOR = "there is no sensor: a mask that is true nowhere, or an empty list"


def _read_points(grid: Grid, points: Any) -> Array:
    points = jnp.asarray(points)
    require(
        points.ndim == 2
        and points.shape[1] == grid.ndim
        and jnp.issubdtype(points.dtype, jnp.floating),
        f"points must be floating and of shape (sensors, {grid.ndim}), got "
        f"{points.dtype} of shape {points.shape}",
    )
    require(points.size > 0, _NO_SENSOR)
    grid.evaluate(grid.zeros(), points)
    return points
