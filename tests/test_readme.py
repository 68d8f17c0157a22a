"""The script in the README is short; it and the first docs page run as printed."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


ROOT = Path(__file__).parents[1]


def _blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def _script() -> str:
    (script,) = _blocks("README.md")
    return script


def _run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "error::UserWarning:phix"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def _formatted(script: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=88"]
    return subprocess.run(
        [*command, "-"], input=script, capture_output=True, text=True, check=True
    ).stdout


def _written_lines(script: str) -> int:
    """Lines of code once formatted, one statement a line, without the imports."""
    script = _formatted(script)
    imports = [
        node
        for node in ast.parse(script).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    skip = {n for node in imports for n in range(node.lineno, node.end_lineno + 1)}
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and n not in skip
        for n, line in enumerate(script.splitlines(), start=1)
    )


def _check_short(script: str):
    assert _written_lines(script) < 30


def test_the_script_is_under_30_lines():
    _check_short(_script())
    # Negative twins: statements packed on a line, or a line too long, are counted.
    with pytest.raises(AssertionError):
        _check_short("; ".join(["x = 1"] * 30))
    with pytest.raises(AssertionError):
        _check_short(f"f({', '.join(['argument'] * 30)},)")
    assert _written_lines("import os\n\n# why\nx = (\n    1\n)\n") == 1


def test_the_script_is_printed_as_formatted():
    assert _formatted(_script()) == _script()


def test_the_script_runs(tmp_path):
    short, replaced = re.subn(r"\bsteps = [\d_]+", "steps = 4", _script())
    assert replaced == 1
    error = float(_run(short, tmp_path).split()[-1])
    assert 0 < error < 10
    assert (tmp_path / "burgers.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_page_of_the_docs_runs(tmp_path):
    code = "\n".join(_blocks("docs/index.md"))
    out = _run(f"{code}\nprint(many.us.shape, float(slope))", tmp_path)
    assert "(21, 1, 128)" in out and "(3, 21, 1, 128)" in out


def test_a_new_equation_is_reduced_in_30_lines(tmp_path):
    script, priced = _blocks("docs/roms.md")
    compile(priced, "docs/roms.md", "exec")  # tests/rom/test_price.py runs the call
    assert _formatted(script) == script
    assert _written_lines(script) <= 30
    short, replaced = re.subn(r"\bsteps = \d+", "steps = 4", script)
    assert replaced == 1
    out = _run(short, tmp_path)
    assert "floor" in out and "rollout" in out


def test_the_page_of_sweeps_runs(tmp_path):
    code = "\n".join(_blocks("docs/sweeps.md"))
    short, replaced = re.subn(r", 64\)", ", 8)", code)
    assert replaced == 1
    out = _run(
        f"{short}\nprint(found.u.dims, int((found.status == 0).sum()))", tmp_path
    )
    assert "('point', 'time', 'channel', 'x', 'y') 8" in out and "'rows': " in out


def test_the_page_on_training_at_scale_runs(tmp_path):
    out = _run("\n".join(_blocks("docs/training_at_scale.md")), tmp_path)
    assert "{\"['bias']\": 'not in the checkpoint'}" in out


def test_the_page_on_scores_runs(tmp_path):
    out = _run("\n".join(_blocks("docs/scores.md")), tmp_path)
    mean, wanted = re.findall(r"\[(.*?)\]", out)[:2]
    mean, wanted = (np.array(v.split(), float) for v in (mean, wanted))
    assert np.all(np.abs(mean - wanted) < 0.2)
