"""The house stands as the design says: floors, file sizes, quick imports."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import phix


ROOT = Path(__file__).parents[1]


def _floors(settings: str) -> list[str]:
    """The rooms that the import-linter contract gives a floor."""
    contracts = tomllib.loads(settings)["tool"]["importlinter"]["contracts"]
    (layers,) = [c["layers"] for c in contracts if c["id"] == "floors"]
    return [name.strip(" ()") for floor in layers for name in floor.split("|")]


def _check_every_room_has_a_floor(settings: str):
    inside = (ROOT / "phix").iterdir()
    rooms = {path.stem for path in inside if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__"} <= set(_floors(settings))


def test_every_room_has_a_floor():
    settings = (ROOT / "pyproject.toml").read_text()
    _check_every_room_has_a_floor(settings)
    # Negative twin: a room taken out of the contract is missed.
    with pytest.raises(AssertionError):
        _check_every_room_has_a_floor(settings.replace('"train"', '"training"'))


def test_no_room_imports_from_its_own_floor_or_above():
    code = (
        "import importlinter.cli as c; raise SystemExit(c.lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_files_stay_short():
    sources = [*(ROOT / "phix").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    lengths = {path: len(path.read_text().splitlines()) for path in sources}
    assert not {path: n for path, n in lengths.items() if n > 400}


def test_rooms_say_what_they_are_for_and_what_they_offer():
    for init in (ROOT / "phix").glob("*/__init__.py"):
        room = importlib.import_module(f"phix.{init.parent.name}")
        assert room.__doc__ and room.__doc__.strip().endswith("."), room
        missing = [name for name in room.__all__ if not hasattr(room, name)]
        assert not missing, room


def test_the_top_level_names_resolve_on_first_use():
    for name in phix.__all__:
        assert getattr(phix, name).__name__.split(".")[-1] == name
    assert set(phix.__all__) <= set(dir(phix))
    with pytest.raises(AttributeError, match="no attribute 'grid'.*'Grid'"):
        _ = phix.grid  # pyright: ignore


def test_importing_phix_imports_no_jax():
    code = "import sys, phix; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
