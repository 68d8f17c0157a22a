"""Whole fields of a costly decoder from few of its points, without new training."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix._types import Array, Float
from phix.nn import FourierDecoder
from phix.num import matmul
from phix.rom._hyper import qdeim
from phix.rom._model import AbstractFieldDecoder, ReducedModel
from phix.rom._pod import pod_modes
from phix.space import Grid, spectral_resample


# Latents whose fields the basis is made of.
_SNAPSHOTS = 1000


class CoarseDecoder(AbstractFieldDecoder):
    """A field decoded on a coarse grid and refined by its modes; see `coarsened`."""

    decoder: Callable
    grid: Grid
    coarse: Grid

    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " latent"]
    ) -> Float[Array, "channels points"]:
        """The field at any points, by the decoder itself."""
        return self.decoder(points, latent)

    def field(self, latent: Float[Array, " latent"]) -> Float[Array, "channels ..."]:
        """The field on the grid: exact if the coarse grid resolves it."""
        values = self.decoder(self.coarse.points.astype(latent.dtype), latent)
        rough = values.reshape(-1, *self.coarse.shape)
        here, there = self.coarse.modes(), self.grid.modes()
        return there.to_nodes(spectral_resample(here, here.to_modes(rough), there))


class SampledDecoder(AbstractFieldDecoder):
    r"""A field $V (P^\top V)^\dagger D(x_P; \alpha)$ from few points; see `low_rank`.

    - `points`: $x_P$, "nodes dim".
    - `modes`: V, "rank channels *space".
    - `weights`: $(P^\top V)^\dagger$, "rank channels*nodes".
    """

    decoder: Callable
    grid: Grid
    points: Float[Array, "nodes dim"]
    modes: Float[Array, "rank channels ..."]
    weights: Float[Array, "rank values"]

    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " latent"]
    ) -> Float[Array, "channels points"]:
        """The field at any points, by the decoder itself."""
        return self.decoder(points, latent)

    def field(self, latent: Float[Array, " latent"]) -> Float[Array, "channels ..."]:
        """The field on the grid: exact for fields in the span of the modes."""
        values = self.decoder(self.points, latent).reshape(-1)
        rank = matmul(self.weights, values)
        return jnp.tensordot(rank, self.modes, 1, precision="highest")


class TabulatedDecoder(AbstractFieldDecoder):
    r"""A field $m + V\alpha$ whose modes stand in a table; see `tabulated`.

    - `offset`: m, "channels *space".
    - `modes`: V, "latent channels *space".
    """

    decoder: FourierDecoder
    grid: Grid
    offset: Float[Array, "channels ..."]
    modes: Float[Array, "latent channels ..."]

    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " latent"]
    ) -> Float[Array, "channels points"]:
        """The field at any points, by the decoder itself."""
        return self.decoder(points, latent)

    def field(self, latent: Float[Array, " latent"]) -> Float[Array, "channels ..."]:
        """The field on the grid, exactly."""
        return self.offset + jnp.tensordot(latent, self.modes, 1, precision="highest")


def tabulated(model: ReducedModel, grid: Grid) -> ReducedModel:
    r"""A model whose fields on `grid` are one product with a table, and still exact.

    `nn.FourierDecoder` is affine in the latent, $u = m(x) + V(x)\alpha$: its modes V at
    the nodes are computed once, and a frame costs r products a value, whatever the
    width and depth of the network.

    **Arguments:**

    - `model`: with a `FourierDecoder`.
    - `grid`: where fields are wanted; any.

    **Returns:** the model, for `forecast` and `decode_frames`; at points, and on other
    grids, it decodes as before. The table has r times the values of a field.

    **Raises:** `ValueError` for another decoder.
    """
    decoder = model.decoder
    if not isinstance(decoder, FourierDecoder):
        raise ValueError(
            f"model has a {type(decoder).__name__}, which is not affine in the latent "
            "and has no table; take low_rank or coarsened"
        )
    offset, modes = decoder.basis(grid.points.astype(decoder.fields.mean.dtype))
    table = TabulatedDecoder(
        decoder=decoder,
        grid=grid,
        offset=offset.reshape(-1, *grid.shape),
        modes=jnp.moveaxis(modes, -1, 0).reshape(-1, offset.shape[0], *grid.shape),
    )
    return _with_decoder(model, table)


def coarsened(model: ReducedModel, grid: Grid, shape: tuple[int, ...]) -> ReducedModel:
    """A model whose fields on `grid` are decoded on a coarser one, and refined by their
    modes: the decodes of the coarse grid and one transform.

    **Arguments:**

    - `model`: with a decoder of fields that are periodic.
    - `grid`: a periodic grid, where fields are wanted.
    - `shape`: of the coarse grid; it should hold the waves that matter.

    **Returns:** the model, for `forecast` and `decode_frames`; at points, and on other
    grids, it decodes as before.

    **Raises:** `ValueError` for a grid that is not periodic.

    !!! example "Good values"
        A half to a quarter of the nodes an axis; `python -m bench.rom.decoding` prints
        the error beside the cost.
    """
    require(
        all(side.kind == "periodic" for axis in grid.boundary for side in axis),
        f"grid must be periodic, or fields have no modes to refine by; got {grid}",
    )
    coarse = Grid(shape, grid.extent, grid.boundary, grid.node)
    return _with_decoder(
        model, CoarseDecoder(decoder=model.decoder, grid=grid, coarse=coarse)
    )


def low_rank(
    model: ReducedModel,
    grid: Grid,
    rank: int,
    *,
    num_nodes: int | None = None,
    latents: Float[Array, "snapshots latent"] | None = None,
) -> ReducedModel:
    r"""A model whose fields on `grid` are combinations of a few, found from few points.

    $$u = V (P^\top V)^\dagger D(x_P; \alpha)$$

    V are POD modes of decoded fields and the points those of `qdeim` entries, all
    channels of each: `num_nodes` decodes and a product with the modes a frame, whatever
    the decoder. The error is at most $\lVert (P^\top V)^\dagger\rVert_2$ times that of
    the projection on V.

    **Arguments:**

    - `model`: with a decoder that costs more than that.
    - `grid`: where fields are wanted; any.
    - `rank`: of V.
    - `num_nodes`: entries, at least `rank`; `rank` by default. Points of several
      chosen channels are decoded once.
    - `latents`: whose fields the modes are made of; by default a thousand training
      latents spread over the table. Give those of a forecast where it leaves them.

    **Returns:** the model, for `forecast` and `decode_frames`; at points, and on other
    grids, it decodes as before.

    **Raises:** `ValueError` for a rank beyond the number of latents or of unknowns, and
    fewer entries than that.

    !!! example "Good values"
        `rank` where the POD spectrum of the fields has fallen to the model's error.

    ??? cite "Reference"
        R. Everson, L. Sirovich, Journal of the Optical Society of America A 12 (1995)
        1657 (gappy POD); Z. Drmač, S. Gugercin, SIAM Journal on Scientific Computing
        38 (2016) A631.
    """
    if latents is None:
        table = model.latents.reshape(-1, model.latents.shape[-1])
        latents = table[:: -(-table.shape[0] // _SNAPSHOTS)]
    points = grid.points.astype(latents.dtype)
    decode = jax.jit(lambda a: jax.lax.map(lambda one: model.decoder(points, one), a))
    fields = decode(latents)
    modes, _ = pod_modes(fields.reshape(*fields.shape[:2], *grid.shape), rank)
    entries = np.asarray(qdeim(modes, num_nodes))
    nodes = np.unique(entries % points.shape[0])
    sampled = modes.reshape(rank, fields.shape[1], -1)[:, :, nodes].reshape(rank, -1)
    weights = jnp.linalg.pinv(sampled.T)
    decoder = SampledDecoder(
        decoder=model.decoder,
        grid=grid,
        points=points[nodes],
        modes=modes,
        weights=weights,
    )
    return _with_decoder(model, decoder)


def _with_decoder(model: ReducedModel, decoder: Callable) -> ReducedModel:
    return eqx.tree_at(lambda model: model.decoder, model, decoder)
