"""Curves of any kind, in panels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from phix.plot._figure import COLOURS, DASHES, check_lengths, make_figure, tidy


if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curves = Mapping[str, tuple]


def curve_panels(
    panels: Mapping[str, Curves],
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
    title: str = "",
) -> Figure:
    """Panels of curves, two in a row; a name has one colour in all of them.

    **Arguments:**

    - `panels`: title of a panel → name in the legend → `(x, y)`, two vectors of one
        length. A phase portrait is a curve of the field and its rate.
    - `xlabel`, `ylabel`: along the axes of every panel.
    - `log`: a logarithmic ordinate; zeros leave a gap in it.
    - `title`: over the whole figure.

    **Returns:** a matplotlib figure, for `save_figure`.

    **Raises:** `ValueError` if there is no panel, or a curve's vectors differ in
    length.
    """
    if not panels:
        raise ValueError("panels must hold at least one panel, got none")
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    fig = make_figure((4.6 * columns + 0.6, 3.0 * rows + 0.6))
    grid = fig.subplots(rows, columns, squeeze=False).ravel()
    lines = {}
    for axes, (heading, curves) in zip(grid, panels.items(), strict=False):
        for name, (x, y) in curves.items():
            check_lengths(**{f"panels[{heading!r}][{name!r}]": (y, len(x))})
            y = np.asarray(y, dtype=float)
            index = names.index(name)
            (lines[name],) = axes.plot(
                x,
                np.where(y > 0, y, np.nan) if log else y,
                color=COLOURS[index % len(COLOURS)],
                linestyle=DASHES[index % len(DASHES)],
                linewidth=1.3,
            )
        if log:
            axes.set_yscale("log")
        axes.set(title=heading, xlabel=xlabel, ylabel=ylabel)
        axes.grid(alpha=0.25)
        tidy(axes)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    if len(names) > 1:
        fig.legend(
            [lines[name] for name in names],
            names,
            loc="outside lower center",
            ncols=2 * columns,
            frameon=False,
        )
    fig.suptitle(title)
    return fig
