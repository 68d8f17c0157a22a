"""A network from readings to latents: an inversion learnt once."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import nn
from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.rom._data import TrainingData
from phix.rom._invert import LatentLaw, latent_law
from phix.rom._model import ReducedModel
from phix.rom._training import Training
from phix.train import ArraySource, fit as train, per_sample


class SensorEncoder(eqx.Module):
    r"""$\alpha = m + L\,E(\tilde u(x_1), \ldots, \tilde u(x_n))$; by `fit_encoder`.

    - `points`: where the readings are taken, "points dim".
    - `readings`: normaliser of the channels.
    - `law`: m and L, those of the training latents.
    - `network`: E, from all readings to z.
    """

    points: Float[Array, "points dim"]
    readings: nn.Standardiser
    law: LatentLaw
    network: Callable

    def __call__(
        self, values: Float[Array, "channels points"]
    ) -> Float[Array, " latent"]:
        """The latent of readings at `points`, in their order."""
        require(
            values.shape[1:] == self.points.shape[:1],
            f"values must have shape (channels, {self.points.shape[0]}), got "
            f"{values.shape}",
        )
        return self.law.latent(self.whitened(values))

    def whitened(self, values: Float[Array, "channels points"]) -> Array:
        """z of the readings."""
        return self.network(self.readings(values).reshape(-1))


def fit_encoder(
    model: ReducedModel,
    data: TrainingData,
    training: Training,
    *,
    points: Float[Array, "points dim"] | None = None,
    width: int = 128,
    depth: int = 2,
    key: PRNGKeyArray,
) -> SensorEncoder:
    r"""An encoder of a fitted model, in place of an inversion or as its start:
    `invert(model, points, values, start=encoder(values))`.

    $\min_E \sum_i \lVert E(u_i) - z_i\rVert^2$ over the training frames, z their
    latents scaled to unit variance.

    **Arguments:**

    - `model`: with one latent for each frame of the data.
    - `data`: the training data of the model.
    - `training`: how long and how fast; see `Training`.
    - `points`: of the sensors; the whole grid by default.
    - `width`, `depth`: of hidden layers, with GELU.
    - `key`: of weights and batches.

    **Returns:** a `SensorEncoder`. It is as good as its training frames are dense, and
    no better than an inversion: refine it by one where the error matters.

    **Raises:** `ValueError` for data of another number of frames than latents.
    """
    require(
        model.latents.shape[:2] == data.us.shape[:2],
        f"data of {data.us.shape[:2]} trajectories and frames do not go with latents "
        f"of {model.latents.shape[:2]}; give those the model was fitted to",
    )
    places = data.grid.points if points is None else points
    places = places.astype(data.us.dtype)
    frames = data.us.reshape(-1, *data.us.shape[2:])
    seen = jax.lax.map(lambda u: data.grid.evaluate(u, places), frames)
    law = latent_law(model)
    wanted = jax.vmap(law.whiten)(model.latents.reshape(len(frames), -1))
    size = seen[0].size
    net_key, run_key = jr.split(key)
    network = eqx.nn.MLP(
        size,
        wanted.shape[1],
        width,
        depth,
        jax.nn.gelu,
        dtype=seen.dtype,
        key=net_key,
    )
    readings = nn.Standardiser.of(seen, axis=1)
    encoder = SensorEncoder(places, readings, law, network)

    def loss(network, sample, *, step, key):
        del step, key
        values, z = sample
        guess = network(readings(values).reshape(-1))
        return jnp.mean((guess - z) ** 2), {}

    trained = train(
        network,
        per_sample(loss, chunk=training.chunk),
        ArraySource((seen, wanted), training.batch_size),
        steps=training.steps,
        key=run_key,
        optimiser=training.optimiser(),
        checkpoint=training.checkpoint,
        log=training.log,
        progress=training.progress,
    ).model
    return eqx.tree_at(lambda e: e.network, encoder, trained)
