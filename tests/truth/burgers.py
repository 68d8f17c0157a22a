"""Truths for Burgers' equation, in NumPy."""

import numpy as np


def shock_profile(x: np.ndarray) -> np.ndarray:
    """Closed form fitted to the stored initial profile of arXiv:2505.14595."""
    left = np.sqrt(4.2514**2 + (0.04 / 0.0285) * (np.exp(0.0285 * x) - 1))
    right = 1.00854 + 0.046588 * np.exp(0.0275 * x)
    return right + (left - right) * 0.5 * (1 - np.tanh((x - 11.6) / 0.38))


def march(mu: float, *, frames: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """The published solver: 256 vertices on [0, 100], upwind, forward Euler, dt = 0.07.

    Returns x, "nodes", and u, "frames nodes".
    """
    x = np.linspace(0.0, 100.0, 256)
    dx, dt = 100.0 / 255.0, 0.07
    source = 0.02 * np.exp(mu * x)
    u = shock_profile(x)
    history = [u]
    for _ in range(frames - 1):
        following = u.copy()
        for i in range(1, 256):
            flux = 0.5 * u[i] ** 2 - 0.5 * u[i - 1] ** 2
            following[i] = u[i] + dt * (source[i] - flux / dx)
        u = following
        history.append(u)
    return x, np.stack(history)


def travelling_front(
    x: np.ndarray, t: float, *, speed: float, jump: float, viscosity: float
) -> np.ndarray:
    """The viscous shock: from speed + jump on the left to speed - jump on the right."""
    return speed - jump * np.tanh(jump * (x - speed * t) / (2 * viscosity))


def fan(x: np.ndarray, t: float) -> np.ndarray:
    """The entropy solution from -1 on the left of 0 and 1 on the right."""
    return np.clip(x / t, -1.0, 1.0)
