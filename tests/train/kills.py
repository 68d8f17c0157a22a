"""Kills fits at random moments and compares what they end in, to the bit.

    python tests/train/kills.py DIRECTORY KILLS SEED

Prints counts as JSON.
"""

import time

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from phix.data import RunDirectory
from phix.train import ArraySource, Checkpoints, fit, per_sample
from tests.kills import main


STEPS = 400
CONFIG = {"steps": STEPS}


def noisy_loss(model, sample, *, step, key):
    """Depends on the key and the step, so that a wrong resume shows."""
    x, y = sample
    kick = jnp.dot(model["w"], jr.normal(key, (3,))) / (1 + step)
    return 0.5 * (jnp.dot(model["w"], x) - y) ** 2 + kick, {}


def run(directory):
    """A checkpoint is on its way nearly all the time."""
    rng = np.random.default_rng(0)
    samples = tuple(rng.normal(size=n).astype(np.float32) for n in ((24, 3), (24,)))

    def evaluate(model):
        time.sleep(0.02)
        return {"w0": model["w"][0]}

    with RunDirectory(directory, CONFIG) as folder:
        result = fit(
            {"w": np.zeros(3, np.float32)},
            per_sample(noisy_loss),
            ArraySource(samples, 7),
            steps=STEPS,
            key=jr.key(0),
            optimiser=optax.adam(1e-2),
            evaluate=evaluate,
            evaluate_every=20,
            checkpoint=Checkpoints(
                folder.checkpoints, config=CONFIG, every=20, keep_best="w0"
            ),
            log=folder.log,
            log_every=10,
            ema=0.9,
            progress=False,
        )
        final = {"w": result.model["w"], "ema": result.ema["w"]}
        np.savez(directory / "final.npz", **final)


def committed(directory):
    """Updates that were saved; those of older checkpoints are part of newer ones."""
    return set(range(Checkpoints(directory / "checkpoints").latest_step or 0))


def check_same(directory, whole):
    with np.load(directory / "final.npz") as a, np.load(whole / "final.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in ("w", "ema"))
    logs = [(folder / "log.jsonl").read_bytes() for folder in (directory, whole)]
    assert logs[0] == logs[1]
    folders = [folder / "checkpoints" for folder in (directory, whole)]
    steps = [sorted(file.name for file in folder.iterdir()) for folder in folders]
    # Nothing half written, nothing set aside. A polite stop saves where it is, so the
    # ones between the best and the last may be of other steps.
    assert all(name.isdecimal() or name == ".lock" for name in steps[0]), steps
    assert len(steps[0]) == len(steps[1]) and {"20", "400"} <= {*steps[0]}, steps


if __name__ == "__main__":
    main(run=run, committed=committed, check_same=check_same, longest=3.0)
