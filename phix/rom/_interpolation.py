"""POD coefficients interpolated over time and parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import optax

from phix import num
from phix._errors import nearest, require
from phix._types import Array, Float, PRNGKeyArray
from phix.num import minimise
from phix.rom._data import TrainingData
from phix.rom._method import AbstractMethod
from phix.rom._model import AbstractLatentMap, ReducedModel
from phix.rom._pod import pod_of


_KINDS = ("rbf", "gp")
# Lengths of the kernel lie in between, and are searched from three of them.
_RANGE, _STARTS = (0.02, 50.0), (-1.2, 0.0, 1.2)


class InterpolatedLatents(AbstractLatentMap):
    r"""$\alpha_k(z) = \sum_j w_{jk}\,\phi_k(z - z_j) + p_k(z)$, z = (t, parameters).

    The start of a forecast is *not* used: the latents are those of the parameters.

    **Arguments:**

    - `nodes`: $z_j$, "nodes inputs", scaled by `lower` and `width` as z is.
    - `weights`: "nodes latent".
    - `tail`: coefficients of 1 and z, "1+inputs latent".
    - `lengths`: of the Gaussian kernel $\exp(-\tfrac12\sum_i (z_i/\ell_i)^2)$, "inputs
      latent", or `None` for the cubic one, $\lvert z\rvert^3$.
    - `lower`, `width`: of the box of the training inputs.
    """

    nodes: Float[Array, "nodes inputs"]
    weights: Float[Array, "nodes latent"]
    tail: Float[Array, "terms latent"]
    lengths: Float[Array, "inputs latent"] | None
    lower: Float[Array, " inputs"]
    width: Float[Array, " inputs"]

    def __call__(
        self,
        start: Float[Array, " latent"],
        ts: Float[Array, " time"],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, "time latent"]:
        """The latents at times `ts` and parameters `cond`; `start` is of no account."""
        del start
        wanted = self.lower.shape[0] - 1
        given = jnp.zeros(0, ts.dtype) if cond is None else cond
        require(
            given.shape == (wanted,),
            f"cond must hold the values of {wanted} parameter(s), got {given.shape}",
        )
        places = jnp.concatenate([ts[:, None], jnp.tile(given, (ts.size, 1))], axis=1)
        z = (places - self.lower) / self.width

        def latent(weights, tail, lengths):
            return num.matmul(_kernel(z, self.nodes, lengths), weights) + num.matmul(
                _linear(z), tail
            )

        axis = None if self.lengths is None else 1
        return jax.vmap(latent, (1, 1, axis), 1)(self.weights, self.tail, self.lengths)


class PODInterpolation(AbstractMethod):
    r"""POD modes as decoder, latents interpolated over time and parameters.

    - `kind="rbf"`: cubic radial basis functions with a linear tail: through all data,
      exact for linear functions, nothing to choose.
    - `kind="gp"`: the mean of a Gaussian process with a squared exponential kernel of a
      length for each input, found for each latent by maximum likelihood between 0.02
      and 50 of its range; with `noise` it smooths.

    No equation, no dynamics: a forecast is a table looked up between its entries, for
    the initial fields of the training. Beyond its times and parameters it is a guess.

    **Arguments:**

    - `rank`: number of modes.
    - `kind`: see above.
    - `noise`: standard deviation of the data relative to that of each latent (gp).
    - `lengths`: of the kernel, one for each of time and the parameters, in shares of
      their range, instead of those of maximum likelihood (gp).
    - `centre`, `pod`: as for `PODGalerkin`.

    The cost is that of linear systems in all n snapshots, $n^3/3$ for each evaluation
    of the likelihood and latent: give every fourth frame rather than thousands.

    **Raises:** `ValueError` for an unknown kind, a negative noise, lengths of another
    number or where there is no Gaussian kernel, a rank beyond the data's.

    ??? cite "Reference"
        M. D. Buhmann, Acta Numerica 9 (2000) 1; C. E. Rasmussen, C. K. I. Williams,
        Gaussian Processes for Machine Learning, MIT Press 2006, algorithm 2.1.
    """

    rank: int = eqx.field(static=True)
    kind: str = eqx.field(static=True, default="rbf")
    noise: float = eqx.field(static=True, default=1e-4)
    lengths: tuple[float, ...] | None = eqx.field(static=True, default=None)
    centre: bool = eqx.field(static=True, default=False)
    pod: str = eqx.field(static=True, default="exact")

    def __check_init__(self):
        require(
            self.kind in _KINDS,
            f"unknown kind {self.kind!r}{nearest(self.kind, _KINDS)}",
        )
        require(self.noise >= 0, f"noise must be ≥ 0, got {self.noise}")
        require(
            self.lengths is None or self.kind == "gp",
            f"lengths belong to kind='gp', got kind={self.kind!r}",
        )

    def fit(self, data: TrainingData, *, key: PRNGKeyArray | None) -> ReducedModel:
        """The model of the data; `key` is used by `pod="randomised"`."""
        decoder, latents = pod_of(
            data, self.rank, method=self.pod, centre=self.centre, key=key
        )
        count, frames = data.ts.shape
        z = jnp.concatenate(
            [data.ts[..., None], jnp.repeat(data.cond[:, None], frames, axis=1)], axis=2
        ).reshape(count * frames, -1)
        lower, width = jnp.min(z, axis=0), jnp.ptp(z, axis=0)
        width = jnp.where(width > 0, width, 1)
        nodes, values = (z - lower) / width, latents.reshape(-1, self.rank)
        if self.kind == "rbf":
            weights, tail = _radial(nodes, values)
            lengths = None
        else:
            lengths = self._lengths(nodes, values)
            fitted = jax.vmap(self._process, (None, 1, 1), 1)
            weights, tail = fitted(nodes, values, lengths)
        dynamics = InterpolatedLatents(nodes, weights, tail, lengths, lower, width)
        return ReducedModel(decoder, dynamics, latents, data.parameters)

    def _lengths(self, nodes: Array, values: Array) -> Array:
        """Lengths of the kernel, "inputs latent"."""
        size = nodes.shape[1]
        if self.lengths is not None:
            require(
                len(self.lengths) == size,
                f"lengths must be {size} numbers, of time and the parameters; got "
                f"{self.lengths}",
            )
            given = jnp.asarray(self.lengths, nodes.dtype)[:, None]
            return jnp.tile(given, (1, values.shape[1]))

        low, high = jnp.log(jnp.asarray(_RANGE, nodes.dtype))

        def length(x: Array) -> Array:
            return jnp.exp(low + (high - low) * jax.nn.sigmoid(x))

        def from_start(column: Array, start: Array) -> tuple[Array, Array]:
            def cost(x: Array, _: None) -> Array:
                return self._unlikelihood(nodes, column, length(x))

            guess = jnp.full(size, start)
            found = minimise(cost, guess, optimiser=optax.lbfgs(), max_steps=60)
            return found.value, length(found.x)

        def best(column: Array) -> Array:
            starts = jnp.asarray(_STARTS, nodes.dtype)
            costs, lengths = jax.vmap(from_start, (None, 0))(column, starts)
            return lengths[jnp.nanargmin(costs)]

        return jax.vmap(best, 1, 1)(values)

    def _factor(self, nodes: Array, lengths: Array) -> Array:
        """Cholesky factor of the kernel's matrix, at unit variance."""
        floor = 100 * jnp.finfo(nodes.dtype).eps
        noise = jnp.maximum(self.noise**2, floor)
        noise = noise * jnp.eye(nodes.shape[0], dtype=nodes.dtype)
        return jnp.linalg.cholesky(_kernel(nodes, nodes, lengths) + noise)

    def _process(self, nodes: Array, column: Array, lengths: Array) -> tuple:
        """Weights of one latent, and its mean as the tail."""
        mean = jnp.mean(column)
        factor = self._factor(nodes, lengths)
        weights = jsl.cho_solve((factor, True), column - mean)
        return weights, jnp.zeros(1 + nodes.shape[1], mean.dtype).at[0].set(mean)

    def _unlikelihood(self, nodes: Array, column: Array, lengths: Array) -> Array:
        """−2 log p over the number of nodes, the variance at its own best value."""
        factor, count = self._factor(nodes, lengths), nodes.shape[0]
        white = jsl.solve_triangular(factor, column - jnp.mean(column), lower=True)
        spread = jnp.sum(jnp.log(jnp.diagonal(factor)))
        return jnp.log(jnp.mean(white**2)) + 2 * spread / count


def _radial(nodes: Array, values: Array) -> tuple[Array, Array]:
    """Weights and tail of cubic radial basis functions through the values."""
    tail, count = _linear(nodes), nodes.shape[0]
    # An input that never varies has no slope to find.
    used = (jnp.ptp(nodes, axis=0) > 0).astype(nodes.dtype)
    idle = jnp.concatenate([jnp.ones_like(used[:1]), used])
    tail = tail * idle
    corner = jnp.diag(1 - idle)
    matrix = jnp.block([[_kernel(nodes, nodes, None), tail], [tail.T, corner]])
    right = jnp.concatenate([values, jnp.zeros((tail.shape[1], values.shape[1]))])
    found = jnp.linalg.solve(matrix, right.astype(values.dtype))
    return found[:count], found[count:]


def _linear(z: Array) -> Array:
    return jnp.concatenate([jnp.ones_like(z[:, :1]), z], axis=1)


def _kernel(z: Array, nodes: Array, lengths: Array | None) -> Array:
    """Of all pairs, "places nodes"."""
    away = z[:, None] - nodes
    if lengths is None:
        square = jnp.sum(away**2, axis=-1)
        # Its root has no derivative at a node.
        return jnp.where(square > 0, jnp.where(square > 0, square, 1) ** 1.5, 0)
    return jnp.exp(-jnp.sum((away / lengths) ** 2, axis=-1) / 2)
