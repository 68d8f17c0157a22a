"""What a checkpoint is on disk: JSON about it, and named arrays of its parts."""

import contextlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import orbax.checkpoint as ocp
import tensorstore as ts

from phix._errors import require
from phix._types import PRNGKeyArray, PyTree


FORMAT = "phix-train-3"


def read_about(folder: Path) -> dict[str, Any]:
    """The JSON of a checkpoint; `ValueError` if it is not what `fit` writes."""
    with _reading(folder):
        # Not by Orbax, in which all processes wait for each other.
        about = json.loads((folder / "about" / "metadata").read_bytes())
        kinds = {"format": str, "config": dict, "key": list, "arrays": dict}
        for name, kind in kinds.items():
            require(isinstance(about[name], kind), f"{name} is {about[name]!r:.80}")
        require(about["format"] == FORMAT, f"its format is {about['format']!r}")
        for part, named in about["arrays"].items():
            plain = isinstance(named, dict) and all(
                isinstance(x, str) for x in named.values()
            )
            require(plain, f"the arrays of {part} are {named!r:.80}")
        return about


def read_arrays(
    folder: Path, part: str, wanted: dict[str, jax.ShapeDtypeStruct]
) -> dict[str, Any]:
    """Named arrays of a part, in the dtypes and on the devices wanted.

    Only shapes that are wanted are made room for; `ValueError` where others are stored.
    """
    wanted = {f"{part}{name}": x for name, x in wanted.items() if x.size > 0}
    if not wanted:
        return {}
    args = ocp.args.PyTreeRestore(
        wanted,
        restore_args=ocp.checkpoint_utils.construct_restore_args(wanted),
        partial_restore=True,
    )
    with _reading(folder):
        _check_chunks(folder / "arrays", wanted)
        reader = ocp.Checkpointer(ocp.PyTreeCheckpointHandler())
        found = reader.restore(folder / "arrays", args=args)
        for name, x in found.items():
            require(isinstance(x, jax.Array), f"it holds no array {name}")
        return {name.removeprefix(part): x for name, x in found.items()}


def _check_chunks(folder: Path, names: Iterable[str]) -> None:
    """Refuses chunks larger than their array: decoding one would make room for it."""
    base = {"driver": "file", "path": f"{folder}/"}
    store = ts.KvStore.open({"driver": "ocdbt", "base": base}).result()
    for name in names:
        stored = json.loads(store.read(f"{name}/.zarray").result().value)
        shape, chunks = stored["shape"], stored["chunks"]
        require(
            all(c <= max(n, 1) for c, n in zip(chunks, shape, strict=True)),
            f"{name} of shape {shape} is stored in chunks of {chunks}",
        )


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Whatever a reader stumbles over is an error that names the checkpoint."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"checkpoint {folder} cannot be read, though its checksums agree: it was "
            "not written by this version of phix, or not by phix; use another one "
            f"({type(error).__name__}: {error!s:.500})"
        ) from error


def parts_of(state: PyTree, ema: PyTree) -> dict[str, PyTree]:
    """What is saved apart: the model must be readable without its optimiser."""
    parts = {"model": state.model, "memory": only_model(state, None)}
    return parts if ema is None else parts | {"ema": ema}


def only_model(state: PyTree, model: PyTree) -> PyTree:
    """The state of an update with another model, or with none (`None`)."""
    is_none = None if model is None else (lambda x: x is None)
    return eqx.tree_at(lambda s: s.model, state, model, is_leaf=is_none)


def named_arrays(parts: dict[str, PyTree]) -> dict[str, Any]:
    """A copy, which outlives donation, of each array that is not empty, under the name
    of its part and its place there."""
    found = {}
    for part, tree in parts.items():
        leaves, _ = jtu.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))
        found |= {
            f"{part}{jtu.keystr(at)}": jnp.copy(x) for at, x in leaves if x.size > 0
        }
    return found


def abstract(tree: PyTree) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape, dtype and devices of each array under its name."""
    leaves, _ = jtu.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))
    return {
        jtu.keystr(path): jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
        for path, x in leaves
    }


def described(tree: PyTree) -> dict[str, str]:
    """Each array in words, such as `"float32[3, 4]"`, under its name."""
    return {name: f"{x.dtype}{list(x.shape)}" for name, x in abstract(tree).items()}


def filled(tree: PyTree, named: dict[str, Any]) -> PyTree:
    """`tree` with its arrays replaced by those of the same names, where there are."""
    return jtu.tree_map_with_path(
        lambda path, x: named.get(jtu.keystr(path), x) if eqx.is_array(x) else x, tree
    )


def compare(
    saved: dict[str, str], model: PyTree, within: Callable | None
) -> tuple[dict[str, jax.ShapeDtypeStruct], dict[str, str]]:
    """Arrays of a part of the model that the saved ones fit, and why the others not."""
    wanted = abstract(model)
    allowed = set(wanted if within is None else abstract(_part(model, within)))
    left = {name: "not in the model" for name in saved if name not in wanted}
    for name, x in wanted.items():
        shape = f"{list(x.shape)}"
        if name not in allowed:
            left[name] = "not within the part chosen"
        elif name not in saved:
            left[name] = "not in the checkpoint"
        elif not saved[name].endswith(shape):
            left[name] = f"{saved[name]} there, {x.dtype}{shape} here"
    return {name: x for name, x in wanted.items() if name not in left}, left


def _part(model: PyTree, within: Callable) -> PyTree:
    """The model without the arrays that are not in the part."""
    none = jtu.tree_map(lambda _: False, model)
    chosen = eqx.tree_at(
        within, none, replace_fn=lambda x: jtu.tree_map(lambda _: True, x)
    )
    return eqx.filter(model, chosen)


def finite(value: Any) -> bool:
    """Whether a value read from JSON is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def plain_key(key: PRNGKeyArray) -> list:
    """A random key in numbers, for JSON."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return jax.device_get(key).tolist()
    return [str(jr.key_impl(key)), jax.device_get(jr.key_data(key)).tolist()]
