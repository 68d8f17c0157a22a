"""A run is a directory: what was asked for, where it ran, what came out."""

import importlib.metadata
import json
import math
import os
import platform
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import tomli_w

from phix._errors import require
from phix._files import atomic_write, hold_directory, remove_unfinished
from phix.data._log import JsonLines


_PACKAGES = ("phix-jax", "jax", "jaxlib", "equinox", "diffrax", "optax", "numpy")


class RunDirectory:
    """A directory that one process at a time writes a run into.

    ```
    config.toml         the resolved configuration
    environment.json    versions, devices and command of every start
    log.jsonl           scalars, one JSON object a line
    checkpoints/        where `fit` saves itself
    figures/
    metrics.json        the numbers of the report
    report.md
    ```

    Opening one that exists takes the run up again; that needs the same configuration.
    It is locked until closed, or until its process ends, however it ends.

    **Arguments:**

    - `path`: made if missing.
    - `config`: the resolved configuration, of types that TOML knows (no `None`). If
        the run exists, the attribute `config` is what it was begun with.
    - `read`: spells the configuration that a run was begun with, perhaps by an older
        version, as `config` is spelt now.

    **Raises:** `ValueError` if another process holds it, if it was made with another
    configuration (naming the first key that differs), or if TOML cannot hold `config`;
    `OSError` where nothing can be written.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        config: Mapping[str, Any],
        *,
        read: Callable[[dict[str, Any]], Mapping[str, Any]] = dict,
    ):
        self.path = Path(path).resolve()
        self.config = _as_toml(config)
        self._lock = hold_directory(self.path, "run directory")
        try:
            for folder in (self.path, self.figures):
                remove_unfinished(folder)
            self.resumed = self._settle_config(read)
            self._note_start()
            for folder in (self.checkpoints, self.figures):
                folder.mkdir(exist_ok=True)
            self.log = JsonLines(self.path / "log.jsonl")
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def checkpoints(self) -> Path:
        """Folder for `phix.train.Checkpoints`."""
        return self.path / "checkpoints"

    @property
    def figures(self) -> Path:
        """Folder for figures."""
        return self.path / "figures"

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Writes `metrics.json`."""
        atomic_write(self.path / "metrics.json", json.dumps(metrics, indent=2) + "\n")

    def write_report(self, text: str) -> None:
        """Writes `report.md`."""
        atomic_write(self.path / "report.md", text)

    def close(self) -> None:
        """Closes the log and frees the directory."""
        self.log.close()
        os.close(self._lock)

    def __enter__(self) -> "RunDirectory":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _settle_config(self, read: Callable) -> bool:
        """Whether the run existed; its config is read back and compared either way."""
        file = self.path / "config.toml"
        existed = file.exists()
        if not existed:
            atomic_write(file, tomli_w.dumps(self.config))
        saved = tomllib.loads(file.read_text(encoding="utf-8"))
        now = _as_toml(read(saved))
        check_same_config(now, self.config, what=f"run directory {self.path}")
        self.config = saved
        return existed

    def _note_start(self) -> None:
        file = self.path / "environment.json"
        starts = json.loads(file.read_text()) if file.exists() else []
        atomic_write(file, json.dumps([*starts, _environment()], indent=2) + "\n")


def check_same_config(
    saved: Mapping[str, Any], given: Mapping[str, Any], *, what: str
) -> None:
    """Raises `ValueError` naming the first key at which two nested dicts differ."""
    difference = _difference(saved, given, ())
    if difference is not None:
        key, old, new = difference
        raise ValueError(
            f"{what} is of another configuration: {key} was {old} there and is {new} "
            "here; use a new directory, or the old value."
        )


_MISSING = "not set"


def _difference(
    saved: Any, given: Any, path: tuple[str, ...]
) -> tuple[str, str, str] | None:
    if isinstance(saved, Mapping) and isinstance(given, Mapping):
        for name in [*saved, *(n for n in given if n not in saved)]:
            here = (*path, str(name))
            if name not in saved:
                return ".".join(here), _MISSING, repr(given[name])
            if name not in given:
                return ".".join(here), repr(saved[name]), _MISSING
            found = _difference(saved[name], given[name], here)
            if found is not None:
                return found
        return None
    if isinstance(saved, list | tuple) and isinstance(given, list | tuple):
        same = len(saved) == len(given) and all(
            _difference(a, b, ()) is None for a, b in zip(saved, given, strict=True)
        )
    else:
        nan = all(isinstance(x, float) and math.isnan(x) for x in (saved, given))
        same = nan or (type(saved) is type(given) and saved == given)
    return None if same else (".".join(path), repr(saved), repr(given))


def _as_toml(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as TOML gives it back: what cannot go there is refused by name."""

    def check(value: Any, path: str) -> None:
        if isinstance(value, Mapping):
            for name, item in value.items():
                check(item, f"{path}.{name}" if path else str(name))
        elif isinstance(value, list | tuple):
            for i, item in enumerate(value):
                check(item, f"{path}[{i}]")
        else:
            require(
                isinstance(value, str | bool | int | float),
                f"config: {path} is {value!r}, which TOML cannot hold; leave out what "
                "is None, and use numbers, strings, Booleans, lists and tables.",
            )

    check(config, "")
    return tomllib.loads(tomli_w.dumps(config))


def _environment() -> dict[str, Any]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "devices": [str(device) for device in jax.devices()],
        "x64": bool(jax.config.read("jax_enable_x64")),
        "packages": versions,
    }
