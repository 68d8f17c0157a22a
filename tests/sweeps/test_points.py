"""Points of a sweep: grids and samples that cover what they should."""

import numpy as np
import pytest

from phix.sweeps import Range, latin_hypercube, product, sobol


def check_product(points):
    wanted = [(a, b) for a in (1.0, 2.0) for b in (3, 4, 5)]
    assert list(zip(points["a"], points["b"], strict=True)) == wanted


def test_product_takes_every_combination_the_last_axis_fastest():
    axes = {"a": [1.0, 2.0], "b": [3, 4, 5]}
    check_product(product(axes))
    with pytest.raises(AssertionError):
        check_product(product(dict(reversed(axes.items()))))


def check_one_in_every_slice(column, low, high):
    slices = np.floor((column - low) / (high - low) * len(column)).astype(int)
    assert sorted(slices) == list(range(len(column)))


def test_latin_hypercube_has_one_point_in_every_slice():
    ranges = {"a": (2.0, 5.0), "b": Range(1e-3, 1e1, log=True)}
    points = latin_hypercube(ranges, 50, seed=3)
    check_one_in_every_slice(points["a"], 2.0, 5.0)
    check_one_in_every_slice(np.log10(points["b"]), -3.0, 1.0)
    uniform = np.random.default_rng(0).uniform(2.0, 5.0, 50)
    with pytest.raises(AssertionError):
        check_one_in_every_slice(uniform, 2.0, 5.0)
    other = latin_hypercube(ranges, 50, seed=4)
    assert not np.array_equal(points["a"], other["a"])


def check_mean(points):
    # The integral of exp(x) sin(πy/2) over the unit square is (e − 1)·2/π; the error of
    # a thousand random points is 0.015 (one standard deviation).
    mean = np.mean(np.exp(points["x"]) * np.sin(np.pi * points["y"] / 2))
    assert abs(mean - (np.e - 1) * 2 / np.pi) < 1e-3


def test_sobol_points_integrate_a_smooth_function():
    check_mean(sobol({"x": (0.0, 1.0), "y": (0.0, 1.0)}, 1024))
    random = np.random.default_rng(0).random((2, 1024))
    with pytest.raises(AssertionError):
        check_mean(dict(zip("xy", random, strict=True)))


def test_bad_points_are_refused():
    with pytest.raises(ValueError, match="low < high is wanted"):
        Range(1.0, 1.0)
    with pytest.raises(ValueError, match="a log range needs low > 0"):
        Range(0.0, 1.0, log=True)
    with pytest.raises(ValueError, match="power of two, got 100; take 128"):
        sobol({"x": (0.0, 1.0)}, 100)
    with pytest.raises(ValueError, match="number: got 0"):
        latin_hypercube({"x": (0.0, 1.0)}, 0)
    with pytest.raises(ValueError, match="axes: names no parameter"):
        product({})
