"""A small run that takes long enough to be killed: `python slow_fit.py DIRECTORY`."""

import sys
import time
from pathlib import Path

import jax.random as jr
import numpy as np
import optax

from phix.data import RunDirectory
from phix.train import Checkpoints, fit, per_sample
from tests.train.problems import START, noisy_loss, source


STEPS = 400
CONFIG = {"steps": STEPS}


def main(directory: str | Path, *, pause: float) -> None:
    def evaluate(model):
        time.sleep(pause)
        return {"w0": model["w"][0]}

    with RunDirectory(directory, CONFIG) as run:
        result = fit(
            START,
            per_sample(noisy_loss),
            source(7),
            steps=STEPS,
            key=jr.key(0),
            optimiser=optax.adam(1e-2),
            evaluate=evaluate,
            evaluate_every=20,
            checkpoint=Checkpoints(run.checkpoints, config=CONFIG, every=50),
            log=run.log,
            log_every=10,
            ema=0.9,
            progress=False,
        )
        final = {"w": result.model["w"], "ema": result.ema["w"]}
        np.savez(run.path / "final.npz", **final)


if __name__ == "__main__":
    main(sys.argv[1], pause=0.02)
