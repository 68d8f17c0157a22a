"""What every reduced-order model is."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from phix._types import Array, Float
from phix.space import Grid


class AbstractLatentMap(eqx.Module):
    """Dynamics known as a map of time and not by their velocity: a power of a matrix,
    an interpolant. `forecast` asks them for the latents, and integrates nothing."""

    @abc.abstractmethod
    def __call__(
        self,
        start: Float[Array, " latent"],
        ts: Float[Array, " time"],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, "time latent"]:
        """The latent at every time of `ts`, being `start` at the first."""


class AbstractFieldDecoder(eqx.Module):
    """A decoder that knows the field on one grid by a shorter way than its points.

    - `grid`: where.
    """

    grid: eqx.AbstractVar[Grid]

    @abc.abstractmethod
    def field(self, latent: Float[Array, " latent"]) -> Float[Array, "channels ..."]:
        """The field of `latent` on the grid."""

    @abc.abstractmethod
    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " latent"]
    ) -> Float[Array, "channels points"]:
        """The field of `latent` at any points."""


class ReducedModel(eqx.Module):
    r"""A decoder $u(x) = D(x, \alpha)$ and latent dynamics $\dot\alpha = \Psi(\alpha)$.

    Linear or not, trained or built in closed form, a model is these two parts; `invert`
    and `forecast` ask for nothing else.

    **Arguments:**

    - `decoder`: `decoder(points "points dim", latent "latent")`, a field
      "channels points".
    - `dynamics`: `dynamics(t, latent, cond)`, the latent velocity per unit of time, or
      an `AbstractLatentMap`.
    - `latents`: one latent for each training snapshot, "trajectories frames latent";
      learnt beside the networks by an auto-decoder, and starting points for `invert`.
    - `parameters`: names of the equation's parameters, in the order of `cond`.
    - `encoder`: from readings to a latent, where one was trained beside the decoder;
      a start for `invert`.
    """

    decoder: Callable
    dynamics: Callable
    latents: Float[Array, "trajectories frames latent"]
    parameters: tuple[str, ...] = eqx.field(static=True, default=())
    encoder: Callable | None = None

    @classmethod
    def auto_decoder(
        cls,
        decoder: Callable,
        dynamics: Callable,
        shape: tuple[int, ...],
        parameters: tuple[str, ...] = (),
    ) -> "ReducedModel":
        """A model to be trained, every latent of the table at zero.

        **Arguments:**

        - `decoder`, `dynamics`: networks, the decoder with a `latent_size`.
        - `shape`: numbers of trajectories and of frames in the training set.
        - `parameters`: names of the equation's parameters, in the order of `cond`.
        """
        table = jnp.zeros((*shape, decoder.latent_size), decoder.fields.mean.dtype)
        return cls(decoder, dynamics, table, parameters)
