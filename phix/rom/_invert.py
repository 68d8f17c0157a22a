"""From an observed field to the latent that decodes to it."""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._errors import Result, require
from phix._types import Array, Float, Int, PyTree, RealScalar
from phix.metrics import relative_l2
from phix.nn import FourierDecoder
from phix.num import at_minimum, least_squares, matmul, norm
from phix.rom._model import ReducedModel
from phix.rom._phi import stratified_subset
from phix.rom._pod import LinearDecoder
from phix.rom._velocity import decode_on, decoder_jacobian
from phix.space import Grid


class LatentLaw(eqx.Module):
    r"""A Gaussian law of latents, $\alpha = m + Lz$ with z standard normal.

    - `mean`: m.
    - `factor`: L, with orthogonal columns, "latent directions"; the covariance is
      $LL^\top$.
    """

    mean: Float[Array, " latent"]
    factor: Float[Array, "latent directions"]

    def latent(self, z: Float[Array, " directions"]) -> Float[Array, " latent"]:
        """The latent of z."""
        return self.mean + matmul(self.factor, z)

    def whiten(self, latent: Float[Array, " latent"]) -> Float[Array, " directions"]:
        """z of the latent nearest to `latent` within the law."""
        size = jnp.sum(self.factor**2, axis=0)
        along = matmul(self.factor.T, latent - self.mean)
        return along / jnp.where(size > 0, size, 1)


def latent_law(model: ReducedModel) -> LatentLaw:
    """The Gaussian law that the training latents of a model have, as a prior for
    `invert`. Directions in which they do not vary are fixed by it."""
    table = model.latents.reshape(-1, model.latents.shape[-1])
    mean = jnp.mean(table, axis=0)
    _, sizes, axes = jnp.linalg.svd(table - mean, full_matrices=False)
    return LatentLaw(mean, axes.T * sizes / max(table.shape[0] - 1, 1) ** 0.5)


class Inversion(eqx.Module):
    """The answer of `invert`.

    - `latent`: the best latent found.
    - `error`: ‖D(X, α) − u‖ / ‖u‖ there.
    - `result`: a `Result` code.
    - `restarts`: how many times the search started again.
    - `work`: decodes of the point set spent, one for a residual, 1 + r for a Jacobian
      (an upper bound: see `decoder_jacobian`).
    """

    latent: Float[Array, " latent"]
    error: Float[Array, ""]
    result: Int[Array, ""]
    restarts: Int[Array, ""]
    work: Int[Array, ""]


def invert(
    model: ReducedModel,
    points: Float[Array, "points dim"],
    values: Float[Array, "channels ..."],
    *,
    start: Float[Array, " latent"] | None = None,
    prior: LatentLaw | None = None,
    noise: RealScalar = 0.05,
    accept: RealScalar = 0.05,
    max_restarts: int = 8,
    max_iterations: int = 50,
) -> Inversion:
    r"""The latent whose field fits `values` at `points` best.

    $$\min_\alpha \lVert D(X, \alpha) - u \rVert^2 / \lVert u \rVert^2$$

    by Levenberg–Marquardt from α = 0, which for decoders that are affine in α is one
    step of linear least squares. Only if the fit ends above `accept` does it start
    again, from training latents spread over the table; the best of all is kept. One
    jitted, vmappable loop: `jax.vmap` over `values` inverts a whole test set at once.

    With a `prior` $\alpha = m + Lz$ it is the most probable latent, given n values with
    independent Gaussian errors of the relative size s,

    $$\min_z \lVert D(X, m + Lz) - u \rVert^2 / \lVert u \rVert^2
    + \tfrac{s^2}{n}\lVert z\rVert^2,$$

    from z = 0: for fewer values than latents, which alone determine nothing.

    **Arguments:**

    - `model`: decoder and training latents are used.
    - `points`: where the values were seen, on a grid or not.
    - `values`: one field, or observations of it.
    - `start`: where to begin instead of zero, for example what an encoder says.
    - `prior`: for example `latent_law(model)`.
    - `noise`: s, of the readings and of the decoder together; used with a prior.
    - `accept`: relative error that needs no restart; about twice the reconstruction
      error of the training set.
    - `max_restarts`: how many training latents to try at most; 0 for a linear decoder,
      whose only minimum is found at once.
    - `max_iterations`: of each Levenberg–Marquardt run.

    **Returns:** an `Inversion`; its error is that of the values alone.

    **Raises:** `ValueError` if `values` and `points` do not agree in number.
    """
    require(
        values.ndim == 2 and values.shape[1] == points.shape[0],
        f"values must have shape (channels, {points.shape[0]}), one column for each "
        f"point; got {values.shape}.",
    )
    whole = _Problem(model, points, values, prior, jnp.asarray(noise, values.dtype))
    fixed = _stop_gradient(whole)
    starts = _starts(fixed.model, max_restarts).astype(values.dtype)
    if start is not None:
        starts = starts.at[0].set(_stop_gradient(start))
    if prior is not None:
        whitened = jax.vmap(fixed.whitened)(starts)
        starts = whitened if start is not None else whitened.at[0].set(0)
    found = _search(fixed, starts, accept, max_iterations)

    def cost(z):
        return jnp.sum(whole.residual(z) ** 2) / 2

    z = at_minimum(cost, found.latent)
    error = norm(whole.misfit(z))
    return Inversion(whole.latent(z), error, found.result, found.restarts, found.work)


class _Problem(eqx.Module):
    """What is made small, in the coordinates z that the prior gives."""

    model: ReducedModel
    points: Array
    values: Array
    prior: LatentLaw | None
    noise: Array

    def latent(self, z: Array) -> Array:
        return z if self.prior is None else self.prior.latent(z)

    def whitened(self, latent: Array) -> Array:
        return latent if self.prior is None else self.prior.whiten(latent)

    def misfit(self, z: Array) -> Array:
        """Of the values, relative to their size."""
        seen = self.model.decoder(self.points, self.latent(z))
        return ((seen - self.values) / norm(self.values)).reshape(-1)

    def residual(self, z: Array) -> Array:
        """The misfit, and what the prior says."""
        if self.prior is None:
            return self.misfit(z)
        return jnp.concatenate([self.misfit(z), self._weight() * z])

    def jacobian(self, z: Array) -> Array:
        """Of the residual."""
        latent = self.latent(z)
        whole = decoder_jacobian(self.model.decoder, self.points, latent)
        rows = whole.reshape(-1, latent.shape[0]) / norm(self.values)
        if self.prior is None:
            return rows
        rows = matmul(rows, self.prior.factor)
        return jnp.concatenate([rows, self._weight() * jnp.eye(z.size, dtype=z.dtype)])

    def _weight(self) -> Array:
        return self.noise / self.values.size**0.5


def acceptance(
    model: ReducedModel,
    us: Float[Array, "trajectories frames channels ..."],
    grid: Grid,
) -> float:
    """The error below which an inversion needs no restart: twice the median error of
    the training frames, the model's own measure of a good fit.

    **Arguments:**

    - `model`: with the latents of the training frames.
    - `us`: the training fields, or more of them than latents, of which then every
      so many-th is taken.
    - `grid`: where they live.
    """
    every = -(-us.shape[1] // model.latents.shape[1])
    return 2 * float(_median_error(model, us[:, ::every], grid))


@eqx.filter_jit
def _median_error(model: ReducedModel, seen: Array, grid: Grid) -> Array:
    decode = jax.vmap(lambda a: decode_on(model.decoder, grid, a))
    return jnp.median(jax.vmap(relative_l2)(jax.vmap(decode)(model.latents), seen))


def invert_frames(
    model: ReducedModel,
    us: Float[Array, "trajectories frames channels ..."],
    grid: Grid,
    *,
    accept: float,
    starts: Float[Array, "trajectories frames latent"] | None = None,
    likely: bool = False,
    nodes: int | None = None,
    max_restarts: int = 8,
) -> Inversion:
    """Inverts whole fields on a grid, all of them in one jitted call.

    **Arguments:**

    - `model`, `accept`, `max_restarts`: see `invert`; `acceptance` gives a good value.
    - `us`: the fields.
    - `grid`: where they live.
    - `starts`: where each search begins instead of zero.
    - `likely`: find the most probable latents, the law of the training latents being
      the prior and half of `accept` the error of the decoder: unseen fields do not lead
      away from where dynamics were learnt.
    - `nodes`: how many nodes are looked at, spread evenly and at random; all by
      default. A few dozen for each latent tell latents apart that fields do.

    **Returns:** an `Inversion` whose arrays begin with "trajectories frames", with the
    errors at the nodes looked at. Modes of that very grid are projected on: no search,
    no work.

    **Raises:** `ValueError` for fewer nodes than one.
    """
    require(nodes is None or nodes >= 1, f"nodes must be at least 1, got {nodes}")
    size = math.prod(grid.shape)
    chosen = None
    if nodes is not None and nodes < size:
        chosen = stratified_subset(size, nodes, key=jr.key(0))
    # As an array: another value is no other program.
    accept_ = jnp.asarray(accept, us.dtype)
    return _invert_all(model, us, grid, accept_, starts, likely, chosen, max_restarts)


@eqx.filter_jit
def _invert_all(
    model: ReducedModel,
    us: Array,
    grid: Grid,
    accept: Array,
    starts: Array | None,
    likely: bool,
    chosen: Array | None,
    max_restarts: int,
) -> Inversion:
    if isinstance(model.decoder, LinearDecoder) and model.decoder.grid == grid:
        return jax.vmap(jax.vmap(partial(_projected, model.decoder)))(us)
    points, values = grid.points.astype(us.dtype), us.reshape(*us.shape[:3], -1)
    if chosen is not None:
        points, values = points[chosen], values[..., chosen]
    search = partial(
        invert,
        model,
        points,
        prior=latent_law(model) if likely else None,
        noise=accept / 2,
        accept=accept,
        max_restarts=max_restarts,
    )

    def one(values: Array, start: Array | None) -> Inversion:
        return search(values, start=start)

    return jax.vmap(jax.vmap(one))(values, starts)


def _projected(decoder: LinearDecoder, u: Array) -> Inversion:
    """The nearest field of orthonormal modes."""
    latent, none = decoder.project(u), jnp.zeros((), jnp.int32)
    error = norm(decoder.field(latent) - u) / norm(u)
    return Inversion(latent, error, none + Result.successful, none, none)


def _search(
    problem: _Problem, starts: Array, accept: RealScalar, max_iterations: int
) -> Inversion:
    """Runs from one start after the other until a fit is accepted; keeps the best. Its
    latent is z, its error the norm of the whole residual."""

    damping = _first_damping(problem, starts)

    def run(attempt):
        found = least_squares(
            lambda z, _: problem.residual(z),
            starts[attempt],
            max_iterations=max_iterations,
            damping=damping,
            jacobian=lambda z, _: problem.jacobian(z),
            # The prior bounds the condition of its problem.
            factor="qr" if problem.prior is None else "cholesky",
        )
        work = found.num_residuals + (1 + starts.shape[1]) * found.num_jacobians
        return Inversion(found.x, found.residual_norm, found.result, attempt, work)

    def misfit(best):
        return (
            best.error if problem.prior is None else norm(problem.misfit(best.latent))
        )

    def unsatisfied(best):
        return (best.restarts + 1 < starts.shape[0]) & ~(misfit(best) <= accept)

    def again(best):
        new = run(best.restarts + 1)
        better = (new.error < best.error) | ~jnp.isfinite(best.error)
        kept = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, best)
        return Inversion(
            kept.latent, kept.error, kept.result, new.restarts, best.work + new.work
        )

    return jax.lax.while_loop(unsatisfied, again, run(jnp.int32(0)))


def _first_damping(problem: _Problem, starts: Array) -> float:
    """Next to none for an affine decoder: one step then ends at the minimum. With fewer
    values than latents and no prior enough to find the nearest of many minima."""
    if not isinstance(problem.model.decoder, FourierDecoder | LinearDecoder):
        return 1.0
    determined = problem.prior is not None or problem.values.size >= starts.shape[1]
    eps = float(jnp.finfo(starts.dtype).eps)
    return eps if determined else eps**0.5


def _stop_gradient(tree: PyTree) -> PyTree:
    arrays, rest = eqx.partition(tree, eqx.is_inexact_array)
    return eqx.combine(jax.lax.stop_gradient(arrays), rest)


def _starts(model: ReducedModel, count: int) -> Float[Array, "starts latent"]:
    """Zero, then `count` training latents, the early ones spread widest."""
    table = model.latents.reshape(-1, model.latents.shape[-1])
    # The golden ratio visits the table in an order whose every beginning is spread out.
    fractions = (0.5 + 0.6180339887498949 * jnp.arange(count)) % 1.0
    rows = (fractions * table.shape[0]).astype(jnp.int32)
    return jnp.concatenate([jnp.zeros_like(table[:1]), table[rows]])
