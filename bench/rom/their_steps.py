"""Training steps of the authors' Φ-ROM code, timed on demand.

Runs in their environment and in a clone of their repository, whose script it executes
unchanged but for evaluations and checkpoints, which are switched off. Reads a number of
steps from standard input, answers with their seconds, until the input ends. Called by
`bench.rom.authors`.
"""

import json
import resource
import runpy
import sys
import time

import equinox as eqx
import jax
from PHIROM.training import callbacks


# What they print goes elsewhere.
PROTOCOL, sys.stdout = sys.stdout, sys.stderr


def answer(record: dict) -> None:
    """One line for the caller."""
    print(json.dumps(record), file=PROTOCOL, flush=True)


def next_quota() -> int:
    """How many steps are asked for; ends the process if none are."""
    line = sys.stdin.readline()
    if not line:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer({"peak_mb": peak})
        sys.exit(0)
    return int(line)


def timed(jitted):
    """The jitted step that times each call, and waits for the next block."""
    seconds, quota, state = [], [0], {"lowered": False}

    def step(*args, **options):
        if not state["lowered"]:
            state["lowered"] = True
            start = time.perf_counter()
            compiled = jitted.lower(*args, **options).compile().compiled
            memory = compiled.memory_analysis()
            answer(
                {
                    "temporaries_mb": memory.temp_size_in_bytes / 2**20,
                    "compile_seconds": time.perf_counter() - start,
                }
            )
        if len(seconds) == quota[0]:
            if quota[0]:
                answer({"seconds": seconds})
                seconds.clear()
            quota[0] = next_quota()
        start = time.perf_counter()
        out = jax.block_until_ready(jitted(*args, **options))
        seconds.append(time.perf_counter() - start)
        return out

    return step


original = eqx.filter_jit


def filter_jit(fn=None, **options):
    """Wraps the training step, and nothing else."""
    if fn is None:
        return original(**options)
    jitted = original(fn, **options)
    name = getattr(fn, "__name__", "")
    return timed(jitted) if name == "_inner_step" else jitted


def unchanged(self, *args):
    """A callback that does nothing: evaluations are counted for neither side."""
    return args[:-1]


if __name__ == "__main__":
    eqx.filter_jit = filter_jit
    callbacks.NODEUnrollingEvaluationCallback.__call__ = unchanged
    callbacks.CheckpointCallback.__call__ = unchanged
    script, *sys.argv[1:] = sys.argv[1:]
    sys.argv[0] = script
    runpy.run_path(script, run_name="__main__")
