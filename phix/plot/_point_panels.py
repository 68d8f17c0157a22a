"""Clouds of points in the plane beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from phix.plot._figure import COLOURS, make_figure


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def point_panels(
    rows: Mapping[str, Mapping[str, Any]],
    *,
    extent: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Rows of point clouds, all on one scale; those of one title in one colour.

    **Arguments:**

    - `rows`: name of the row → title of the panel → points `"points 2"`,
        non-dimensional. Points that are not finite are left out, and their number is
        said.
    - `extent`: the least and the greatest coordinate shown, along both axes; if None a
        square about all points but the outermost two thousandths on each side.
    - `title`: over the whole figure.

    **Returns:** a matplotlib figure, for `save_figure`.

    **Raises:** `ValueError` if there is no row, a row has no panel, or points have
    another shape.

    **Good values:** 500 to 4,000 points a panel.
    """
    if not rows or not all(rows.values()):
        raise ValueError("rows must hold at least one row of at least one panel")
    clouds = {
        name: {heading: np.asarray(points, float) for heading, points in panels.items()}
        for name, panels in rows.items()
    }
    for name, panels in clouds.items():
        for heading, points in panels.items():
            if points.ndim != 2 or points.shape[1] != 2:
                raise ValueError(
                    f"rows[{name!r}][{heading!r}] must be (points, 2), got "
                    f"{points.shape}"
                )
    xlim, ylim = _square(clouds) if extent is None else (extent, extent)
    headings = list(dict.fromkeys(h for panels in rows.values() for h in panels))
    columns = max(map(len, rows.values()))
    fig = make_figure((1.9 * columns + 0.4, 2.1 * len(rows) + 0.4))
    grid = fig.subplots(len(rows), columns, squeeze=False)
    for line, (name, panels) in zip(grid, clouds.items(), strict=True):
        for axes, (heading, points) in zip(line, panels.items(), strict=False):
            finite = np.isfinite(points).all(axis=1)
            lost = len(points) - int(finite.sum())
            colour = COLOURS[headings.index(heading) % len(COLOURS)]
            axes.plot(
                *points[finite].T, ".", color=colour, markersize=1.6, alpha=0.6, mew=0
            )
            axes.set(xlim=xlim, ylim=ylim, xticks=[], yticks=[])
            axes.set_aspect("equal")
            axes.set_title(
                f"{heading}\n{lost} not finite" if lost else heading, fontsize=8
            )
        line[0].set_ylabel(name, fontsize=8)
        for axes in line[len(panels) :]:
            axes.set_visible(False)
    fig.suptitle(title)
    return fig


def _square(
    clouds: Mapping[str, Mapping[str, np.ndarray]],
) -> tuple[tuple[float, float], tuple[float, float]]:
    points = np.concatenate([p for panels in clouds.values() for p in panels.values()])
    points = points[np.isfinite(points).all(axis=1)]
    if not points.size:
        return (-1.0, 1.0), (-1.0, 1.0)
    low, high = np.quantile(points, [0.002, 0.998], axis=0)
    half = 0.55 * float(np.max(high - low)) or 1.0
    x, y = (float(m) for m in (low + high) / 2)
    return (x - half, x + half), (y - half, y + half)
