"""CROM: a learnt decoder whose latents are moved by the equation at every step."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import Result, require
from phix._types import Array, Float
from phix.num import least_squares
from phix.pde import AbstractEquation
from phix.rom._autodecoder import (
    AbstractAutoDecoder,
    part_update,
    reconstruction_loss,
)
from phix.rom._data import Snapshot, TrainingData, snapshots
from phix.rom._march import march, require_step
from phix.rom._model import AbstractLatentMap, ReducedModel
from phix.rom._networks import Networks
from phix.rom._training import Training
from phix.rom._velocity import decoder_jacobian, point_field, with_parameters
from phix.train import AlternatingUpdate, alternating_update


class CROMDynamics(AbstractLatentMap):
    r"""Explicit steps of the decoded function, projected back on the decoder.

    $$\alpha_{n+1} = \arg\min_\alpha \lVert D(X, \alpha) - D(X, \alpha_n) - h\,
    f[D(\cdot, \alpha_n)](X) \rVert^2$$

    with the `pointwise` form of the equation at integration points X, and
    Gauss–Newton steps from the latent before. First order in h.

    **Arguments:**

    - `decoder`, `equation`: any decoder, an equation with a pointwise form.
    - `points`: X, "points dim", at least as many values as latents.
    - `dt`: the longest step; `None` takes one an output interval.
    - `parameters`: names of the parameters that `cond` holds.
    - `rtol`, `max_iterations`: of `num.least_squares`, for each step.

    A step that has not converged after `max_iterations` is taken as it is, as
    published; one that is not finite makes this latent and all after it NaN.

    **Raises:** `ValueError` for a dt that is not positive, and as `march` does.

    ??? cite "Reference"
        P. Y. Chen et al., CROM, ICLR 2023, arXiv 2206.02607.
    """

    decoder: Callable
    equation: AbstractEquation
    points: Float[Array, "points dim"]
    dt: float | None = eqx.field(static=True)
    parameters: tuple[str, ...] = eqx.field(static=True, default=())
    rtol: float | None = eqx.field(static=True, default=None)
    max_iterations: int = eqx.field(static=True, default=20)

    def __check_init__(self):
        require_step(self.dt)

    def __call__(
        self,
        start: Float[Array, " latent"],
        ts: Float[Array, " time"],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, "time latent"]:
        """The latents at `ts`, by steps of at most `dt`."""
        equation = with_parameters(self.equation, self.parameters, cond)

        def step(latent, before, t, h, ratio):
            del before, ratio
            return self._step(equation, latent, t - h, h)

        return march(step, start, ts, self.dt)

    def _step(
        self, equation: AbstractEquation, latent: Array, t: Array, h: Array
    ) -> Array:
        """The latent of the field one Euler step after that of `latent` at time t."""

        u = point_field(self.decoder, latent)
        rate = jax.vmap(lambda x: equation.pointwise(t, x, u, None), out_axes=1)
        moved = self.decoder(self.points, latent) + h * rate(self.points)

        def residual(new: Array, _: None) -> Array:
            return (self.decoder(self.points, new) - moved).reshape(-1)

        def jacobian(new: Array, _: None) -> Array:
            whole = decoder_jacobian(self.decoder, self.points, new)
            return whole.reshape(-1, new.shape[0])

        found = least_squares(
            residual,
            latent,
            jacobian=jacobian,
            rtol=self.rtol,
            max_iterations=self.max_iterations,
            damping=1e-3,
        )
        failed = found.result == Result.non_finite
        return jnp.where(failed, jnp.nan, found.x)


class CROM(AbstractAutoDecoder):
    r"""CROM: a decoder trained on snapshots, the equation stepped on its manifold.

    Latents and decoder are trained in turn by the reconstruction error; nothing is
    learnt of the dynamics, which are `CROMDynamics` on the grid's points.

    **Arguments:**

    - `equation`: with a pointwise form.
    - `networks`, `training`: see `Networks` (its dynamics are not used), `Training`.
    - `dt`: the step of the dynamics, in the time of the equation; `None` takes one an
      output interval.
    - `every`: only every so many-th point of the grid is an integration point.

    `fit` needs a key.

    **Raises:** `ValueError` for a dt or `every` that is not positive.

    ??? cite "Reference"
        P. Y. Chen et al., CROM, ICLR 2023, arXiv 2206.02607; its settings as a baseline
        of Φ-ROM, arXiv 2505.14595.
    """

    equation: AbstractEquation
    networks: Networks
    training: Training
    dt: float | None = eqx.field(static=True, default=None)
    every: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        require_step(self.dt)
        require(self.every > 0, f"every must be positive, got {self.every}")

    def samples(self, data: TrainingData) -> Snapshot:
        """The snapshots."""
        return snapshots(data)

    def update(self, data: TrainingData) -> AlternatingUpdate:
        """Latents, then decoder."""
        loss = reconstruction_loss(data.grid)
        return alternating_update(
            {
                "latents": part_update("latents", loss, self.training, 1.0),
                "decoder": part_update("decoder", loss, self.training, 1.0),
            }
        )

    def finish(self, model: ReducedModel, data: TrainingData) -> ReducedModel:
        """The decoder with the equation's steps on it."""
        points = data.grid.points[:: self.every].astype(data.us.dtype)
        dynamics = CROMDynamics(
            model.decoder, self.equation, points, self.dt, data.parameters
        )
        return ReducedModel(model.decoder, dynamics, model.latents, data.parameters)
