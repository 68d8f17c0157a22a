"""How well a predictor knows the velocity at each noise level, and weights from it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray, PyTree, RealScalar
from phix.score._guide import require_one_sided
from phix.score._path import AbstractPath
from phix.score._predict import AbstractPredictor


def velocity_error(
    predictor: AbstractPredictor,
    data: Float[Array, " samples *shape"],
    ts: Float[Array, " times"],
    *,
    key: PRNGKeyArray,
    cond: PyTree = None,
) -> Float[Array, " times"]:
    r"""$E|v - (\epsilon - x_\text{data})|^2/d$ on the straight path of equal
    $\sigma/\alpha$, a measure of any trained predictor at every noise level.

    With $s = \sigma/(\alpha+\sigma)$ it is $E|x_\text{data}-d|^2/(ds^2)$. For data of
    covariance eigenvalues $c_i$ and the exact predictor it is
    $\tfrac1d\sum_i c_i/((1-s)^2c_i+s^2)$ where they are Gaussian; a value below that of
    the exact predictor is an error of the code.

    **Arguments:**

    - `predictor`: of any kind, on any path.
    - `data`: samples it was not trained on.
    - `ts`: times with σ > 0.
    - `key`: for the noise, the same one at all times.
    - `cond`: handed to the predictor.
    """
    ts = jnp.asarray(ts, data.dtype)
    return _velocity_error(predictor, data, ts, key, cond)


@eqx.filter_jit
def _velocity_error(predictor, data, ts, key, cond):
    path = require_one_sided(predictor)
    keys = jr.split(key, data.shape[0])

    def one(t, x, key):
        noisy = path.mix(t, x, path.noise.sample(x, key=key))
        apart = x - predictor.predict(t, noisy, "data", cond)
        return jnp.mean((apart / _straight_time(path, t)) ** 2)

    def at(t):
        return jnp.mean(jax.vmap(one, (None, 0, 0))(t, data, keys))

    return lax.map(at, ts)


class CalibratedWeight(eqx.Module):
    r"""$w = \lambda(s)/s$ with λ in a table over $s = \sigma/(\alpha+\sigma)$.

    - `shares`: s, increasing.
    - `table`: λ.
    """

    shares: Float[Array, " levels"]
    table: Float[Array, " levels"]

    def __call__(self, path: AbstractPath, t: RealScalar) -> Array:
        share = _straight_time(path, t)
        return jnp.interp(share, self.shares, self.table) / share


def calibrated_weight(
    predictor: AbstractPredictor,
    data: Float[Array, " samples *shape"],
    *,
    key: PRNGKeyArray,
    rate: RealScalar = 0.5,
    levels: int = 100,
    cond: PyTree = None,
) -> CalibratedWeight:
    r"""The weight of FLAIR: the prior pulls where the predictor knows the velocity.

    $\lambda(s) = \text{rate}\cdot e(s)^{-1}/\overline{e^{-1}}$ with e the
    `velocity_error`; $w = \lambda/s$.

    **Arguments:**

    - `predictor`: of any kind, on any path.
    - `data`: samples it was not trained on, standardised.
    - `key`: for the noise.
    - `rate`: the mean of λ, below 1.
    - `levels`: of noise in the table, even in s over the path.
    - `cond`: handed to the predictor.

    **Raises:** `ValueError` for fewer than two levels.

    ??? cite "Reference"
        Erbach et al., *Solving inverse problems with FLAIR*, NeurIPS 2025, the
        calibrated weight, without its shift.
    """
    require(levels >= 2, f"`levels` must be at least 2; got {levels}")
    path = require_one_sided(predictor)
    low, high = (
        _straight_time(path, jnp.asarray(t, data.dtype))
        for t in (path.t_data, path.t_noise)
    )
    # Neither end: σ = 0 at the one, perhaps α = 0 at the other.
    shares = low + (high - low) * (jnp.arange(levels, dtype=data.dtype) + 0.5) / levels
    ts = jax.vmap(path.time_at)(jnp.log1p(-shares) - jnp.log(shares))
    certainty = 1 / velocity_error(predictor, data, ts, key=key, cond=cond)
    return CalibratedWeight(shares, rate * certainty / jnp.mean(certainty))


def _straight_time(path: AbstractPath, t: RealScalar) -> Array:
    """The time on `Linear` of the same σ/α."""
    t = jnp.asarray(t)
    return path.sigma(t) / (path.alpha(t) + path.sigma(t))
