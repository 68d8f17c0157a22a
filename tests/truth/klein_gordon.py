"""Closed forms of scalar fields with a potential, in NumPy."""

import numpy as np


def moving_breather(x, t, omega, u):
    """Sine-Gordon; Lamb's breather in the frame in which it moves at speed u."""
    gamma, eps = 1 / np.sqrt(1 - u**2), np.sqrt(1 - omega**2)
    swing = np.cos(gamma * omega * (t - u * x))
    return 4 * np.arctan(eps * swing / (omega * np.cosh(gamma * eps * (x - u * t))))


def sine_gordon_pair(x, t, u):
    """Perring and Skyrme's kink and antikink; they meet at t = 0."""
    gamma = 1 / np.sqrt(1 - u**2)
    return 4 * np.arctan(np.sinh(gamma * u * t) / (u * np.cosh(gamma * x)))


def sine_gordon_kink(x, t, u):
    """From 0 to 2π."""
    return 4 * np.arctan(np.exp((x - u * t) / np.sqrt(1 - u**2)))


def phi4_kink(x, t, u, coupling=1.0, v=1.0):
    """From −v to v."""
    width = np.sqrt(2 / coupling) / v
    return v * np.tanh((x - u * t) / (width * np.sqrt(1 - u**2)))


def free_field(phi, rate, t, length, m):
    """φ_tt = φ_xx − m²φ on a ring: every wave by itself, by a plain DFT."""
    n = len(phi)
    k = 2 * np.pi / length * np.round(np.fft.fftfreq(n) * n)
    omega = np.sqrt(k**2 + m**2)
    a, b = np.fft.fft(phi), np.fft.fft(rate)
    there = a * np.cos(omega * t) + b * np.sin(omega * t) / omega
    moved = b * np.cos(omega * t) - a * omega * np.sin(omega * t)
    return np.fft.ifft(there).real, np.fft.ifft(moved).real


def thin_wall_radius(t, radius):
    """A circular φ⁴ wall that starts at rest, far thinner than its radius: its energy
    2πRσ/√(1 − Ṙ²) is kept."""
    return radius * np.cos(t / radius)
