"""The networks of a trained reduced model."""

import equinox as eqx
import jax.random as jr

from phix import nn
from phix._errors import nearest, require
from phix._types import PRNGKeyArray
from phix.rom._data import TrainingData, standardiser
from phix.rom._encoder import encoded_table
from phix.rom._model import ReducedModel


_DECODERS = {"fourier": nn.FourierDecoder, "sine": nn.SineDecoder}
_DYNAMICS = {
    "swish": lambda network, key: network(key),
    "dissipative": lambda network, key: nn.DissipativeDynamics(
        *map(network, jr.split(key))
    ),
}


class Networks(eqx.Module):
    """The sizes of a decoder and of latent dynamics.

    - `latent_size`: r.
    - `decoder`: `"fourier"` (`nn.FourierDecoder`) or `"sine"` (`nn.SineDecoder`), with
      `width` and `depth`.
    - `dynamics_width`, `dynamics_depth`: of `nn.SwishDynamics`.
    - `dynamics`: `"swish"`, that network; or `"dissipative"`, `nn.DissipativeDynamics`
      of two of them: latents then never grow.
    - `encoder_width`, `encoder_depth`: of a network from whole fields to latents, which
      is trained in place of a table of latents; 0 for the table. The model then has an
      `encoder`. A table fits any frame on its own; an encoder makes near fields near
      latents, and needs no inversion for fields on the grid of the data.

    **Raises:** `ValueError` for an unknown decoder or dynamics, and a negative width.

    **Good values:** r between the number of free parameters of a solution and ten times
    it; `"sine"` of width 32 and depth 4 in one dimension, `"fourier"` of width 64 to 80
    and depth 3 in two.
    """

    latent_size: int = eqx.field(static=True)
    decoder: str = eqx.field(static=True, default="fourier")
    width: int = eqx.field(static=True, default=64)
    depth: int = eqx.field(static=True, default=3)
    dynamics_width: int = eqx.field(static=True, default=64)
    dynamics_depth: int = eqx.field(static=True, default=3)
    dynamics: str = eqx.field(static=True, default="swish")
    encoder_width: int = eqx.field(static=True, default=0)
    encoder_depth: int = eqx.field(static=True, default=2)

    def __check_init__(self):
        require(
            self.decoder in _DECODERS,
            f"unknown decoder {self.decoder!r}{nearest(self.decoder, _DECODERS)}",
        )
        require(
            self.dynamics in _DYNAMICS,
            f"unknown dynamics {self.dynamics!r}{nearest(self.dynamics, _DYNAMICS)}",
        )
        require(
            self.encoder_width >= 0 and self.encoder_depth >= 1,
            "encoder_width must not be negative (0 for none) and encoder_depth at "
            f"least 1, got {self.encoder_width} and {self.encoder_depth}",
        )

    def build(self, data: TrainingData, *, key: PRNGKeyArray) -> ReducedModel:
        """The networks at their initial weights, with normalisers of the data and a
        latent table of zeros, or an encoder in its place.

        Channels and parameters that do not vary are divided by one.
        """
        decoder_key, dynamics_key = jr.split(key)
        dtype = data.us.dtype
        decoder = _DECODERS[self.decoder](
            nn.MinMax.of(data.grid.points.astype(dtype)),
            standardiser(data.us, axis=2),
            latent_size=self.latent_size,
            width=self.width,
            depth=self.depth,
            key=decoder_key,
        )
        last = data.cond.ndim - 1

        def network(key: PRNGKeyArray) -> nn.SwishDynamics:
            return nn.SwishDynamics(
                self.latent_size,
                standardiser(data.cond, axis=last) if data.parameters else None,
                width=self.dynamics_width,
                depth=self.dynamics_depth,
                key=key,
                dtype=dtype,
            )

        dynamics = _DYNAMICS[self.dynamics](network, dynamics_key)
        shape = data.us.shape[:2]
        model = ReducedModel.auto_decoder(decoder, dynamics, shape, data.parameters)
        if self.encoder_width == 0:
            return model
        table = encoded_table(
            data,
            self.latent_size,
            width=self.encoder_width,
            depth=self.encoder_depth,
            key=jr.fold_in(key, 2),
        )
        return eqx.tree_at(lambda model: model.latents, model, table)
