"""Roster of `phix.num`."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from phix.num import (
    at_minimum,
    checkpointed_scan,
    cosine,
    damped_lstsq,
    dear,
    divergence,
    dmd,
    eig,
    gradient,
    hermite,
    laplacian,
    least_squares,
    matmul,
    minimise,
    norm,
    phi,
    phis,
    scale,
    sine,
    spline_weights,
)
from tests.rosters.case import Case


EXEMPT: dict[str, str] = {}

TIMES = np.linspace(0.0, 1.0, 8)


def _lstsq(dtype):
    rng = np.random.default_rng(0)
    J, b = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    return (
        lambda J, b, damping: damped_lstsq(J, b, damping=damping),
        (jnp.asarray(J, dtype), jnp.asarray(b, dtype), jnp.asarray(0.1, dtype)),
    )


def _least_squares(dtype):
    def decay(x, data):
        return x[0] * jnp.exp(-x[1] * jnp.asarray(TIMES, dtype)) - data

    def fn(data):
        found = least_squares(decay, jnp.ones(2, dtype), args=data, rtol=1e-14)
        return found.x, found.residual_norm

    data = 2 * np.exp(-3 * TIMES) + 0.1 * np.cos(9 * TIMES)
    return fn, (jnp.asarray(data, dtype),)


def _minimise(dtype):
    # The value alone: the minimiser is known to half the digits only.
    def fn(centre):
        def bowl(x, centre):
            return jnp.sum((x - centre) ** 2) + jnp.sum(centre**2)

        found = minimise(
            bowl, jnp.zeros(2, dtype), args=centre, optimiser=optax.sgd(0.3), rtol=0.0
        )
        return found.value

    return fn, (jnp.asarray([1.0, -2.0], dtype),)


def _at_minimum(dtype):
    def fn(a):
        return at_minimum(lambda x: jnp.sum((x - a**2) ** 2), a**2)

    return fn, (jnp.asarray([1.0, 2.0], dtype),)


def _scan(dtype):
    def fn(rate, u0, forcing):
        def step(u, force):
            u = u + rate * dear(jnp.sin(jnp.roll(u, 1))) + force
            return u, u[0]

        return checkpointed_scan(step, u0, forcing, memory=7)

    u0, forcing = jnp.arange(1.0, 4.0), jnp.linspace(0.0, 0.1, 13)
    return fn, tuple(jnp.asarray(a, dtype) for a in (0.2, u0, forcing))


def _operators(dtype):
    def fn(x, rate):
        def u(x):
            return jnp.stack([jnp.sin(rate * x[0]) * x[1], x[0] * x[1] ** 2])

        return gradient(u)(x), divergence(u)(x), laplacian(u)(x), norm(u(x))

    return fn, (jnp.asarray([0.3, -0.7], dtype), jnp.asarray(2.0, dtype))


def _phi(dtype):
    def fn(real, imaginary):
        z = jax.lax.complex(real, imaginary)
        return phi(2, real), phis(3, z)

    # Both branches: on either side of |z| = 1.
    z = np.array([0.3, -1e-6, -0.8, -4.0, 2.0]), np.array([0.4, 0.0, 0.7, 3.0, -9.0])
    return fn, tuple(jnp.asarray(part, dtype) for part in z)


def _matmul(dtype):
    a, b = jr.normal(jr.key(0), (2, 3, 4), dtype), jr.normal(jr.key(1), (4, 2), dtype)
    return matmul, (a, b)


def _dmd(dtype):
    def fn(X, Y):
        values, vectors = eig(X[:4])
        return dmd(X, Y, 3), values, vectors

    rng = np.random.default_rng(4)
    X = rng.normal(size=(6, 4))
    Y = X @ rng.normal(size=(4, 4))
    return fn, (jnp.asarray(X, dtype), jnp.asarray(Y, dtype))


def _hermite(dtype):
    def fn(knots, values, slopes):
        return hermite(jnp.asarray([0.1, 0.4, 0.9], dtype), knots, values, slopes)

    rng = np.random.default_rng(5)
    parts = [0.0, 0.3, 0.8, 1.0], rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    return fn, tuple(jnp.asarray(part, dtype) for part in parts)


def _spline(dtype):
    weights = spline_weights(np.array([0.1, 0.4, 0.9]), np.array([0.0, 0.3, 0.8, 1.0]))

    def fn(values):
        return matmul(jnp.asarray(weights, dtype), values)

    values = np.random.default_rng(6).normal(size=(4, 2))
    return fn, (jnp.asarray(values, dtype),)


def _sine(dtype):
    def fn(x):
        return sine(x), cosine(x)

    return fn, (jnp.linspace(-7.0, 9.0, 12, dtype=dtype),)


def _scale(dtype):
    rng = np.random.default_rng(0)
    x, y, real = (jnp.asarray(rng.normal(size=(2, 3)), dtype) for _ in range(3))
    slope = 1j * np.arange(3.0).astype(np.dtype(dtype))

    def fn(real, x, y):
        z = jax.lax.complex(x, y)
        found = scale(real, z) + scale(jax.lax.complex(y, x), scale(slope, z))
        return found.real, found.imag

    return fn, (real, x, y)


CASES = [
    Case("damped_lstsq", _lstsq, ("damped_lstsq",)),
    Case("least_squares", _least_squares, ("least_squares", "LeastSquaresSolution")),
    Case("minimise", _minimise, ("minimise", "MinimiseSolution")),
    Case("matmul", _matmul, ("matmul",)),
    Case("at_minimum", _at_minimum, ("at_minimum",)),
    Case("checkpointed_scan", _scan, ("checkpointed_scan", "dear", "DEAR")),
    Case("operators", _operators, ("gradient", "divergence", "laplacian", "norm")),
    Case(
        "dmd",
        _dmd,
        ("dmd", "DMDSolution", "eig"),
        no_tpu="eigenvalues of matrices that are not symmetric: XLA has none for TPUs",
    ),
    Case("hermite", _hermite, ("hermite",)),
    Case("spline", _spline, ("spline_weights",)),
    Case("sine", _sine, ("sine", "cosine")),
    Case("phi", _phi, ("phi", "phis")),
    Case("scale", _scale, ("scale",)),
]
