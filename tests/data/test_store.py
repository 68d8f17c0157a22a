"""Trajectory files: every bit back, whole or not there, nothing foreign trusted."""

import os
import sys

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.data import Trajectory, load_trajectories, save_trajectories
from phix.space import Grid


GRID = Grid(4, (0.0, 1.0), boundary=("inflow", "outflow"))


def make(us=None, batch=(), space=GRID):
    rng = np.random.default_rng(0)
    us = jnp.asarray(rng.normal(size=(*batch, 3, 1, 4))) if us is None else us
    return Trajectory(
        jnp.broadcast_to(jnp.array([0.0, 0.1, 0.3]), (*batch, 3)),
        us,
        space,
        {"mu": jnp.full(batch, 0.1), "values[0][1]": jnp.full(batch, 1, jnp.float32)},
        jnp.zeros(batch, jnp.int32),
        {"num_steps": jnp.full(batch, 7, jnp.int32)},
        jnp.full(batch, jnp.inf),
    )


def check_same_bits(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


NAN = jnp.array([[[np.nan, -0.0, np.inf, 5e-324]]] * 3)
FIELDS = {
    "single": make(),
    "batch": make(batch=(2,)),
    "non-finite": make(us=NAN),
    "complex": make(us=jnp.ones((3, 1, 4), jnp.complex64) * 1j),
    "tree": make(us={"q": jnp.ones((3, 2)), "p": {"x": jnp.zeros(3)}}, space=None),
}


@pytest.mark.parametrize("name", FIELDS)
def test_every_bit_comes_back(tmp_path, name):
    path = tmp_path / "runs.h5"
    attributes = {"recipe": "Φ-ROM", "seed": 3, "list": [1, None]}
    save_trajectories(path, FIELDS[name], attributes)
    loaded, back = load_trajectories(path)
    check_same_bits(FIELDS[name], loaded)
    assert loaded.space == FIELDS[name].space and back == attributes


def test_a_changed_bit_is_noticed():
    changed = eqx.tree_at(lambda t: t.us, make(), make().us.at[0, 0, 0].add(1e-16))
    with pytest.raises(AssertionError):
        check_same_bits(make(), changed)


def test_truncated_files_are_refused_at_every_length(tmp_path):
    path, cut = tmp_path / "runs.h5", tmp_path / "cut.h5"
    save_trajectories(path, make())
    content = path.read_bytes()
    for size in np.linspace(0, len(content) - 1, 12).astype(int):
        cut.write_bytes(content[:size])
        with pytest.raises(
            ValueError, match=r"cut\.h5: the file cannot be read.*again"
        ):
            load_trajectories(cut)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign.h5"
    path.write_text("time,u\n0,1\n")
    with pytest.raises(ValueError, match="foreign.h5: the file cannot be read"):
        load_trajectories(path)
    with h5py.File(path, "w") as file:
        file["tensor"] = np.ones(3)
    with pytest.raises(ValueError, match="not one of trajectories"):
        load_trajectories(path)
    with pytest.raises(FileNotFoundError, match="no data file"):
        load_trajectories(tmp_path / "nothing.h5")


def test_missing_array_and_later_version_are_refused(tmp_path):
    path = tmp_path / "runs.h5"
    save_trajectories(path, make())
    with h5py.File(path, "r+") as file:
        del file["result"]
    with pytest.raises(ValueError, match="result is missing"):
        load_trajectories(path)
    save_trajectories(path, make())
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(ValueError, match="update phix"):
        load_trajectories(path)


def put_object(file):
    del file["us"]
    file.create_dataset("us", data=["text"], dtype=h5py.string_dtype())


def put_link(file):
    del file["us"]
    file["us"] = h5py.ExternalLink("other.h5", "/us")


def put_virtual(file):
    layout = h5py.VirtualLayout((3,), dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "us", shape=(3,))
    del file["us"]
    file.create_virtual_dataset("us", layout)


def put_circle(file):
    file["stats/again"] = file["stats"]


def put_twins(file):
    """A tree of links: two to the fortieth groups in a few kilobytes."""
    group = file["stats"]
    for _ in range(40):
        group["a"] = group.create_group("b")
        group = group["b"]


def put_absurd(file):
    del file["us"]
    file.create_dataset("us", shape=(2**20, 2**20, 2**10), dtype="f8", chunks=True)


def put_other_side(file):
    file.attrs["space"] = file.attrs["space"].replace("outflow", "ouuflow")


def put_nested(file):
    file.attrs["attributes"] = "[" * 20_000


SPOIL = {
    put_object: "us must hold numbers, got dtype object",
    put_link: "us is a link",
    put_virtual: "us keeps its data in another file",
    put_circle: "stats/again is in the file under two names",
    put_twins: "is in the file under two names",
    put_absurd: "us declares shape",
    put_other_side: "did you mean 'outflow'",
    put_nested: "attributes nests without end",
}


@pytest.mark.parametrize("spoil", SPOIL)
def test_what_would_do_harm_is_refused(tmp_path, spoil):
    path = tmp_path / "runs.h5"
    save_trajectories(path, make())
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(ValueError, match=SPOIL[spoil]) as caught:
        load_trajectories(path)
    assert str(path) in str(caught.value)


def test_a_crash_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "runs.h5"
    save_trajectories(path, make())
    before = path.read_bytes()

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        save_trajectories(path, make(batch=(2,)))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["runs.h5"]


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"phix-jax\[data\]"):
        save_trajectories(tmp_path / "runs.h5", make())
    with pytest.raises(ImportError, match=r"phix-jax\[data\]"):
        load_trajectories(tmp_path / "runs.h5")


def test_32_bit_mode_does_not_drop_digits_silently(tmp_path):
    path = tmp_path / "runs.h5"
    save_trajectories(path, make())
    with jax.enable_x64(False):
        with pytest.raises(ValueError, match="32-bit mode"):
            load_trajectories(path)
        loaded, _ = load_trajectories(path, dtype=jnp.float32)
    assert loaded.us.dtype == jnp.float32
    assert np.allclose(loaded.us, make().us, rtol=1e-6)


@pytest.mark.parametrize(
    ("trajectory", "attributes", "message"),
    [
        (make(us=[jnp.ones(3)]), None, "us must be an array of numbers"),
        (make(us={"a/b": jnp.ones(3)}), None, "'a/b', which a file cannot hold"),
        (make(us=jnp.ones(3, jnp.bfloat16)), None, "dtype bfloat16"),
        (make(), {"grid": GRID}, "`attributes` must be what JSON knows"),
        (make(), {"loss": float("nan")}, "`attributes` must be what JSON knows"),
    ],
)
def test_what_a_file_cannot_hold(tmp_path, trajectory, attributes, message):
    with pytest.raises(ValueError, match=message):
        save_trajectories(tmp_path / "runs.h5", trajectory, attributes)
    assert os.listdir(tmp_path) == []
