"""Reconstruction, and latent dynamics taught by a solver or by the equation."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix._errors import nearest, require
from phix._types import (
    Array,
    Float,
    Int,
    IntScalar,
    PRNGKeyArray,
    PyTree,
    RealScalar,
)
from phix.num import norm
from phix.pde import AbstractEquation
from phix.rom._data import Snapshot
from phix.rom._model import ReducedModel
from phix.rom._step import carried
from phix.rom._velocity import (
    decode_on,
    grid_of,
    grid_points,
    latent_velocity,
    point_field,
    with_parameters,
)


def _solver_rate(
    equation: AbstractEquation,
    time: RealScalar,
    decoder: Callable,
    latent: Array,
    field: Array,
    chosen: Array,
) -> Float[Array, "channels chosen"]:
    """du/dt at the chosen points, by the solver on the whole grid."""
    del decoder, latent
    return equation.rhs(time, field, None).reshape(field.shape[0], -1)[:, chosen]


def _pointwise_rate(
    equation: AbstractEquation,
    time: RealScalar,
    decoder: Callable,
    latent: Array,
    field: Array,
    chosen: Array,
) -> Float[Array, "channels chosen"]:
    """du/dt at the chosen points, by the equation of the decoded function."""
    del field
    u = point_field(decoder, latent)
    return jax.vmap(lambda x: equation.pointwise(time, x, u, None), out_axes=1)(
        grid_points(equation, latent)[chosen]
    )


_RATES = {"solver": _solver_rate, "pointwise": _pointwise_rate}


def phi_loss(
    equation: AbstractEquation,
    parameters: tuple[str, ...] = (),
    *,
    teacher: str = "solver",
    reconstruction_weight: float = 0.5,
    warmup: int = 0,
    fraction: float = 0.1,
    damping: float = 1e-3,
    ahead: float = 0.0,
    points: Float[Array, "points dim"] | None = None,
) -> Callable:
    r"""The loss of Φ-ROM or PINN-ROM for one snapshot, for `per_sample` and `fit`.

    $$
    L = \lambda\,\frac1C\sum_c \frac{\lVert\hat u_c - u_c\rVert}{\lVert u_c\rVert}
      + (1 - \lambda)\,
        \frac{\lVert\Psi(\alpha, \beta) - J_I^\dagger s_I\rVert}
             {\lVert\mathrm{sg}(J_I^\dagger s_I)\rVert}
    $$

    with $\hat u = D(X, \alpha)$ on the solver's grid, $s = f(\hat u; \beta)$ the
    solver's own time derivative and $I$ a fresh random subset of the points (see
    `stratified_subset`). Gradients flow through the solver, J and the least squares.
    Before step `warmup` the dynamics term reaches Ψ only; after it, everything. Both
    terms share one backward pass.

    With `teacher="pointwise"` it is the loss of PINN-ROM: $s = f[D(\cdot,
    \alpha)](x_I)$ is the equation of the decoded function, differentiated in x by
    automatic differentiation: no grid, no upwinding, no boundary. At a shock the two
    differ.

    **Arguments:**

    - `equation`: gives the grid, and `rhs` or `pointwise`.
    - `parameters`: names of the parameters in `Snapshot.cond`.
    - `teacher`: `"solver"` or `"pointwise"`.
    - `reconstruction_weight`: λ in [0, 1].
    - `warmup`: first step at which decoder and latents feel the dynamics.
    - `fraction`: γ, the share of grid points in I (at least as many as latents).
    - `damping`: of the pseudo-inverse; see `latent_velocity`.
    - `ahead`: after the warm-up the solver judges the dynamics not at the latent of the
      snapshot but where they lead from there in a random time up to `ahead`, the
      gradient taken as if the way were a constant. So they are taught where a forecast
      will need them, beyond the snapshots too; costs a second decode.
    - `points`: where the data are, if not on the grid (sensors).

    **Returns:** `loss(model, snapshot, *, step, key) -> (value, metrics)`; the metrics
    are the two terms, `reconstruction` and `dynamics`.

    **Raises:** `ValueError` for an unknown teacher, a weight or fraction outside its
    range and, when called, an equation that has no pointwise form if that is the
    teacher.

    **Reference:** Φ-ROM, arXiv 2505.14595, and its public code (relative norms);
    PINN-ROM: Y. Kim et al., Journal of Computational Physics 451 (2022) 110841.
    """
    require(teacher in _RATES, f"unknown teacher {teacher!r}{nearest(teacher, _RATES)}")
    require(
        0 <= reconstruction_weight <= 1,
        f"reconstruction_weight must lie in [0, 1], got {reconstruction_weight}.",
    )
    require(0 < fraction <= 1, f"fraction must lie in (0, 1], got {fraction}.")
    require(ahead >= 0, f"ahead must not be negative, a time; got {ahead}.")
    rate, num_points = _RATES[teacher], math.prod(grid_of(equation).shape)

    def loss(
        model: ReducedModel, sample: Snapshot, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict[str, Array]]:
        latent = model.latents[sample.trajectory, sample.frame]
        field = decode_on(model.decoder, grid_of(equation), latent)
        seen = field if points is None else model.decoder(points, latent)
        reconstruction = _mean_relative_error(seen, sample.field)

        coupled = jnp.asarray(step) >= warmup
        decoder, latent, field = _gate(coupled, (model.decoder, latent, field))
        cond, time = sample.cond if parameters else None, sample.time
        if ahead > 0:
            span_key, key = jr.split(key)
            span = ahead * jr.uniform(span_key, dtype=latent.dtype)
            span = jnp.where(coupled, span, 0.0)
            latent = carried(model.dynamics, time, latent, span, cond)
            time, field = time + span, decode_on(decoder, grid_of(equation), latent)
        wanted = max(math.ceil(fraction * num_points), latent.shape[0])
        chosen = stratified_subset(num_points, min(wanted, num_points), key=key)
        solver = with_parameters(equation, parameters, sample.cond)
        target = latent_velocity(
            decoder,
            latent,
            rate(solver, time, decoder, latent, field, chosen),
            grid_points(equation, latent)[chosen],
            damping=damping,
        )
        predicted = model.dynamics(time, latent, cond)
        dynamics = norm(predicted - target) / norm(jax.lax.stop_gradient(target))

        share = reconstruction_weight
        value = share * reconstruction + (1 - share) * dynamics
        return value, {"reconstruction": reconstruction, "dynamics": dynamics}

    return loss


def stratified_subset(
    size: int, count: int, *, key: PRNGKeyArray
) -> Int[Array, " count"]:
    """`count` distinct indices below `size`, spread evenly and at random.

    One from each of `count` stretches of (nearly) equal length, on a circle turned at
    random: every index is equally likely, for `count + 1` random numbers and without
    permuting all of them.

    **Raises:** `ValueError` unless 1 ≤ count ≤ size.
    """
    require(
        1 <= count <= size, f"count must lie between 1 and size = {size}, got {count}."
    )
    stretch_key, turn_key = jr.split(key)
    starts = np.arange(count + 1) * size // count
    inside = jr.randint(stretch_key, (count,), 0, jnp.asarray(np.diff(starts)))
    return (inside + starts[:-1] + jr.randint(turn_key, (), 0, size)) % size


def _mean_relative_error(
    prediction: Float[Array, "channels ..."], truth: Float[Array, "channels ..."]
) -> Float[Array, ""]:
    """The mean over channels of ‖û − u‖ / ‖u‖."""
    channels = truth.shape[0]
    difference = (prediction - truth).reshape(channels, -1)
    scale = norm(truth.reshape(channels, -1), axis=1)
    return jnp.mean(norm(difference, axis=1) / scale)


def _gate(is_open: Array, tree: PyTree) -> PyTree:
    """The same values; gradients pass only where the gate is open."""

    def one(leaf):
        if not eqx.is_inexact_array(leaf):
            return leaf
        return jnp.where(is_open, leaf, jax.lax.stop_gradient(leaf))

    return jax.tree.map(one, tree)
