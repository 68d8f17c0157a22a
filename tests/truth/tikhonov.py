"""Tikhonov-damped least squares in closed form, by NumPy's SVD in float64."""

import numpy as np


def solve(J, b, damping):
    """min ‖Jx − b‖² + μ²‖x‖², μ = damping ‖J‖_F / √r, as Σ σ/(σ² + μ²) v uᵀb."""
    J, b = np.asarray(J, np.float64), np.asarray(b, np.float64)
    U, s, Vt = np.linalg.svd(J, full_matrices=False)
    mu = damping * np.sqrt(np.sum(s**2) / J.shape[1])
    return Vt.T @ ((s / (s**2 + mu**2))[:, None] * (U.T @ b.reshape(len(b), -1)))


def with_condition(rows, columns, condition, seed=0):
    """A matrix of the given condition number, singular values spread evenly in log."""
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.normal(size=(rows, columns)))
    right, _ = np.linalg.qr(rng.normal(size=(columns, columns)))
    return left * np.logspace(0, -np.log10(condition), columns) @ right.T
