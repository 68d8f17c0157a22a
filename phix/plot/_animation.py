"""A field over time, as a moving picture."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Array, Inexact, Real

from phix._files import atomic_write
from phix.plot._field import aspect, channel_names, draw_image, read_field, span
from phix.plot._figure import COLOURS, make_figure, tidy


if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_MOST_FRAMES = 200


def animate_field(
    us: Inexact[Array | np.ndarray, "time channels *space"],
    path: str | os.PathLike,
    *,
    ts: Real[Array | np.ndarray, " time"],
    axes: Sequence[Real[Array | np.ndarray, " _"]],
    title: str = "",
    label: str = "u",
    fps: int = 20,
) -> None:
    """Writes a moving picture of a field: curves in one dimension, images in two.

    Scales stay the same throughout. Of more than 200 frames, 200 evenly spaced ones are
    shown. The file is there whole or not at all; no other program is needed.

    **Arguments:** as for `field_history`, and

    - `path`: the file, `.gif`, or `.html` for a page with controls that holds its
        frames. Missing folders are made.
    - `fps`: frames per second.

    **Raises:** as `field_history`; `ValueError` for another suffix.
    """
    path = animation_path(path)
    us, ts, grid_axes = read_field(us, ts, axes)
    count = min(len(ts), _MOST_FRAMES)
    shown = np.unique(np.linspace(0, len(ts) - 1, count).round().astype(int))
    flat = len(grid_axes) == 1
    size = (6.4, 3.8) if flat else (5.0 * us.shape[1], 0.9 + 3.8 * aspect(grid_axes))
    fig = make_figure(size)
    fig.suptitle(title or " ", x=0.02, ha="left")
    prepare = _curves if flat else _images
    draw = prepare(fig, us[shown], grid_axes, channel_names(us, label))
    frames = _render(fig, draw, ts[shown])
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (_gif if path.suffix == ".gif" else _page)(frames, fps))


def animation_path(path: str | os.PathLike) -> Path:
    """The path, if an animation can be written there.

    **Raises:** `ValueError` for a suffix other than `.gif` and `.html`.
    """
    path = Path(path)
    if path.suffix not in (".gif", ".html"):
        raise ValueError(f"an animation must end in .gif or .html, got {path}")
    return path


def _curves(fig, us, grid_axes, names) -> Callable:
    """Makes the panel; what is returned gives the artists of a frame."""
    panel = fig.subplots()
    low, high = span(us)
    margin = 0.05 * (high - low)
    panel.set(
        xlim=(grid_axes[0][0], grid_axes[0][-1]),
        ylim=(low - margin, high + margin),
        xlabel="x (non-dimensional)",
        ylabel=names[0] if len(names) == 1 else "",
    )
    tidy(panel)
    curves = [
        panel.plot(grid_axes[0], us[0, c], color=COLOURS[c % len(COLOURS)], label=n)[0]
        for c, n in enumerate(names)
    ]
    if len(names) > 1:
        fig.legend(loc="outside right center", frameon=False)

    def draw(frame: int) -> list:
        for channel, curve in enumerate(curves):
            curve.set_ydata(us[frame, channel])
        return curves

    return draw


def _images(fig, us, grid_axes, names) -> Callable:
    """Makes the panels; what is returned gives the artists of a frame."""
    panels = fig.subplots(1, len(names), squeeze=False)[0]
    images = []
    for channel, (panel, name) in enumerate(zip(panels, names, strict=True)):
        images.append(draw_image(panel, us[:, channel], 0, grid_axes))
        fig.colorbar(images[-1], ax=panel, label=name)

    def draw(frame: int) -> list:
        for channel, image in enumerate(images):
            image.set_array(us[frame, channel].T)
        return images

    return draw


def _render(fig: Figure, draw: Callable, ts: np.ndarray) -> list[Image]:
    """Every frame as a picture. What stays the same is drawn once."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(fig)
    clock = fig.text(0.98, 0.98, "", ha="right", va="top", animated=True)
    for artist in draw(0):
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(fig.bbox)  # pyright: ignore
    pictures = []
    for frame, t in enumerate(ts):
        canvas.restore_region(still)  # pyright: ignore
        clock.set_text(f"t = {t:.2f}")
        for artist in (*draw(frame), clock):
            fig.draw_artist(artist)
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    return pictures


def _gif(frames: list[Image], fps: int) -> bytes:
    """The colours of the first frame serve for all: its scale shows every one."""
    from PIL import Image

    palette = frames[0].quantize(256, Image.Quantize.MAXCOVERAGE)
    first, *rest = [
        frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames
    ]
    file = io.BytesIO()
    first.save(
        file,
        "GIF",
        save_all=True,
        append_images=rest,
        duration=round(1000 / fps),
        loop=0,
    )
    return file.getvalue()


def _page(frames: list[Image], fps: int) -> str:
    """A page that holds its frames, with a slider and a button."""
    pictures = []
    for frame in frames:
        file = io.BytesIO()
        frame.save(file, "PNG")
        pictures.append(base64.b64encode(file.getvalue()).decode())
    # The frames last: letters among their code may spell the other word.
    return _PAGE.replace("FPS", str(fps)).replace("FRAMES", json.dumps(pictures))


_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Animation</title>
<style>body { font: 14px sans-serif; } #place { width: 24em; }</style>
<img id="picture" alt="One frame"><br>
<button id="button">pause</button> <input id="place" type="range" min="0" value="0">
<script>
const frames = FRAMES;
const picture = document.getElementById("picture");
const place = document.getElementById("place");
const button = document.getElementById("button");
place.max = frames.length - 1;
function show() { picture.src = "data:image/png;base64," + frames[place.value]; }
let playing = true;
setInterval(() => {
  if (playing) { place.value = (Number(place.value) + 1) % frames.length; show(); }
}, 1000 / FPS);
place.oninput = () => { playing = false; button.textContent = "play"; show(); };
button.onclick = () => {
  playing = !playing;
  button.textContent = playing ? "pause" : "play";
};
show();
</script>
</html>
"""
