"""DINo: latent dynamics learnt from the latents of the snapshots alone."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._errors import require
from phix._types import Array, IntScalar, PRNGKeyArray
from phix.rom._autodecoder import AbstractAutoDecoder, part_update
from phix.rom._data import Sequence, TrainingData, sequences
from phix.rom._model import ReducedModel
from phix.rom._networks import Networks
from phix.rom._step import latent_step
from phix.rom._training import Training
from phix.rom._velocity import decode_on
from phix.space import Grid
from phix.train import AlternatingUpdate, alternating_update


class DINo(AbstractAutoDecoder):
    r"""DINo: an auto-decoder, and a latent ODE fitted to the latents it finds.

    Three optimisers in turn on a batch of trajectories: the latents by the
    reconstruction error; the decoder by the same with the new latents; the dynamics by
    the distance of their steps from those latents, which they cannot move:

    $$\tfrac1T\sum_n \lvert\tilde\alpha_n - \alpha_n\rvert, \qquad
      \tilde\alpha_{n+1} = \mathrm{RK3}\big(m_n\alpha_n + (1-m_n)\tilde\alpha_n\big)$$

    with $m_n$ drawn with a probability that falls from `teaching` to 0 over the first
    half of the run (scheduled sampling): first every step starts at its data, at last
    the whole trajectory is rolled out.

    No equation is asked for: nothing holds the dynamics beyond the times seen.

    **Arguments:**

    - `networks`, `training`: see `Networks`, `Training`. The learning rate is that of
      the decoder; latents and dynamics have a tenth of it. `batch_size` counts
      trajectories.
    - `teaching`: probability at the start.

    `fit` needs a key.

    **Raises:** `ValueError` for a probability out of range.

    !!! example "Good values"
        A learning rate of 1e-2; the paper's code has 1e-2, 1e-3 and 1e-3.

    ??? cite "Reference"
        Y. Yin et al., ICLR 2023, arXiv 2209.14855; its settings as a baseline of Φ-ROM,
        arXiv 2505.14595.
    """

    networks: Networks
    training: Training
    teaching: float = eqx.field(static=True, default=0.99)

    def __check_init__(self):
        require(
            0 <= self.teaching <= 1,
            f"teaching must lie in [0, 1], a probability; got {self.teaching}",
        )

    def samples(self, data: TrainingData) -> Sequence:
        """The trajectories."""
        return sequences(data)

    def update(self, data: TrainingData) -> AlternatingUpdate:
        """Latents, then decoder, then dynamics."""
        choices = self.training
        seen = sequence_loss(data.grid)
        steps = latent_step_loss(
            lambda step: self.teaching * jnp.clip(1 - 2 * step / choices.steps, 0, 1)
        )
        return alternating_update(
            {
                "latents": part_update("latents", seen, choices, 0.1),
                "decoder": part_update("decoder", seen, choices, 1.0),
                "dynamics": part_update("dynamics", steps, choices, 0.1),
            }
        )

    def finish(self, model: ReducedModel, data: TrainingData) -> ReducedModel:
        """The model as it was trained."""
        del data
        return model


def sequence_loss(grid: Grid) -> Callable:
    """The mean squared error of all frames of a trajectory, of their own latents.

    **Returns:** `loss(model, sequence, *, step, key) -> (value, {})`.
    """

    def loss(
        model: ReducedModel, sample: Sequence, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict[str, Array]]:
        del step, key
        latents = model.latents[sample.trajectory]
        fields = jax.vmap(lambda a: decode_on(model.decoder, grid, a))(latents)
        return jnp.mean((fields - sample.field) ** 2), {}

    return loss


def latent_step_loss(teaching: Callable) -> Callable:
    """The mean distance of stepped latents from those of the table; see `DINo`.

    **Arguments:**

    - `teaching`: `teaching(step)`, the probability that a step starts at its data. The
      first one always does.

    **Returns:** `loss(model, sequence, *, step, key) -> (value, {})`.
    """

    def loss(
        model: ReducedModel, sample: Sequence, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict[str, Array]]:
        wanted = jax.lax.stop_gradient(model.latents[sample.trajectory])
        cond = sample.cond if model.parameters else None
        taught = jr.bernoulli(key, teaching(jnp.asarray(step)), wanted.shape[:1])

        def advance(latent: Array, now: tuple) -> tuple[Array, Array]:
            given, is_taught, t, h = now
            after = latent_step(
                model.dynamics, jnp.where(is_taught, given, latent), t, h, cond
            )
            return after, after

        lengths = jnp.diff(sample.time)
        rows = wanted[:-1], taught[:-1], sample.time[:-1], lengths
        _, found = jax.lax.scan(advance, wanted[0], rows)
        return jnp.mean(jnp.abs(found - wanted[1:])), {}

    return loss
