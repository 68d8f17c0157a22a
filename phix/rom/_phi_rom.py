"""Φ-ROM and PINN-ROM as a method."""

from typing import ClassVar

import equinox as eqx

from phix._errors import require
from phix.pde import AbstractEquation
from phix.rom._autodecoder import AbstractAutoDecoder
from phix.rom._data import Snapshot, TrainingData, snapshots
from phix.rom._model import ReducedModel
from phix.rom._networks import Networks
from phix.rom._phi import phi_loss
from phix.rom._training import Training
from phix.train import GradientUpdate, gradient_update, per_sample


class PhiROM(AbstractAutoDecoder):
    r"""Φ-ROM: a neural decoder, and latent dynamics taught by a differentiable solver.

    $$u = D(x, \alpha), \qquad \dot\alpha = \Psi(\alpha, \beta) \approx
    J^\dagger f(D(\alpha); \beta)$$

    Decoder, dynamics and one latent for each snapshot are trained together by
    `phi_loss`: the snapshots fix the field, the solver its rate of change, so that the
    dynamics hold beyond the times that were seen. With `teacher="pointwise"` it is
    PINN-ROM: the equation of the decoded function takes the
    place of the solver.

    **Arguments:**

    - `equation`: the solver, on the grid of the data; for `"pointwise"` an equation
      that has such a form.
    - `networks`, `training`: see `Networks`, `Training`.
    - `teacher`: `"solver"` or `"pointwise"`.
    - `reconstruction_weight`, `fraction`, `damping`, `ahead`: see `phi_loss`.
    - `warmup`: the share of the steps before the dynamics move decoder and latents;
      long enough for the decoder to resolve the fields.

    `fit` needs a key, and conditions the dynamics on the `parameters` it is given.

    **Raises:** `ValueError` for a share out of range and, by `fit`, as `phi_loss` does.

    !!! example
        ```python
        method = rom.PhiROM(equation, rom.Networks(16), rom.Training(steps=4000))
        model = rom.fit(method, trajectories, key=jax.random.key(0))
        ```

    ??? cite "Reference"
        N. Hosseini Dashtbayaz et al., NeurIPS 2025, arXiv 2505.14595; PINN-ROM: Y. Kim
        et al., Journal of Computational Physics 451 (2022) 110841.
    """

    takes_inputs: ClassVar[bool] = True
    equation: AbstractEquation
    networks: Networks
    training: Training
    teacher: str = eqx.field(static=True, default="solver")
    reconstruction_weight: float = eqx.field(static=True, default=0.5)
    warmup: float = eqx.field(static=True, default=0.2)
    fraction: float = eqx.field(static=True, default=0.1)
    damping: float = eqx.field(static=True, default=1e-3)
    ahead: float = eqx.field(static=True, default=0.0)

    def __check_init__(self):
        require(
            0 <= self.warmup <= 1,
            f"warmup must lie in [0, 1], a share of the steps; got {self.warmup}",
        )

    def samples(self, data: TrainingData) -> Snapshot:
        """The snapshots."""
        return snapshots(data)

    def update(self, data: TrainingData) -> GradientUpdate:
        """One step of the optimiser on all parts."""
        loss = phi_loss(
            self.equation,
            data.parameters,
            teacher=self.teacher,
            reconstruction_weight=self.reconstruction_weight,
            warmup=int(self.warmup * self.training.steps),
            fraction=self.fraction,
            damping=self.damping,
            ahead=self.ahead,
        )
        objective = per_sample(loss, chunk=self.training.chunk)
        return gradient_update(objective, self.training.optimiser())

    def finish(self, model: ReducedModel, data: TrainingData) -> ReducedModel:
        """The model as it was trained."""
        del data
        return model
