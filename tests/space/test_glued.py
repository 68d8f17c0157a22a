"""Antiperiodic and twisted axes: transforms, derivatives, ramps."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from phix.space import (
    Grid,
    Twisted,
    spectral_derivative,
    spectral_evaluate,
    spectral_resample,
)


def waves(x, length, shift=0.5, order=0):
    """A sum of half-integer waves, or its derivative."""
    total = 0.0
    for m, (a, b) in enumerate([(0.7, 0.2), (-0.4, 0.9), (0.1, -0.3)]):
        k = 2 * np.pi / length * (m + shift)
        turn = order * np.pi / 2
        total = total + k**order * (a * np.cos(k * x + turn) + b * np.sin(k * x + turn))
    return total


def check_coefficients(shift):
    """The cosines and sines a field was made of, on both kinds of nodes."""
    for node in ("vertex", "centre"):
        grid = Grid(12, (-1.0, 2.0), "antiperiodic", node)
        u = waves(np.asarray(grid.axes[0]) - grid.origin[0], 3.0, shift)
        c = np.asarray(grid.modes().to_modes(jnp.asarray(u)[None]))[0]
        np.testing.assert_allclose(c[:6], [0.7, 0.2, -0.4, 0.9, 0.1, -0.3], atol=1e-14)
        np.testing.assert_allclose(c[6:], 0, atol=1e-14)


def test_coefficients_of_half_integer_waves():
    check_coefficients(0.5)
    with pytest.raises(AssertionError):
        check_coefficients(1.0)


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((2,), "antiperiodic"),
        ((10,), "antiperiodic"),
        ((12, 5), ("antiperiodic", "periodic")),
        ((5, 6), ("periodic", "antiperiodic")),
        ((4, 6, 3), ("antiperiodic", "antiperiodic", "neumann")),
    ],
)
def test_there_and_back(shape, sides):
    rng = np.random.default_rng(0)
    for kind, complex in ((np.real, False), (lambda z: z, True)):
        grid = Grid(shape, (0.0, 1.0), sides)
        z = rng.normal(size=(2, 3, *shape))
        u = jnp.asarray(kind(z[0] + 1j * z[1]))
        modes = grid.modes(complex=complex)
        np.testing.assert_allclose(modes.to_nodes(modes.to_modes(u)), u, atol=1e-13)


def test_symbols_filters_and_other_points():
    grid = Grid(16, (0.0, 3.0), "antiperiodic")
    x = np.asarray(grid.axes[0])
    modes = grid.modes()
    c = modes.to_modes(jnp.asarray(waves(x, 3.0))[None])
    bent = modes.to_nodes(jnp.asarray(modes.laplacian) * c)
    np.testing.assert_allclose(bent[0], waves(x, 3.0, order=2), atol=1e-11)
    with pytest.raises(ValueError, match="turns sines into cosines"):
        modes.derivative(0)
    # Of a kept wave both cosine and sine are kept.
    assert [grid.modes(keep).shape[0] for keep in (1 / 16, 0.3, 1.0)] == [2, 6, 16]
    points = np.linspace(-2.0, 7.0, 9)
    values = spectral_evaluate(modes, c, jnp.asarray(points)[:, None])
    np.testing.assert_allclose(values[0], waves(points, 3.0), atol=1e-13)
    finer = Grid(24, (0.0, 3.0), "antiperiodic").modes()
    there = finer.to_nodes(spectral_resample(modes, c, finer))
    np.testing.assert_allclose(
        there[0], waves(np.asarray(finer.grid.axes[0]), 3.0), atol=1e-13
    )


def check_derivative(derivative):
    for side, shift, gain in (
        ("periodic", 1.0, 0.0),
        ("antiperiodic", 0.5, 0.0),
        (Twisted(2.5), 1.0, 2.5),
    ):
        for node in ("vertex", "centre"):
            grid = Grid((5, 14), ((0.0, 1.0), (0.0, 3.0)), ("periodic", side), node)
            y = np.asarray(grid.coordinates[1])
            u = jnp.asarray(waves(y, 3.0, shift) + gain * y / 3.0)[None]
            wanted = waves(y, 3.0, shift, order=1) + gain / 3.0
            np.testing.assert_allclose(derivative(grid, u, 1)[0], wanted, atol=1e-12)
            np.testing.assert_allclose(derivative(grid, u, 0), 0, atol=1e-12)


def test_derivatives():
    check_derivative(spectral_derivative)
    with pytest.raises(AssertionError):
        check_derivative(lambda grid, u, axis: spectral_derivative(
            Grid(grid.shape, grid.extent), u, axis))  # fmt: skip


def test_ramps():
    grid = Grid((4, 5), ((1.0, 3.0), (0.0, 1.0)), (Twisted((6.0, 0.0)), "periodic"))
    x = np.asarray(grid.coordinates[0])
    ramp = grid.ramp()
    assert ramp.shape == (2, 4, 5)
    np.testing.assert_allclose(ramp[0], 3 * (x - 1))
    np.testing.assert_allclose(ramp[1], 0)
    assert grid.untwisted == Grid((4, 5), grid.extent)
    assert grid.twist.tolist() == [[6.0, 0.0], [0.0, 0.0]]


def test_refusals():
    with pytest.raises(ValueError, match="even number of nodes"):
        Grid(5, (0.0, 1.0), "antiperiodic").modes()
    with pytest.raises(ValueError, match="grid.untwisted"):
        Grid(6, (0.0, 1.0), Twisted(2 * math.pi)).modes()
    with pytest.raises(ValueError, match="spectral derivative wants"):
        spectral_derivative(Grid(6, (0.0, 1.0), "neumann"), jnp.zeros((1, 6)))
