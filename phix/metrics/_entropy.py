"""How spread out a distribution on a line is: Shannon, Rényi and Tsallis entropies."""

import math

import jax.numpy as jnp
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Real, RealScalar


def shannon_entropy(
    weights: Real[Array, "*frames n"], spacing: RealScalar | None = None
) -> Real[Array, "*frames"]:
    r"""Shannon's entropy of weights along the last axis, in nats.

    $$S = -\sum_i p_i\ln p_i,\quad p_i = w_i\big/\textstyle\sum_j w_j
    \qquad\text{or}\qquad S = -h\sum_i\rho_i\ln\rho_i,\quad
    \rho_i = w_i\big/h\textstyle\sum_j w_j$$

    The first, discrete, lies between 0 and ln n, and grows with the number of nodes;
    the second is the differential entropy $-\int\rho\ln\rho\,dx$ by the rule of
    `Grid.integrate`: it converges as h → 0, changes by ln c when lengths are multiplied
    by c, and may be negative. They differ by ln h.

    **Arguments:**

    - `weights`: not negative, not all zero; they need not be normalised (|φ|², an
        energy density).
    - `spacing`: None for the discrete entropy; the distance h between the nodes for the
        differential one.

    **Returns:** one number for each frame. What has no weight adds nothing.

    **Raises:** `ValueError` for weights that are negative, not finite or all zero, or a
    spacing that is not positive, where these can be looked at; otherwise such a frame
    gives NaN.

    ??? cite "Reference"
        C. E. Shannon, Bell System Technical Journal 27 (1948) 379 and 623.
    """
    density, h = _density(weights, spacing)
    some = density > 0
    logarithm = jnp.log(jnp.where(some, density, 1))
    return -h * jnp.sum(jnp.where(some, density * logarithm, density), axis=-1)


def renyi_entropy(
    weights: Real[Array, "*frames n"],
    order: float,
    spacing: RealScalar | None = None,
) -> Real[Array, "*frames"]:
    r"""Rényi's entropy, $H_\alpha = \frac{1}{1-\alpha}\ln h\sum_i\rho_i^\alpha$.

    Shannon's at α = 1; the higher the order, the more the greatest weights alone count.
    It never grows with the order. Discrete (h = 1) or differential as in
    `shannon_entropy`; the two differ by ln h.

    **Arguments:** as for `shannon_entropy`, and

    - `order`: α > 0.

    **Returns:** and **Raises:** as `shannon_entropy`; `ValueError` for another order.

    ??? cite "Reference"
        A. Rényi, Proceedings of the Fourth Berkeley Symposium 1 (1961) 547.
    """
    if _read_order(order) == 1:
        return shannon_entropy(weights, spacing)
    return jnp.log(_moment(weights, order, spacing)) / (1 - order)


def tsallis_entropy(
    weights: Real[Array, "*frames n"],
    order: float,
    spacing: RealScalar | None = None,
) -> Real[Array, "*frames"]:
    r"""Tsallis's entropy, $S_q = \frac{1}{q-1}\left(1 - h\sum_i\rho_i^q\right)$.

    Shannon's at q = 1. Not additive: of independent parts A and B it is
    $S_q(A) + S_q(B) + (1-q)S_q(A)S_q(B)$. Discrete (h = 1) or differential as in
    `shannon_entropy`.

    **Arguments:** as for `shannon_entropy`, and

    - `order`: q > 0.

    **Returns:** and **Raises:** as `shannon_entropy`; `ValueError` for another order.

    ??? cite "Reference"
        C. Tsallis, Journal of Statistical Physics 52 (1988) 479.
    """
    if _read_order(order) == 1:
        return shannon_entropy(weights, spacing)
    return (1 - _moment(weights, order, spacing)) / (order - 1)


def _read_order(order: float) -> float:
    require(
        0 < order < math.inf,
        f"`order` must be positive and finite, got {order}",
    )
    return order


def _moment(weights: Array, order: float, spacing: RealScalar | None) -> Array:
    """h Σ ρ^order, with a gradient of zero where there is no weight."""
    density, h = _density(weights, spacing)
    some = density > 0
    power = jnp.where(some, density, 1) ** order
    return h * jnp.sum(jnp.where(some, power, density), axis=-1)


def _density(weights: Array, spacing: RealScalar | None) -> tuple[Array, Array]:
    """The normalised weights, and the measure of a node."""
    if is_concrete(weights):
        seen = np.asarray(weights)
        require(
            bool(np.all(np.isfinite(seen) & (seen >= 0)) and np.all(seen.any(-1))),
            "`weights` must be finite, not negative, and somewhere positive in each "
            f"frame; lowest {seen.min()}, highest {seen.max()}",
        )
    require(
        spacing is None or not is_concrete(spacing) or bool(np.asarray(spacing) > 0),
        f"`spacing` must be positive, got {spacing}",
    )
    weights = weights.astype(jnp.result_type(weights.dtype, jnp.float32))
    h = jnp.asarray(1 if spacing is None else spacing, weights.dtype)
    return weights / (h * jnp.sum(weights, axis=-1, keepdims=True)), h
