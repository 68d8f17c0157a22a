"""One file that holds a function and its weights: written once, opened anywhere."""

import dataclasses
import hashlib
import io
import json
import math
import os
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from phix._errors import nearest, require
from phix._files import atomic_path
from phix._types import Array


PLATFORMS = ("cpu", "cuda", "tpu")
_FORMAT = "phix-artifact-1"
_ABOUT, _PROGRAM = "artifact.json", "program.bin"
_MOST_ABOUT = 2**22  # bytes
_MOST_WEIGHTS = 10_000
_KINDS = "fciub"
# Kernels that JAX promises to keep. Anything else, and above all a call back into
# Python, which a file would name by an address in memory, is refused.
_KERNELS = re.compile(
    r"(lapack|cusolver|cusparse|hipsolver)_[a-z0-9]+_ffi|(cu|hip)_threefry2x32_ffi|"
    r"(cu|hip)_lu_pivots_to_permutation|stablehlo\.dynamic_[a-z_]+|Sharding|Eigh|Qr|"
    r"LuDecomposition|ProductOfElementaryHouseholderReflectors|ApproxTopK"
)


@dataclasses.dataclass(frozen=True)
class Slot:
    """An array that goes in or comes out.

    - `shape`, `dtype`: of the array.
    - `meaning`: in words, with units.
    """

    shape: tuple[int, ...]
    dtype: str
    meaning: str = ""

    def __str__(self) -> str:
        shown = f"{self.dtype}[{', '.join(map(str, self.shape))}]"
        return f"{shown}  {self.meaning}".rstrip()


class Artifact:
    """What `load_artifact` opens: a function of named arrays.

    `artifact(name=array, …)` gives a dictionary of arrays, and may be jitted, mapped in
    a loop or called from anywhere in JAX.

    - `about`: what it is and where it comes from, plain JSON.
    - `inputs`, `outputs`: a `Slot` for each name.
    - `platforms`: on which it runs.
    """

    def __init__(
        self,
        about: dict[str, Any],
        inputs: dict[str, Slot],
        outputs: dict[str, Slot],
        weights: list[Array],
        program: jax_export.Exported,
    ):
        self.about, self.inputs, self.outputs = about, inputs, outputs
        self.platforms = tuple(program.platforms)
        self._weights, self._program = weights, program

    def __call__(self, **given: Any) -> dict[str, Array]:
        """The outputs by name. **Raises:** `ValueError` for other inputs than
        `inputs` names, or of other shapes."""
        for name in given:
            hint = nearest(name, self.inputs)
            require(name in self.inputs, f"no input {name!r}{hint}")
        arrays = []
        for name, slot in self.inputs.items():
            require(name in given, f"input {name!r} is missing: {slot}")
            array = jnp.asarray(given[name], slot.dtype)
            require(
                array.shape == slot.shape,
                f"input {name!r} has shape {array.shape}, wanted {slot}",
            )
            arrays.append(array)
        out = self._program.call(self._weights, arrays)
        return dict(zip(self.outputs, out, strict=True))

    def __repr__(self) -> str:
        lines = [f"Artifact for {', '.join(self.platforms)}"]
        lines += [f"  {key}: {value}" for key, value in self.about.items()]
        for title, slots in (("takes", self.inputs), ("gives", self.outputs)):
            lines += [f"  {title} {name}: {slot}" for name, slot in slots.items()]
        return "\n".join(lines)


def save_artifact(
    path: str | os.PathLike,
    fn: Callable,
    weights: Sequence[Array],
    inputs: Mapping[str, Slot],
    *,
    outputs: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
    platforms: Sequence[str] = PLATFORMS,
) -> None:
    """Writes a function with its weights as one file, lowered for each platform.

    The file is a zip of JSON, `.npy` arrays and a program in StableHLO, with checksums:
    nothing in it is Python. It appears in one piece.

    **Arguments:**

    - `path`: the file; `.phix` by custom.
    - `fn`: `fn(weights, **inputs) -> dict of arrays`, pure.
    - `weights`: arrays.
    - `inputs`: what the function takes, by name.
    - `outputs`: the meaning of what comes out, by name.
    - `about`: anything that JSON can hold.
    - `platforms`: of `"cpu"`, `"cuda"`, `"rocm"`, `"tpu"`.

    **Raises:** `ValueError` for a function that calls back to the host or needs what a
    platform has not, naming it; `TypeError` for an `about` that JSON cannot hold.
    """
    shapes = [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in inputs.values()]
    weights = [jnp.asarray(w) for w in weights]

    def named(weights, arrays):
        out = fn(weights, **dict(zip(inputs, arrays, strict=True)))
        require(isinstance(out, dict), f"fn must return a dictionary, got {type(out)}")
        return out

    made = jax.eval_shape(named, weights, shapes)
    said = dict(outputs or {})
    slots = {n: Slot(x.shape, x.dtype.name, said.get(n, "")) for n, x in made.items()}
    listed = lambda w, a: [named(w, a)[name] for name in slots]  # noqa: E731
    try:
        exported = jax_export.export(jax.jit(listed), platforms=tuple(platforms))
        program = bytes(exported(weights, shapes).serialize())
    except (NotImplementedError, ValueError) as error:
        raise ValueError(
            f"fn does not lower for {tuple(platforms)}: {str(error).splitlines()[0]}"
        ) from error
    files = {f"weights/{i}.npy": _npy(np.asarray(w)) for i, w in enumerate(weights)}
    files[_PROGRAM] = program
    header = {
        "format": _FORMAT,
        "about": dict(about or {}),
        "inputs": {name: dataclasses.asdict(slot) for name, slot in inputs.items()},
        "outputs": {name: dataclasses.asdict(slot) for name, slot in slots.items()},
        "weights": [{"shape": w.shape, "dtype": w.dtype.name} for w in weights],
        "files": {name: _sum(content) for name, content in files.items()},
    }
    text = json.dumps(header, indent=1, ensure_ascii=False).encode()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in ((_ABOUT, text), *files.items()):
            archive.writestr(name, content)


def load_artifact(path: str | os.PathLike) -> Artifact:
    """Opens what `save_artifact` wrote, on any machine with JAX and phix.

    The file is only read. What is not as its header says, was not written to its end,
    is larger than the file, or contains a program that reaches out of JAX, is refused.

    **Raises:** `ValueError`, saying what is wrong; `FileNotFoundError`.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, size)
        except RecursionError:
            reason: Any = "its header nests without end"
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            reason = f"it is no whole zip archive: {error}"
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
        ) as error:
            reason = error
    raise ValueError(f"artifact {os.fspath(path)} is refused: {reason}")


def _read(archive: zipfile.ZipFile, size: int) -> Artifact:
    members = {info.filename: info for info in archive.infolist()}
    require(len(members) == len(archive.infolist()), "two members have one name")
    for info in members.values():
        plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
        require(plain, f"{info.filename} is compressed or encrypted")
        require(info.file_size <= size, f"{info.filename} is larger than the file")
    require(_ABOUT in members, f"it holds no {_ABOUT}")
    require(members[_ABOUT].file_size <= _MOST_ABOUT, f"{_ABOUT} is too large")
    header = json.loads(archive.read(_ABOUT))
    require(header["format"] == _FORMAT, f"its format is {header['format']!r}")
    described = header["weights"]
    require(len(described) <= _MOST_WEIGHTS, f"{len(described)} weights are too many")
    names = [f"weights/{i}.npy" for i in range(len(described))]
    wanted = {_ABOUT, _PROGRAM, *names}
    require(
        set(members) == wanted, f"it does not hold just {len(wanted)} known members"
    )

    def content(name: str) -> bytes:
        found = archive.read(name)
        require(_sum(found) == header["files"][name], f"{name} is damaged")
        return found

    pairs = zip(names, described, strict=True)
    weights = [_weight(content(name), _slot(about), name) for name, about in pairs]
    inputs = {name: _slot(slot) for name, slot in header["inputs"].items()}
    outputs = {name: _slot(slot) for name, slot in header["outputs"].items()}
    program = _program(content(_PROGRAM), weights, inputs, outputs)
    return Artifact(dict(header["about"]), inputs, outputs, weights, program)


def _slot(given: Mapping[str, Any]) -> Slot:
    shape, dtype = given["shape"], given["dtype"]
    whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    require(whole, f"{shape!r} is no shape")
    require(jnp.dtype(dtype).kind in _KINDS, f"{dtype!r} is no type of numbers")
    return Slot(tuple(shape), str(dtype), str(given.get("meaning", "")))


def _weight(content: bytes, slot: Slot, name: str) -> Array:
    """An array whose bytes are all there before room is made for it."""
    file = io.BytesIO(content)
    require(np.lib.format.read_magic(file) == (1, 0), f"{name} is no array")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    known = (shape, dtype) == (slot.shape, np.dtype(slot.dtype)) and not fortran
    require(known, f"{name} holds {dtype}{shape}, not {slot}")
    size = math.prod(shape) * dtype.itemsize
    require(len(content) - file.tell() == size, f"{name} is cut or too long")
    values = np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)
    return jnp.asarray(values)


def _program(
    content: bytes, weights: list, inputs: dict[str, Slot], outputs: dict[str, Slot]
) -> jax_export.Exported:
    try:
        program = jax_export.deserialize(bytearray(content))
        text = program.mlir_module()
    except Exception as error:
        kind = type(error).__name__
        raise ValueError(f"{_PROGRAM} cannot be read ({kind}: {error})") from error
    for kernel in set(re.findall(r"custom_call\s+@\"?([^\s\"(]+)", text)):
        known = _KERNELS.fullmatch(kernel)
        require(known is not None, f"its program calls {kernel!r}, which is not JAX's")
    slots = [*inputs.values()]
    given = [(tuple(w.shape), w.dtype.name) for w in weights]
    given += [(slot.shape, slot.dtype) for slot in slots]
    takes = [(tuple(x.shape), x.dtype.name) for x in program.in_avals]
    gives = [(tuple(x.shape), x.dtype.name) for x in program.out_avals]
    told = [(slot.shape, slot.dtype) for slot in outputs.values()]
    same = takes == given and gives == told
    require(same, "its program takes or gives other arrays than its header says")
    return program


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(
        file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False
    )
    return file.getvalue()


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
