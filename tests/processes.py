"""Running a script of the tests in a process of its own."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]


def start(script: str | Path, *args: str, **env: str) -> subprocess.Popen:
    """Starts `script`; its output is read with `communicate`."""
    return _start([sys.executable, script, *args], env)


def output(script: str | Path, *args: str, timeout: float = 240, **env: str) -> str:
    """What `script` prints; a failure shows its errors."""
    return _finish(start(script, *args, **env), timeout)


def output_with_mounts(script: str | Path, *args: str) -> str:
    """What `script` prints, where it may `mount`; skips the test where none may."""
    unshare = shutil.which("unshare")
    command = [unshare, "-rm", "true"]
    if unshare is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here without being root")
    return _finish(_start([unshare, "-rm", sys.executable, script, *args], {}), 240)


def mount(directory: str | Path, *options: str) -> None:
    """A file system in memory, seen by a script of `output_with_mounts` alone."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(directory)]
    subprocess.run(command, check=True)


def free_port() -> str:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def _start(command: list, env: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        list(map(str, command)),
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen, timeout: float) -> str:
    try:
        out, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return out
