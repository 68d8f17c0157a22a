"""The modes of a grid as dense matrices, in NumPy; imports nothing from phix."""

import numpy as np


def waves(n: int, keep: float | None, boundary: tuple[str, str]) -> np.ndarray:
    """The whole numbers of the kept modes of one axis, both signs where periodic."""
    if boundary[0] != "periodic":
        return np.arange(n if keep is None else int(np.ceil(keep * n - 1e-9)))
    k = np.arange(-(n // 2), (n - 1) // 2 + 1)
    return k if keep is None else k[2 * np.abs(k) < keep * n - 1e-9]


def synthesis(
    x: np.ndarray,
    low: float,
    length: float,
    k: np.ndarray,
    boundary: tuple[str, str],
    order: int = 0,
) -> np.ndarray:
    """The modes, or their derivatives, at the points x: "points modes".

    Phases of exponentials count from x[0]; the wave n/2 of n points is a cosine.
    """
    left, right = boundary
    if left == "periodic":
        kappa = 2 * np.pi * k / length
        modes = (1j * kappa) ** order * np.exp(1j * kappa * (x[:, None] - x[0]))
        lone = 2 * np.abs(k) == len(x)
        return np.where(lone, modes.real, modes)
    first = (1 if left == right else 0.5) if left == "dirichlet" else 0
    first = 0.5 if left != right else first
    kappa = (k + first) * np.pi / length
    turn = (0 if left == "neumann" else -np.pi / 2) + order * np.pi / 2
    return kappa**order * np.cos(kappa * (x[:, None] - low) + turn)


def apply(matrices: list[np.ndarray], u: np.ndarray) -> np.ndarray:
    """One matrix along every axis but the first."""
    for axis, matrix in enumerate(matrices):
        u = np.moveaxis(np.tensordot(matrix, u, (1, axis + 1)), 0, axis + 1)
    return u
