"""A sweep on a disk that fills up, and goes on when there is room: prints it as JSON.

unshare -rm python full_disk.py DIRECTORY
"""

import json
import sys

import jax.numpy as jnp
import numpy as np

from phix.sweeps import open_sweep, sweep
from tests.processes import mount


def fn(p):
    """32 kB for each point."""
    return jnp.sin(p["a"] * jnp.arange(8192, dtype=jnp.float32))


def run(directory):
    points = {"a": np.arange(64, dtype=np.float32)}
    return sweep(fn, points, directory, chunk=4, seconds=0.0, progress=False)


if __name__ == "__main__":
    directory = sys.argv[1]
    mount(directory, "size=1500k")
    try:
        run(directory)
        said = "nothing"
    except OSError as error:
        said = str(error)
    status = open_sweep(directory).status.values
    mount(directory, "size=20m", "remount")
    whole = run(directory)
    wanted = np.stack([fn({"a": np.float32(a)}) for a in range(64)])
    gap = float(np.abs(whole.value.values - wanted).max())
    done = [int((s >= 0).sum()) for s in (status, whole.status.values)]
    print(json.dumps({"said": said, "done": done, "gap": gap}))
