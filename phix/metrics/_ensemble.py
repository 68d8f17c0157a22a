"""How good a probabilistic forecast is: CRPS and the coverage of its intervals."""

import math

import jax.numpy as jnp
from jax.scipy import stats

from phix._errors import require
from phix._types import Array, Float


def crps(
    samples: Float[Array, " members *shape"], truth: Float[Array, "*other"]
) -> Float[Array, "*shape"]:
    r"""$E|X - y| - \tfrac12E|X - X'|$, the continuous ranked probability score.

    Of the law that gives each member the same weight: a mean absolute error that
    rewards spread where there is reason for it. The smaller the better; for one member
    it is the absolute error. In the units of the truth.

    **Arguments:**

    - `samples`: members of the ensemble.
    - `truth`: y, what came to pass.

    **Raises:** `ValueError` for no member, or shapes that do not agree.

    ??? cite "Reference"
        Gneiting, Raftery, *Strictly proper scoring rules, prediction, and estimation*,
        JASA 2007, eq. 21.
    """
    _check(samples, truth)
    members = samples.shape[0]
    # Σ|x_i − x_j| over all pairs, from the ranks.
    ordered = jnp.sort(samples, axis=0)
    ranks = 2 * jnp.arange(members, dtype=samples.dtype) - (members - 1)
    spread = jnp.tensordot(ranks, ordered, 1, precision="highest") / members**2
    return jnp.mean(jnp.abs(samples - truth), axis=0) - spread


def gaussian_crps(
    mean: Float[Array, "*shape"],
    std: Float[Array, "*other"],
    truth: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    r"""The CRPS of $N(m, s^2)$: $s\,[z(2\Phi(z)-1) + 2\varphi(z) - \pi^{-1/2}]$ with
    $z = (y-m)/s$.

    **Arguments:**

    - `mean`, `std`: m and s > 0, in the units of the truth.
    - `truth`: y.

    ??? cite "Reference"
        Gneiting, Raftery, Westveld, Goldman, *Calibrated probabilistic forecasting*,
        Monthly Weather Review 2005, eq. 5.
    """
    z = (truth - mean) / std
    inner = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z)
    return std * (inner - 1 / math.sqrt(math.pi))


def interval_coverage(
    samples: Float[Array, " members *shape"],
    truth: Float[Array, "*other"],
    *,
    level: float = 0.9,
) -> Float[Array, ""]:
    r"""The share of the truth inside the central intervals of an ensemble.

    The ends are the members of rank $(m+1)(1 \mp \text{level})/2$, interpolated: where
    truth and members are of one law the share is `level` in the mean, for any m.

    **Arguments:**

    - `samples`: members of the ensemble, at least 2/(1 − level) − 1 of them.
    - `truth`: what came to pass.
    - `level`: in (0, 1).

    **Raises:** `ValueError` for another level, too few members, or shapes that do not
    agree.
    """
    _check(samples, truth)
    require(0 < level < 1, f"`level` must be in (0, 1); got {level}")
    members = samples.shape[0]
    least = math.ceil(2 / (1 - level) - 1 - 1e-9)
    require(
        members >= least,
        f"`samples`: intervals of level {level} need {least} members; got {members}",
    )
    # Ranks from 1 to m as the share of the way from the least to the greatest member.
    ranks = (members + 1) * jnp.asarray([1 - level, 1 + level], samples.dtype) / 2
    shares = jnp.clip((ranks - 1) / (members - 1), 0, 1)
    low, high = jnp.quantile(samples, shares, axis=0)
    inside = (low <= truth) & (truth <= high)
    return jnp.mean(inside, dtype=samples.dtype)


def _check(samples: Array, truth: Array) -> None:
    require(
        samples.ndim >= 1 and samples.shape[0] > 0 and samples.shape[1:] == truth.shape,
        "`samples` must be (members, *shape) and `truth` of that shape; got "
        f"{samples.shape} and {truth.shape}",
    )
