"""What is damaged, how it is written, and what reads it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from phix.data import Slot, load_artifact, load_trajectories, save_artifact
from phix.data._artifact import _sum
from phix.recipes import load_config
from phix.sweeps import open_sweep, sweep
from tests.data.layouts import LAYOUTS, PLANE, batch, read_all


Files = dict[str, bytes]  # name → content; one, or the parts of one


class Target(NamedTuple):
    """Something that opens files.

    - `good(folder)`: whole ones, by name; the folder is there to write into.
    - `write(path, files)`: brings them to a path.
    - `read(name, path)`: opens and reads all, or raises `ValueError`.
    """

    good: Callable[[Path], dict[str, Files]]
    write: Callable[[Path, Files], None]
    read: Callable[[str, Path], Any]


def _one_file(path: Path, files: Files) -> None:
    (content,) = files.values()
    path.write_bytes(content)


# Configs: all of the house.
CONFIGS = Path(__file__).parents[2] / "configs"


def _configs(folder: Path) -> dict[str, Files]:
    return {
        str(path.relative_to(CONFIGS)): {path.name: path.read_bytes()}
        for path in sorted(CONFIGS.rglob("*.toml"))
    }


# HDF5: every layout, and our own.


def _hdf5(folder: Path) -> dict[str, Files]:
    from phix.data import save_trajectories

    def own(path):
        save_trajectories(path, batch(PLANE, 2), {"seed": 1})

    writers = {name: write for name, (write, _) in LAYOUTS.items()} | {"own": own}
    good = {}
    for name, write in writers.items():
        write(folder / "good.h5")
        good[name] = {"data": (folder / "good.h5").read_bytes()}
    return good


def _read_hdf5(name: str, path: Path) -> Any:
    if name == "own":
        return load_trajectories(path)
    return read_all(path, LAYOUTS[name][1])


# Zarr: a finished sweep.


def _sweep(folder: Path) -> dict[str, Files]:
    def fn(p):
        return {"u": p["a"] * jnp.arange(3.0), "n": jnp.asarray(2)}

    sweep(fn, {"a": np.linspace(0.0, 1.0, 6)}, folder / "good", chunk=2, seconds=0.0)
    root = folder / "good" / "points.zarr"
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    return {"sweep": files}


def _write_sweep(path: Path, files: Files) -> None:
    for name, content in files.items():
        file = path / "points.zarr" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _read_sweep(name: str, path: Path) -> Any:
    with open_sweep(path) as dataset:
        try:
            return dataset.load()
        except ValueError as error:  # Zarr's own, when a block is read
            raise ValueError(f"{path}: {error}") from error


# Artifacts: one with a kernel of LAPACK, a loop, and several types.


def _artifact(folder: Path) -> dict[str, Files]:
    def fn(weights, x, n):
        matrix, shift = weights

        def step(i, y):
            return jnp.linalg.solve(matrix, y) + shift

        return {"y": jax.lax.fori_loop(0, n, step, x), "even": n % 2 == 0}

    weights = [jnp.eye(2) * 2.0, jnp.ones(2)]
    inputs = {"x": Slot((2,), "float32", "metres"), "n": Slot((), "int32")}
    save_artifact(folder / "good.phix", fn, weights, inputs, about={"seed": 3})
    with zipfile.ZipFile(folder / "good.phix") as archive:
        return {"artifact": {n: archive.read(n) for n in archive.namelist()}}


def sealed(files: Files) -> Files:
    """The sums written anew, as one who means harm would."""
    try:
        header = json.loads(files["artifact.json"])
        for name in set(files) & set(header["files"]):
            header["files"][name] = _sum(files[name])
        return files | {"artifact.json": json.dumps(header).encode()}
    except (ValueError, TypeError, KeyError, RecursionError):
        return files


def _write_artifact(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sealed(files).items():
            archive.writestr(name, content)


def _archive(folder: Path) -> dict[str, Files]:
    _write_artifact(folder / "whole.phix", _artifact(folder)["artifact"])
    return {"archive": {"zip": (folder / "whole.phix").read_bytes()}}


def _read_artifact(name: str, path: Path) -> Any:
    return load_artifact(path)


TARGETS = {
    "configs": Target(_configs, _one_file, lambda name, path: load_config(path)),
    "hdf5": Target(_hdf5, _one_file, _read_hdf5),
    "zarr": Target(_sweep, _write_sweep, _read_sweep),
    "artifacts": Target(_artifact, _write_artifact, _read_artifact),
    "archives": Target(_archive, _one_file, _read_artifact),
}
