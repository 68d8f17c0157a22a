"""The forecasts that cost nothing, as reduced models: freeze a field, or slide it."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix._types import Array, Float, RealScalar
from phix.metrics import shock_position
from phix.rom._model import ReducedModel
from phix.space import Grid


class ShiftDecoder(eqx.Module):
    r"""A fixed field moved by the latent: $u(x; \alpha) = u_0(x - \alpha)$.

    What moves in from outside a box takes the value at the nearest face.

    **Arguments:**

    - `grid`, `field`: the field at α = 0, "channels *space".
    """

    grid: Grid
    field: Float[Array, "channels ..."]

    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " dim"]
    ) -> Float[Array, "channels points"]:
        """The moved field at `points`, interpolated linearly."""
        nodes = self.grid.points
        inside = jnp.clip(points - latent, jnp.min(nodes, 0), jnp.max(nodes, 0))
        return self.grid.evaluate(self.field, inside)


class ConstantVelocity(eqx.Module):
    """Latent dynamics that never change: dα/dt = `velocity`."""

    velocity: Float[Array, " latent"]

    def __call__(
        self,
        t: RealScalar,
        latent: Float[Array, " latent"],
        cond: Float[Array, " parameters"] | None = None,
    ) -> Float[Array, " latent"]:
        """The constant."""
        del t, latent, cond
        return self.velocity


def freeze(grid: Grid, field: Float[Array, "channels ..."]) -> ReducedModel:
    """The baseline that keeps the last field it saw.

    **Arguments:**

    - `grid`, `field`: the field, "channels *space".

    **Returns:** a `ReducedModel`; forecast it from the latent 0.
    """
    return _moving(grid, field, jnp.zeros(grid.ndim, field.dtype))


def slide(
    grid: Grid,
    ts: Float[Array | np.ndarray, " time"],
    us: Float[Array, "time channels points"],
) -> ReducedModel:
    """The baseline that moves the last field at the speed its shock had.

    The speed is the least-squares slope of the position of the largest downward jump
    (of the first channel) over the frames given.

    **Arguments:**

    - `grid`: of one dimension.
    - `ts`, `us`: the frames to fit; the last one is kept and moved.

    **Returns:** a `ReducedModel`; forecast it from the latent 0 at `ts[-1]`.

    **Raises:** `ValueError` for a grid of more than one dimension or a single frame.
    """
    require(
        grid.ndim == 1, f"slide needs a grid of one dimension, got {grid.ndim} of them."
    )
    require(
        len(ts) >= 2, f"slide needs two frames or more to fit a speed, got {len(ts)}."
    )
    x = grid.points[:, 0].astype(us.dtype)
    position = x[shock_position(us[:, 0])]
    t = jnp.asarray(ts, us.dtype) - jnp.mean(jnp.asarray(ts, us.dtype))
    speed = jnp.sum(t * position) / jnp.sum(t**2)
    return _moving(grid, us[-1], speed[None])


def _moving(
    grid: Grid, field: Float[Array, "channels ..."], velocity: Float[Array, " dim"]
) -> ReducedModel:
    return ReducedModel(
        ShiftDecoder(grid, field),
        ConstantVelocity(velocity),
        jnp.zeros((1, 1, grid.ndim), field.dtype),
    )
