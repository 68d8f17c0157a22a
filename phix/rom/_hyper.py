"""Hyper-reduction: a nonlinear term known from a few entries of it."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._errors import is_concrete, nearest, require
from phix._types import Array, Float, Int, PRNGKeyArray, RealScalar
from phix.pde import AbstractEquation, AbstractReaction, AbstractSemilinear
from phix.rom._data import TrainingData
from phix.rom._galerkin import (
    Projected,
    allowed_error,
    latent_polynomial,
    linear_part,
)
from phix.rom._pod import LinearDecoder, pod_modes
from phix.rom._projection import AbstractProjection
from phix.rom._velocity import with_parameters


def deim(modes: Float[Array, "latent ..."]) -> Int[Array, " latent"]:
    r"""Entries at which a combination of the modes is known best, one for each mode.

    The discrete empirical interpolation method: each entry is where the next mode
    differs most from its interpolant by the ones before. The interpolant $U(P^\top
    U)^{-1}P^\top f$ equals f at the entries, and everywhere if f is in the span U;
    otherwise its error is at most $\lVert (P^\top U)^{-1} \rVert_2$ times the one of
    the best approximation, $\lVert f - UU^\top f \rVert$, for orthonormal modes.

    The entries are the pivots of Gaussian elimination with row pivoting, and found so:
    $nr^2$ operations for n unknowns and r modes. They depend on the order of the modes.

    **Arguments:**

    - `modes`: independent fields, "latent channels *space".

    **Returns:** indices into the flattened field "channels *space", distinct.

    **Raises:** `ValueError` for more modes than unknowns.

    ??? cite "Reference"
        S. Chaturantabut, D. C. Sorensen, SIAM Journal on Scientific Computing 32 (2010)
        2737, algorithm 1 and lemma 3.2.
    """
    matrix = _rows(modes)
    _, _, order = jax.lax.linalg.lu(matrix.T)
    return order[: matrix.shape[0]]


def qdeim(
    modes: Float[Array, "latent ..."], num_nodes: int | None = None
) -> Int[Array, " nodes"]:
    r"""Entries at which a combination of the modes is known best, by pivoted QR.

    As `deim`, but each entry is the one whose row of U is farthest from the span of the
    rows chosen before: it depends on the span of orthonormal modes only, and usually
    makes $\lVert (P^\top U)^{-1} \rVert_2$ smaller (that is no theorem).

    More entries than modes make $\lVert (P^\top U)^\dagger \rVert_2$ smaller still, for
    least squares instead of interpolation: each further one is where a lower bound of
    the smallest singular value grows most.

    **Arguments:**

    - `modes`: orthonormal fields, "latent channels *space".
    - `num_nodes`: how many entries, at least as many as modes; as many by default.

    **Returns:** indices into the flattened field "channels *space", distinct.

    **Raises:** `ValueError` for fewer entries than modes, or more than unknowns.

    ??? cite "Reference"
        Z. Drmač, S. Gugercin, SIAM Journal on Scientific Computing 38 (2016) A631;
        B. Peherstorfer, Z. Drmač, S. Gugercin, ibid. 42 (2020) A2837 (more entries).
    """
    matrix = _rows(modes)
    rank, unknowns = matrix.shape
    count = rank if num_nodes is None else num_nodes
    require(
        rank <= count <= unknowns,
        f"num_nodes must lie between the number of modes, {rank}, and of unknowns, "
        f"{unknowns}; got {count}",
    )

    def pivot(left: Array, _: None) -> tuple:
        chosen = jnp.argmax(jnp.sum(left**2, axis=0))
        direction = left[:, chosen] / jnp.linalg.norm(left[:, chosen])
        left = left - jnp.outer(direction, num.matmul(direction, left))
        # To exactly nothing, so that none is chosen twice.
        return left.at[:, chosen].set(0), chosen

    _, nodes = jax.lax.scan(pivot, matrix, length=rank)
    if count == rank:
        return nodes
    taken = jnp.zeros(unknowns, bool).at[nodes].set(True)

    def further(taken: Array, _: None) -> tuple:
        gram = num.matmul(matrix * taken, matrix.T)
        values, vectors = jnp.linalg.eigh(gram)
        rows = num.matmul(vectors.T, matrix)
        size = jnp.sum(rows**2, axis=0)
        gap = values[1] - values[0] if rank > 1 else size
        # How much the smallest of `values` grows at least.
        root = jnp.sqrt(jnp.maximum((gap + size) ** 2 - 4 * gap * rows[0] ** 2, 0))
        chosen = jnp.argmax(jnp.where(taken, -jnp.inf, gap + size - root))
        return taken.at[chosen].set(True), chosen

    _, more = jax.lax.scan(further, taken, length=count - rank)
    return jnp.concatenate([nodes, more])


class SampledReaction(eqx.Module):
    """A reaction at the grid nodes of some entries, by the latents alone.

    - `modes`, `mean`: the decoder at those nodes, "latent channels nodes" and
      "channels nodes".
    - `channels`: of each entry.
    """

    modes: Float[Array, "latent channels nodes"]
    mean: Float[Array, "channels nodes"]
    channels: Int[Array, " nodes"]

    def __call__(
        self, equation: AbstractReaction, latent: Float[Array, " latent"]
    ) -> Float[Array, " nodes"]:
        """The reaction at the entries."""
        values = self.mean + jnp.tensordot(latent, self.modes, 1, precision="highest")
        rate = equation.reaction(values)
        return rate[self.channels, np.arange(rate.shape[1])]


class DEIMDynamics(eqx.Module):
    r"""$\dot\alpha = A\alpha + c + W N(D(\alpha))|_p$; made by `DEIMGalerkin`.

    - `decoder`, `equation`, `parameters`: as for `GalerkinDynamics`.
    - `linear`: dynamics of the linear part, or `None`.
    - `nodes`: p, the entries of the flattened field at which N is known.
    - `weights`: $W = V^\top U (P^\top U)^{-1}$, "latent nodes".
    - `sampled`: N at the entries by the latents alone; `None` evaluates it on the whole
      grid.
    """

    decoder: LinearDecoder
    equation: AbstractEquation
    linear: Callable | None
    nodes: Int[Array, " nodes"]
    weights: Float[Array, "latent nodes"]
    sampled: SampledReaction | None
    parameters: tuple[str, ...] = eqx.field(static=True, default=())

    def __call__(
        self,
        t: RealScalar,
        latent: Float[Array, " latent"],
        cond: Float[Array, " parameters"] | None = None,
    ) -> Float[Array, " latent"]:
        """The latent velocity, its nonlinear part interpolated."""
        equation = with_parameters(self.equation, self.parameters, cond)
        if self.sampled is None:
            field = self.decoder.field(latent)
            whole = _nonlinear_part(equation, jnp.asarray(t), field)
            values = whole.reshape(-1)[self.nodes]
        else:
            assert isinstance(equation, AbstractReaction)
            values = self.sampled(equation, latent)
        velocity = num.matmul(self.weights, values)
        if self.linear is None:
            return velocity
        return velocity + self.linear(t, latent, cond)


class DEIMGalerkin(AbstractProjection):
    r"""POD-Galerkin whose nonlinear part is interpolated from a few entries of it.

    $$\dot\alpha = V^\top L(\bar u + V\alpha) + V^\top U (P^\top U)^{-1}
    P^\top N(\bar u + V\alpha)$$

    U are POD modes of N along the training data, P picks the entries that `qdeim` or
    `deim` chooses for them. L is precomputed, as by `PODGalerkin`. Of an
    `AbstractSemilinear` equation L and N are its two parts; of any other L = 0 and N is
    the whole right-hand side.

    **What is saved.** An equation with a `reaction` of values at points (Fisher–KPP,
    Allen–Cahn, Gray–Scott, …) is evaluated at the chosen nodes alone: a stage costs
    $r^2 + 2rm$ multiplications and m reactions, whatever the grid. Any other equation
    can be evaluated on the whole grid only, and is: then nothing is saved but the
    projection, and the use is to study the error of interpolation.

    **Arguments:**

    - `equation`: on the grid of the data.
    - `rank`: r, modes of the state.
    - `nonlinear_rank`: m, modes and entries of the nonlinear part.
    - `centre`: take out the mean of the training fields.
    - `select`: `"qdeim"` or `"deim"`.
    - `pod`: the method of `pod_modes`.

    **Raises:** `ValueError` for data on another grid, a rank beyond the data's or an
    unknown selection.

    !!! example "Good values"
        `rom.fit(rom.DEIMGalerkin(equation, rank=8, nonlinear_rank=16), trajectories)`:
        one to two entries a mode.

    ??? cite "Reference"
        S. Chaturantabut, D. C. Sorensen, SIAM Journal on Scientific Computing 32 (2010)
        2737.
    """

    equation: AbstractEquation
    rank: int = eqx.field(static=True)
    nonlinear_rank: int = eqx.field(static=True)
    centre: bool = eqx.field(static=True, default=False)
    select: str = eqx.field(static=True, default="qdeim")
    pod: str = eqx.field(static=True, default="exact")

    def __check_init__(self):
        require(
            self.select in _SELECT,
            f"unknown selection {self.select!r}{nearest(self.select, _SELECT)}",
        )

    def dynamics(
        self,
        decoder: LinearDecoder,
        latents: Float[Array, "trajectories frames latent"],
        data: TrainingData,
        *,
        key: PRNGKeyArray | None,
    ) -> DEIMDynamics:
        """The two parts, the nonlinear one known at chosen entries."""
        seen = _nonlinear_snapshots(self.equation, data)
        modes, _ = pod_modes(seen, self.nonlinear_rank, method=self.pod, key=key)
        nodes = _SELECT[self.select](modes)
        local = isinstance(self.equation, AbstractReaction)
        return DEIMDynamics(
            decoder,
            self.equation,
            self._linear(decoder, latents, data),
            nodes,
            _weights(decoder, self.equation, modes, nodes),
            _sampled(decoder, self.equation, nodes) if local else None,
            data.parameters,
        )

    def _linear(
        self, decoder: LinearDecoder, latents: Array, data: TrainingData
    ) -> Callable | None:
        """The linear part: precomputed, unless it is not affine in the parameters."""
        if not isinstance(self.equation, AbstractSemilinear):
            return None
        part = Projected(decoder, self.equation, data.parameters, linear_part)
        concrete = is_concrete((self.equation, latents, data))
        if data.parameters and not concrete:
            return part
        found, error = latent_polynomial(part, latents, data, degree=1)
        return part if concrete and error > allowed_error(latents) else found


_SELECT: dict[str, Callable] = {"qdeim": qdeim, "deim": deim}


def _nonlinear_part(equation: AbstractEquation, t: Array, u: Array) -> Array:
    """N at the nodes of the grid."""
    if isinstance(equation, AbstractSemilinear):
        return equation.decode(equation.nonlinear(t, equation.encode(u)))
    return equation.rhs(t, u, None)


def _nonlinear_snapshots(equation: AbstractEquation, data: TrainingData) -> Array:
    """N of all training fields; of a reaction, before it is put into kept modes."""

    def one(t: Array, u: Array, cond: Array) -> Array:
        changed = with_parameters(equation, data.parameters, cond)
        if isinstance(changed, AbstractReaction):
            return changed.reaction(_kept(changed, u))
        return _nonlinear_part(changed, t, u)

    def along(sample: tuple[Array, Array, Array]) -> Array:
        ts, us, cond = sample
        frames = (ts, us)
        return jax.lax.map(lambda f: one(f[0], f[1], cond), frames, batch_size=32)

    seen = jax.lax.map(along, (data.ts, data.us, data.cond))
    return seen.reshape(-1, *data.us.shape[2:])


def _kept(equation: AbstractEquation, u: Array) -> Array:
    """What an equation keeps of a field."""
    return equation.decode(equation.encode(u))


def _weights(
    decoder: LinearDecoder, equation: AbstractEquation, modes: Array, nodes: Array
) -> Array:
    r"""$V^\top U (P^\top U)^{-1}$; of a reaction, with U put into kept modes."""
    matrix = _rows(modes)
    if isinstance(equation, AbstractReaction):
        modes = jax.vmap(lambda u: _kept(equation, u))(modes)
    projected = jax.vmap(decoder.project_rate)(modes)
    return jnp.linalg.solve(matrix[:, nodes], projected).T


def _sampled(
    decoder: LinearDecoder, equation: AbstractEquation, nodes: Array
) -> SampledReaction:
    points = int(np.prod(decoder.grid.shape))

    def at_nodes(field: Array) -> Array:
        flat = _kept(equation, field).reshape(field.shape[0], points)
        return flat[:, nodes % points]

    mean = decoder.mean
    mean = jnp.zeros_like(decoder.modes[0]) if mean is None else mean
    modes = jax.vmap(at_nodes)(decoder.modes)
    return SampledReaction(modes, at_nodes(mean), nodes // points)


def _rows(modes: Array) -> Array:
    """Modes as rows, "latent unknowns"."""
    rows = modes.reshape(modes.shape[0], -1)
    require(
        rows.shape[0] <= rows.shape[1],
        f"modes of shape {modes.shape} are more than their unknowns; take fewer",
    )
    return rows
