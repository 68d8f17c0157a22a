"""What checkpoints cost a fit at default settings, and how soon a killed one goes on.

    python -m bench.scale.checkpoints [seconds]

A network of 0.85 million weights learns under Adam with an average of the model. Spans
of updates without a checkpoint and saves are timed in turn, five times in about
`seconds` (60), and a save is set against the 1000 updates between two of them: once as
what the fit waits for, and once in processor time, that of the background included. The
ten minutes of a fit are not run: the share is the same for any length. Resume is the
time from the start of a new process, with imports and compilation (its cache as it is
set up), to the end of its first update.
"""

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from phix.train import ArraySource, Checkpoints, fit, gradient_update, per_sample


EVERY = 1000  # the default of Checkpoints
KEY = jr.key(0)


def loss(model, sample, *, step, key):
    x, y = sample
    return jnp.mean((model(x) - y) ** 2), {}


# Made once, so that the loop is compiled once.
UPDATE = gradient_update(per_sample(loss), optax.adam(1e-3))


def train(checkpoint, steps, **options):
    model = eqx.nn.MLP(64, 64, 512, 4, key=KEY)
    x = jr.normal(KEY, (1024, 64))
    return fit(
        model,
        UPDATE,
        ArraySource((x, jnp.roll(x, 1, axis=1)), 32),
        steps=steps,
        key=KEY,
        ema=0.999,
        checkpoint=checkpoint,
        progress=False,
        **options,
    )


def timed(call):
    wall, processor = time.perf_counter(), time.process_time()
    out = call()
    return out, time.perf_counter() - wall, time.process_time() - processor


def main(seconds):
    folder = Path(tempfile.mkdtemp())
    train(None, 20, steps_per_call=10)
    _, _, processor = timed(lambda: train(None, 40, steps_per_call=10))
    update = processor / 40
    count = max(int(seconds / update / 20), 10)
    rows = []
    for i in range(5):
        result, wall, processor = timed(lambda: train(None, count, steps_per_call=10))
        with Checkpoints(folder / str(i)) as saved:
            saved.hold()
            save = partial(saved.save, 1, result.state, result.ema, key=KEY)
            _, blocked, first = timed(save)
            _, behind, second = timed(saved.wait)
            each = (wall / count, processor / count)
            rows.append((*each, blocked, behind, first + second))
    wall, processor, blocked, behind, used = np.median(rows, axis=0)
    size = sum(f.stat().st_size for f in (folder / "0").rglob("*") if f.is_file())
    print(f"{size / 1e6:.1f} MB a checkpoint; {count} updates in each of 5 spans")
    print(f"an update: {1e3 * wall:.2f} ms, {1e3 * processor:.2f} ms of the processor")
    print(
        f"a save: the fit waits {1e3 * blocked:.0f} ms; then {1e3 * behind:.0f} ms in "
        f"the background; {1e3 * used:.0f} ms of the processor in all"
    )
    for what, cost, each in (
        ("if the background is free", blocked, wall),
        ("of processor time", used, processor),
    ):
        print(f"share of a fit, {what}: {100 * cost / (EVERY * each):.2f} %")
    train(Checkpoints(folder / "run", every=20), 20, steps_per_call=10)
    start = time.time()
    child = [sys.executable, "-m", "bench.scale.checkpoints", "resume", folder / "run"]
    out = subprocess.run(child, capture_output=True, text=True, check=True).stdout
    print(f"resume to the end of the first update: {float(out) - start:.1f} s")


def resume(folder):
    result = train(Checkpoints(folder), 21, steps_per_call=10)
    jax.block_until_ready(result.ema)
    print(time.time())


if __name__ == "__main__":
    if sys.argv[1:2] == ["resume"]:
        resume(sys.argv[2])
    else:
        main(float((sys.argv[1:] or ["60"])[0]))
