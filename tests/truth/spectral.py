"""Spectral operators written out plainly, in NumPy, on periodic boxes (0, 2π)."""

import numpy as np


def derivative_matrix(n: int) -> np.ndarray:
    """d/dx at n nodes, n odd."""
    k = np.fft.fftfreq(n, 1 / n)
    return np.real(np.fft.ifft(1j * k[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0))


def vorticity_transport(omega: np.ndarray, keep: int) -> np.ndarray:
    """-u·∇ω with (u, v) = (ψ_y, -ψ_x), -Δψ = ω, in waves up to `keep`.

    The advective form, its products taken on twice the nodes.
    """
    n = omega.shape[0]
    k = np.fft.fftfreq(n, 1 / n)
    kx, ky = k[:, None], k[None]
    square = np.where(kx**2 + ky**2 == 0, 1, kx**2 + ky**2)
    w = np.fft.fft2(omega) / n**2
    psi = np.where(kx**2 + ky**2 == 0, 0, w / square)

    def fine(c):
        big = np.zeros((2 * n, 2 * n), complex)
        index = np.fft.fftfreq(n, 1 / n).astype(int)
        big[np.ix_(index, index)] = c
        return np.real(np.fft.ifft2(big)) * 4 * n**2

    rate = -(
        fine(1j * ky * psi) * fine(1j * kx * w)
        - fine(1j * kx * psi) * fine(1j * ky * w)
    )
    c = np.fft.fft2(rate) / (4 * n**2)
    waves = np.fft.fftfreq(2 * n, 1 / (2 * n))
    kept = (np.abs(waves)[:, None] <= keep) & (np.abs(waves)[None] <= keep)
    return np.real(np.fft.ifft2(np.where(kept, c, 0)))[::2, ::2] * 4 * n**2
