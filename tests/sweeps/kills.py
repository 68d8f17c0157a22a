"""Kills sweeps at random moments and compares what they end in, to the bit.

    python tests/sweeps/kills.py DIRECTORY KILLS SEED

Prints counts as JSON.
"""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray

from phix.sweeps import sobol, sweep
from phix.sweeps._store import Store, open_sweep
from tests.kills import main


POINTS = {"a": (0.5, 1.5), "b": (0.0, 1.0)}


def walk(p, *, key):
    """A noisy map iterated on sixteen numbers; some of its points blow up."""

    def step(u, i):
        kick = jr.normal(jr.fold_in(key, i), u.shape)
        return p["a"] * jnp.sin(u) + p["b"] * jnp.cumsum(kick), None

    u, _ = jax.lax.scan(step, jnp.ones(16), jnp.arange(2000))
    return {"u": u, "log": jnp.log(p["a"] - 0.55)}


def run(directory):
    sweep(
        walk,
        sobol(POINTS, 256),
        directory,
        key=jr.key(1),
        chunk=4,
        seconds=0.02,
        progress=False,
    )


def committed(directory):
    """The points that are on the disk."""
    if not Store.exists(directory):
        return set()
    return set(np.flatnonzero(Store(directory).status() >= 0).tolist())


def check_same(directory, whole):
    with open_sweep(directory) as a, open_sweep(whole) as b:
        xarray.testing.assert_identical(a.drop_attrs(), b.drop_attrs())
    left = [file.name for file in directory.rglob("*") if "partial" in file.name]
    left += [file.name for file in directory.glob("*.tmp*")]
    assert not left, left


if __name__ == "__main__":
    main(run=run, committed=committed, check_same=check_same, longest=1.6)
