"""Spectra by shells, and means over cells."""

import jax.numpy as jnp
import numpy as np
import pytest

from phix.space import CellMeans, Grid, shell_spectrum


def check_spectrum(spectrum):
    """A single wave is in one shell, with all of its mean square; any field in all."""
    grid = Grid((12, 10), (0.0, 2 * np.pi))
    wave = grid.project(lambda x: 3.0 * jnp.cos(3 * x[0] - 4 * x[1] + 0.3))
    kappa, power = spectrum(grid, wave)
    np.testing.assert_allclose(kappa, np.arange(len(kappa)))
    np.testing.assert_allclose(power[0], 4.5 * (kappa == 5), atol=1e-12)
    noise = jnp.asarray(np.random.default_rng(0).normal(size=(2, 12, 10)))
    _, power = spectrum(grid, noise)
    np.testing.assert_allclose(power.sum(1), (noise**2).mean((1, 2)), rtol=1e-12)


def test_the_spectrum_by_shells():
    check_spectrum(shell_spectrum)

    def halved(grid, u):
        kappa, _ = shell_spectrum(grid, u)
        power = np.abs(np.fft.rfft2(np.asarray(u)) / u[0].size) ** 2
        k = np.hypot(
            *np.meshgrid(np.fft.fftfreq(12, 1 / 12), np.arange(6.0), indexing="ij")
        )
        shell = np.round(k).astype(int)
        return kappa, np.stack(
            [[p[shell == j].sum() for j in range(len(kappa))] for p in power]
        )

    with pytest.raises(AssertionError):  # the conjugate waves forgotten
        check_spectrum(halved)
    with pytest.raises(ValueError, match="`grid` must be periodic"):
        shell_spectrum(Grid(8, (0.0, 1.0), "neumann", "centre"), jnp.ones((1, 8)))


def check_means(cells):
    u = np.random.default_rng(0).normal(size=(2, 4, 6))
    truth = [u[:, i : i + 2, j : j + 2].mean((1, 2)) for i in (0, 2) for j in (0, 2, 4)]
    np.testing.assert_allclose(cells(jnp.asarray(u)), np.stack(truth, 1), rtol=1e-12)


def test_means_over_cells():
    grid = Grid((4, 6), ((0.0, 4.0), (0.0, 6.0)))
    cells = CellMeans(grid, 2)
    check_means(cells)
    np.testing.assert_allclose(
        cells.points[:4], [[0.5, 0.5], [0.5, 2.5], [0.5, 4.5], [2.5, 0.5]]
    )
    with pytest.raises(AssertionError):  # the cells in another order
        check_means(lambda u: CellMeans(Grid((6, 4), (0.0, 1.0)), 2)(u.swapaxes(1, 2)))
    with pytest.raises(ValueError, match=r"`cell` must divide every axis.*\(4, 6\)"):
        CellMeans(grid, 4)
