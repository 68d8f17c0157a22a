"""Dynamic mode decomposition as a reduced model, with control inputs or without."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._errors import is_concrete, require
from phix._types import Array, Float, PRNGKeyArray
from phix.num import damped_lstsq, eig
from phix.rom._data import TrainingData
from phix.rom._march import march
from phix.rom._method import AbstractMethod
from phix.rom._model import AbstractLatentMap, ReducedModel
from phix.rom._pod import pod_of


class DMDDynamics(AbstractLatentMap):
    r"""$\alpha(t) = A^{(t - t_0)/h}\,\alpha(t_0)$.

    Powers are taken of the eigenvalues, so that times need not be multiples of h; in
    between, an eigenvalue that is negative and real turns through the complex plane,
    and the real part is returned.

    **Arguments:**

    - `matrix`: A, of one step, "latent latent"; with distinct eigenvalues.
    - `h`: the length of that step.
    """

    matrix: Float[Array, "latent latent"]
    h: Float[Array, ""]

    def __call__(
        self,
        start: Float[Array, " latent"],
        ts: Float[Array, " time"],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, "time latent"]:
        """The latents at `ts`; the same for all parameters."""
        del cond
        values, vectors = eig(self.matrix)
        amplitudes = jnp.linalg.solve(vectors, start.astype(vectors.dtype))
        steps = ((ts - ts[0]) / self.h)[:, None]
        gone = values == 0
        powers = jnp.exp(steps * jnp.log(jnp.where(gone, 1, values)))
        powers = jnp.where(gone & (steps > 0), 0, powers)
        return jnp.real(num.matmul(powers * amplitudes, vectors.T))


class ControlledDynamics(AbstractLatentMap):
    r"""$\alpha_{n+1} = A\alpha_n + B w(t_n)$, by steps of h from the first time.

    **Arguments:**

    - `matrix`, `control`: A "latent latent", B "latent inputs".
    - `inputs`: `inputs(t, cond) -> "inputs"`, held over a step. For other inputs than
      those of the training: `eqx.tree_at(lambda m: m.dynamics.inputs, model, other)`.
    - `h`: the length of a step; output intervals must be multiples of it.

    **Raises:** `ValueError`, when called, for times that are traced or off the steps.
    """

    matrix: Float[Array, "latent latent"]
    control: Float[Array, "latent inputs"]
    inputs: Callable
    h: float = eqx.field(static=True)

    def __call__(
        self,
        start: Float[Array, " latent"],
        ts: Float[Array, " time"],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, "time latent"]:
        """The latents at `ts`."""
        if is_concrete(ts):
            counts = np.diff(np.asarray(ts)) / self.h
            require(
                bool(np.all(np.abs(counts - np.round(counts)) < 1e-3)),
                f"ts must lie whole steps of {self.h} apart, got intervals of "
                f"{np.diff(np.asarray(ts))}",
            )

        def step(latent, before, t, h, ratio):
            del before, ratio
            return num.matmul(self.matrix, latent) + num.matmul(
                self.control, self.inputs(t - h, cond)
            )

        return march(step, start, ts, self.h)


class DMD(AbstractMethod):
    r"""POD modes as decoder, the linear map that takes each frame to the next.

    $$A = \arg\min_A \sum_n \lVert \alpha_{n+1} - A\alpha_n \rVert^2, \qquad
    \alpha = V^\top u$$

    the matrix of `num.dmd` in the coordinates of its modes, for many trajectories at
    once. With `inputs` it is DMDc: $\alpha_{n+1} = A\alpha_n + Bw(t_n)$, and A and B
    are found together.

    **Arguments:**

    - `rank`: number of modes.
    - `inputs`: `inputs(t, cond) -> "inputs"`, a known forcing held over a step.
    - `pod`: the method of `pod_modes`.

    Parameters enter through the inputs alone.

    **Raises:** `ValueError` for output times that are not evenly spaced, and a rank
    beyond the data's.

    !!! example "Good values"
        `rom.fit(rom.DMD(8), (ts, us))`. Right for linear equations and near a limit
        cycle; of a travelling front no rank is enough.

    ??? cite "Reference"
        J. H. Tu et al., Journal of Computational Dynamics 1 (2014) 391; J. L. Proctor,
        S. L. Brunton, J. N. Kutz, SIAM J. Applied Dynamical Systems 15 (2016) 142.
    """

    rank: int = eqx.field(static=True)
    inputs: Callable | None = None
    pod: str = eqx.field(static=True, default="exact")

    def fit(self, data: TrainingData, *, key: PRNGKeyArray | None) -> ReducedModel:
        """The model of the data; `key` is used by `pod="randomised"`."""
        h = even_spacing(data.ts)
        decoder, latents = pod_of(data, self.rank, method=self.pod, key=key)
        now = latents[:, :-1]
        if self.inputs is not None:
            given = jax.vmap(jax.vmap(self.inputs, (0, None)))(
                data.ts[:, :-1], data.cond
            )
            now = jnp.concatenate([now, given.astype(now.dtype)], axis=2)
        rows = now.reshape(-1, now.shape[2])
        after = latents[:, 1:].reshape(-1, self.rank)
        found = damped_lstsq(rows, after, damping=0.0).T
        matrix, control = found[:, : self.rank], found[:, self.rank :]
        if self.inputs is None:
            dynamics = DMDDynamics(matrix, jnp.asarray(h, matrix.dtype))
        elif isinstance(h, float):
            dynamics = ControlledDynamics(matrix, control, self.inputs, h)
        else:
            raise ValueError(
                "the times of the data are traced, so the length of a step is unknown: "
                "close over them instead of passing them through jit"
            )
        return ReducedModel(decoder, dynamics, latents, data.parameters)


def even_spacing(ts: Float[Array, "trajectories time"]) -> float | Float[Array, ""]:
    """The interval between frames, a number where that is known.

    **Raises:** `ValueError` if it varies.
    """
    if is_concrete(ts):
        lengths = np.diff(np.asarray(ts, float), axis=1)
        require(
            bool(np.ptp(lengths) <= 1e-3 * lengths.mean()),
            f"frames must be evenly spaced, got intervals from {lengths.min()} to "
            f"{lengths.max()}; keep those that are",
        )
        return float(lengths.mean())
    return (ts[0, -1] - ts[0, 0]) / (ts.shape[1] - 1)
