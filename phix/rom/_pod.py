"""Proper orthogonal decomposition: the modes of snapshots, and the linear decoder."""

import math
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import jax.random as jr

from phix import num
from phix._errors import nearest, require
from phix._types import Array, Float, PRNGKeyArray
from phix.rom._data import TrainingData
from phix.rom._model import AbstractFieldDecoder
from phix.space import Grid


_METHODS = ("exact", "randomised", "incremental")


class LinearDecoder(AbstractFieldDecoder):
    r"""$u(x) = \bar u(x) + \sum_k \alpha_k V_k(x)$, linear between the nodes of a grid.

    **Arguments:**

    - `grid`: where the modes are sampled.
    - `modes`: one field for each latent, "latent channels *space"; orthonormal in the
      Euclidean inner product, where `project` or a Galerkin model is to be right.
    - `mean`: $\bar u$, "channels *space", or `None` for zero.

    **Raises:** `ValueError` for modes or a mean that do not live on the grid.
    """

    grid: Grid
    modes: Float[Array, "latent channels ..."]
    mean: Float[Array, "channels ..."] | None = None

    def __check_init__(self):
        shape = self.modes.shape
        require(
            shape[2:] == self.grid.shape,
            f"modes of shape {shape} do not live on a grid of {self.grid.shape}: wanted"
            " (latent, channels, *space)",
        )
        require(
            self.mean is None or self.mean.shape == shape[1:],
            f"mean must have the shape of a mode, {shape[1:]}, got "
            f"{None if self.mean is None else self.mean.shape}",
        )

    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " latent"]
    ) -> Float[Array, "channels points"]:
        """The field of `latent` at `points`."""
        return self.grid.evaluate(self.field(latent), points)

    def field(self, latent: Float[Array, " latent"]) -> Float[Array, "channels ..."]:
        """The field of `latent` at the nodes."""
        field = jnp.tensordot(latent, self.modes, axes=1, precision="highest")
        return field if self.mean is None else field + self.mean

    def project(self, field: Float[Array, "channels ..."]) -> Float[Array, " latent"]:
        """The latent of the nearest field, for orthonormal modes: what `invert` finds,
        at the cost of one product."""
        return self.project_rate(field if self.mean is None else field - self.mean)

    def project_rate(
        self, rate: Float[Array, "channels ..."]
    ) -> Float[Array, " latent"]:
        r"""$V^\top\dot u$: the latent velocity that follows a rate of change best."""
        modes = self.modes.reshape(self.modes.shape[0], -1)
        return num.matmul(modes, rate.reshape(-1))


def pod_of(
    data: TrainingData,
    rank: int,
    *,
    method: str,
    centre: bool = False,
    key: PRNGKeyArray | None,
) -> tuple[LinearDecoder, Float[Array, "trajectories frames latent"]]:
    """The modes of training data as a decoder, and the latents of all frames; see
    `pod_modes`."""
    fields = data.us.reshape(-1, *data.us.shape[2:])
    modes, _ = pod_modes(fields, rank, method=method, centre=centre, key=key)
    mean = jnp.mean(fields, axis=0) if centre else None
    decoder = LinearDecoder(data.grid, modes, mean)
    return decoder, jax.vmap(jax.vmap(decoder.project))(data.us)


def pod_modes(
    fields: Float[Array, "snapshots ..."] | Iterable,
    rank: int,
    *,
    method: str = "exact",
    centre: bool = False,
    key: PRNGKeyArray | None = None,
    oversampling: int = 10,
    power_iterations: int = 2,
    block: int = 64,
) -> tuple[Float[Array, "latent ..."], Float[Array, " values"]]:
    r"""The `rank` orthonormal fields that capture most of the snapshots' energy.

    The left singular vectors of the snapshot matrix, $\min_V \lVert U - VV^\top U
    \rVert_F$, in the Euclidean inner product of the flattened fields. Of m snapshots of
    n unknowns:

    - `"exact"`: the singular value decomposition, of order $mn\min(m, n)$.
    - `"randomised"`: the snapshots are first compressed to `rank + oversampling` random
      combinations, sharpened by power iterations: $mn$ times that number. On average
      the error in the spectral norm is at most
      $\sigma_{k+1}(1 + c^{1/(2q+1)})$, $c = 1 + \sqrt{k/(p-1)} + e\sqrt{k+p}\,
      \sqrt{\min(m,n)-k}/p$, for k modes, oversampling p and q power iterations.
    - `"incremental"`: a decomposition of the modes found so far and of the next
      `block` of snapshots, block after block: memory for `rank + block` fields. Exact
      if `rank` is not below the rank of the snapshots; beyond, each block loses what
      the modes do not hold.

    **Arguments:**

    - `fields`: snapshots "snapshots channels *space"; for `"incremental"` also any
      iterable of such arrays, of which one at a time is held.
    - `rank`: how many modes.
    - `method`, `oversampling`, `power_iterations`, `block`: see above.
    - `centre`: take the mean of the snapshots out first; it is not returned.
    - `key`: of the random combinations.

    **Returns:** the modes "latent channels *space", and the singular values: all of
    them (exact), the first `rank + oversampling` (randomised), or `rank`.

    `"exact"` and `"randomised"` are differentiable where the singular values differ;
    `"incremental"` is not.

    **Raises:** `ValueError` for a rank beyond the rank the snapshots can have, an
    unknown method, `"randomised"` without a key, and for an iterable with another
    method or with `centre`.

    !!! example "Good values"
        Two power iterations where the singular values decay slowly, none where they
        fall a hundredfold over ten modes.

    ??? cite "Reference"
        N. Halko, P. G. Martinsson, J. A. Tropp, SIAM Review 53 (2011) 217,
        theorem 9.3 and corollary 10.10; M. Brand, ECCV 2002 (incremental).
    """
    require(method in _METHODS, f"unknown method {method!r}{nearest(method, _METHODS)}")
    if not isinstance(fields, Array):
        require(
            method == "incremental" and not centre,
            "an iterable of blocks is taken by method='incremental' without centre; "
            "give one array, or take the mean out yourself",
        )
        return _of_blocks(fields, rank)
    matrix = fields.reshape(fields.shape[0], -1)
    require(
        1 <= rank <= min(matrix.shape),
        f"rank must lie between 1 and {min(matrix.shape)}, the smaller of the numbers "
        f"of snapshots and of unknowns; got {rank}.",
    )
    if centre:
        matrix = matrix - jnp.mean(matrix, axis=0)
    if method == "exact":
        _, values, modes = jnp.linalg.svd(matrix, full_matrices=False)
    elif method == "randomised":
        if key is None:
            raise ValueError("method='randomised' draws random numbers: give a key")
        size = min(rank + oversampling, *matrix.shape)
        values, modes = _randomised(matrix, size, power_iterations, key)
    else:
        values, modes = _incremental(matrix, rank, block)
    return modes[:rank].reshape(rank, *fields.shape[1:]), values


def _randomised(
    matrix: Array, size: int, power_iterations: int, key: PRNGKeyArray
) -> tuple[Array, Array]:
    """Values and modes within the span of `size` random combinations."""

    def basis(combinations: Array) -> Array:
        return jnp.linalg.qr(combinations)[0]

    # In float32, so that both precisions draw the same.
    mix = jr.normal(key, (matrix.shape[0], size), jnp.float32)
    span = basis(num.matmul(matrix.T, mix.astype(matrix.dtype)))
    for _ in range(power_iterations):
        # Orthonormal in between, lest round-off bury the small singular values.
        span = basis(num.matmul(matrix.T, basis(num.matmul(matrix, span))))
    _, values, turn = jnp.linalg.svd(num.matmul(matrix, span), full_matrices=False)
    return values, num.matmul(turn, span.T)


def _incremental(matrix: Array, rank: int, block: int) -> tuple[Array, Array]:
    """Values and modes of the rows, taken `block` at a time."""
    count, unknowns = matrix.shape
    # Rows of zeros change no singular vector.
    padded = jnp.pad(matrix, ((0, -count % block), (0, 0)))

    def step(state: tuple[Array, Array], rows: Array) -> tuple:
        return _update(*state, rows), None

    start = jnp.zeros(rank, matrix.dtype), jnp.zeros((rank, unknowns), matrix.dtype)
    return jax.lax.scan(step, start, padded.reshape(-1, block, unknowns))[0]


def _update(values: Array, modes: Array, rows: Array) -> tuple[Array, Array]:
    """Values and modes of the rows seen so far and of new ones."""
    stack = jnp.concatenate([values[:, None] * modes, rows])
    _, new, turned = jnp.linalg.svd(stack, full_matrices=False)
    return new[: values.shape[0]], turned[: values.shape[0]]


def _of_blocks(blocks: Iterable, rank: int) -> tuple[Array, Array]:
    """Modes and values of snapshots that come one block at a time."""
    update, state, shape, count = jax.jit(_update), None, (), 0
    for fields in map(jnp.asarray, blocks):
        rows = fields.reshape(fields.shape[0], math.prod(fields.shape[1:]))
        if state is None:
            shape, unknowns = fields.shape[1:], rows.shape[1]
            require(
                1 <= rank <= unknowns,
                f"rank must lie between 1 and the {unknowns} unknowns, got {rank}",
            )
            state = jnp.zeros(rank, rows.dtype), jnp.zeros((rank, unknowns), rows.dtype)
        require(
            fields.shape[1:] == shape,
            f"blocks must hold fields of one shape, got {fields.shape[1:]} after "
            f"{shape}",
        )
        state, count = update(*state, rows), count + rows.shape[0]
    if state is None or count < rank:
        raise ValueError(f"rank {rank} asked of {count} snapshots; give more of them")
    values, modes = state
    return modes.reshape(rank, *shape), values
