"""The authors' Burgers run, until its forecasts are as good as asked.

Runs in their environment and in a clone of their repository, whose script it executes
unchanged but for its evaluations: every 50 epochs after the warm-up they are made by
their own `unroll_descent` on the seven unseen μ between the training ones, and are not
counted. What is counted are the calls of the training step, compilation included; their
loader is not. Called by `bench.rom.target`.
"""

import runpy
import sys
import time

import equinox as eqx
import jax
import numpy as np
import optax
from PHIROM.training import callbacks, evaluation
from their_steps import answer, unchanged


EVERY, WARMUP, UNSEEN, HORIZON = 50, 1000, 7, 100
seconds: list[float] = []
cpu_seconds: list[float] = []
original = eqx.filter_jit


def filter_jit(fn=None, **options):
    """Times the calls of the training step, and of nothing else."""
    if fn is None:
        return original(**options)
    jitted = original(fn, **options)
    if getattr(fn, "__name__", "") != "_inner_step":
        return jitted

    def step(*args, **named):
        start, cpu = time.perf_counter(), time.process_time()
        out = jax.block_until_ready(jitted(*args, **named))
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu)
        return out

    return step


def evaluate(self, model, state, *rest):
    """Their errors at the unseen parameters; ends the process once they suffice."""
    unchanged_arguments, epoch = (model, state, *rest[:-1]), rest[-1]
    if self.key == "validation_unrolling" and epoch > WARMUP and epoch % EVERY == 0:
        items = [self.dataset[i] for i in range(UNSEEN)]
        batch = {
            name: np.stack([np.asarray(item[name]) for item in items])
            for name in ("data", "t", "coords", "node_args")
        }
        _, errors = evaluation.unroll_descent(
            model, state, batch, t1=200, n_steps=1000, optimizer=optax.adam(1e-1)
        )
        within, beyond = (
            float(part.mean()) for part in np.split(errors, [HORIZON], axis=1)
        )
        answer(
            {
                "steps": len(seconds),
                "seconds": sum(seconds),
                "cpu_seconds": sum(cpu_seconds),
                "within": within,
                "beyond": beyond,
            }
        )
        if within <= target[0] and beyond <= target[1]:
            sys.exit(0)
    return unchanged_arguments


if __name__ == "__main__":
    eqx.filter_jit = filter_jit
    callbacks.NODEUnrollingEvaluationCallback.__call__ = evaluate
    callbacks.CheckpointCallback.__call__ = unchanged
    target = [float(bound) for bound in sys.argv[1:3]]
    sys.argv = sys.argv[3:]
    runpy.run_path(sys.argv[0], run_name="__main__")
