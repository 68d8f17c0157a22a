"""Piecewise cubic interpolation from values and slopes."""

import jax.numpy as jnp

from phix._errors import eagerly
from phix._types import Array, Float


def hermite(
    t: Float[Array, " time"],
    knots: Float[Array, " knots"],
    values: Float[Array, "knots ..."],
    slopes: Float[Array, "knots ..."],
) -> Float[Array, "time ..."]:
    r"""The cubic between each two knots that has their values and slopes.

    $$y(t) = y_0 + h s\dot y_0 + s^2\big[3\Delta - h(2\dot y_0 + \dot y_1)\big]
      + s^3\big[h(\dot y_0 + \dot y_1) - 2\Delta\big],\qquad
      s = \frac{t - t_0}{h},\ \Delta = y_1 - y_0$$

    Once continuously differentiable; order 4 in the distance h of the knots, and exact
    for cubics. Beyond the knots the nearest cubic is continued.

    **Arguments:**

    - `t`: where to interpolate.
    - `knots`: increasing, at least two.
    - `values`, `slopes`: y and dy/dt at the knots.

    **Reference:** E. Hairer, S. Nørsett, G. Wanner, *Solving Ordinary Differential
    Equations I*, Springer 1993, §II.6 (6.7).
    """
    # What is known beforehand is no part of a program.
    with eagerly(t, knots):
        t, knots = jnp.asarray(t), jnp.asarray(knots)
        place = jnp.searchsorted(knots, t, side="right") - 1
        place = jnp.clip(place, 0, knots.shape[0] - 2)
        length = knots[place + 1] - knots[place]
        share = (t - knots[place]) / length

    def along(x: Array) -> Array:
        return x.reshape(x.shape[0], *[1] * (values.ndim - 1)).astype(values.dtype)

    h, s = along(length), along(share)
    y, rise = values[place], values[place + 1] - values[place]
    before, after = h * slopes[place], h * slopes[place + 1]
    curve = 3 * rise - 2 * before - after
    return y + s * (before + s * (curve + s * (before + after - 2 * rise)))
