"""A small regression whose gradient descent is known in closed form."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix.train import ArraySource


X = jr.normal(jr.key(10), (24, 3))
Y = X @ jnp.array([1.0, -2.0, 0.5]) + 0.1 * jr.normal(jr.key(11), (24,))
START = {"w": jnp.zeros(3), "name": "line"}


def loss(model, sample, *, step, key):
    x, y = sample
    error = jnp.dot(model["w"], x) - y
    return 0.5 * error**2, {"abs": jnp.abs(error)}


def noisy_loss(model, sample, *, step, key):
    """Depends on the key and the step, so that a wrong resume shows."""
    value, metrics = loss(model, sample, step=step, key=key)
    kick = jnp.dot(model["w"], jr.normal(key, (3,), model["w"].dtype))
    return value + kick / (1 + step), metrics


# A wide network whose first matrix and table are long enough to be cut over devices.
WIDE = {
    "inner": jr.normal(jr.key(12), (3, 512)),
    "outer": jr.normal(jr.key(13), (512,)) / 512,
    "table": jnp.zeros((24, 64)),
}


def wide_loss(model, sample, *, step, key):
    """One row of the table for each sample, as an auto-decoder has."""
    x, y, row = sample
    kick = jr.normal(key, (64,), model["table"].dtype)
    latent = jnp.mean(model["table"][row]) + jnp.dot(model["table"][row], kick) / 64
    error = jnp.dot(jnp.tanh(x @ model["inner"]), model["outer"]) + latent - y
    return 0.5 * error**2, {"abs": jnp.abs(error)}


def wide_source(batch_size=None):
    return ArraySource((X, Y, jnp.arange(24)), batch_size)


def source(batch_size=None):
    return ArraySource((X, Y), batch_size)


def after(steps, rate):
    """w* + (I - rate H)^steps (w0 - w*), H = XᵀX/n: gradient descent on all data."""
    x, y = np.asarray(X), np.asarray(Y)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    shrink = np.eye(3) - rate * x.T @ x / len(y)
    return best - np.linalg.matrix_power(shrink, steps) @ best
