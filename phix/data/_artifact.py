"""One file that holds a function and its weights: written once, opened anywhere."""

import dataclasses
import hashlib
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
from phix.data._parse import parsed


PLATFORMS = ("cpu", "cuda", "tpu")
_FORMAT = "phix-artifact-1"
_ABOUT, _PROGRAM, _WEIGHT = "artifact.json", "program.bin", "weights/{}.bin"
_MOST_ABOUT = 2**22  # bytes
_MOST_WEIGHTS = 10_000
_KINDS = "fciub"
_KNOWN = "wanted a name such as float32, complex64, int32 or bool"
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
            array = jnp.asarray(given[name])
            require(
                np.can_cast(array.dtype, slot.dtype, "same_kind"),
                f"input {name!r} has dtype {array.dtype}, wanted {slot}",
            )
            array = array.astype(slot.dtype)
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

    The file is a zip of JSON, the bytes of the arrays and a program in StableHLO, with
    checksums: nothing in it is Python. It appears in one piece, and only if it can be
    opened again.

    **Arguments:**

    - `path`: the file; `.phix` by custom.
    - `fn`: `fn(weights, **inputs) -> dict of arrays`, pure.
    - `weights`: arrays.
    - `inputs`: what the function takes, by name.
    - `outputs`: the meaning of what comes out, by name.
    - `about`: anything that JSON can hold.
    - `platforms`: of `"cpu"`, `"cuda"`, `"rocm"`, `"tpu"`.

    **Raises:** `ValueError` for a function that calls back to the host or needs what a
    platform has not, for types that are no plain numbers, and for 64 bits where
    `jax_enable_x64` is off; `TypeError` for an `about` that JSON cannot hold.
    """
    for name, slot in inputs.items():
        _known(slot, f"input {name!r}")
    shapes = [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in inputs.values()]
    weights = [jnp.asarray(w) for w in weights]

    def named(weights, arrays):
        out = fn(weights, **dict(zip(inputs, arrays, strict=True)))
        require(isinstance(out, dict), f"fn must return a dictionary, got {type(out)}")
        return out

    made = jax.eval_shape(named, weights, shapes)
    said = dict(outputs or {})
    for name in said:
        require(name in made, f"outputs: fn returns no {name!r}{nearest(name, made)}")
    slots = {n: Slot(x.shape, x.dtype.name, said.get(n, "")) for n, x in made.items()}

    def listed(weights, arrays):
        out = named(weights, arrays)
        return [out[name] for name in slots]

    try:
        exported = jax_export.export(jax.jit(listed), platforms=tuple(platforms))
        program = bytes(exported(weights, shapes).serialize())
    except (NotImplementedError, ValueError) as error:
        raise ValueError(
            f"fn does not lower for {tuple(platforms)}: {str(error).splitlines()[0]}"
        ) from error
    files = {_WEIGHT.format(i): _bytes(w) for i, w in enumerate(weights)}
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
    with atomic_path(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, content in ((_ABOUT, text), *files.items()):
                archive.writestr(name, content)
        with zipfile.ZipFile(temporary) as archive:
            _read(archive, temporary.stat().st_size)


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
        except ValueError as error:
            reason = error
        except (KeyError, TypeError, AttributeError) as error:
            reason = f"its header is of another form ({type(error).__name__}: {error})"
        except MemoryError:
            raise
        except Exception as error:  # zipfile trusts what it reads, and raises anything
            reason = f"it is no whole zip archive ({type(error).__name__}: {error})"
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
    names = [_WEIGHT.format(i) for i in range(len(described))]
    wanted = {_ABOUT, _PROGRAM, *names}
    require(
        set(members) == wanted, f"it does not hold just {len(wanted)} known members"
    )

    def content(name: str) -> bytes:
        found = archive.read(name)
        require(_sum(found) == header["files"][name], f"{name} is damaged")
        return found

    slots = [_slot(about) for about in described]
    inputs = {name: _slot(slot) for name, slot in header["inputs"].items()}
    outputs = {name: _slot(slot) for name, slot in header["outputs"].items()}
    for slot in (*slots, *inputs.values(), *outputs.values()):
        _known(slot, "it")
    pairs = zip(names, slots, strict=True)
    weights = [_weight(content(name), slot, name) for name, slot in pairs]
    program = _program(content(_PROGRAM), weights, inputs, outputs)
    return Artifact(dict(header["about"]), inputs, outputs, weights, program)


def _slot(given: Mapping[str, Any]) -> Slot:
    shape, dtype = given["shape"], given["dtype"]
    whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    require(whole, f"{shape!r} is no shape")
    return Slot(tuple(shape), str(dtype), str(given.get("meaning", "")))


def _known(slot: Slot, whose: str) -> None:
    """Refuses what is no plain number, and more bits than JAX was told to have."""
    dtype = jnp.dtype(slot.dtype)
    plain = dtype.kind in _KINDS and dtype.name == slot.dtype
    require(plain, f"{whose} has {slot.dtype!r}, which is no type of numbers; {_KNOWN}")
    require(
        jax.dtypes.canonicalize_dtype(dtype) == dtype,
        f"{whose} holds {slot.dtype}: set jax_enable_x64 first",
    )


def _weight(content: bytes, slot: Slot, name: str) -> Array:
    """An array whose bytes are all there before room is made for it."""
    dtype = np.dtype(slot.dtype).newbyteorder("<")
    size = math.prod(slot.shape) * dtype.itemsize
    require(
        len(content) == size, f"{name} has {len(content)} bytes, {slot} takes {size}"
    )
    return jnp.asarray(np.frombuffer(content, dtype).reshape(slot.shape))


def _bytes(array: Array) -> bytes:
    """Row by row, the low byte of a number first."""
    plain = np.asarray(array)
    return plain.astype(plain.dtype.newbyteorder("<")).tobytes()


def _program(
    content: bytes, weights: list, inputs: dict[str, Slot], outputs: dict[str, Slot]
) -> jax_export.Exported:
    try:
        program, text = parsed(content)
    except ValueError as error:
        raise ValueError(f"{_PROGRAM} cannot be read ({error})") from error
    _look_through(text)
    slots = [*inputs.values()]
    given = [(tuple(w.shape), w.dtype.name) for w in weights]
    given += [(slot.shape, slot.dtype) for slot in slots]
    takes = [(tuple(x.shape), x.dtype.name) for x in program.in_avals]
    gives = [(tuple(x.shape), x.dtype.name) for x in program.out_avals]
    told = [(slot.shape, slot.dtype) for slot in outputs.values()]
    same = takes == given and gives == told
    require(same, "its program takes or gives other arrays than its header says")
    return program


def _look_through(text: str) -> None:
    """Refuses a program that reaches out of JAX."""
    pairs = re.findall(r'stablehlo\.custom_call\s+@(?:"([^"]*)"|([\w.$-]+))\(', text)
    for kernel in {quoted or plain for quoted, plain in pairs}:
        known = _KERNELS.fullmatch(kernel)
        require(known is not None, f"its program calls {kernel!r}, which is not JAX's")
    count = text.count("stablehlo.custom_call")
    require(count == len(pairs), "its program calls something in a form not known")
    out = re.search(r"stablehlo\.(send|recv|infeed|outfeed)\b", text)
    require(out is None, f"its program has {out and out.group()}, which leads outside")


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
