"""Closed forms of nonlinear waves, in NumPy."""

import numpy as np


def cole_hopf(x: np.ndarray, t: float, *, nu: float) -> np.ndarray:
    """Burgers' equation from sin x, by Gauss–Hermite quadrature of Hopf's integral."""
    z, weights = np.polynomial.hermite.hermgauss(120)
    width = np.sqrt(4 * nu * t)
    y = x[:, None] + width * z
    heat = weights * np.exp((np.cos(y) - 1) / (2 * nu))
    return -(width / t) * (heat @ z) / heat.sum(1)


def two_solitons(x: np.ndarray, t: float) -> np.ndarray:
    """u_t + 6 u u_x + u_xxx = 0: speeds 1 and 4, one through the other at t = 0."""
    x, t = x / 2, t / 8
    above = 3 + 4 * np.cosh(2 * x - 8 * t) + np.cosh(4 * x - 64 * t)
    below = 3 * np.cosh(x - 28 * t) + np.cosh(3 * x - 36 * t)
    return 0.25 * 12 * above / below**2
