"""The uniform grid on a box."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import checked_dtype, nearest, require
from phix._types import Array, Float, Inexact
from phix.num import matmul
from phix.space._base import AbstractSpace
from phix.space._boundary import Boundary, read_boundary
from phix.space._ghost import extend, face_values, lengthen
from phix.space._interpolation import is_inside, multilinear, wrap
from phix.space._modes import Modes
from phix.space._transform import AbstractTransform


_NODES = ("vertex", "centre")


def _read_shape(shape: Any) -> tuple[int, ...]:
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    whole = all(isinstance(n, int | np.integer) and n > 0 for n in sizes)
    require(
        whole and len(sizes) > 0,
        f"shape must be a positive whole number, or a tuple of them; got {shape!r}",
    )
    return tuple(int(n) for n in sizes)


def _read_extent(extent: Any, ndim: int) -> tuple[tuple[float, float], ...]:
    try:
        bounds = np.asarray(extent, float)
    except (TypeError, ValueError):
        bounds = np.empty(0)
    if bounds.shape == (2,):
        bounds = np.tile(bounds, (ndim, 1))
    require(
        bounds.shape == (ndim, 2),
        f"extent must be (low, high) or one such pair per axis ({ndim}), "
        f"got {extent!r}",
    )
    require(
        bool(np.all(np.isfinite(bounds)) and np.all(bounds[:, 0] < bounds[:, 1])),
        f"extent must be finite with low < high, got {extent!r}",
    )
    return tuple((float(bounds[i, 0]), float(bounds[i, 1])) for i in range(ndim))


class Grid(AbstractSpace):
    r"""A uniform grid on a box; a field on it is an array `"channels *space"`.

    Everything about a grid is static: it has no array leaves, compares by value and can
    be hashed. Which points are unknowns follows from the boundary and the nodes:

    - `node="centre"`: $n$ cells of width $h = L/n$, nodes in their middles.
    - `node="vertex"`: nodes on the corners of cells. Periodic kinds leave the right end
        out ($h = L/n$). A Dirichlet end is known, hence left out; Neumann, inflow and
        outflow ends are nodes. So $h = L/(n+1)$ between two Dirichlet ends, $L/n$ with
        one, $L/(n-1)$ with none.

    **Arguments:**

    - `shape`: number of unknowns along each axis; a whole number in one dimension.
    - `extent`: `(low, high)` for every axis, or a tuple with one pair per axis. The
        library is non-dimensional: the unit of length is the caller's.
    - `boundary`: a name or `Boundary` for all sides, or a tuple with an entry per axis,
        each for both sides or a pair `(left, right)`. In one dimension a pair is
        `(left, right)`. See `Boundary` for the names.
    - `node`: `"vertex"` or `"centre"`.
    - `transform`: who computes its transform; the device itself if `None`. See
        `phix.parallel.spread` for fields that span many devices.

    **Raises:** `ValueError` if shape, extent or boundary do not describe a grid, or the
    transform does not fit it.

    !!! example "Good values"
        `Grid(256, (0.0, 100.0), boundary=("inflow", "outflow"))` for the Burgers shock;
        `Grid((64, 64), (0.0, 2 * math.pi))` for periodic flow.
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    extent: tuple[tuple[float, float], ...] = eqx.field(static=True)
    boundary: tuple[tuple[Boundary, Boundary], ...] = eqx.field(static=True)
    node: str = eqx.field(static=True)
    transform: AbstractTransform | None = eqx.field(static=True)

    def __init__(
        self,
        shape: int | Sequence[int],
        extent: Sequence,
        boundary: str | Boundary | Sequence = "periodic",
        node: str = "vertex",
        transform: AbstractTransform | None = None,
    ):
        self.shape = _read_shape(shape)
        self.extent = _read_extent(extent, len(self.shape))
        self.boundary = read_boundary(boundary, len(self.shape))
        require(node in _NODES, f"unknown node {node!r}{nearest(str(node), _NODES)}")
        self.node = node
        require(
            all(self._intervals(axis) > 0 for axis in range(self.ndim)),
            f"shape {self.shape} is too small: an axis with both ends as nodes needs "
            "at least 2",
        )
        self.transform = transform
        if transform is not None:
            transform.check(self)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Length of the box along each axis."""
        return tuple(high - low for low, high in self.extent)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring nodes along each axis."""
        return tuple(
            length / self._intervals(axis) for axis, length in enumerate(self.lengths)
        )

    @property
    def origin(self) -> tuple[float, ...]:
        """Coordinates of the first node."""
        return tuple(
            low + self._offset(axis) * h
            for axis, ((low, _), h) in enumerate(
                zip(self.extent, self.spacing, strict=True)
            )
        )

    @property
    def axes(self) -> tuple[Float[Array, " nodes"], ...]:
        """Coordinates of the nodes along each axis, in the default precision."""
        dtype = jnp.result_type(float)
        return tuple(
            jnp.asarray(first + h * np.arange(n), dtype)
            for n, first, h in zip(self.shape, self.origin, self.spacing, strict=True)
        )

    @property
    def coordinates(self) -> Float[Array, " dim *space"]:
        """Coordinates of every node, shaped as a field with `dim` channels."""
        return jnp.stack(jnp.meshgrid(*self.axes, indexing="ij"))

    @property
    def points(self) -> Float[Array, "points dim"]:
        """Coordinates of every node as a list, in the order of `u.reshape(c, -1)`."""
        return self.coordinates.reshape(self.ndim, -1).T

    @property
    def untwisted(self) -> "Grid":
        """The grid of what is left of a field without its `ramp`: twisted axes are
        periodic."""
        plain = tuple(
            ("periodic", "periodic") if left.kind == "twisted" else (left, right)
            for left, right in self.boundary
        )
        return Grid(self.shape, self.extent, plain, self.node)

    @property
    def twist(self) -> np.ndarray:
        """What a field gains along each axis, `"channels dim"`; zero unless twisted."""
        gains = [np.atleast_1d(left.shift) for left, _ in self.boundary]
        return np.stack(np.broadcast_arrays(*gains), axis=-1).astype(float)

    def ramp(self, dtype: Any = None) -> Float[Array, " channels *space"]:
        r"""The linear field $\sum_a c_a(x_a - \text{low}_a)/L_a$ of twisted axes.

        A twisted field less its ramp is a field on the `untwisted` grid.
        """
        low = np.array([low for low, _ in self.extent])
        slopes = self.twist / np.array(self.lengths)
        ramp = np.zeros((slopes.shape[0], *self.shape))
        for axis, (first, h) in enumerate(zip(self.origin, self.spacing, strict=True)):
            x = first - low[axis] + h * np.arange(self.shape[axis])
            along = x.reshape([-1 if a == axis else 1 for a in range(self.ndim)])
            ramp = ramp + np.multiply.outer(slopes[:, axis], along)
        return jnp.asarray(ramp, checked_dtype(dtype))

    def zeros(self, channels: int = 1, dtype: Any = None) -> Inexact[Array, "..."]:
        """A field of zeros, `"channels *space"`.

        **Raises:** `ValueError` for float64 while x64 is off.
        """
        return jnp.zeros((channels, *self.shape), checked_dtype(dtype))

    def check(self, u: Inexact[Array, "..."], name: str = "u") -> None:
        """Raises `ValueError` unless `u` has the shape of a field on this grid."""
        shape = jnp.shape(u)
        require(
            len(shape) == self.ndim + 1 and shape[1:] == self.shape,
            f"{name} of shape {shape} is not a field on this grid: wanted "
            f"(channels, {', '.join(map(str, self.shape))})"
            + ("; add the axis of channels" if shape == self.shape else ""),
        )

    def modes(
        self,
        keep: float | None = None,
        complex: bool = False,
        isotropic: bool = False,
    ) -> Modes:
        """The transform of this grid: all modes, or the fraction `keep` of each axis.

        See `Modes`; `grid.modes(2 / 3).to_modes(u)` are the coefficients of a field.
        """
        return Modes(self, keep, complex, isotropic)

    def project(self, fn: Callable, dtype: Any = None) -> Inexact[Array, "..."]:
        """Samples a function at the nodes.

        **Arguments:**

        - `fn`: a function of one point, `x: "dim"`, to `"channels"` or a scalar.
        - `dtype`: precision of the points given to `fn`; the default one if None.

        **Returns:** the field `"channels *space"`.

        **Raises:** `ValueError` for float64 while x64 is off, or another result of fn.
        """
        values = jax.vmap(fn)(self.points.astype(checked_dtype(dtype)))
        values = values[:, None] if values.ndim == 1 else values
        require(
            values.ndim == 2,
            "fn must return a scalar or an array of shape (channels,), "
            f"got {values.shape[1:]}",
        )
        return values.T.reshape(-1, *self.shape)

    def evaluate(
        self,
        u: Inexact[Array, " channels *space"],
        x: Float[Array, "points dim"],
        *,
        values: Any = 0.0,
    ) -> Inexact[Array, "channels points"]:
        r"""Multilinear interpolation, second order in the spacing.

        **Arguments:**

        - `u`: a field `"channels *space"`.
        - `x`: points `"points dim"`. Periodic kinds continue past the box, with the
            sign or the constant of the boundary.
        - `values`: the boundary values, as for `pad`.

        **Returns:** `"channels points"`, in the precision of `u`.

        **Raises:** `ValueError` for a point outside the box along an axis that is not
        periodic; where `x` is traced, such a point gives NaN.
        """
        self.check(u)
        require(
            x.ndim == 2 and x.shape[1] == self.ndim,
            f"x must be points of shape (points, {self.ndim}), got {x.shape}",
        )
        sign, gain, inside = jnp.ones((), u.dtype), jnp.zeros((), u.dtype), True
        position = []
        faces = face_values(values, self.ndim)
        for axis, (low, high) in enumerate(self.extent):
            left, coordinate = self.boundary[axis][0], x[:, axis]
            if left.paired:
                coordinate, flip, turns = wrap(coordinate, low, high, left)
                sign = sign * jnp.asarray(flip, u.dtype)
                shift = jnp.asarray(left.shift, u.dtype).reshape(-1, 1)
                gain = gain + shift * jnp.asarray(turns, u.dtype)
            else:
                inside = inside & is_inside(coordinate, low, high)
            step = self.spacing[axis]
            position.append((coordinate - self.origin[axis]) / step + 1)
            face = tuple(
                functools.reduce(lengthen, range(1, axis + 1), value)
                for value in faces[axis]
            )
            u = extend(
                u,
                axis + 1,
                1,
                self.boundary[axis],
                face,
                vertex=self.node == "vertex",
                spacing=step,
            )
        result = sign * multilinear(u, jnp.stack(position, axis=1)) + gain
        return jnp.where(inside, result, jnp.nan)

    def integrate(
        self, f: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, " channels"]:
        """The integral over the box: trapezoid rule (vertex) or midpoint rule (centre).

        Second order; spectral for smooth periodic fields. Vertex Dirichlet ends are no
        nodes and count as zero there: this is the rule for what vanishes at the ends.
        """
        self.check(f, "f")
        real = jnp.finfo(f.dtype).dtype
        for axis in reversed(range(self.ndim)):
            weights = jnp.asarray(self._weights(axis), real)
            f = matmul(f, weights)
        return f

    def inner(
        self,
        a: Inexact[Array, " channels *space"],
        b: Inexact[Array, " channels *space"],
    ) -> Inexact[Array, ""]:
        r"""$\int \sum_c \bar a_c b_c\,dx$ by the rule of `integrate`."""
        self.check(a, "a")
        self.check(b, "b")
        return self.integrate((jnp.conj(a) * b).sum(0, keepdims=True))[0]

    def norm(self, u: Inexact[Array, " channels *space"]) -> Float[Array, ""]:
        r"""$\sqrt{\langle u, u\rangle}$; its gradient at $u = 0$ is taken as zero."""
        square = self.inner(u, u).real
        positive = square > 0
        root = jnp.sqrt(jnp.where(positive, square, 1.0))
        return jnp.where(positive, root, square)

    def to_dict(self) -> dict[str, Any]:
        """The grid as plain numbers, names and lists, ready for JSON or TOML."""
        return {
            "space": "Grid",
            "shape": list(self.shape),
            "extent": [list(pair) for pair in self.extent],
            "boundary": [[side.to_plain() for side in axis] for axis in self.boundary],
            "node": self.node,
        }

    @staticmethod
    def from_dict(description: dict[str, Any]) -> "Grid":
        """The grid that `to_dict` described."""
        wanted = {"space", "shape", "extent", "boundary", "node"}
        require(
            set(description) == wanted and description["space"] == "Grid",
            f"not the description of a Grid: wanted the keys {sorted(wanted)}, "
            f"got {sorted(description)}",
        )
        return Grid(
            tuple(description["shape"]),
            tuple(description["extent"]),
            tuple(description["boundary"]),
            description["node"],
        )

    def _intervals(self, axis: int) -> int:
        left, right = self.boundary[axis]
        if self.node == "centre" or left.paired:
            return self.shape[axis]
        known_ends = (left.kind == "dirichlet") + (right.kind == "dirichlet")
        return self.shape[axis] - 1 + known_ends

    def _offset(self, axis: int) -> float:
        if self.node == "centre":
            return 0.5
        return 1.0 if self.boundary[axis][0].kind == "dirichlet" else 0.0

    def _weights(self, axis: int) -> np.ndarray:
        weights = np.full(self.shape[axis], self.spacing[axis])
        for side, end in zip(self.boundary[axis], (0, -1), strict=True):
            if self.node == "vertex" and not (side.paired or side.kind == "dirichlet"):
                weights[end] /= 2
        return weights
