"""From an observed field to the latent that decodes to it."""

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float, Int
from phix.num import least_squares, norm
from phix.rom._model import ReducedModel


class Inversion(eqx.Module):
    """The answer of `invert`.

    - `latent`: the best latent found.
    - `error`: ‖D(X, α) − u‖ / ‖u‖ there.
    - `result`: a `Result` code.
    - `restarts`: how many times the search started again.
    - `work`: decodes of the point set spent, one for a residual, 1 + r for a Jacobian.
    """

    latent: Float[Array, " latent"]
    error: Float[Array, ""]
    result: Int[Array, ""]
    restarts: Int[Array, ""]
    work: Int[Array, ""]


def invert(
    model: ReducedModel,
    points: Float[Array, "points dim"],
    values: Float[Array, "channels points"],
    *,
    accept: float = 0.05,
    max_restarts: int = 8,
    max_iterations: int = 50,
) -> Inversion:
    r"""The latent whose field fits `values` at `points` best.

    $$\min_\alpha \lVert D(X, \alpha) - u \rVert^2 / \lVert u \rVert^2$$

    by Levenberg–Marquardt from α = 0. Only if the fit ends above `accept` does it start
    again, from training latents spread over the table; the best of all is kept. One
    jitted, vmappable loop: `jax.vmap` over `values` inverts a whole test set at once.

    **Arguments:**

    - `model`: decoder and training latents are used.
    - `points`: where the values were seen, on a grid or not.
    - `values`: one field, or observations of it.
    - `accept`: relative error that needs no restart; about twice the reconstruction
      error of the training set.
    - `max_restarts`: how many training latents to try at most.
    - `max_iterations`: of each Levenberg–Marquardt run.

    **Returns:** an `Inversion`.

    **Raises:** `ValueError` if `values` and `points` do not agree in number.
    """
    require(
        values.ndim == 2 and values.shape[1] == points.shape[0],
        f"values must have shape (channels, {points.shape[0]}), one column for each "
        f"point; got {values.shape}.",
    )
    scale = norm(values)

    def residual(latent, _):
        return ((model.decoder(points, latent) - values) / scale).reshape(-1)

    starts = _starts(model, max_restarts).astype(values.dtype)
    rank = starts.shape[1]

    def search(start):
        found = least_squares(residual, start, max_iterations=max_iterations)
        work = found.num_residuals + (1 + rank) * found.num_jacobians
        return found.x, found.residual_norm, found.result, work

    def unsatisfied(state):
        attempt, (_, error, _, _) = state
        return (attempt < starts.shape[0]) & ~(error <= accept)

    def again(state):
        attempt, (latent, error, result, work) = state
        new_latent, new_error, new_result, more = search(starts[attempt])
        better = (new_error < error) | ~jnp.isfinite(error)
        best = jax.tree.map(
            lambda new, old: jnp.where(better, new, old),
            (new_latent, new_error, new_result),
            (latent, error, result),
        )
        return attempt + 1, (*best, work + more)

    attempt, (latent, error, result, work) = jax.lax.while_loop(
        unsatisfied, again, (jnp.int32(1), search(starts[0]))
    )
    return Inversion(latent, error, result, attempt - 1, work)


def _starts(model: ReducedModel, count: int) -> Float[Array, "starts latent"]:
    """Zero, then `count` training latents, the early ones spread widest."""
    table = model.latents.reshape(-1, model.latents.shape[-1])
    # The golden ratio visits the table in an order whose every beginning is spread out.
    fractions = (0.5 + 0.6180339887498949 * jnp.arange(count)) % 1.0
    rows = (fractions * table.shape[0]).astype(jnp.int32)
    return jnp.concatenate([jnp.zeros_like(table[:1]), table[rows]])
