"""POD-Galerkin, with operators computed beforehand where the equation allows it."""

import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, nearest, require
from phix._types import Array, Float, PRNGKeyArray, RealScalar
from phix.pde import AbstractEquation, AbstractSemilinear
from phix.rom._data import TrainingData
from phix.rom._pod import LinearDecoder
from phix.rom._projection import AbstractProjection
from phix.rom._quadratic import AffineDynamics, QuadraticDynamics
from phix.rom._velocity import GalerkinDynamics, with_parameters


_OPERATORS = ("auto", "precomputed", "rhs")
# How many latents the operators are tried on, and evaluations made at once.
_TRIALS, _BATCH = 4, 32


class PODGalerkin(AbstractProjection):
    r"""POD modes as decoder, the projected equation as dynamics.

    $$u = \bar u + V\alpha,\qquad \dot\alpha = V^\top f(\bar u + V\alpha)$$

    Where f is a polynomial of degree two in u (Burgers' and Navier–Stokes' transport,
    Fisher–KPP, anything linear), so are the dynamics, and their operators
    $c + A\alpha + H(\alpha\otimes\alpha)$ are found once: exactly, by polarisation of
    the right-hand side at $1 + 2r + r(r-1)/2$ combinations of modes. A forecast then
    costs $r^3/2$ multiplications a stage, whatever the grid. Of equations affine in
    their parameters the operators are affine in them too, and 1 + p times as many.

    Whether that is so is not asked of the equation but tried: the operators must give
    the right-hand side to $10\,\varepsilon^{2/3}$ of its size, ε the machine epsilon,
    at random latents as large as the training data's, and at random times and
    parameters among the data's. If they do not (cubic reactions, upwind stencils whose
    wind turns, a forcing in time, a parameter in an exponent) the dynamics are
    `GalerkinDynamics`, which evaluates the equation on the whole grid.

    **Arguments:**

    - `equation`: whose right-hand side is projected; on the grid of the data.
    - `rank`: number of modes, r.
    - `centre`: take out the mean of the training fields, $\bar u$; 0 by default.
    - `operators`: `"auto"` as above; `"precomputed"` to refuse another equation;
      `"rhs"` for `GalerkinDynamics` always. Under `jit` nothing can be tried: there
      `"auto"` is `"rhs"`, and `"precomputed"` takes your word for it.
    - `pod`: the method of `pod_modes`.

    `fit` conditions the dynamics on the `parameters` it is given, and makes a
    `ReducedModel` with a `LinearDecoder`; `invert` with it projects on the modes.

    **Raises:** `ValueError` for data on another grid, a rank beyond the data's, and
    `"precomputed"` of an equation that is no such polynomial.

    !!! example "Good values"
        `rom.fit(rom.PODGalerkin(equation, rank=8), trajectories)`; a rank that leaves
        less than 1e-4 of the energy, the sum of squared singular values, behind.

    ??? cite "Reference"
        P. Holmes, J. L. Lumley, G. Berkooz, C. W. Rowley, Turbulence, Coherent
        Structures, Dynamical Systems and Symmetry, Cambridge 2012, chapters 3, 4.
    """

    takes_inputs: ClassVar[bool] = True
    equation: AbstractEquation
    rank: int = eqx.field(static=True)
    centre: bool = eqx.field(static=True, default=False)
    operators: str = eqx.field(static=True, default="auto")
    pod: str = eqx.field(static=True, default="exact")

    def __check_init__(self):
        require(
            self.operators in _OPERATORS,
            f"unknown operators {self.operators!r}"
            f"{nearest(self.operators, _OPERATORS)}",
        )

    def dynamics(
        self,
        decoder: LinearDecoder,
        latents: Float[Array, "trajectories frames latent"],
        data: TrainingData,
        *,
        key: PRNGKeyArray | None,
    ) -> Callable:
        """Precomputed operators where they give the right-hand side."""
        del key
        whole = GalerkinDynamics(decoder, self.equation, data.parameters)
        seen = is_concrete((self.equation, latents, data))
        if self.operators == "rhs" or (self.operators == "auto" and not seen):
            return whole
        velocity = Projected(decoder, self.equation, data.parameters)
        found, error = latent_polynomial(velocity, latents, data)
        if not seen or error <= allowed_error(latents):
            return found
        require(
            self.operators == "auto",
            f"{type(self.equation).__name__} is no polynomial of degree 2 affine in "
            f"{data.parameters}: precomputed operators miss it by {float(error):.1e} "
            "of its size; use operators='auto'",
        )
        return whole


class Projected(eqx.Module):
    r"""$V^\top g(\bar u + V\alpha)$, g a part of the equation, on the whole grid.

    **Arguments:**

    - `decoder`, `equation`, `parameters`: as for `GalerkinDynamics`.
    - `part`: `part(equation, t, u)`; the right-hand side by default.
    """

    decoder: LinearDecoder
    equation: AbstractEquation
    parameters: tuple[str, ...] = eqx.field(static=True)
    part: Callable = eqx.field(
        static=True, default=lambda equation, t, u: equation.rhs(t, u, None)
    )

    def __call__(
        self,
        t: RealScalar,
        latent: Float[Array, " latent"],
        cond: Float[Array, " parameters"] | None = None,
    ) -> Float[Array, " latent"]:
        """The projected part at `latent`."""
        equation = with_parameters(self.equation, self.parameters, cond)
        field = self.decoder.field(latent)
        return self.decoder.project_rate(self.part(equation, jnp.asarray(t), field))


def linear_part(
    equation: AbstractSemilinear, t: RealScalar, u: Float[Array, "channels ..."]
) -> Float[Array, "channels ..."]:
    """The linear part of a semilinear equation, at the nodes."""
    return equation.decode(equation.linear(t, equation.encode(u)))


def allowed_error(latents: Float[Array, "..."]) -> float:
    """The relative error that is taken for round-off."""
    return 10 * float(jnp.finfo(latents.dtype).eps) ** (2 / 3)


@eqx.filter_jit
def latent_polynomial(
    velocity: Callable,
    latents: Float[Array, "trajectories frames latent"],
    data: TrainingData,
    degree: int = 2,
) -> tuple[QuadraticDynamics | AffineDynamics, Float[Array, ""]]:
    """The polynomial that a latent velocity is, if it is one, and by how much it fails.

    **Arguments:**

    - `velocity`: `velocity(t, latent, cond)`.
    - `latents`: their root mean square is the size at which it is evaluated.
    - `data`: for the range of times and parameters.
    - `degree`: 1 or 2.

    **Returns:** the dynamics, `AffineDynamics` if the data have parameters; and the
    largest error at random latents, relative to the largest velocity there.
    """
    rank = latents.shape[-1]
    size = jnp.sqrt(jnp.max(jnp.mean(latents**2, axis=(0, 1))))
    size = jnp.where(size > 0, size, 1)
    places = jnp.asarray(_places(rank, degree), latents.dtype)
    conds = _nodes(_flat(data.cond))

    def values_at(cond: Array) -> Array:
        t = data.ts[0, 0]
        return _evaluate(lambda a: velocity(t, size * a, cond), places)

    def operators_at(cond: Array) -> tuple:
        return _polarised(values_at(cond), rank, degree, size)

    by_node = jax.lax.map(operators_at, conds)
    terms = jax.tree.map(lambda a: _affine_terms(a, conds), by_node)
    if data.parameters:
        found = AffineDynamics(*terms)
    else:
        found = QuadraticDynamics(*jax.tree.map(lambda a: a[0], terms))
    trials = _trials(size, rank, data)
    given = _evaluate(lambda trial: velocity(*trial), trials)
    error = jax.vmap(lambda trial: found(*trial))(trials) - given
    largest = jnp.max(jnp.abs(given))
    return found, jnp.max(jnp.abs(error)) / jnp.where(largest > 0, largest, 1)


def _places(rank: int, degree: int) -> np.ndarray:
    """Where a polynomial is evaluated: 0, ±e_i, and e_i + e_j, i < j."""
    eye = np.eye(rank)
    places = [np.zeros((1, rank)), eye, -eye]
    if degree == 2:
        i, j = np.triu_indices(rank, 1)
        places.append(eye[i] + eye[j])
    return np.concatenate(places)


def _polarised(values: Array, rank: int, degree: int, size: Array) -> tuple:
    """The operators of the polynomial with these values at `size` times the places."""
    zero, plus, minus = values[0], values[1 : rank + 1], values[rank + 1 : 2 * rank + 1]
    linear = (plus - minus).T / (2 * size)
    if degree == 1:
        return zero, linear, None
    i, j = np.triu_indices(rank, 1)
    mixed = values[2 * rank + 1 :] - plus[i] - plus[j] + zero
    quadratic = jnp.zeros((values.shape[1], rank, rank), values.dtype)
    quadratic = quadratic.at[:, i, j].set(mixed.T)
    k = np.arange(rank)
    quadratic = quadratic.at[:, k, k].set((plus + minus - 2 * zero).T / 2)
    i, j = np.triu_indices(rank)
    return zero, linear, quadratic[:, i, j] / size**2


def _flat(cond: Array) -> Float[Array, "rows parameters"]:
    """All values that the parameters take, over trajectories and, if so, time."""
    # Not -1: there may be no parameters.
    return cond.reshape(math.prod(cond.shape[:-1]), cond.shape[-1])


def _nodes(cond: Array) -> Float[Array, "terms parameters"]:
    """The mean of the parameters, and for each one a step to its largest value."""
    if cond.shape[1] == 0:
        return cond[:1]
    mean = jnp.mean(cond, axis=0)
    # Parameters that never vary are varied by a tenth.
    spread = jnp.max(cond, axis=0) - mean
    tenth = 0.1 * jnp.where(mean == 0, 1, mean)
    step = jnp.where(spread > 1e-3 * jnp.abs(mean), spread, tenth)
    return jnp.concatenate([mean[None], mean + jnp.diag(step)])


def _affine_terms(values: Array, nodes: Array) -> Array:
    """The terms of 1, β₁, … of what takes these values at the nodes."""
    if nodes.shape[1] == 0:
        return values
    steps = jnp.diagonal(nodes[1:] - nodes[0]).reshape(-1, *(1,) * (values.ndim - 1))
    slopes = (values[1:] - values[0]) / steps
    first = values[0] - jnp.tensordot(nodes[0], slopes, 1, precision="highest")
    return jnp.concatenate([first[None], slopes])


def _trials(size: Array, rank: int, data: TrainingData) -> tuple[Array, Array, Array]:
    """Random times, latents and parameters, as large as the data's."""
    rng = np.random.default_rng(0)

    def between(values: Array) -> Array:
        low, high = jnp.min(values, axis=0), jnp.max(values, axis=0)
        part = rng.random((_TRIALS, *low.shape))
        return low + jnp.asarray(part, values.dtype) * (high - low)

    drawn = jnp.asarray(rng.normal(size=(_TRIALS, rank)), data.us.dtype)
    return between(data.ts.reshape(-1)), size * drawn, between(_flat(data.cond))


def _evaluate(fn: Callable, arguments: Array | tuple) -> Array:
    """`fn` of every row, a batch at a time: no more memory than that."""
    return jax.lax.map(fn, arguments, batch_size=_BATCH)
