"""A network from readings to latents: an inversion learnt once, or with the model."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import nn
from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.rom._data import TrainingData, standardiser
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


class EncodedTable(eqx.Module):
    r"""The latents of training frames by an encoder, $\alpha = E(u)$, while it is
    trained: in the place of `ReducedModel.latents`, of which losses take rows.

    - `frames`: their readings, "trajectories frames channels points", standardised.
    - `network`: E.
    """

    frames: nn.Fixed
    network: Callable

    def __getitem__(self, place: tuple | Array) -> Array:
        """The latents of one frame, or of the frames of a trajectory."""
        seen = self.frames.value[place]
        rows = seen.reshape(-1, seen.shape[-2] * seen.shape[-1])
        return jax.vmap(self.network)(rows).reshape(*seen.shape[:-2], -1)


def encoded_table(
    data: TrainingData,
    latent_size: int,
    *,
    width: int,
    depth: int,
    key: PRNGKeyArray,
) -> EncodedTable:
    """The frames of the data with an untrained network that reads all their nodes."""
    readings = standardiser(data.us, axis=2)
    flat = data.us.reshape(*data.us.shape[:3], -1)
    frames = jax.vmap(jax.vmap(readings))(flat)
    network = _mlp(frames[0, 0].size, latent_size, width, depth, flat.dtype, key)
    return EncodedTable(nn.Fixed(frames), network)


def tabled(model: ReducedModel, data: TrainingData) -> ReducedModel:
    """A model with its latents in a table, and the encoder beside it."""
    if not isinstance(model.latents, EncodedTable):
        return model
    table, dtype = model.latents, data.us.dtype
    rows = jnp.arange(data.us.shape[0])
    latents = jax.lax.map(lambda row: table[row], rows)
    size = latents.shape[-1]
    law = LatentLaw(jnp.zeros(size, dtype), jnp.eye(size, dtype=dtype))
    readings = standardiser(data.us, axis=2)
    points = data.grid.points.astype(dtype)
    return eqx.tree_at(
        lambda model: (model.latents, model.encoder),
        model,
        (latents, SensorEncoder(points, readings, law, table.network)),
        is_leaf=lambda x: x is None,
    )


def _mlp(
    inputs: int, outputs: int, width: int, depth: int, dtype, key: PRNGKeyArray
) -> eqx.nn.MLP:
    return eqx.nn.MLP(inputs, outputs, width, depth, jax.nn.gelu, dtype=dtype, key=key)


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
    network = _mlp(size, wanted.shape[1], width, depth, seen.dtype, net_key)
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
