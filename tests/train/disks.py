"""A fit on a disk that fills up, then has room, then may only be read: prints JSON.

unshare -rm python disks.py DIRECTORY
"""

import json
import sys
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from phix.train import Checkpoints, fit, per_sample
from tests.processes import mount
from tests.train.problems import source


# A checkpoint takes 300 kB; noise does not compress.
START = {"w": jr.normal(jr.key(1), (25_000,), jnp.float32)}


def loss(model, sample, *, step, key):
    x, y = sample
    return (jnp.mean(model["w"]) * x[0] - y) ** 2, {}


def run(checkpoint, steps):
    return fit(
        START,
        per_sample(loss),
        source(7),
        steps=steps,
        key=jr.key(0),
        optimiser=optax.adam(1e-2),
        checkpoint=checkpoint,
        progress=False,
    ).model["w"]


def complaint(directory, steps):
    try:
        run(Checkpoints(directory, every=5, keep_last=9), steps)
    except OSError as error:
        return str(error)
    return "nothing"


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    mount(directory, "size=1m")
    full = complaint(directory / "run", 30)
    with Checkpoints(directory / "run") as saved:
        kept = saved.latest_step
        whole = bool(np.isfinite(saved.restore_model(START)["w"]).all())
    mount(directory, "size=20m", "remount")
    found = run(Checkpoints(directory / "run", every=5), 30)
    same = bool((found == run(None, 30)).all())
    mount(directory, "ro", "remount")
    read_only = [complaint(directory / name, 40) for name in ("run", "new")]
    says = {"full": full, "read_only": read_only}
    print(json.dumps({**says, "kept": kept, "whole": whole, "same": same}))
