"""Fields over time: what a figure and each frame of an animation show."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from phix.plot import animate_field, animation_path, field_history


T = np.linspace(0.0, 2.0, 7)
X, Y = np.linspace(0.0, 6.0, 9), np.linspace(0.0, 3.0, 5)
LINE = np.stack([np.sin(X - T[:, None]), np.cos(X + T[:, None])], 1)
PLANE = LINE[:, :1, :, None] * np.cos(Y + T[:, None, None, None])


def test_a_line_becomes_a_space_time_image_for_each_channel():
    fig = field_history(LINE, ts=T, axes=[X], title="waves", label="v")
    images = [axes.collections[0] for axes in fig.axes[:2]]
    for channel, image in enumerate(images):
        assert np.array_equal(np.asarray(image.get_array()), LINE[:, channel])
        span = LINE[:, channel].min(), LINE[:, channel].max()
        assert image.get_clim() == pytest.approx(span, abs=0)
    assert fig.get_suptitle() == "waves"


def test_a_plane_is_shown_at_four_instants_on_one_scale():
    fig = field_history(PLANE, ts=T, axes=[X, Y])
    panels = fig.axes[:4]
    assert [axes.get_title() for axes in panels] == [
        f"t = {T[i]:.4g}" for i in (0, 2, 4, 6)
    ]
    for axes, frame in zip(panels, (0, 2, 4, 6), strict=True):
        image = axes.collections[0]
        assert np.array_equal(np.asarray(image.get_array()), PLANE[frame, 0].T)
        assert image.get_clim() == (PLANE.min(), PLANE.max())


def test_complex_fields_are_shown_by_modulus_and_gaps_do_not_spoil_the_scale():
    field = (3 + 4j) * np.ones((7, 1, 9))
    field[2, 0, 3] = np.nan
    image = field_history(field, ts=T, axes=[X]).axes[0].collections[0]
    assert np.nanmax(np.asarray(image.get_array().filled(np.nan))) == 5.0
    assert image.get_clim() == (4.5, 5.5)


def _frames(path):
    """The pictures of an animation, as arrays."""
    if path.suffix == ".gif":
        with Image.open(path) as image:
            frames = []
            for index in range(image.n_frames):
                image.seek(index)
                frames.append(np.asarray(image.convert("RGB"), float))
        return frames
    (listed,) = re.findall(r"frames = (\[.*?\]);", path.read_text())
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))), float)
        for picture in json.loads(listed)
    ]


def _moves(path, count):
    """As many frames as asked for, and each differs from the one before."""
    frames = _frames(path)
    assert len(frames) == count
    for before, after in zip(frames[:-1], frames[1:], strict=True):
        assert np.abs(after - before).max() > 100
    return frames


@pytest.mark.parametrize("suffix", [".gif", ".html"])
@pytest.mark.parametrize(("us", "axes"), [(LINE, [X]), (PLANE, [X, Y])])
def test_an_animation_has_every_frame(tmp_path, suffix, us, axes):
    path = tmp_path / "new" / f"waves{suffix}"
    animate_field(us, path, ts=T, axes=axes, title="waves")
    frames = _moves(path, len(T))
    # The frame and the colour bar stand still.
    moved = np.any(np.diff(np.stack(frames), axis=0) != 0, axis=(0, 3))
    assert 0.02 < moved.mean() < 0.7
    assert "http" not in path.read_bytes().decode("latin-1")
    # Negative twin: a field at rest does not move (its clock does).
    still = tmp_path / f"still{suffix}"
    animate_field(us[:1].repeat(3, 0), still, ts=np.zeros(3), axes=axes)
    with pytest.raises(AssertionError):
        _moves(still, 3)


def test_a_long_run_is_thinned_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr("phix.plot._animation._MOST_FRAMES", 4)
    animate_field(LINE, tmp_path / "long.html", ts=T, axes=[X])
    thinned = _frames(tmp_path / "long.html")
    animate_field(LINE[::2], tmp_path / "short.html", ts=T[::2], axes=[X])
    assert np.array_equal(thinned, _frames(tmp_path / "short.html"))


@pytest.mark.parametrize("name", ["run.mp4", "run", "gif"])
def test_another_suffix_is_refused_before_anything_is_drawn(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in \.gif or \.html"):
        animation_path(name)
    with pytest.raises(ValueError, match=r"must end in \.gif or \.html"):
        animate_field(LINE, tmp_path / name, ts=T, axes=[X])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("us", "axes", "words"),
    [
        (LINE, [X, Y], r"us must be \(time, channels, 9, 5\), got shape \(7, 2, 9\)"),
        (LINE, [X[1:]], r"us must be \(time, channels, 8\)"),
        (PLANE, [X, Y, X], "3 dimensions cannot be drawn"),
        (LINE[1:], [X], r"ts must have shape \(6,\), got \(7,\)"),
    ],
)
def test_shapes_that_disagree_are_named(us, axes, words):
    function = getattr(field_history, "__wrapped__", field_history)
    with pytest.raises(ValueError, match=words):
        function(us, ts=T, axes=axes)
