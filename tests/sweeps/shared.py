"""A sweep that several processes, or one, may run."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix.sweeps import sweep


def fn(p, *, key):
    """A damped random field, by transforms."""
    u = jnp.fft.rfft(p["a"] * jr.normal(key, (12,)))
    return {"u": jnp.fft.irfft(jnp.exp(-p["a"]) * u, 12)}


def run(directory, mesh=None):
    """37 points in blocks of two."""
    return sweep(
        fn,
        {"a": np.linspace(0.1, 2.0, 37)},
        directory,
        key=jr.key(0),
        mesh=mesh,
        chunk=2,
        seconds=0.0,
        progress=False,
    )
