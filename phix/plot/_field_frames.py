from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Array, Real

from phix.plot._figure import check_lengths, make_figure


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def field_frames(
    truth: Real[Array | np.ndarray, "frames x y"],
    forecast: Real[Array | np.ndarray, "frames x y"],
    *,
    x: Real[Array | np.ndarray, " x"],
    y: Real[Array | np.ndarray, " y"],
    t: Real[Array | np.ndarray, " frames"],
    title: str = "",
    label: str = "u",
) -> Figure:
    """Truth, forecast and forecast − truth of a field in two dimensions.

    One column a frame. Truth and forecast share the scale of the truth's values in that
    frame, so that a decaying field stays visible; the error has the same width about
    zero.

    **Arguments:**

    - `truth`, `forecast`: one channel of the frames to show.
    - `x`, `y`, `t`: coordinates of the nodes and times of the frames; non-dimensional.
    - `title`: over the whole figure.
    - `label`: name of the field.

    **Returns:** a matplotlib figure of three rows, for `save_figure`.

    **Raises:** `ValueError` if the shapes do not agree; `ModuleNotFoundError` naming
    the extra if matplotlib is missing.
    """
    truth, forecast = np.asarray(truth), np.asarray(forecast)
    if truth.ndim != 3 or truth.shape != forecast.shape:
        raise ValueError(
            "truth and forecast must both be (frames, x, y), got "
            f"{truth.shape} and {forecast.shape}"
        )
    check_lengths(t=(t, truth.shape[0]), x=(x, truth.shape[1]), y=(y, truth.shape[2]))
    count = truth.shape[0]
    fig = make_figure((2.6 * count + 0.8, 6.6))
    panels = fig.subplots(3, count, sharex=True, sharey=True, squeeze=False)
    for frame, column in enumerate(panels.T):
        low, high = float(truth[frame].min()), float(truth[frame].max())
        half = (high - low) / 2 or 1.0
        rows = (
            ("truth", truth[frame], "viridis", low, high),
            ("forecast", forecast[frame], "viridis", low, high),
            ("forecast − truth", forecast[frame] - truth[frame], "PuOr", -half, half),
        )
        for axes, (name, field, colours, least, most) in zip(column, rows, strict=True):
            image = axes.pcolormesh(
                x, y, field.T, cmap=colours, vmin=least, vmax=most, rasterized=True
            )
            axes.set_aspect("equal")
            fig.colorbar(image, ax=axes, shrink=0.8)
            if frame == 0:
                axes.set_ylabel(f"{name} {label}".strip())
        column[0].set_title(f"t = {float(t[frame]):.3g}")
        column[-1].set_xlabel("x (non-dimensional)")
    fig.suptitle(title)
    return fig
