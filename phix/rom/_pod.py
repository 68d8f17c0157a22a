"""Proper orthogonal decomposition: linear decoder, error floor and Galerkin ROM."""

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float
from phix.pde import AbstractEquation
from phix.rom._model import ReducedModel
from phix.rom._velocity import GalerkinDynamics, grid_of
from phix.space import Grid


class LinearDecoder(eqx.Module):
    r"""$u(x) = \sum_k \alpha_k V_k(x)$ on a grid, interpolated linearly between nodes.

    **Arguments:**

    - `grid`: where the modes are sampled.
    - `modes`: one field for each latent, "latent channels *space".
    """

    grid: Grid
    modes: Float[Array, "latent channels ..."]

    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " latent"]
    ) -> Float[Array, "channels points"]:
        """The field of `latent` at `points`."""
        field = jnp.tensordot(latent, self.modes, axes=1, precision="highest")
        return self.grid.evaluate(field, points)

    def project(self, field: Float[Array, "channels ..."]) -> Float[Array, " latent"]:
        """The latent of the nearest field, for orthonormal modes: what `invert` finds,
        at the cost of one product."""
        modes = self.modes.reshape(self.modes.shape[0], -1)
        return jnp.matmul(modes, field.reshape(-1), precision="highest")


def pod_modes(
    fields: Float[Array, "snapshots ..."], rank: int
) -> tuple[Float[Array, "latent ..."], Float[Array, " values"]]:
    r"""The `rank` orthonormal fields that capture most of the snapshots' energy.

    The left singular vectors of the snapshot matrix, $\min_V \lVert U - VV^\top U
    \rVert_F$, in the Euclidean inner product of the flattened fields and without
    centring.

    **Arguments:**

    - `fields`: snapshots "snapshots channels *space".
    - `rank`: how many modes.

    **Returns:** the modes "latent channels *space", and all singular values.

    **Raises:** `ValueError` for a rank beyond the rank the snapshots can have.
    """
    matrix = fields.reshape(fields.shape[0], -1)
    require(
        1 <= rank <= min(matrix.shape),
        f"rank must lie between 1 and {min(matrix.shape)}, the smaller of the numbers "
        f"of snapshots and of unknowns; got {rank}.",
    )
    _, values, modes = jnp.linalg.svd(matrix, full_matrices=False)
    return modes[:rank].reshape(rank, *fields.shape[1:]), values


def pod_galerkin(
    equation: AbstractEquation,
    fields: Float[Array, "trajectories frames ..."],
    rank: int,
    parameters: tuple[str, ...] = (),
) -> ReducedModel:
    r"""POD-Galerkin: POD modes as decoder, the projected equation as dynamics.

    $$\dot\alpha = V^\top f(V\alpha)$$

    **Arguments:**

    - `equation`: whose right-hand side is projected.
    - `fields`: training data "trajectories frames channels *space".
    - `rank`: number of modes.
    - `parameters`: names of the parameters given to `forecast` as `cond`.

    **Returns:** a `ReducedModel`; `invert` with it projects on the modes, and the
    error is the floor of every linear ROM of this rank.
    """
    modes, _ = pod_modes(fields.reshape(-1, *fields.shape[2:]), rank)
    decoder = LinearDecoder(grid_of(equation), modes)
    latents = jax.vmap(jax.vmap(decoder.project))(fields)
    dynamics = GalerkinDynamics(decoder, equation, parameters)
    return ReducedModel(decoder, dynamics, latents, parameters)
