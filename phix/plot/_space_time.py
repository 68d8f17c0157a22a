from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Array, Real

from phix.plot._figure import HORIZON, check_lengths, make_figure


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def space_time(
    truth: Real[Array | np.ndarray, "time space"],
    forecast: Real[Array | np.ndarray, "time space"],
    *,
    x: Real[Array | np.ndarray, " space"],
    t: Real[Array | np.ndarray, " time"],
    horizon: float | None = None,
    title: str = "",
    label: str = "u",
) -> Figure:
    """Truth | forecast | forecast − truth of a field in one dimension, time upwards.

    Truth and forecast share one colour scale, which spans the truth; the error has its
    own, symmetric about zero. Where a forecast leaves the scale the colour bar says so.

    **Arguments:**

    - `truth`, `forecast`: one channel, frame by frame.
    - `x`, `t`: coordinates of the points and times of the frames; non-dimensional, as
      in the solvers.
    - `horizon`: last time seen in training; drawn as a line.
    - `title`: over the whole figure.
    - `label`: name of the field.

    **Returns:** a matplotlib figure of three panels, for `save_figure`.

    **Raises:** `ValueError` if the shapes do not agree; `ModuleNotFoundError` naming
    the extra if matplotlib is missing.
    """
    truth, forecast = np.asarray(truth), np.asarray(forecast)
    if truth.ndim != 2 or truth.shape != forecast.shape:
        raise ValueError(
            "truth and forecast must both be (time, space), got "
            f"{truth.shape} and {forecast.shape}"
        )
    check_lengths(t=(t, truth.shape[0]), x=(x, truth.shape[1]))
    error = forecast - truth
    low, high = float(np.min(truth)), float(np.max(truth))
    largest = float(np.max(np.abs(error), initial=0.0, where=np.isfinite(error)))
    leaves = (bool(np.min(forecast) < low), bool(np.max(forecast) > high))
    field_scale = {"cmap": "viridis", "vmin": low, "vmax": high}
    error_scale = {"cmap": "PuOr", "vmin": -largest or -1.0, "vmax": largest or 1.0}
    fig = make_figure((10.0, 3.6))
    panels = fig.subplots(1, 3, sharex=True, sharey=True)
    images = []
    for axes, name, field, scale, ink in (
        (panels[0], "truth", truth, field_scale, "white"),
        (panels[1], "forecast", forecast, field_scale, "white"),
        (panels[2], "forecast − truth", error, error_scale, "black"),
    ):
        images.append(axes.pcolormesh(x, t, field, rasterized=True, **scale))
        axes.set_title(name)
        axes.set_xlabel("x (non-dimensional)")
        if horizon is not None:
            axes.axhline(horizon, color=ink, linestyle="--", linewidth=1.2)
    fig.colorbar(images[1], ax=list(panels[:2]), label=label, extend=_EXTEND[leaves])
    fig.colorbar(images[2], ax=panels[2], label=f"error of {label}")
    panels[0].set_ylabel("t (non-dimensional)")
    if horizon is not None:
        panels[0].annotate(
            HORIZON,
            (0.98, horizon),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            xytext=(0, 3),
            ha="right",
            color="white",
            fontsize="small",
        )
    fig.suptitle(title)
    return fig


# Whether the forecast leaves the scale below and above, in colour-bar words.
_EXTEND = {
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}
