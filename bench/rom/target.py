"""Training time to a given forecast error on Burgers: the authors' code, and ours.

    python -m bench.rom.target --clone PATH --python PATH [--theirs runs/theirs.json]

Both learn from the data that the authors' script generates, with the published
networks, and are judged at the seven unseen μ: mean relative error within and beyond
the training horizon at most 0.062 and 0.075. Theirs runs as published (seed 102) until
an evaluation, every 50 epochs, finds both; ours trains a fixed number of steps, seeds 0
to 2, and has to arrive there. Compilation counts for both sides, evaluations for
neither; seconds of the processor stand beside those of the clock. Theirs, once
measured, is kept in the file named by `--theirs` and not run again.
"""

import argparse
import json
import time
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from bench.rom.authors import DATA, HERE, SCRIPTS, SHARED, Side
from bench.rom.our_steps import burgers
from bench.rom.table import rollout
from phix import rom


WITHIN, BEYOND, HORIZON = 0.062, 0.075, 100
TRAINING = rom.Training(2400, 80, 5e-3, progress=False)
CLOCKS = ("seconds", "cpu_seconds")


def theirs(clone: Path, python: str) -> dict:
    """The record of their evaluation that first meets both bounds."""
    script = (SCRIPTS["burgers"] + SHARED).replace(
        "evolve_start=0", "evolve_start=1000"
    )
    run = str(HERE.resolve() / "their_run.py")
    side = Side([python, run, f"{WITHIN}", f"{BEYOND}", *script.split()], clone)
    row = side.started
    while row["within"] > WITHIN or row["beyond"] > BEYOND:
        print("theirs", row, flush=True)
        row = side.read()
    return row


def ours(path: Path, seed: int) -> dict:
    """One run of ours, its errors and its seconds."""
    published, data = burgers(str(path))
    method = rom.PhiROM(published.equation, published.networks, TRAINING)
    jax.clear_caches()
    start, cpu = time.perf_counter(), time.process_time()
    model = jax.block_until_ready(rom.fit(method, data, key=jr.key(seed)))
    spent = time.perf_counter() - start, time.process_time() - cpu
    with h5py.File(path) as file:
        us, mus = (jnp.asarray(file[k][8:15], jnp.float32) for k in ("u", "mu"))
    unseen = jnp.asarray(0.07 * np.arange(200), jnp.float32), us, mus[:, None]
    test = rom.training_data(unseen, parameters=("mu",), grid=data.grid)
    errors = np.mean(rollout(model, test, data)[0], axis=0)
    within, beyond = (float(np.mean(e)) for e in np.split(errors, [HORIZON]))
    clocks = dict(zip(CLOCKS, spent, strict=True))
    return {"seed": seed, **clocks, "within": within, "beyond": beyond}


def main() -> None:
    """Runs both sides and prints the worst ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clone", type=Path, required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--theirs", type=Path, default=Path("runs/theirs.json"))
    choices = parser.parse_args()
    rows = [ours(choices.clone / DATA["burgers"], seed) for seed in range(3)]
    for row in rows:
        print("ours", row, flush=True)
    if not choices.theirs.exists():
        row = theirs(choices.clone, choices.python)
        choices.theirs.parent.mkdir(parents=True, exist_ok=True)
        choices.theirs.write_text(json.dumps(row))
    row = json.loads(choices.theirs.read_text())
    print("theirs", row)
    arrived = all(r["within"] <= WITHIN and r["beyond"] <= BEYOND for r in rows)
    print("ours arrived" if arrived else "ours did not arrive")
    for clock in CLOCKS:
        worst = row[clock] / max(r[clock] for r in rows)
        print(f"worst ratio of {clock}: {worst:.1f}")


if __name__ == "__main__":
    main()
