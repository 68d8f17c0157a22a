"""Flow on a periodic box by its velocity, in the convective form, in plain NumPy."""

import itertools

import numpy as np


def transport(u: np.ndarray, lengths: tuple, keep: tuple[int, ...]) -> np.ndarray:
    """Minus u·∇u, projected, and for channels beyond the dimension minus u·∇θ.

    Waves up to `keep` along each axis; odd numbers of nodes. Products are taken on
    twice the nodes, derivatives and the pressure wave by wave.
    """
    dim, sizes = len(lengths), u.shape[1:]
    axes = tuple(range(1, dim + 1))
    scale = 2 * np.pi / np.asarray(lengths)
    fine = tuple(2 * n for n in sizes)
    k = waves(fine, scale)
    c = np.zeros((len(u), *fine), complex)
    index = [np.fft.fftfreq(n, 1 / n).astype(int) for n in sizes]
    c[np.ix_(range(len(u)), *index)] = np.fft.fftn(u, axes=axes) * 2**dim
    nodes = np.real(np.fft.ifftn(c, axes=axes))
    rate = np.zeros_like(nodes)
    for a in range(dim):
        rate -= nodes[a] * np.real(np.fft.ifftn(1j * k[a] * c, axes=axes))
    rate = np.fft.fftn(rate, axes=axes)
    for wave in itertools.product(*map(range, fine)):
        kappa = np.array([k[a][wave] for a in range(dim)])
        at = (slice(None), *wave)
        if np.any(np.abs(kappa / scale) > np.asarray(keep) + 0.5):
            rate[at] = 0
        elif kappa @ kappa > 0:
            flow = rate[at][:dim]
            rate[at][:dim] = flow - kappa * (kappa @ flow) / (kappa @ kappa)
    coarse = (slice(None), *(slice(None, None, 2) for _ in range(dim)))
    return np.real(np.fft.ifftn(rate, axes=axes))[coarse]


def waves(sizes: tuple, scale: np.ndarray) -> list[np.ndarray]:
    """Wavenumbers along each axis, on the whole grid."""
    one = [s * np.fft.fftfreq(n, 1 / n) for n, s in zip(sizes, scale, strict=True)]
    return list(np.meshgrid(*one, indexing="ij"))


def taylor_green_enstrophy(t: np.ndarray, nu: float) -> np.ndarray:
    """Mean of |ω|²/2 of the Taylor–Green vortex in three dimensions at early times.

    G. I. Taylor, A. E. Green, Proc. R. Soc. A 158 (1937) 499, equation (43), with
    τ = t and R = 1/ν. Terms from t⁵ on are left out.
    """
    series = (
        1
        - 6 * nu * t
        + (5 / 48 + 18 * nu**2) * t**2
        - (5 / 3 + 36 * nu**2) * nu * t**3
        + (50 / (99 * 64) + 1835 / (9 * 16) * nu**2 + 54 * nu**4) * t**4
    )
    return 3 / 8 * series
