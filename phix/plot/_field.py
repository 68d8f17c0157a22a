"""A field over time, as one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Array, Inexact, Real

from phix.plot._figure import check_lengths, make_figure


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SNAPSHOTS = 4


def field_history(
    us: Inexact[Array | np.ndarray, "time channels *space"],
    *,
    ts: Real[Array | np.ndarray, " time"],
    axes: Sequence[Real[Array | np.ndarray, " _"]],
    title: str = "",
    label: str = "u",
) -> Figure:
    """A field over time: space–time images in one dimension, instants in two.

    **Arguments:**

    - `us`: the frames; of complex fields the modulus is drawn.
    - `ts`: their times, non-dimensional.
    - `axes`: the coordinates of the nodes along each axis; a grid has them as
        `grid.axes`.
    - `title`: over the whole figure.
    - `label`: name of the field; channels are numbered from 0 if there are several.

    **Returns:** a matplotlib figure for `save_figure`: in one dimension a panel for
    each channel, time upwards; in two a row for each channel, four instants from the
    first to the last. The colours of a channel span all its frames.

    **Raises:** `ValueError` for other than one or two dimensions, or shapes that do not
    agree; `ModuleNotFoundError` naming the extra if matplotlib is missing.
    """
    us, ts, grid_axes = read_field(us, ts, axes)
    names = channel_names(us, label)
    if len(grid_axes) == 1:
        fig = make_figure((1.0 + 4.2 * len(names), 3.6))
        panels = fig.subplots(1, len(names), squeeze=False, sharey=True)[0]
        for channel, (panel, name) in enumerate(zip(panels, names, strict=True)):
            image = panel.pcolormesh(
                grid_axes[0], ts, us[:, channel], **colour_scale(us[:, channel])
            )
            panel.set_xlabel("x (non-dimensional)")
            fig.colorbar(image, ax=panel, label=name)
        panels[0].set_ylabel("t (non-dimensional)")
    else:
        shown = np.unique(np.linspace(0, len(ts) - 1, _SNAPSHOTS).round().astype(int))
        height = 0.7 + 2.2 * aspect(grid_axes)
        fig = make_figure((1.2 + 2.6 * len(shown), 0.4 + height * len(names)))
        panels = fig.subplots(len(names), len(shown), squeeze=False)
        for channel, (row, name) in enumerate(zip(panels, names, strict=True)):
            images = [
                draw_image(panel, us[:, channel], frame, grid_axes)
                for panel, frame in zip(row, shown, strict=True)
            ]
            fig.colorbar(images[0], ax=list(row), label=name)
        for panel, frame in zip(panels[0], shown, strict=True):
            panel.set_title(f"t = {ts[frame]:.4g}")
    fig.suptitle(title)
    return fig


def draw_image(panel: Axes, us: np.ndarray, frame: int | np.integer, grid_axes: list):
    """One frame in two dimensions, the first axis to the right."""
    panel.set_aspect("equal")
    panel.set(xlabel="x", ylabel="y")
    return panel.pcolormesh(
        grid_axes[0], grid_axes[1], us[frame].T, rasterized=True, **colour_scale(us)
    )


def read_field(us, ts, axes) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Everything as NumPy arrays whose shapes agree, complex fields by modulus."""
    us, ts = np.asarray(us), np.asarray(ts)
    us = np.abs(us) if np.iscomplexobj(us) else us
    grid_axes = [np.asarray(axis) for axis in axes]
    if len(grid_axes) not in (1, 2):
        raise ValueError(
            f"a field of {len(grid_axes)} dimensions cannot be drawn; take a plane of "
            "it, for instance us[:, :, :, :, 0] with grid.axes[:2]"
        )
    wanted = tuple(len(axis) for axis in grid_axes)
    if us.ndim != 2 + len(grid_axes) or us.shape[2:] != wanted:
        raise ValueError(
            f"us must be (time, channels, {', '.join(map(str, wanted))}), got shape "
            f"{us.shape}"
        )
    check_lengths(ts=(ts, us.shape[0]))
    return us, ts, grid_axes


def channel_names(us: np.ndarray, label: str) -> list[str]:
    """The label, numbered if there are several channels."""
    if us.shape[1] == 1:
        return [label]
    return [f"{label}$_{{{channel}}}$" for channel in range(us.shape[1])]


def span(values: np.ndarray) -> tuple[float, float]:
    """The range of what is finite, never empty."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    return (float(low), float(high)) if low < high else (low - 0.5, high + 0.5)


def aspect(grid_axes: list[np.ndarray]) -> float:
    """Height of a box over its width, within what a page can show."""
    width, height = (axis[-1] - axis[0] for axis in grid_axes)
    return float(np.clip(height / width, 0.2, 2.0))


def colour_scale(values: np.ndarray) -> dict:
    """Colours that span the values."""
    low, high = span(values)
    return {"cmap": "viridis", "vmin": low, "vmax": high}
