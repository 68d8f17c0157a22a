"""Stores that a stranger may have made: refused before anything is read or written."""

import json
import os
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from phix.sweeps import open_sweep, sweep


def fn(p):
    return {"u": p["a"] * jnp.arange(3.0)}


POINTS = {"a": np.linspace(0.0, 1.0, 4)}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "run"
    sweep(fn, POINTS, folder, chunk=2, seconds=0.0, progress=False)
    return folder


def described(array, **changes):
    """The description of an array, or of the group (""), with other entries."""

    def change(root):
        path = root / array / "zarr.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def header(**changes):
    def change(root):
        path = root / "zarr.json"
        about = json.loads(path.read_text())
        about["attributes"] |= changes
        path.write_text(json.dumps(about))

    return change


def chunks(*shape):
    return {"name": "regular", "configuration": {"chunk_shape": shape}}


def linked(name):
    def change(root):
        outside = root.parent / "outside"
        shutil.move(root / name, outside)
        os.symlink(outside, root / name)

    return change


def nested(root):
    (root / "u" / "zarr.json").write_text("[" * 100_000)


BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
GZIP = {"name": "gzip", "configuration": {"level": 5}}

HARM = {
    "links to a file": (linked("u/c/0/0"), "is a link"),
    "links to a folder": (linked("u/c"), "is a link"),
    "a description that nests": (nested, "RecursionError|recursion"),
    "absurdly many points": (
        lambda root: [
            described(name, shape=[2**50])(root) for name in ("status", "chunk_size")
        ],
        "shape .* for 1125899906842624 points",
    ),
    "absurdly many points in all arrays": (
        lambda root: [
            described("a", shape=[2**50], chunk_grid=chunks(2**50))(root),
            described("u", shape=[2**50, 3])(root),
            *(described(n, shape=[2**50])(root) for n in ("status", "chunk_size")),
        ],
        "a has not the bytes",
    ),
    "an absurd result": (
        described("u", shape=[4, 2**50], chunk_grid=chunks(2, 2**50)),
        "no block of u has the bytes|result of fn",
    ),
    "chunks of another size": (
        described("u", chunk_grid=chunks(2**50, 3)),
        "u of shape .* is in chunks",
    ),
    "another codec": (
        described("u", codecs=[BYTES, GZIP]),
        "u is written by",
    ),
    "text": (
        described("u", data_type="string", fill_value="", codecs=[]),
        "u has dtype|damaged",
    ),
    "files elsewhere": (
        described(
            "u",
            chunk_key_encoding={
                "name": "default",
                "configuration": {"separator": "."},
            },
        ),
        "u is filed by",
    ),
    "axes of one name": (
        described("u", dimension_names=["point", "point"]),
        "u of shape .* has axes",
    ),
    "another format": (header(format="x"), "not one of a sweep"),
    "a later version": (header(version=99), "update phix"),
    "no version": (header(version="1"), "version is '1'"),
    "no start": (header(started=None), "its start is None"),
    "chunks that are none": (header(chunks=[[1, 2]]), "its chunks are"),
}


def check_refused(folder, words):
    """Opened to read or to go on, with a reason that names the store."""
    files = sorted(folder.parent.rglob("*"))
    for opened in (open_sweep, lambda path: sweep(fn, POINTS, path, progress=False)):
        with pytest.raises(ValueError, match=words) as caught:
            opened(folder)
        assert str(folder) in str(caught.value)
    left = set(folder.parent.rglob("*")) - set(files)
    assert {path.name for path in left} <= {".lock", "log.jsonl"}, left


@pytest.mark.parametrize("harm", HARM)
def test_a_store_that_would_do_harm_is_refused(good, tmp_path, harm):
    change, words = HARM[harm]
    shutil.copytree(good, tmp_path / "run")
    change(tmp_path / "run" / "points.zarr")
    check_refused(tmp_path / "run", words)


def test_a_good_store_is_not_refused(good, tmp_path):
    shutil.copytree(good, tmp_path / "run")
    with pytest.raises(pytest.fail.Exception):
        check_refused(tmp_path / "run", "damaged")
