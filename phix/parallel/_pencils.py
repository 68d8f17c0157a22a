"""The real FFT of a field that spans many devices, by pencils."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from phix._errors import require
from phix._types import Array, Inexact
from phix.space import AbstractTransform, Grid


_ROWS, _COLUMNS = "rows", "columns"


@dataclasses.dataclass(frozen=True)
class Pencils(AbstractTransform):
    r"""The transform of a periodic grid in two or three dimensions, shared by devices.

    A field is cut along x into `rows` and, in three dimensions, along y into `columns`;
    a device holds whole lines along the last axis. Lines are transformed one axis after
    the other, and between two axes the devices of a row (a column) exchange blocks: one
    `all_to_all` for each of the two (one in two dimensions), of kept modes only. The
    coefficients end with whole lines along $k_x$, cut along the other axes. A device
    holds 1/n of the field and of the coefficients all the time.

    **Arguments:**

    - `mesh`: from `spread`.

    ??? cite "Reference"
        D. Pekurovsky, SIAM J. Sci. Comput. 34 (2012) C192 (pencil decomposition).
    """

    mesh: Mesh

    def check(self, grid: Grid) -> None:
        """Raises `ValueError` unless the devices divide a periodic grid."""
        require(
            grid.ndim in (2, 3)
            and all(left.kind == "periodic" for left, _ in grid.boundary),
            f"a grid over devices is periodic and of 2 or 3 dimensions; got {grid}",
        )
        parts = self._parts(grid.ndim)
        for axis, n in enumerate(grid.shape):
            require(
                n % parts[axis] == 0,
                f"shape: {n} nodes along axis {axis} cannot be shared by {parts[axis]} "
                "devices; take a multiple, or another `rows`",
            )

    def waves(self, kept: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """The kept waves, and zeros up to a number that the devices divide."""
        cuts = (1, self.mesh.shape[_ROWS], self.mesh.shape[_COLUMNS])
        pairs = zip(kept, cuts, strict=False)
        return tuple(np.pad(k, (0, -k.size % cut)) for k, cut in pairs)

    def to_modes(
        self, modes: Any, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, " channels *modes"]:
        """As `Modes.to_modes`."""

        require(not modes.complex, "complex: fields over many devices are real ones")

        def analyse(u):
            last = modes.grid.ndim
            u = jnp.fft.rfft(u, axis=last, norm="forward")
            u = _lengthen(_take(u, last, 0, modes.highest(last - 1) + 1), modes, last)
            for axis in range(last - 1, 0, -1):
                u = self._exchange(u, axis, split=axis + 1, join=axis)
                u = jnp.fft.fft(u, axis=axis, norm="forward")
                u = _lengthen(_kept(u, modes, axis), modes, axis)
            return u

        field, spectrum = self._specs(modes.grid.ndim)
        return self._on_mesh(analyse, field, spectrum)(u)

    def to_nodes(
        self, modes: Any, c: Inexact[Array, " channels *modes"]
    ) -> Inexact[Array, " channels *space"]:
        """As `Modes.to_nodes`."""

        def synthesise(c):
            last = modes.grid.ndim
            for axis in range(1, last):
                c = jnp.fft.ifft(_spread(c, modes, axis), axis=axis, norm="forward")
                c = self._exchange(c, axis, split=axis, join=axis + 1)
            c = _take(c, last, 0, modes.highest(last - 1) + 1)
            n = modes.grid.shape[last - 1]
            return jnp.fft.irfft(c, n, axis=last, norm="forward")

        field, spectrum = self._specs(modes.grid.ndim)
        return self._on_mesh(synthesise, spectrum, field)(c)

    def _parts(self, ndim: int) -> tuple[int, ...]:
        """Into how many pieces each axis of a field is cut."""
        cuts = (self.mesh.shape[_ROWS], self.mesh.shape[_COLUMNS])
        return (*cuts[: ndim - 1], 1)

    def _specs(self, ndim: int) -> tuple[PartitionSpec, PartitionSpec]:
        names = (_ROWS, _COLUMNS)[: ndim - 1]
        return PartitionSpec(None, *names, None), PartitionSpec(None, None, *names)

    def _on_mesh(self, fn, before: PartitionSpec, after: PartitionSpec):
        return jax.shard_map(
            fn, mesh=self.mesh, in_specs=before, out_specs=after, check_vma=False
        )

    def _exchange(self, x: Array, axis: int, *, split: int, join: int) -> Array:
        """Cuts one axis of the array and makes another one whole."""
        name = (_ROWS, _COLUMNS)[axis - 1]
        return lax.all_to_all(x, name, split, join, tiled=True)


def spread(grid: Grid, *, rows: int | None = None, columns: int = 1) -> Grid:
    """The grid whose fields span devices: equations on it run unchanged.

    Put a field where it belongs with `place_field`; what follows stays there.

    **Arguments:**

    - `grid`: periodic, in two or three dimensions; the devices along an axis must
        divide its nodes.
    - `rows`: devices along x; all there are, divided by `columns`, if `None`.
    - `columns`: devices along y, in three dimensions only. One (slabs) exchanges once
        for a transform and allows no more devices than there are nodes along x.

    **Returns:** the same grid with the transform `Pencils`.

    **Raises:** `ValueError` for another grid, or devices that do not divide it.

    !!! example
        ```python
        grid = spread(Grid((256, 256, 256), (0.0, 2 * math.pi)), rows=4, columns=2)
        flow = NavierStokes(grid, nu=1e-3)
        solve(flow, place_field(u0, grid), ts, dt=0.005)
        ```
    """
    require(columns == 1 or grid.ndim == 3, "columns: a plane is cut into rows only")
    devices = jax.devices()
    rows = len(devices) // columns if rows is None else rows
    require(
        1 <= rows * columns <= len(devices) and min(rows, columns) >= 1,
        f"rows, columns: got {rows} and {columns}; there are {len(devices)} devices",
    )
    mesh = jax.make_mesh(
        (rows, columns),
        (_ROWS, _COLUMNS),
        axis_types=(AxisType.Auto,) * 2,
        devices=devices[: rows * columns],
    )
    return Grid(grid.shape, grid.extent, grid.boundary, grid.node, Pencils(mesh))


def place_field(
    u: Inexact[Array, " channels *space"], grid: Grid
) -> Inexact[Array, " channels *space"]:
    """The field with each part on the device that holds it.

    **Arguments:**

    - `u`: a field `"channels *space"`, on one device or on the host.
    - `grid`: from `spread`.

    **Raises:** `ValueError` for a grid that is not spread, or another shape.
    """
    transform = grid.transform
    if not isinstance(transform, Pencils):
        raise ValueError("grid: is not spread over devices; see phix.parallel.spread")
    grid.check(u)
    field, _ = transform._specs(grid.ndim)
    return jax.device_put(u, NamedSharding(transform.mesh, field))


def _take(x: Array, axis: int, start: int, stop: int) -> Array:
    return lax.slice_in_dim(x, start, stop, axis=axis)


def _lengthen(x: Array, modes: Any, axis: int) -> Array:
    """Zeros after the kept waves, up to what the devices divide."""
    padding = [(0, 0)] * x.ndim
    padding[axis] = (0, modes.shape[axis - 1] - x.shape[axis])
    return jnp.pad(x, padding)


def _counts(modes: Any, axis: int) -> tuple[int, int, int]:
    """Nodes, negative waves and other waves of an axis."""
    n, top = modes.grid.shape[axis - 1], modes.highest(axis - 1)
    return n, top, min(top, (n - 1) // 2) + 1


def _kept(x: Array, modes: Any, axis: int) -> Array:
    """The kept waves in the order −K … K, of all in the order of the FFT."""
    n, negative, rest = _counts(modes, axis)
    return jnp.concatenate(
        [_take(x, axis, n - negative, n), _take(x, axis, 0, rest)], axis
    )


def _spread(x: Array, modes: Any, axis: int) -> Array:
    """The inverse of `_kept`, with zeros for the other waves."""
    n, negative, rest = _counts(modes, axis)
    shape = list(x.shape)
    shape[axis] = n - negative - rest
    parts = [
        _take(x, axis, negative, negative + rest),
        jnp.zeros(shape, x.dtype),
        _take(x, axis, 0, negative),
    ]
    return jnp.concatenate(parts, axis)
