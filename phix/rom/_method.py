"""The one call that fits every reduced-order model."""

import abc
from typing import ClassVar

import equinox as eqx

from phix._errors import require
from phix._types import PRNGKeyArray
from phix.data import Trajectory
from phix.rom._data import TrainingData, training_data
from phix.rom._model import ReducedModel
from phix.space import Grid


class AbstractMethod(eqx.Module):
    """A way to make a reduced model of data: the argument in which methods differ.

    Its fields are the choices the method leaves to its user. `takes_inputs` says
    whether parameters may vary in time.
    """

    takes_inputs: ClassVar[bool] = False

    @abc.abstractmethod
    def fit(self, data: TrainingData, *, key: PRNGKeyArray | None) -> ReducedModel:
        """The model of the data. `key` is for methods that draw random numbers."""


def fit(
    method: AbstractMethod,
    data: TrainingData | Trajectory | tuple,
    *,
    parameters: tuple[str, ...] = (),
    grid: Grid | None = None,
    key: PRNGKeyArray | None = None,
) -> ReducedModel:
    """A reduced model of trajectories, by any method.

    **Arguments:**

    - `method`: for example `PODGalerkin(equation, rank=8)`.
    - `data`, `parameters`, `grid`: see `training_data`.
    - `key`: needed by methods that draw random numbers.

    **Returns:** a `ReducedModel`, for `invert` and `forecast`.

    **Raises:** `ValueError` as `training_data` does, and what the method refuses.

    !!! example
        `model = rom.fit(rom.LSPG(equation, rank=8, dt=0.07), (ts, us), grid=grid)`
    """
    data = training_data(data, parameters=parameters, grid=grid)
    require(
        method.takes_inputs or data.cond.ndim == 2,
        f"{type(method).__name__} takes parameters that are constant in time, got cond "
        f"of shape {data.cond.shape}; PhiROM and PODGalerkin take inputs that vary",
    )
    return method.fit(data, key=key)
