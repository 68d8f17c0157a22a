"""One of two processes, with two devices each, that share a fit; or alone, with two.

    python one_of_two.py RANK PORT DIRECTORY PAUSE [STEPS]
    python one_of_two.py alone PORT DIRECTORY PAUSE [STEPS]

An evaluation takes PAUSE seconds. Prints what the fit of 60 updates, or so many, ends
in as JSON.
"""

import json
import sys
import time

import jax


rank, port, directory, pause = sys.argv[1:5]
steps = int(sys.argv[5]) if len(sys.argv) > 5 else 60
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)

import jax.random as jr  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402

from phix.parallel import initialise, make_mesh  # noqa: E402
from phix.train import Checkpoints, fit, per_sample  # noqa: E402


if rank != "alone":
    address = f"127.0.0.1:{port}"
    initialise(address, 2, int(rank), timeout=60, lost_after=10)

from tests.train.problems import START, noisy_loss, source  # noqa: E402


def evaluate(model):
    time.sleep(float(pause))
    return {"w0": np.asarray(model["w"])[0]}


result = fit(
    START,
    per_sample(noisy_loss),
    source(10),
    steps=steps,
    key=jr.key(0),
    optimiser=optax.adam(1e-2),
    checkpoint=Checkpoints(directory, every=10, keep_best="w0"),
    evaluate=evaluate,
    evaluate_every=3,
    mesh=make_mesh(),
    ema=0.9,
    progress=False,
)
w, ema = (np.asarray(x["w"]).tolist() for x in (result.model, result.ema))
print(json.dumps({"w": w, "ema": ema, "step": result.step}))
