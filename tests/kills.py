"""Kills a run at random moments, again and again, until it has ended.

The children are forked after the imports, before JAX is first used: that is four
seconds less for each kill.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.processes import output


# Two thirds are SIGKILL, the others SIGTERM and Ctrl-C in turn.
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
SIGNALS += (signal.SIGKILL, signal.SIGKILL)


def kill_often(
    root: Path,
    kills: int,
    seed: int,
    *,
    run: Callable[[Path], None],
    committed: Callable[[Path], set],
    check_same: Callable[[Path, Path], None],
    longest: float,
) -> dict:
    """Counts of kills, of runs, and of what was committed and lost.

    **Arguments:**

    - `run`: does the work in a directory, or goes on with it.
    - `committed`: what is there and must not be lost.
    - `check_same`: raises unless two directories hold the same, bit for bit.
    - `longest`: seconds until a kill, at most.

    A run that ends before its kill is compared and another one begun.
    """
    rng = np.random.default_rng(seed)
    whole, number, done, lost = root / "whole", 0, 0, 0
    assert ended(child(run, whole))
    start = time.perf_counter()
    while done < kills:
        directory = root / str(number)
        before = committed(directory)
        pid = child(run, directory)
        time.sleep(rng.uniform(0.0, longest))
        if ended(pid, SIGNALS[done % len(SIGNALS)]):
            check_same(directory, whole)
            number += 1
            continue
        done += 1
        lost += len(before - committed(directory))
    seconds = time.perf_counter() - start
    directory = root / str(number)
    assert ended(child(run, directory))
    check_same(directory, whole)
    return {"kills": done, "runs": number + 1, "lost": lost, "seconds": seconds}


def main(**job) -> None:
    """`kill_often` with the directory, the number and the seed of the command line;
    prints its counts as JSON."""
    folder, kills, seed = sys.argv[1:]
    print(json.dumps(kill_often(Path(folder), int(kills), int(seed), **job)))


def counted(script: str, directory: Path, kills: int, seed: int) -> dict:
    """The counts of a script that ends in `main`; nothing committed may be lost."""
    lines = output(script, str(directory), str(kills), str(seed), timeout=3600)
    counts = json.loads(lines.splitlines()[-1])
    assert counts["kills"] == kills
    assert counts["lost"] == 0
    return counts


def child(run: Callable[[Path], None], directory: Path) -> int:
    """The process id of a run."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = 1
        try:
            run(directory)
            code = 0
        except (SystemExit, KeyboardInterrupt):
            code = 143
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def ended(pid: int, by: int | None = None) -> bool:
    """Whether the process ended by itself and well; it must not fail otherwise.

    With `by` it is sent that signal, unless it has ended before. Ctrl-C may come up as
    any error, in the middle of an import or of a library.
    """
    over, status = os.waitpid(pid, 0 if by is None else os.WNOHANG)
    if over == 0:
        os.kill(pid, by)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    interrupted = over == 0 and by == signal.SIGINT
    stopped = (143, -signal.SIGTERM, -signal.SIGKILL)
    assert code == 0 or interrupted or (over == 0 and code in stopped), code
    return code == 0
