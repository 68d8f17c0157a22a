"""Truths for the diffusion equation, in NumPy."""

import itertools

import numpy as np


def heat_kernel(x: np.ndarray, t: float, *, nu: float) -> np.ndarray:
    """The spread of a unit mass at the origin; x is "dim *space"."""
    dim = x.shape[0]
    return np.exp(-(x**2).sum(0) / (4 * nu * t)) / (4 * np.pi * nu * t) ** (dim / 2)


def laplacian_by_loops(
    u: np.ndarray, spacing: tuple[float, ...], neighbour
) -> np.ndarray:
    """The second-order Laplacian, node by node.

    `neighbour(index, axis, step)` is the value next to a node, ghost nodes included.
    """
    out = np.zeros_like(u)
    for index in itertools.product(*(range(n) for n in u.shape)):
        for axis, h in enumerate(spacing):
            around = neighbour(index, axis, -1) + neighbour(index, axis, 1)
            out[index] += (around - 2 * u[index]) / h**2
    return out
