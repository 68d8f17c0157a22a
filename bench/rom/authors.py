"""Φ-ROM's training steps beside those of the authors' public code, on one machine.

    python -m bench.rom.authors burgers|turbulence --clone PATH --python PATH

`--clone` is a clone of github.com/phi-rom/PhiROM at e0b8d16 with the data its scripts
generate in `data/`; `--python` an interpreter with its requirements. Blocks of steps of
both run in turn, first one block of each that is not counted; the same settings, the
same data, the same solver; evaluations for neither.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from bench.timing import bootstrap


HERE = Path(__file__).parent
BLOCK = {"burgers": 10, "turbulence": 3}
DATA = {
    "burgers": "data/burgers.h5",
    "turbulence": "data/ns_turbulence_64x64_ins=5.h5",
}
SCRIPTS = {
    "burgers": "script_burgers_NODE.py --dataset=burgers --num_samples=8 --max_step=100"
    " --seed=102 --latent_dim=4 --width=32 --node_width=64 --decoder_arch=mlp"
    " --node_arch=hyper_concat --batch_size=800 --evolve_start=0 --decay_steps=50",
    "turbulence": "script_turbulence.py --dataset=ns_turbulence_64x64_ins=5"
    " --num_samples=32 --max_step=50 --seed=101 --latent_dim=100 --width=80"
    " --node_width=512 --decoder_arch=hyper --node_arch=mlp --batch_size=16"
    " --evolve_start=0 --decay_steps=40 --normalize",
}
SHARED = (
    " --decay_rate=0.985 --activation=sin --epochs=10000 --loss=nmse"
    " --node_training_mode=jacobian_inverse --learning_rate_decoder=5e-3"
    " --learning_rate_node=-1 --learning_rate_latent=-1 --gamma=0.1"
    " --loss_lambda=0.5 --ode_solver=bosh3"
)


class Side:
    """One process that runs steps when asked."""

    def __init__(self, command: list[str], cwd: Path | None = None):
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            # Their packages are found in their clone, ours from here.
            env={**os.environ, "PYTHONPATH": str((cwd or Path()).resolve())},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.started = self.read()

    def read(self) -> dict:
        """Its next line."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)

    def steps(self, count: int) -> list[float]:
        """Seconds of so many steps."""
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return self.read()["seconds"]

    def end(self) -> float:
        """Closes it; its peak resident memory in MB."""
        self.process.stdin.close()
        return self.read()["peak_mb"]


def main() -> None:
    """Runs both sides in turn and prints one JSON record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=sorted(DATA))
    parser.add_argument("--clone", type=Path, required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--blocks", type=int, default=15)
    choices = parser.parse_args()
    case, block = choices.case, BLOCK[choices.case]
    script = (SCRIPTS[case] + SHARED).split()
    theirs = Side(
        [choices.python, str(HERE.resolve() / "their_steps.py"), *script],
        choices.clone,
    )
    data = str((choices.clone / DATA[case]).resolve())
    ours = Side([sys.executable, "-m", "bench.rom.our_steps", case, data])
    # Their step compiles three times before it settles.
    theirs.steps(max(block, 4))
    ours.steps(block)
    pairs = [(theirs.steps(block), ours.steps(block)) for _ in range(choices.blocks)]
    medians = np.asarray([[np.median(a), np.median(b)] for a, b in pairs])
    ratios = medians[:, 0] / medians[:, 1]
    record = {
        "case": case,
        "steps": block * choices.blocks,
        "ratio": float(np.median(ratios)),
        "interval": bootstrap(ratios),
    }
    for i, (name, side) in enumerate({"theirs": theirs, "ours": ours}.items()):
        record[name] = {
            "seconds_per_step": float(np.median(medians[:, i])),
            **side.started,
            "peak_mb": side.end(),
        }
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
