"""Kills sweeps at random moments and compares what they end in, to the bit.

    python tests/sweeps/kills.py DIRECTORY KILLS SEED

Two thirds of the kills are SIGKILL, the others SIGTERM and Ctrl-C in turn. A sweep that
ends before its kill is compared and another one begun. Prints counts as JSON. The
children are forked after the imports, before JAX is first used: that is four seconds
less for each kill.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray

from phix.sweeps import sobol, sweep
from phix.sweeps._store import Store, open_sweep


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
SIGNALS += (signal.SIGKILL, signal.SIGKILL)
POINTS = {"a": (0.5, 1.5), "b": (0.0, 1.0)}


def walk(p, *, key):
    """A noisy map iterated on sixteen numbers; some of its points blow up."""

    def step(u, i):
        kick = jr.normal(jr.fold_in(key, i), u.shape)
        return p["a"] * jnp.sin(u) + p["b"] * jnp.cumsum(kick), None

    u, _ = jax.lax.scan(step, jnp.ones(16), jnp.arange(2000))
    return {"u": u, "log": jnp.log(p["a"] - 0.55)}


def run(directory):
    sweep(
        walk,
        sobol(POINTS, 256),
        directory,
        key=jr.key(1),
        chunk=4,
        seconds=0.02,
        progress=False,
    )


def child(directory):
    """The process id of a sweep, in a session of its own so that Ctrl-C is its own."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = 1
        try:
            run(directory)
            code = 0
        except (SystemExit, KeyboardInterrupt):
            code = 143
        finally:
            os._exit(code)
    return pid


def ended(pid):
    """Whether the process ended by itself and well; it must not fail otherwise."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    stopped = (143, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL)
    assert code == 0 or code in stopped, code
    return code == 0


def committed(directory):
    if not Store.exists(directory):
        return np.zeros(0, bool)
    return Store(directory).status() >= 0


def check_same(directory, whole):
    with open_sweep(directory) as a, open_sweep(whole) as b:
        xarray.testing.assert_identical(a.drop_attrs(), b.drop_attrs())
    left = [file.name for file in directory.rglob("*") if "partial" in file.name]
    left += [file.name for file in directory.glob("*.tmp*")]
    assert not left, left


def main(root, kills, seed):
    rng = np.random.default_rng(seed)
    whole, number, done, lost = root / "whole", 0, 0, 0
    assert ended(child(whole))
    start = time.perf_counter()
    while done < kills:
        directory = root / str(number)
        before = committed(directory)
        pid = child(directory)
        time.sleep(rng.uniform(0.0, 1.6))
        os.kill(pid, SIGNALS[done % len(SIGNALS)])
        if ended(pid):
            check_same(directory, whole)
            number += 1
            continue
        done += 1
        if before.size:
            lost += int((before & ~committed(directory)).sum())
    seconds = time.perf_counter() - start
    directory = root / str(number)
    assert ended(child(directory))
    check_same(directory, whole)
    return {"kills": done, "sweeps": number + 1, "lost": lost, "seconds": seconds}


if __name__ == "__main__":
    folder, kills, seed = sys.argv[1:]
    print(json.dumps(main(Path(folder), int(kills), int(seed))))
