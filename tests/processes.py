"""Running a script of the tests in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


ROOT = Path(__file__).parents[1]


def start(script: str | Path, *args: str, **env: str) -> subprocess.Popen:
    """Starts `script`; its output is read with `communicate`."""
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(script: str | Path, *args: str, timeout: float = 240, **env: str) -> str:
    """What `script` prints; a failure shows its errors."""
    process = start(script, *args, **env)
    try:
        out, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return out
