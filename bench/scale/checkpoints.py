"""What checkpoints cost a fit at default settings, and how soon a killed one goes on.

    python -m bench.scale.checkpoints [seconds]

A network of 0.85 million weights learns under Adam with an average of the model. Fits
of about `seconds` (20) with checkpoints and without are timed in turn, five pairs, all
that checkpoints bring counted: the wait of the loop, the background, the last one. A
save is also set against the 1000 updates between two of them in processor time, that
of the background included. The ten minutes of a fit are not run: what a fit pays once
weighs more in a short one. Resume is the time from the start of a new process, with
imports and compilation (its cache as it is set up), to the end of its first update.
"""

import shutil
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

from bench.timing import bootstrap
from phix.train import ArraySource, Checkpoints, fit, gradient_update, per_sample


EVERY = 1000  # the default of Checkpoints
PAIRS = 5
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
    train(None, 200, steps_per_call=10)
    _, wall, _ = timed(lambda: train(None, 400, steps_per_call=10))
    count = max(EVERY, round(seconds / (wall / 400) / EVERY) * EVERY)
    rows = []
    for i in range(PAIRS):
        run = partial(train, steps=count, steps_per_call=10)
        result, wall, processor = timed(lambda run=run: run(None))
        saved = Checkpoints(folder / str(i))
        _, longer, more = timed(lambda run=run, saved=saved: run(saved))
        rows.append((wall, processor, longer, more))
        shutil.rmtree(folder / str(i))
    rows = np.array(rows)
    wall, processor = np.median(rows[:, :2], axis=0) / count
    print(f"{count} updates, {count // EVERY} checkpoints, {PAIRS} pairs")
    print(f"an update: {1e3 * wall:.2f} ms, {1e3 * processor:.2f} ms of the processor")
    for what, a, b in (("wall time", 0, 2), ("processor time", 1, 3)):
        ratios = rows[:, b] / rows[:, a]
        low, high = bootstrap(ratios)
        middle = np.median(ratios)
        print(f"{what}, with over without: {middle:.4f} [{low:.4f}, {high:.4f}]")
    print_save(folder / "saves", result, processor)
    train(Checkpoints(folder / "run", every=20), 20, steps_per_call=10)
    start = time.time()
    child = [sys.executable, "-m", "bench.scale.checkpoints", "resume", folder / "run"]
    out = subprocess.run(child, capture_output=True, text=True, check=True).stdout
    print(f"resume to the end of the first update: {float(out) - start:.1f} s")


def print_save(folder, result, update):
    """What one save takes, when nothing else runs."""
    with Checkpoints(folder, keep_last=1) as saved:
        saved.hold()
        rows = []
        for step in range(1, 8):
            save = partial(saved.save, step, result.state, result.ema, key=KEY)
            _, blocked, first = timed(save)
            _, behind, second = timed(saved.wait)
            rows.append((blocked, behind, first + second))
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    blocked, behind, used = np.median(rows, axis=0)
    print(
        f"a save of {size / 1e6:.1f} MB: the fit waits {1e3 * blocked:.0f} ms; then "
        f"{1e3 * behind:.0f} ms in the background; {1e3 * used:.0f} ms of the "
        f"processor in all, {100 * used / (EVERY * update):.2f} % of {EVERY} updates"
    )


def resume(folder):
    result = train(Checkpoints(folder), 21, steps_per_call=10)
    jax.block_until_ready(result.ema)
    print(time.time())


if __name__ == "__main__":
    if sys.argv[1:2] == ["resume"]:
        resume(sys.argv[2])
    else:
        main(float((sys.argv[1:] or ["20"])[0]))
