"""Fields in two dimensions beside each other, in rows that share a scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from phix.plot._figure import check_lengths, make_figure


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def field_panels(
    rows: Mapping[str, Mapping[str, Any]],
    *,
    x: Any,
    y: Any,
    dots: Any = None,
    signed: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Rows of fields; each row has one scale of colours.

    **Arguments:**

    - `rows`: name of the row → title of the panel → field `"x y"`.
    - `x`, `y`: coordinates of the nodes, non-dimensional.
    - `dots`: places `"dots 2"` marked in the first panel, such as sensors.
    - `signed`: rows whose colours are even about zero.
    - `title`: over the whole figure.

    **Returns:** a matplotlib figure, for `save_figure`.

    **Raises:** `ValueError` if there is no row, a row has no panel, or a field has
    another shape.
    """
    if not rows or not all(rows.values()):
        raise ValueError("rows must hold at least one row of at least one field")
    columns = max(map(len, rows.values()))
    fig = make_figure((1.7 * columns + 1.0, 1.9 * len(rows) + 0.5))
    grid = fig.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
    for line, (name, panels) in zip(grid, rows.items(), strict=True):
        fields = {heading: np.asarray(field) for heading, field in panels.items()}
        for heading, field in fields.items():
            if field.shape != (len(x), len(y)):
                raise ValueError(
                    f"rows[{name!r}][{heading!r}] must be {(len(x), len(y))}, got "
                    f"{field.shape}"
                )
        high = max(float(field.max()) for field in fields.values())
        low = min(float(field.min()) for field in fields.values())
        if name in signed:
            high = max(abs(low), abs(high))
            low = -high
        colours = "RdBu_r" if name in signed else "viridis"
        for axes, (heading, field) in zip(line, fields.items(), strict=False):
            image = axes.pcolormesh(
                x, y, field.T, cmap=colours, vmin=low, vmax=high, rasterized=True
            )
            axes.set_aspect("equal")
            axes.set(xticks=[], yticks=[])
            axes.set_title(heading, fontsize=8)
        line[0].set_ylabel(name, fontsize=8)
        fig.colorbar(image, ax=list(line), shrink=0.8)
        for axes in line[len(fields) :]:
            axes.set_visible(False)
    if dots is not None:
        dots = np.asarray(dots)
        check_lengths(**{"dots[0]": (dots[0], 2)})
        grid[0, 0].plot(dots[:, 0], dots[:, 1], ".", color="black", markersize=2.5)
    fig.suptitle(title)
    return fig
