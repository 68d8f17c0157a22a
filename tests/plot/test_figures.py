import numpy as np
import pytest

import phix.plot
from phix.plot import (
    error_over_time,
    field_frames,
    latent_trajectories,
    save_figure,
    space_time,
)


T = np.linspace(0.0, 2.0, 6)
X = np.linspace(0.0, 1.0, 5)
TRUTH = np.sin(X)[None] * (1 + T[:, None])


def _words(fig):
    from matplotlib.text import Text

    return {text.get_text() for text in fig.findobj(Text)}


def _space_time_shows(fig, truth, forecast):
    """The three fields, on one scale for the first two and a symmetric third."""
    images = [axes.collections[0] for axes in fig.axes[:3]]
    for image, field in zip(images, (truth, forecast, forecast - truth), strict=True):
        assert np.array_equal(np.asarray(image.get_array()), field)
    assert images[0].get_clim() == images[1].get_clim() == (truth.min(), truth.max())
    low, high = images[2].get_clim()
    assert low == -high == -np.abs(forecast - truth).max()


def test_space_time_draws_truth_forecast_and_error():
    forecast = TRUTH + 0.1 * X
    fig = space_time(TRUTH, forecast, x=X, t=T, horizon=1.0, title="μ", label="v")
    _space_time_shows(fig, TRUTH, forecast)
    assert {"truth", "forecast", "forecast − truth", "μ", "v"} <= _words(fig)
    assert {"x (non-dimensional)", "t (non-dimensional)"} <= _words(fig)
    assert "end of training" in _words(fig)
    for axes in fig.axes[:3]:
        assert list(axes.lines[0].get_ydata()) == [1.0, 1.0]
    # Negative twin: another forecast is not what the figure shows.
    with pytest.raises(AssertionError):
        _space_time_shows(fig, TRUTH, TRUTH + 0.2 * X)


FRAMES = np.sin(X)[:, None] * np.cos(X[:4])[None] * np.array([1.0, 0.5])[:, None, None]


def _field_frames_show(fig, truth, forecast):
    """Three rows of two columns, on the scale of the truth of each frame."""
    images = [axes.collections[0] for axes in fig.axes[:6]]
    for frame in range(2):
        column = images[frame::2]
        fields = truth[frame], forecast[frame], forecast[frame] - truth[frame]
        for image, field in zip(column, fields, strict=True):
            assert np.array_equal(np.asarray(image.get_array()), field.T)
        low, high = truth[frame].min(), truth[frame].max()
        assert column[0].get_clim() == column[1].get_clim() == (low, high)
        assert column[2].get_clim() == (-(high - low) / 2, (high - low) / 2)


def test_field_frames_draw_truth_forecast_and_error():
    forecast = FRAMES + 0.1
    fig = field_frames(
        FRAMES, forecast, x=X, y=X[:4], t=np.array([0.0, 2.0]), title="two"
    )
    _field_frames_show(fig, FRAMES, forecast)
    assert {"truth u", "forecast − truth u", "two", "t = 2"} <= _words(fig)
    with pytest.raises(AssertionError):
        _field_frames_show(fig, FRAMES, FRAMES)
    function = getattr(field_frames, "__wrapped__", field_frames)
    with pytest.raises(ValueError, match=r"must both be \(frames, x, y\)"):
        function(FRAMES, FRAMES[:1], x=X, y=X[:4], t=[0.0, 2.0])


def test_a_perfect_forecast_can_be_drawn():
    fig = space_time(TRUTH, TRUTH, x=X, t=T)
    assert fig.axes[2].collections[0].get_clim() == (-1.0, 1.0)
    assert not fig.axes[0].lines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"truth": TRUTH[:-1], "forecast": TRUTH, "x": X, "t": T},
            "truth and forecast",
        ),
        ({"truth": TRUTH, "forecast": TRUTH, "x": X[1:], "t": T}, r"x must .*\(5,\)"),
        ({"truth": TRUTH, "forecast": TRUTH, "x": X, "t": T[1:]}, r"t must .*\(6,\)"),
    ],
)
def test_shapes_that_disagree_are_named(arguments, words):
    # Under jaxtyping's hook the annotations speak first; the message is for users.
    function = getattr(space_time, "__wrapped__", space_time)
    with pytest.raises(ValueError, match=words):
        function(**arguments)


def test_errors_are_curves_with_the_horizon_marked():
    errors = {"ours": 0.1 + T, "freeze": np.where(T > 1, T, np.nan)}
    fig = error_over_time(T, errors, horizon=1.0, title="test", label="error")
    axes = fig.axes[0]
    curves = {line.get_label(): line for line in axes.lines}
    assert np.array_equal(curves["ours"].get_ydata(), errors["ours"])
    assert np.array_equal(curves["freeze"].get_ydata(), errors["freeze"], True)
    assert axes.get_yscale() == "log"
    assert len({line.get_color() for line in curves.values()}) == 3  # and the horizon
    assert {"ours", "freeze", "test", "error", "end of training"} <= _words(fig)
    linear = error_over_time(T, {"ours": T}, log=False).axes[0]
    assert linear.get_yscale() == "linear" and linear.lines[0].get_ydata()[0] == 0.0
    assert np.isnan(error_over_time(T, {"ours": T}).axes[0].lines[0].get_ydata()[0])


def test_a_curve_that_blows_up_leaves_the_panel():
    def top(other):
        errors = {"ours": 0.1 + T, "other": other}
        return error_over_time(T, errors).axes[0].get_ylim()[1]

    assert top(1e6 * np.exp(T)) == pytest.approx(100 * 2.1)
    assert 2 < top(1 + T) < 10


def test_curves_of_another_length_are_refused():
    with pytest.raises(
        ValueError, match=r"errors\['short'\] must .*\(6,\), got \(5,\)"
    ):
        getattr(error_over_time, "__wrapped__", error_over_time)(T, {"short": T[1:]})
    with pytest.raises(ValueError, match="at least one curve"):
        error_over_time(T, {})


@pytest.mark.parametrize("size", [1, 3, 4])
def test_latents_have_a_panel_each_and_a_colour_per_trajectory(size):
    latents = np.random.default_rng(0).normal(size=(2, len(T), size))
    fig = latent_trajectories(
        T, latents, values=np.array([1.0, 2.0]), horizon=1.0, label="μ"
    )
    panels = [axes for axes in fig.axes[:-1] if axes.get_visible()]
    assert len(panels) == size
    for index, axes in enumerate(panels):
        curves = [line.get_ydata() for line in axes.lines[:2]]
        assert np.array_equal(curves, latents[:, :, index])
        colours = [line.get_color() for line in axes.lines[:2]]
        assert colours[0] != colours[1]
    assert {"μ", "α$_{1}$", "t (non-dimensional)", "end of training"} <= _words(fig)


def test_a_figure_is_saved_whole_or_not_at_all(tmp_path, monkeypatch):
    fig = error_over_time(T, {"ours": T + 1})
    path = tmp_path / "figures" / "error.png"
    save_figure(fig, path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"path must end in .*error\.xyz"):
        save_figure(fig, path.with_suffix(".xyz"))

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(latent_trajectories(T, T[None, :, None], values=T[:1]), path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "phix-jax\[plot\]"'):
        phix.plot.require_matplotlib()
    with pytest.raises(ModuleNotFoundError, match="phix-jax"):
        error_over_time(T, {"ours": T + 1})
