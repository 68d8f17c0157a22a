"""Values of a costly decoder at fixed places, fitted once and then nearly free."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.num import matmul, sine
from phix.rom._model import ReducedModel
from phix.rom._pod import pod_modes
from phix.space import Grid


# Latents drawn where none are given, and how far from those of the table.
_DRAWN, _AWAY = 4096, 0.3
# The part of the samples that chooses scale and ridge, and judges.
_HELD_OUT = 0.2
# Frequencies of the sines per deviation of the latents; ridges per mean square.
_SCALES = (0.05, 0.1, 0.2, 0.4, 0.8)
_RIDGES = (1e-10, 1e-8, 1e-6, 1e-4)


class RandomSines(eqx.Module):
    r"""Features $[1, z, \sin(\Omega z + b)]$ of $z = L^{-1}(\alpha - \bar\alpha)$.

    - `centre`, `whiten`: $\bar\alpha$ "latent" and $L^{-1}$ "latent latent".
    - `frequencies`, `phases`: Ω "sines latent" and b "sines".
    """

    centre: Float[Array, " latent"]
    whiten: Float[Array, "latent latent"]
    frequencies: Float[Array, "sines latent"]
    phases: Float[Array, " sines"]

    def __call__(self, latent: Float[Array, " latent"]) -> Float[Array, " features"]:
        """The features of one latent."""
        z = matmul(self.whiten, latent - self.centre)
        turns = matmul(self.frequencies, z) + self.phases
        return jnp.concatenate([jnp.ones(1, z.dtype), z, sine(turns)])


class Readout(eqx.Module):
    r"""Fields at fixed places as a function of the latent alone; see `readout`.

    $$u(\alpha) = m + \sum_k (W \varphi(\alpha))_k V_k$$

    - `features`: φ.
    - `weights`: W, "rank features".
    - `offset`, `modes`: m "channels *places" and V "rank channels *places".
    - `error`: of these fields beside those of the decoder, relative, on samples that
      were held out.
    """

    features: RandomSines
    weights: Float[Array, "rank features"]
    offset: Float[Array, "channels ..."]
    modes: Float[Array, "rank channels ..."]
    error: Float[Array, ""]

    def __call__(self, latent: Float[Array, " latent"]) -> Float[Array, "channels ..."]:
        """The field of a latent at the places."""
        rank = matmul(self.weights, self.features(latent))
        return self.offset + jnp.tensordot(rank, self.modes, 1, precision="highest")


def readout(
    model: ReducedModel,
    where: Grid | Float[Array, "points dim"],
    rank: int,
    *,
    sines: int = 512,
    latents: Float[Array, "samples latent"] | None = None,
    key: PRNGKeyArray,
) -> Readout:
    r"""A cheap stand-in for the decoder of a model, at sensors or on a grid.

    POD modes of decoded fields, whose coefficients are linear in the latent and in
    random sines of it, by ridge regression on decoded samples: no truth is needed. A
    frame costs `sines` sines and two products, whatever the decoder. The scale of the
    sines and the ridge are those that suit held-out samples best.

    **Arguments:**

    - `model`: whose decoder costs more than that.
    - `where`: a grid, or points.
    - `rank`: of the modes.
    - `sines`: how many.
    - `latents`: where the readout must be right; by default 4,096 drawn around the
      training latents, 0.3 of their deviation away. Give those of forecasts from
      training starts where forecasts leave the times of the training.
    - `key`: for sines, samples and split.

    **Returns:** a `Readout`, for `forecast` and `decode_frames` in place of points.
    Look at its `error`.

    **Raises:** `ValueError` for no sines, fewer than ten samples, and a rank below 1 or
    beyond the number of samples or of values of a field.

    !!! example "Good values"
        `rank` where the POD spectrum of the fields has fallen to the error of the
        model; 256 to 1024 sines.

    ??? cite "Reference"
        A. Rahimi, B. Recht, Advances in Neural Information Processing Systems 20
        (2007) (random features).
    """
    require(sines >= 1, f"sines must be at least 1, got {sines}")
    for_draw, for_order, for_modes, for_sines = jr.split(key, 4)
    table = model.latents.reshape(-1, model.latents.shape[-1])
    latents = _around(table, for_draw) if latents is None else latents
    count = latents.shape[0]
    require(count >= 10, f"latents must be at least ten, got {count}")
    latents = jr.permutation(for_order, latents)
    shape = where.shape if isinstance(where, Grid) else where.shape[:1]
    points = (where.points if isinstance(where, Grid) else where).astype(latents.dtype)
    decode = jax.jit(lambda a: jax.lax.map(lambda one: model.decoder(points, one), a))
    fields = decode(latents)
    fields = fields.reshape(*fields.shape[:2], *shape)
    seen = round((1 - _HELD_OUT) * count)
    offset = jnp.mean(fields[:seen], axis=0)
    modes, _ = pod_modes(
        fields[:seen] - offset, rank, method="randomised", key=for_modes
    )
    apart = (fields - offset).reshape(count, -1)
    wanted = np.asarray(apart @ modes.reshape(rank, -1).T, np.float64)
    candidates = (
        (features, *_ridge(_numbers(features, latents), wanted, seen))
        for features in _candidates(latents[:seen], sines, for_sines)
    )
    features, weights, _ = min(candidates, key=lambda found: found[2])
    made = Readout(
        features, jnp.asarray(weights, latents.dtype), offset, modes, jnp.zeros(())
    )
    missed = jax.jit(jax.vmap(made))(latents[seen:]) - fields[seen:]
    error = jnp.linalg.norm(missed) / jnp.linalg.norm(fields[seen:])
    return eqx.tree_at(lambda made: made.error, made, error)


def _around(table: Array, key: PRNGKeyArray) -> Array:
    """Latents near those of the table."""
    choice, noise = jr.split(key)
    near = table[jr.choice(choice, table.shape[0], (_DRAWN,))]
    away = _AWAY * jnp.std(table, axis=0)
    return near + away * jr.normal(noise, near.shape, near.dtype)


def _candidates(latents: Array, sines: int, key: PRNGKeyArray):
    """Features of every scale."""
    size, dtype = latents.shape[1], latents.dtype
    direction, phase = jr.split(key)
    frequencies = jr.normal(direction, (sines, size), dtype)
    phases = jr.uniform(phase, (sines,), dtype, 0, 2 * jnp.pi)
    spread, turn = jnp.linalg.eigh(jnp.cov(latents.T).reshape(size, size))
    # Directions that the latents do not take are not blown up.
    floor = 1e-6 * spread[-1] + jnp.finfo(dtype).tiny
    whiten = turn.T / jnp.sqrt(jnp.maximum(spread, floor))[:, None]
    centre = jnp.mean(latents, axis=0)
    for scale in _SCALES:
        yield RandomSines(centre, whiten, scale * frequencies, phases)


def _numbers(features: RandomSines, latents: Array) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(features))(latents), np.float64)


def _ridge(
    inputs: np.ndarray, wanted: np.ndarray, seen: int
) -> tuple[np.ndarray, float]:
    """Weights "rank features" of the ridge that suits the unseen rows best, and the
    sum of squares it leaves there."""
    gram = inputs[:seen].T @ inputs[:seen]
    values, vectors = np.linalg.eigh(gram)
    turned = vectors.T @ (inputs[:seen].T @ wanted[:seen])
    mean_square = np.trace(gram) / len(gram)
    tried = []
    for ridge in _RIDGES:
        inverse = 1 / (np.maximum(values, 0) + ridge * mean_square)
        weights = vectors @ (inverse[:, None] * turned)
        left = float(np.sum((inputs[seen:] @ weights - wanted[seen:]) ** 2))
        tried.append((weights.T, left))
    return min(tried, key=lambda pair: pair[1])
