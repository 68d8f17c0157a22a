"""What every reduced-order model is, and the snapshots it is fitted to."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float, Int
from phix.data import Trajectory


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
    """

    decoder: Callable
    dynamics: Callable
    latents: Float[Array, "trajectories frames latent"]
    parameters: tuple[str, ...] = eqx.field(static=True, default=())

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


class Snapshot(eqx.Module):
    """One frame of one training trajectory.

    - `field`: "channels *space".
    - `time`: when, in the time of the equation.
    - `cond`: the equation's parameters, in the order given to `snapshots`.
    - `trajectory`, `frame`: the row of the latent table.
    """

    field: Float[Array, "..."]
    time: Float[Array, "..."]
    cond: Float[Array, "..."]
    trajectory: Int[Array, "..."]
    frame: Int[Array, "..."]


def snapshots(trajectories: Trajectory, parameters: tuple[str, ...] = ()) -> Snapshot:
    """All frames of a batch of trajectories as samples for `fit`.

    **Arguments:**

    - `trajectories`: what a vmapped `solve` returns; `us` is
      "trajectories time channels *space".
    - `parameters`: which of `trajectories.params` the dynamics are conditioned on.

    **Returns:** a `Snapshot` whose arrays have a leading axis trajectories × time.

    **Raises:** `ValueError` for a single trajectory or an unknown parameter.
    """
    us, ts = trajectories.us, trajectories.ts
    require(
        ts.ndim == 2,
        "snapshots needs a batch of trajectories, times of shape (trajectories, time); "
        f"got {ts.shape}. Put `solve` under jax.vmap, also for a batch of one.",
    )
    require(
        not is_concrete(trajectories.result) or not np.any(trajectories.result),
        "snapshots was given failed trajectories, with result codes "
        f"{trajectories.result}; drop or repair them first.",
    )
    known = trajectories.params or {}
    for name in parameters:
        require(
            name in known,
            f"unknown parameter {name!r}; these trajectories carry {sorted(known)}.",
        )
    count, frames = ts.shape
    columns = [known[name].reshape(count, 1) for name in parameters]
    cond = jnp.concatenate(columns, 1) if columns else jnp.zeros((count, 0), us.dtype)
    rows = jnp.arange(count * frames, dtype=jnp.int32)
    return Snapshot(
        us.reshape(count * frames, *us.shape[2:]),
        ts.reshape(-1),
        jnp.repeat(cond.astype(us.dtype), frames, axis=0),
        rows // frames,
        rows % frames,
    )
