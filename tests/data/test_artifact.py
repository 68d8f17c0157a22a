"""Functions in files: what comes out of them, and what is refused."""

import json
import subprocess
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.data import PLATFORMS, Slot, load_artifact, save_artifact
from phix.data._artifact import _sum


WEIGHTS = [
    jnp.array([[2.0, 1.0], [0.0, 3.0]]),
    jnp.array([0.5, -1.0]),
    jnp.asarray(2.0),
]
INPUTS = {"x": Slot((2,), "float64", "metres"), "size": Slot((), "float64")}


def solved(weights, x, size):
    """A⁻¹ x · size + b, through a kernel of LAPACK."""
    matrix, shift, two = weights
    return {"y": jnp.linalg.solve(matrix, x) * size + shift, "half": x / two}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("artifact") / "solved.phix"
    save_artifact(
        path,
        solved,
        WEIGHTS,
        INPUTS,
        outputs={"y": "metres too"},
        about={"what": "a test"},
    )
    return path


def check_same(artifact, fn):
    for x in ([1.0, 2.0], [-3.0, 0.25]):
        found = artifact(x=np.array(x), size=1.5)
        wanted = fn(WEIGHTS, jnp.array(x), 1.5)
        assert set(found) == set(wanted)
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-14)


def test_what_is_opened_is_what_was_saved(saved):
    artifact = load_artifact(saved)
    check_same(artifact, solved)
    check_same(lambda x, size: jax.jit(artifact)(x=x, size=size), solved)
    assert artifact.platforms == PLATFORMS and artifact.about == {"what": "a test"}
    for line in ("takes x: float64[2]  metres", "gives y: float64[2]  metres too"):
        assert line in repr(artifact)
    with pytest.raises(AssertionError):
        check_same(artifact, lambda w, x, size: {"y": x, "half": x / 2})


def test_it_opens_without_the_code_that_trained_it(saved):
    code = (
        "import sys, jax; jax.config.update('jax_enable_x64', True); import phix\n"
        f"found = phix.load_artifact({str(saved)!r})(x=[1.0, 2.0], size=1.0)\n"
        "heavy = {'phix.train', 'phix.rom', 'phix.recipes', 'orbax'} & set(sys.modules)"
        "\nassert not heavy, heavy\nprint(float(found['y'][0]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    # (2 · 1 − 1 · 2) / 6 + 0.5
    assert float(done.stdout) == pytest.approx(1 / 6 + 0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": [1.0, 2.0]}, "input 'size' is missing: float64"),
        ({"x": [1.0], "size": 1.0}, "input 'x' has shape"),
        ({"x": [1.0, 2.0], "sise": 1.0}, "did you mean 'size'"),
        ({"x": [1.0, 2.0j], "size": 1.0}, "input 'x' has dtype complex128"),
    ],
)
def test_wrong_inputs_are_named(saved, given, words):
    with pytest.raises(ValueError, match=words):
        load_artifact(saved)(**given)


def test_a_function_that_needs_the_host_is_refused(tmp_path):
    def calls_back(weights, x, size):
        return {"y": jax.pure_callback(np.sin, x, x)}

    with pytest.raises(ValueError, match="does not lower"):
        save_artifact(tmp_path / "a.phix", calls_back, WEIGHTS, INPUTS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"inputs": INPUTS | {"x": Slot((2,), "f8")}}, "'f8', which is no type"),
        ({"inputs": INPUTS | {"x": Slot((2,), "bfloat16")}}, "'bfloat16', which is no"),
        ({"outputs": {"z": "?"}}, "fn returns no 'z'"),
    ],
)
def test_what_could_not_be_opened_is_not_saved(tmp_path, choices, words):
    choices = {"inputs": INPUTS} | choices
    with pytest.raises(ValueError, match=words):
        save_artifact(tmp_path / "a.phix", solved, WEIGHTS, **choices)
    assert not list(tmp_path.iterdir())


def test_64_bits_want_x64(saved):
    with jax.enable_x64(False), pytest.raises(ValueError, match="set jax_enable_x64"):
        load_artifact(saved)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, files, compression=zipfile.ZIP_STORED, sums=True):
    """The members as a zip, with sums that agree, as one who means harm would."""
    header = json.loads(files["artifact.json"])
    if sums:
        for name in set(files) & set(header["files"]):
            header["files"][name] = _sum(files[name])
        files = files | {"artifact.json": json.dumps(header).encode()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def check_refused(path, words):
    """With an error that says why, before anything happened."""
    try:
        load_artifact(path)
    except ValueError as error:
        assert words in str(error) and str(path) in str(error)
        return
    raise AssertionError("it was opened")


def _header(change):
    def altered(files):
        header = json.loads(files["artifact.json"])
        change(header)
        return files | {"artifact.json": json.dumps(header).encode()}

    return altered


def _with(name, content):
    return lambda files: files | {name: content}


def _without(name):
    return lambda files: {k: v for k, v in files.items() if k != name}


def _absurd(header):
    header["weights"][0]["shape"] = [2**40, 2**40]


def _renamed(files, name):
    """The name of a kernel of LAPACK is written over with that of another."""
    program, kernel = files["program.bin"], b"lapack_dgetrf_ffi"
    assert kernel in program and len(name) == len(kernel)
    return files | {"program.bin": program.replace(kernel, name)}


EVIL = b"cos\nmkdir\n(S'evil'\ntR."  # a pickle that makes a folder


HARM = {
    "a pickle": (_with("weights/0.bin", EVIL), "weights/0.bin has 22 bytes"),
    "a pickle for a program": (
        _with("program.bin", EVIL),
        "program.bin cannot be read",
    ),
    "a name that climbs": (_with("../evil", b"x"), "known members"),
    "an absolute name": (_with("/evil", b"x"), "known members"),
    "no header": (_without("weights/1.bin"), "known members"),
    "an absurd shape": (
        _header(_absurd),
        "weights/0.bin has 32 bytes, float64[1099511627776",
    ),
    "a header that lies of a shape": (
        _header(lambda h: h["inputs"]["x"].update(shape=[3])),
        "other arrays than its header says",
    ),
    "no number": (
        _header(lambda h: h["weights"][0].update(dtype="object")),
        "no type of numbers",
    ),
    "a negative shape": (
        _header(lambda h: h["outputs"]["y"].update(shape=[-1])),
        "[-1] is no shape",
    ),
    "another format": (_header(lambda h: h.update(format="x")), "its format is 'x'"),
    "cut weights": (
        lambda files: files | {"weights/0.bin": files["weights/0.bin"][:-1]},
        "weights/0.bin has 31 bytes",
    ),
    "no program": (_with("program.bin", b"nothing"), "program.bin cannot be read"),
    "a name within quotes": (
        lambda files: _renamed(files, b'Qr(python_call__"'),
        "calls",
    ),
    "a call back": (
        lambda files: _renamed(files, b"python_call_back_"),
        "its program calls 'python_call_back_'",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_would_do_harm_is_refused(saved, tmp_path, monkeypatch, harm):
    monkeypatch.chdir(tmp_path)
    change, words = HARM[harm]
    check_refused(written(tmp_path / "bad.phix", change(members(saved))), words)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.phix"]
    with pytest.raises(AssertionError):
        check_refused(written(tmp_path / "good.phix", members(saved)), words)


def test_damage_is_refused(saved, tmp_path):
    whole = saved.read_bytes()
    bad = tmp_path / "bad.phix"
    bad.write_bytes(whole[: len(whole) // 2])
    check_refused(bad, "no whole zip archive")
    files = members(saved)
    flipped = bytearray(files["weights/1.bin"])
    flipped[-1] ^= 1
    files["weights/1.bin"] = bytes(flipped)
    check_refused(written(bad, files, sums=False), "weights/1.bin is damaged")
    files = members(saved)
    check_refused(written(bad, files, zipfile.ZIP_DEFLATED), "is compressed")
    nested = _with("artifact.json", b"[" * 100_000)(members(saved))
    with zipfile.ZipFile(bad, "w") as archive:
        for name, content in nested.items():
            archive.writestr(name, content)
    check_refused(bad, "nests without end")
