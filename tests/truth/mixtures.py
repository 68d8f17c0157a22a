"""Truths for Gaussian mixtures, in NumPy: densities by their formula, posteriors by
quadrature."""

import numpy as np


WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[-1.5, 0.0], [1.2, 0.8], [0.4, -1.6]])
COVARIANCES = np.array(
    [
        [[0.30, 0.10], [0.10, 0.20]],
        [[0.15, -0.05], [-0.05, 0.40]],
        [[0.25, 0.00], [0.00, 0.05]],
    ]
)


def density(x: np.ndarray, weights, means, covariances) -> np.ndarray:
    """p(x) at points "... dim"."""
    total = np.zeros(x.shape[:-1])
    for w, m, c in zip(weights, means, covariances, strict=True):
        apart = x - m
        square = np.einsum("...i,ij,...j->...", apart, np.linalg.inv(c), apart)
        scale = np.sqrt(np.linalg.det(2 * np.pi * c))
        total = total + w * np.exp(-square / 2) / scale
    return total


def moments_by_quadrature(weight, *, half_width: float = 6.0, points: int = 601):
    """Mass, mean and covariance of an unnormalised density on a square, by the
    trapezoid rule (spectrally accurate for what has decayed at the edge)."""
    axis = np.linspace(-half_width, half_width, points)
    x = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    w = weight(x) * (axis[1] - axis[0]) ** 2
    mass = np.sum(w)
    mean = np.einsum("ab,abi->i", w, x) / mass
    second = np.einsum("ab,abi,abj->ij", w, x, x) / mass
    return mass, mean, second - np.outer(mean, mean)
