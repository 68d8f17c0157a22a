"""Curves and fields in panels."""

import functools

import numpy as np
import pytest

from phix.plot import (
    curve_panels,
    field_panels,
    figure_path,
    parameter_panels,
    point_panels,
)


X = np.linspace(0.0, 1.0, 5)
PANELS = {
    "first": {"a": (X, X**2), "b": (X, 1 - X)},
    "second": {"b": (X[:3], X[:3])},
    "third": {"c": (X, 0 * X)},
}


def _shows(fig, panels):
    """Every curve, under its panel's title; one colour for one name."""
    colours = {}
    for axes, (heading, curves) in zip(fig.axes, panels.items(), strict=False):
        assert axes.get_title() == heading
        assert len(axes.lines) == len(curves)
        for line, (name, (x, y)) in zip(axes.lines, curves.items(), strict=True):
            assert np.array_equal(line.get_xydata(), np.stack([x, y], 1))
            assert colours.setdefault(name, line.get_color()) == line.get_color()
    assert len(set(colours.values())) == len(colours)
    (legend,) = fig.legends
    assert [text.get_text() for text in legend.get_texts()] == list(colours)


def test_panels_show_their_curves():
    fig = curve_panels(PANELS, xlabel="t", ylabel="size", title="three")
    _shows(fig, PANELS)
    assert [axes.get_visible() for axes in fig.axes] == [True, True, True, False]
    assert {axes.get_xlabel() for axes in fig.axes[:3]} == {"t"}
    # Negative twin: another curve is not what the figure shows.
    with pytest.raises(AssertionError):
        _shows(fig, PANELS | {"second": {"b": (X[:3], 2 * X[:3])}})


def test_zeros_leave_a_gap_on_a_logarithmic_axis():
    fig = curve_panels({"": {"a": (X, X)}}, xlabel="t", ylabel="", log=True)
    assert fig.axes[0].get_yscale() == "log" and not fig.legends
    assert np.isnan(fig.axes[0].lines[0].get_ydata()[0])


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="at least one panel"):
        curve_panels({}, xlabel="", ylabel="")
    with pytest.raises(ValueError, match=r"panels\['p'\]\['a'\] must .*\(5,\), got"):
        curve_panels({"p": {"a": (X, X[1:])}}, xlabel="", ylabel="")
    assert figure_path(tmp_path / "a.pdf") == tmp_path / "a.pdf"
    with pytest.raises(ValueError, match="path must end in one of"):
        figure_path("a.mp4")


def test_points_of_a_sweep_by_parameter():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0])
    values, failed = np.array([5.0, 6.0, np.nan]), np.array([False, False, True])
    fig = parameter_panels({"a": x, "b": y}, values, failed=failed, label="size")
    dots, crosses = fig.axes[0].collections
    assert np.array_equal(dots.get_offsets(), [[1, 1], [2, 10]])
    assert np.array_equal(dots.get_array(), [5, 6])
    assert np.array_equal(crosses.get_offsets(), [[3, 100]])
    assert fig.axes[0].get_yscale() == "log" and fig.axes[0].get_xscale() == "linear"
    fig = parameter_panels({"a": x}, values, failed=failed, label="size")
    dots, crosses = fig.axes[0].collections
    assert np.array_equal(dots.get_offsets(), [[1, 5], [2, 6]])
    assert np.array_equal(crosses.get_offsets(), [[3, 5]])
    with pytest.raises(ValueError, match=r"a must have shape \(3,\), got \(2,\)"):
        parameter_panels({"a": x[:2]}, values, failed=failed, label="size")


FIELDS = {
    "means": {"a": np.outer(X, [1.0, 2.0]), "b": np.outer(X, [-3.0, 0.5])},
    "spread": {"a": np.outer(1 + X, [1.0, 1.0])},
}


def _shows_fields(fig, rows):
    """Every field under its title, one scale in a row, that of `signed` rows even."""
    panels = {axes.get_title(): axes for axes in fig.axes if axes.get_title()}
    for name, fields in rows.items():
        scales = set()
        for heading, field in fields.items():
            (mesh,) = [m for axes in fig.axes for m in axes.collections
                       if axes.get_title() == heading
                       and np.array_equal(m.get_array(), field.T)]  # fmt: skip
            scales.add(mesh.get_clim())
        ((low, high),) = scales
        assert (low == -high == -3.0) if name == "means" else low == 1.0
    assert set(panels) == {"a", "b"}


def test_field_panels_show_their_fields():
    draw = functools.partial(field_panels, x=X, y=X[:2], signed=["means"])
    fig = draw(FIELDS, dots=[[0.5, 0.2], [0.1, 0.1]])
    _shows_fields(fig, FIELDS)
    assert np.array_equal(fig.axes[0].lines[0].get_xydata(), [[0.5, 0.2], [0.1, 0.1]])
    with pytest.raises((AssertionError, ValueError)):  # another field
        other = FIELDS["means"] | {"b": FIELDS["means"]["a"]}
        _shows_fields(fig, FIELDS | {"means": other | {"a": other["b"] + 1}})
    with pytest.raises(ValueError, match=r"rows\['spread'\]\['a'\] must be \(5, 2\)"):
        draw(FIELDS | {"spread": {"a": np.ones((2, 5))}})
    with pytest.raises(ValueError, match="at least one row"):
        draw({})


CLOUDS = {
    "five calls": {"a": np.stack([X, X**2], 1), "b": np.stack([X, 1 - X], 1)},
    "ten calls": {"b": np.stack([X, 2 * X], 1)},
}


def _shows_points(fig, rows):
    """Every cloud under its title, on one scale; one colour for one title."""
    shown = [axes for axes in fig.axes if axes.get_visible()]
    wanted = [item for panels in rows.values() for item in panels.items()]
    colours = {}
    for axes, (heading, points) in zip(shown, wanted, strict=True):
        (line,) = axes.lines
        assert axes.get_title() == heading
        assert np.array_equal(line.get_xydata(), points)
        assert colours.setdefault(heading, line.get_color()) == line.get_color()
    assert len(set(colours.values())) == len(colours)
    assert len({axes.get_xlim() + axes.get_ylim() for axes in shown}) == 1
    assert [axes.get_ylabel() for axes in shown if axes.get_ylabel()] == list(rows)


def test_point_panels_show_their_points():
    fig = point_panels(CLOUDS)
    _shows_points(fig, CLOUDS)
    for low, high in (fig.axes[0].get_xlim(), fig.axes[0].get_ylim()):
        assert low < 0 and 1 < high < 3 and high - low > 2
    with pytest.raises(AssertionError):
        _shows_points(fig, CLOUDS | {"ten calls": {"b": -CLOUDS["ten calls"]["b"]}})
    lost = {"": {"a": np.array([[0.0, 1.0], [np.nan, 0.0]])}}
    fig = point_panels(lost, extent=(-1.0, 2.0))
    assert fig.axes[0].get_title() == "a\n1 not finite"
    assert (
        fig.axes[0].get_ylim() == (-1, 2) and len(fig.axes[0].lines[0].get_xdata()) == 1
    )
    with pytest.raises(ValueError, match=r"rows\['r'\]\['a'\] must be \(points, 2\)"):
        point_panels({"r": {"a": X}})
    with pytest.raises(ValueError, match="at least one row"):
        point_panels({"r": {}})
