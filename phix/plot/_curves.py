from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Array, Real

from phix.plot._figure import (
    COLOURS,
    DASHES,
    HORIZON,
    check_lengths,
    make_figure,
    tidy,
)


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def error_over_time(
    t: Real[Array | np.ndarray, " time"],
    errors: Mapping[str, Real[Array | np.ndarray, " time"]],
    *,
    horizon: float | None = None,
    title: str = "",
    label: str = "relative error",
    log: bool = True,
) -> Figure:
    """Errors against time, one curve a method; the first is drawn heavier.

    **Arguments:**

    - `t`: times of the frames, non-dimensional.
    - `errors`: name in the legend → error of each frame. NaN leaves a gap (a baseline
      that only starts after the horizon).
    - `horizon`: last time seen in training; drawn as a line, what follows is shaded.
    - `title`, `label`: over the figure and along the error's axis.
    - `log`: a logarithmic error axis; zeros leave a gap in it. It ends at a hundred
        times the largest error of the first curve: one that blows up leaves it.

    **Returns:** a matplotlib figure of one panel, for `save_figure`.

    **Raises:** `ValueError` if a curve has another length than `t`.
    """
    if not errors:
        raise ValueError("errors must hold at least one curve, got none")
    for name, error in errors.items():
        check_lengths(**{f"errors[{name!r}]": (error, len(t))})
    fig = make_figure((6.4, 3.8))
    axes = fig.subplots()
    for index, (name, error) in enumerate(errors.items()):
        values = np.asarray(error, dtype=float)
        axes.plot(
            t,
            np.where(values > 0, values, np.nan) if log else values,
            label=name,
            color=COLOURS[index % len(COLOURS)],
            linestyle=DASHES[index % len(DASHES)],
            linewidth=2.2 if index == 0 else 1.3,
        )
    if log:
        axes.set_yscale("log")
        first = np.asarray(next(iter(errors.values())), dtype=float)
        largest = np.max(first, where=np.isfinite(first), initial=0.0)
        if 0 < 100 * largest < axes.get_ylim()[1]:
            axes.set_ylim(top=100 * largest)
    axes.set_xlim(float(np.min(t)), float(np.max(t)))
    _mark_horizon(axes, horizon)
    axes.set_xlabel("t (non-dimensional)")
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.grid(alpha=0.25)
    tidy(axes)
    fig.legend(loc="outside right upper", frameon=False)
    return fig


def latent_trajectories(
    t: Real[Array | np.ndarray, " time"],
    latents: Real[Array | np.ndarray, "trajectories time latent"],
    *,
    values: Real[Array | np.ndarray, " trajectories"],
    horizon: float | None = None,
    title: str = "",
    label: str = "parameter",
) -> Figure:
    """Each latent coordinate against time, one curve a trajectory.

    **Arguments:**

    - `t`: times of the frames, non-dimensional.
    - `latents`: latent coordinates of every frame of every trajectory.
    - `values`: the parameter of each trajectory; it colours the curve.
    - `horizon`: last time seen in training; drawn as a line, what follows is shaded.
    - `title`, `label`: over the figure and along the colour bar.

    **Returns:** a matplotlib figure with a panel for each coordinate.

    **Raises:** `ValueError` if the shapes do not agree.
    """
    latents, values = np.asarray(latents), np.asarray(values, dtype=float)
    if latents.ndim != 3:
        raise ValueError(
            f"latents must be (trajectories, time, latent), got {latents.shape}"
        )
    check_lengths(t=(t, latents.shape[1]), values=(values, latents.shape[0]))
    size = latents.shape[2]
    columns = min(size, 2)
    rows = -(-size // columns)
    fig = make_figure((3.6 * columns + 1.0, 2.1 * rows + 0.6))
    panels = fig.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colours = ScalarMappable(Normalize(values.min(), values.max()), "cividis")
    for index, axes in enumerate(panels):
        if index >= size:
            axes.set_visible(False)
            continue
        for curve, value in zip(latents[:, :, index], values, strict=True):
            axes.plot(t, curve, color=colours.to_rgba(value), linewidth=1.3)
        axes.set_xlim(float(np.min(t)), float(np.max(t)))
        _mark_horizon(axes, horizon)
        axes.set_ylabel(f"α$_{{{index + 1}}}$")
        if index + columns >= size:
            axes.set_xlabel("t (non-dimensional)")
            axes.tick_params(labelbottom=True)
        tidy(axes)
    if horizon is not None:
        panels[0].legend(frameon=False, fontsize="small")
    fig.colorbar(colours, ax=list(panels), label=label)
    fig.suptitle(title)
    return fig


def _mark_horizon(axes: Axes, horizon: float | None) -> None:
    """A line at the horizon, which the legend names, and a shade beyond it."""
    if horizon is None:
        return
    end = axes.get_xlim()[1]
    axes.axvline(horizon, color="0.35", linestyle="--", linewidth=1.0, label=HORIZON)
    axes.axvspan(horizon, max(end, horizon), color="0.93", zorder=-1)
