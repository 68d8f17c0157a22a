"""Exported programs of a stranger: read first where breaking the reader is no harm."""

import json
import os
import subprocess
import sys

from jax import export as jax_export

from phix._errors import require


_SECONDS = 60
# Only what `parsed` does itself. Modules are looked for where this process has them,
# but never in the folder that it happens to be in.
_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from jax import export
export.deserialize(bytearray(sys.stdin.buffer.read())).mlir_module()
"""


def parsed(content: bytes) -> tuple[jax_export.Exported, str]:
    """A program as `jax.export` serialises it, and its text.

    MLIR ends the process on some bytes that are no program. So another process reads
    them first, which takes about half a second.

    **Raises:** `ValueError` for what cannot be read.
    """
    places = [place for place in sys.path if os.path.isabs(place)]
    command = [sys.executable, "-I", "-c", _CHILD, json.dumps(places)]
    try:
        child = subprocess.run(
            command,
            input=content,
            capture_output=True,
            timeout=_SECONDS,
            cwd=os.sep,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"reading it takes longer than {_SECONDS} s") from None
    lines = child.stderr.decode(errors="replace").strip().splitlines()
    reason = lines[-1] if lines else f"exit code {child.returncode}"
    require(child.returncode == 0, f"{reason:.300}")
    program = jax_export.deserialize(bytearray(content))
    return program, program.mlir_module()
