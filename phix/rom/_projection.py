"""What the projections of an equation on POD modes share."""

import abc
from collections.abc import Callable

import equinox as eqx

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.pde import AbstractEquation
from phix.rom._data import TrainingData
from phix.rom._method import AbstractMethod
from phix.rom._model import ReducedModel
from phix.rom._pod import LinearDecoder, pod_of
from phix.rom._velocity import grid_of


class AbstractProjection(AbstractMethod):
    """POD modes as decoder, an equation projected on them as dynamics.

    - `equation`: what is projected; on the grid of the data.
    - `rank`: number of modes.
    - `centre`: whether the mean of the training fields is taken out.
    - `pod`: the method of `pod_modes`.
    """

    equation: eqx.AbstractVar[AbstractEquation]
    rank: eqx.AbstractVar[int]
    centre: eqx.AbstractVar[bool]
    pod: eqx.AbstractVar[str]

    @abc.abstractmethod
    def dynamics(
        self,
        decoder: LinearDecoder,
        latents: Float[Array, "trajectories frames latent"],
        data: TrainingData,
        *,
        key: PRNGKeyArray | None,
    ) -> Callable:
        """The dynamics of the latents, which are those of the data."""

    def fit(self, data: TrainingData, *, key: PRNGKeyArray | None) -> ReducedModel:
        """The model of the data; `key` is used by `pod="randomised"`."""
        grid = grid_of(self.equation)
        require(
            data.us.shape[3:] == grid.shape,
            f"the fields, of shape {data.us.shape[3:]}, do not live on the equation's "
            f"grid of {grid.shape}; give the equation the grid of the data",
        )
        on_grid = TrainingData(data.ts, data.us, data.cond, grid, data.parameters)
        decoder, latents = pod_of(
            on_grid, self.rank, method=self.pod, centre=self.centre, key=key
        )
        dynamics = self.dynamics(decoder, latents, data, key=key)
        return ReducedModel(decoder, dynamics, latents, data.parameters)
