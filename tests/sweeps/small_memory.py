"""A sweep in little memory: `small_memory.py DIRECTORY`; prints what ran, as JSON."""

import json
import resource
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from phix.sweeps import sweep


def fn(p):
    """Holds 64 MB, which cannot be had for many points at once."""
    big = p["a"] + jnp.arange(2.0**24, dtype="float32")
    return jax.lax.fori_loop(0, 2, lambda _, x: jnp.flip(x), big)[0]


if __name__ == "__main__":
    jax.block_until_ready(jax.jit(jnp.sin)(1.0))  # threads and their stacks
    threading.stack_size(2**18)  # those that start later take little of the rest
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + 700 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    points = {"a": np.arange(9.0, dtype=np.float32)}
    dataset = sweep(fn, points, sys.argv[1], chunk=8, seconds=0.0, progress=False)
    found = {name: dataset[name].values.tolist() for name in ("chunk_size", "status")}
    print(json.dumps({"chunks": dataset.attrs["chunks"], **found}))
