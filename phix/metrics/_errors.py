"""Error measures of trajectories: arrays `"time channels *space"`."""

import jax.lax as lax
import jax.numpy as jnp

from phix._errors import nearest, require
from phix._types import Array, Inexact, Real


_AXES = ("time", "channels", "space")


def relative_l2(
    prediction: Inexact[Array, "..."],
    truth: Inexact[Array, "..."],
    *,
    over: tuple[str, ...] = ("channels", "space"),
) -> Real[Array, "*rest"]:
    r"""$\|\hat u - u\|_2 / \|u\|_2$, the norms taken over named axes.

    **Arguments:**

    - `prediction`, `truth`: trajectories `"time channels *space"` of one shape.
    - `over`: which of `"time"`, `"channels"`, `"space"` the norms run over. The default
        gives one error per frame; `("space",)` one per frame and channel; all three one
        for the trajectory.

    **Returns:** the errors over the axes that are left, in their order. Where the truth
    is zero: 0 if the prediction is zero too, otherwise infinity.

    **Raises:** `ValueError` for shapes that differ (nothing is broadcast) or an unknown
    axis.
    """
    require(
        prediction.shape == truth.shape,
        "`prediction` and `truth` must have one shape, (time, channels, *space); got "
        f"{prediction.shape} and {truth.shape}",
    )
    require(
        truth.ndim >= 2,
        f"`truth` must be (time, channels, *space); got shape {truth.shape}",
    )
    for name in over:
        require(name in _AXES, f"`over`: unknown axis {name!r}{nearest(name, _AXES)}")
    axes = [i for i, name in enumerate(_AXES[:2]) if name in over]
    axes += range(2, truth.ndim) if "space" in over else []
    return _ratio(_norm(prediction - truth, tuple(axes)), _norm(truth, tuple(axes)))


def rnmse(
    prediction: Inexact[Array, "..."],
    truth: Inexact[Array, "..."],
) -> Real[Array, ""]:
    r"""The mean over frames of $\|\hat u - u\|_2 / \|u\|_2$.

    **Arguments:** `prediction`, `truth`: trajectories `"time channels *space"` of one
    shape.

    **Returns:** one number; infinite if a frame of the truth alone is zero.

    **Raises:** `ValueError` for shapes that differ.
    """
    return jnp.mean(relative_l2(prediction, truth))


def _norm(u: Inexact[Array, "..."], axes: tuple[int, ...]) -> Real[Array, "..."]:
    """The Euclidean norm; scaled against overflow, its gradient zero at zero."""
    size = jnp.abs(u)
    scale = jnp.max(size, axis=axes, keepdims=True, initial=0)
    usable = (scale > 0) & jnp.isfinite(scale)
    scale = lax.stop_gradient(jnp.where(usable, scale, 1))
    total = jnp.sum((size / scale) ** 2, axis=axes)
    # Zero is asked for by name: a NaN must stay one.
    root = jnp.sqrt(jnp.where(total == 0, 1, total))
    return jnp.where(total == 0, 0, root) * jnp.squeeze(scale, axes)


def _ratio(error: Real[Array, "..."], size: Real[Array, "..."]) -> Real[Array, "..."]:
    """error / size, with 0 / 0 = 0 and otherwise infinity where the truth is zero."""
    ratio = error / jnp.where(size == 0, 1, size)
    at_zero = jnp.where(error > 0, jnp.inf, error)
    return jnp.where(size == 0, at_zero, ratio)
