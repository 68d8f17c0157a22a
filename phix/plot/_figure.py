"""What every figure shares: how it is made, marked and saved."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phix._files import atomic_path


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito's palette, told apart with any kind of colour vision; black first.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
HORIZON = "end of training"


def require_matplotlib() -> None:
    """Says, before any work is done, that figures need the extra `plot`.

    **Raises:** `ModuleNotFoundError` if matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ModuleNotFoundError(
            'figures need matplotlib: pip install "phix-jax[plot]"', name="matplotlib"
        )


def save_figure(fig: Figure, path: str | os.PathLike, *, dpi: int = 150) -> None:
    """Writes a figure, whole or not at all.

    **Arguments:**

    - `fig`: a matplotlib figure.
    - `path`: file to write; its suffix (`.png`, `.pdf`, `.svg`) chooses the format.
      Missing folders are made.
    - `dpi`: dots per inch of bitmaps; 150 reads well on screen and in a report.

    **Raises:** `ValueError` if the suffix is none that matplotlib writes.
    """
    path = figure_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        fig.savefig(temporary, dpi=dpi)


def figure_path(path: str | os.PathLike) -> Path:
    """The path, if a figure can be written there.

    **Raises:** `ValueError` if the suffix is none that matplotlib writes.
    """
    require_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    path, known = Path(path), FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise ValueError(f"path must end in one of {sorted(known)}, got {path}")
    return path


def make_figure(size: tuple[float, float]) -> Figure:
    """An empty figure outside pyplot: no global state, no window, nothing to close."""
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def tidy(axes: Axes) -> None:
    """Takes away the frame's upper and right side."""
    axes.spines[["top", "right"]].set_visible(False)


def check_lengths(**arrays: tuple[Any, int]) -> None:
    """Raises `ValueError` unless each named array has the length that goes with it."""
    for name, (array, length) in arrays.items():
        shape = np.shape(array)
        if shape != (length,):
            raise ValueError(f"{name} must have shape ({length},), got {shape}")
