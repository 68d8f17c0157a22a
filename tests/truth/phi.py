"""φ-functions to many digits; imports nothing from phix."""

import mpmath
import numpy as np


def phi(k: int, z: np.ndarray) -> list:
    """φ_k(z) from its closed form with 100 digits, of which 50 are lost at most where
    |z| > 1e-8 and k < 7."""
    with mpmath.workdps(100):
        return [_one(k, mpmath.mpc(complex(number))) for number in z]


def relative_error(given: np.ndarray, exact: list) -> float:
    """The greatest relative error of an array of numbers."""
    with mpmath.workdps(100):
        return max(
            float(abs(mpmath.mpc(complex(a)) - b) / abs(b))
            for a, b in zip(given, exact, strict=True)
        )


def _one(k, z):
    start = sum(z**j / mpmath.factorial(j) for j in range(k))
    return (mpmath.exp(z) - start) / z**k
