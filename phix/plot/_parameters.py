"""A number against each of the parameters it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from phix.plot._figure import COLOURS, check_lengths, make_figure, tidy


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parameter_panels(
    parameters: Mapping[str, np.ndarray],
    values: np.ndarray,
    *,
    failed: np.ndarray,
    label: str,
    title: str = "",
) -> Figure:
    """A panel for each parameter, with a dot for each point of a sweep.

    Two parameters are shown together, the value as colour. Points that failed are
    crosses, at the foot of a panel where they have no value.

    **Arguments:**

    - `parameters`: a column `"number"` of each by name.
    - `values`: the number to show, `"number"`.
    - `failed`: which points failed, `"number"`.
    - `label`: what the number is.
    - `title`: over the whole figure.

    **Returns:** a matplotlib figure, for `save_figure`.

    **Raises:** `ValueError` if there is no parameter, or columns differ in length.
    """
    if not parameters:
        raise ValueError("parameters must hold at least one column, got none")
    check_lengths(
        values=(values, len(failed)),
        **{name: (column, len(failed)) for name, column in parameters.items()},
    )
    values, failed = np.asarray(values, float), np.asarray(failed, bool)
    good = ~failed & np.isfinite(values)
    draw = _together if len(parameters) == 2 else _one_by_one
    fig = draw(parameters, values, good, failed, label)
    fig.suptitle(title)
    return fig


def _together(parameters, values, good, failed, label) -> Figure:
    (x_name, x), (y_name, y) = parameters.items()
    fig = make_figure((5.6, 4.2))
    axes = fig.subplots()
    dots = axes.scatter(x[good], y[good], c=values[good], s=_size(len(x)))
    fig.colorbar(dots, ax=axes, label=label)
    axes.scatter(x[failed], y[failed], marker="x", color=COLOURS[1], label="failed")
    axes.set(xlabel=x_name, ylabel=y_name)
    _finish(axes, failed, x, y)
    return fig


def _one_by_one(parameters, values, good, failed, label) -> Figure:
    columns = min(len(parameters), 3)
    rows = -(-len(parameters) // columns)
    fig = make_figure((3.6 * columns + 0.6, 3.0 * rows + 0.4))
    panels = fig.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    foot = values[good].min() if good.any() else 0.0
    for axes, (name, x) in zip(panels, parameters.items(), strict=False):
        axes.scatter(x[good], values[good], s=_size(len(x)), color=COLOURS[2])
        lost = np.full(failed.sum(), foot)
        axes.scatter(x[failed], lost, marker="x", color=COLOURS[1], label="failed")
        axes.set(xlabel=name, ylabel=label)
        _finish(axes, failed, x)
    for axes in panels[len(parameters) :]:
        axes.set_visible(False)
    return fig


def _finish(axes, failed: np.ndarray, x: np.ndarray, y: np.ndarray | None = None):
    tidy(axes)
    if _wide(x):
        axes.set_xscale("log")
    if y is not None and _wide(y):
        axes.set_yscale("log")
    if failed.any():
        axes.legend(frameon=False)


def _wide(x: np.ndarray) -> bool:
    """Whether the numbers span so much that a logarithmic scale shows them better."""
    return bool(np.all(x > 0) and np.max(x) > 30 * np.min(x))


def _size(number: int) -> float:
    return float(np.clip(2000 / number, 0.5, 16))
