"""Reactions without space, for an ODE solver, in NumPy."""

import numpy as np
from scipy.integrate import solve_ivp


def gray_scott(w, f, k):
    u, v = w
    return [-u * v * v + f * (1 - u), u * v * v - (f + k) * v]


def brusselator(w, a, b):
    u, v = w
    return [a + u * u * v - (b + 1) * u, b * u - u * u * v]


def lambda_omega(w, beta):
    z = w[0] + 1j * w[1]
    rate = (1 - abs(z) ** 2) * z - 1j * beta * abs(z) ** 2 * z
    return [rate.real, rate.imag]


def fitzhugh_nagumo(w, stimulus, recovery, decay):
    u, v = w
    return [u - u**3 - v + stimulus, recovery * (u - decay * v)]


def march(reaction, start, time: float, *parameters) -> np.ndarray:
    """The state at `time`, to 1e-12."""
    found = solve_ivp(
        lambda t, w: reaction(w, *parameters),
        (0.0, time),
        start,
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
    )
    return found.y[:, -1]


def jacobian(reaction, at, *parameters) -> np.ndarray:
    """By central differences."""
    eps = 1e-6
    columns = [
        np.subtract(
            reaction(at + eps * e, *parameters), reaction(at - eps * e, *parameters)
        )
        / (2 * eps)
        for e in np.eye(len(at))
    ]
    return np.stack(columns, axis=1)
