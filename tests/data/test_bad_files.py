"""Damaged and crafted files: refused with a reason that names file and dataset."""

import contextlib
import os
import pickle
import shutil
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.data.layouts import LAYOUTS, read_all


# The main dataset of each kind of layout.
MAIN = {"tensor": "tensor", "groups": "0001/data", "well": "t0_fields/density"}


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """One good file of each layout."""
    folder = tmp_path_factory.mktemp("good")
    for name, (write, _) in LAYOUTS.items():
        write(folder / f"{name}.h5")
    return folder


def replace(file, name, **new):
    """Another dataset under the same name, with the attributes of the old one."""
    attributes = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, **new).attrs.update(attributes)


def missing(file, name):
    del file[name]


def a_group(file, name):
    del file[name]
    file.create_group(name)


def wrong_rank(file, name):
    replace(file, name, data=np.ones(3))


def wrong_shape(file, name):
    replace(file, name, data=np.ones([n + 1 for n in file[name].shape]))


def empty(file, name):
    replace(file, name, data=h5py.Empty("f8"))


def not_finite(file, name):
    if file[name].ndim == 5:  # the Well: this field has one more axis
        file[name][-1, -1, -1, -1, -1] = np.nan
    file[name][-1, -1, -1] = np.nan


def objects(file, name):
    replace(file, name, data=["text"], dtype=h5py.string_dtype())


def ragged(file, name):
    dtype = h5py.vlen_dtype(np.float64)
    replace(file, name, shape=file[name].shape, dtype=dtype)


def references(file, name):
    replace(file, name, shape=file[name].shape, dtype=h5py.ref_dtype)


def complex_numbers(file, name):
    replace(file, name, data=np.ones(file[name].shape, complex))


def pickled(file, name):
    data = np.void(pickle.dumps(Evil()))
    replace(file, name, data=data)


def external_link(file, name):
    del file[name]
    file[name] = h5py.ExternalLink("secret.h5", "/secret")


def soft_link(file, name):
    del file[name]
    file[name] = h5py.SoftLink("/t-coordinate")


def dangling_link(file, name):
    del file[name]
    file[name] = h5py.SoftLink("/nothing")


def virtual(file, name):
    shape = file[name].shape
    layout = h5py.VirtualLayout(shape, dtype="f8")
    layout[...] = h5py.VirtualSource("secret.h5", "secret", shape=shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def external_storage(file, name):
    shape = file[name].shape
    outside = [("secret.bin", 0, h5py.h5f.UNLIMITED)]
    replace(file, name, shape=shape, dtype="f8", external=outside)


def absurd(file, name):
    """Terabytes, of which nothing is stored."""
    rank = file[name].ndim
    shape = (10**5, 10**4, *(10**3 for _ in range(rank - 2)))
    chunks = (1, 1, *(10 for _ in range(rank - 2)))
    replace(file, name, shape=shape, dtype="f8", chunks=chunks)


def absurd_and_whole(file, name):
    """Storage that is declared, but lies beyond the end of the file."""
    replace(file, name, shape=(3, 4, 10**13), dtype="f8")


def never_written(file, name):
    replace(file, name, shape=file[name].shape, dtype="f8", chunks=True)


def bomb(file, name):
    """A chunk of a gigabyte of zeros in a megabyte is no more than gzip can do; the
    declared shape of a hundred such, of which one is stored, is."""
    shape = (100, 4, 2**18)
    replace(file, name, shape=shape, dtype="f8", chunks=(1, 4, 2**18), compression=9)
    file[name][0] = 0


def plugin(file, name):
    """A filter that the library would look for among plugins."""
    shape = file[name].shape
    kept = dict(file[name].attrs)
    del file[name]
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(shape)
    creation.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    space = h5py.h5s.create_simple(shape)
    parent, _, last = name.rpartition("/")
    group = file[parent or "/"]
    h5py.h5d.create(
        group.id, last.encode(), h5py.h5t.NATIVE_DOUBLE, space, dcpl=creation
    )
    file[name].attrs.update(kept)


SPOIL = {
    missing: "is missing|no layout",
    a_group: "is no dataset",
    wrong_rank: "has shape",
    wrong_shape: "has shape|no axis",
    empty: "must hold real numbers|cannot be read|has shape",
    not_finite: "is nan in sample [12]",
    objects: "must hold real numbers, got dtype object",
    ragged: "must hold real numbers, got dtype object",
    references: "must hold real numbers, got dtype object",
    complex_numbers: "must hold real numbers, got dtype complex128",
    pickled: "must hold real numbers, got dtype",
    external_link: "is a link",
    soft_link: "is a link",
    dangling_link: "is a link",
    virtual: "keeps its data in another file",
    external_storage: "keeps its data in another file",
    absurd: "declares shape .* but stores only",
    absurd_and_whole: "declares shape .* but stores only|of a file of",
    never_written: "declares shape .* but stores only 0",
    bomb: "declares shape .* but stores only",
    plugin: "is packed by filter 32015",
}
ABSURD = (absurd, absurd_and_whole, bomb)


def check_refused(path, opener, dataset, why):
    """Refused by name, and nothing written or run on the way."""
    before = sorted(os.listdir(path.parent))
    with pytest.raises(ValueError, match=why) as caught:
        read_all(path, opener)
    assert str(path) in str(caught.value) and dataset in str(caught.value)
    assert sorted(os.listdir(path.parent)) == before


@contextlib.contextmanager
def little_memory():
    """Raises if NumPy and Python are given more than 20 MB."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_much_memory_is_seen():
    with pytest.raises(AssertionError), little_memory():
        np.empty(10**8)


@pytest.mark.parametrize("spoil", SPOIL, ids=lambda f: f.__name__)
@pytest.mark.parametrize("layout", MAIN)
def test_a_spoilt_dataset_is_refused(good, tmp_path, monkeypatch, layout, spoil):
    monkeypatch.chdir(tmp_path)  # what links and pickles name lies here
    with h5py.File("secret.h5", "w") as secret:
        secret["secret"] = np.ones(3)
    Path("secret.bin").write_bytes(bytes(10**5))
    path = tmp_path / "data.h5"
    shutil.copy(good / f"{layout}.h5", path)
    with h5py.File(path, "r+") as file:
        spoil(file, MAIN[layout])
    # Arrays that do not go together: it is told which, not which of them is right.
    name = "has shape" if spoil is wrong_shape else MAIN[layout].split("/")[-1]
    with little_memory() if spoil in ABSURD else contextlib.nullcontext():
        check_refused(path, LAYOUTS[layout][1], name, SPOIL[spoil])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_good_file_is_not_refused(good, layout):
    """The negative twin of every refusal here."""
    with pytest.raises(pytest.fail.Exception):
        check_refused(good / f"{layout}.h5", LAYOUTS[layout][1], "", "data")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_cut_short_is_refused_at_every_length(good, tmp_path, layout):
    content = (good / f"{layout}.h5").read_bytes()
    path = tmp_path / "cut.h5"
    for size in np.linspace(0, len(content) - 1, 12).astype(int):
        path.write_bytes(content[:size])
        check_refused(path, LAYOUTS[layout][1], "", "cannot be read|of a file of")


@pytest.mark.parametrize("layout", MAIN)
def test_a_flipped_byte_of_the_states_is_found(good, tmp_path, layout):
    path, name = tmp_path / "flipped.h5", MAIN[layout]
    content = bytearray((good / f"{layout}.h5").read_bytes())
    with h5py.File(good / f"{layout}.h5", "r") as file:
        chunk = file[name].id.get_chunk_info(0)
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(content)
    check_refused(path, LAYOUTS[layout][1], name.split("/")[-1], "cannot be read")


@pytest.mark.parametrize(
    "group, name, value, why",
    [
        ("/", "n_trajectories", 0, "positive whole number"),
        ("/", "n_trajectories", 10**9, "has shape"),
        ("/", "n_trajectories", "3", "positive whole number"),
        ("/", "n_trajectories", np.void(b"cos\nsystem\n."), "must be text or numbers"),
        ("dimensions", "spatial_dims", ["x"], "dim_varying"),
        ("dimensions", "spatial_dims", ["../x", "y"], "is missing"),
        ("dimensions", "spatial_dims", ["x", "x"], "one to three names"),
        ("dimensions", "spatial_dims", np.arange(5000), "has 5000 entries"),
        ("dimensions/time", "sample_varying", 0.5, "must be yes or no"),
        ("dimensions/time", "sample_varying", True, "has shape"),
        ("t0_fields", "field_names", ["nothing"], "t0_fields/nothing is missing"),
        ("t0_fields", "field_names", 3, "must be a list of names"),
        ("t0_fields/density", "dim_varying", [True], "must say yes or no"),
        ("boundary_conditions/x_open", "bc_type", "magic", "bc_type"),
    ],
)
def test_a_spoilt_attribute_is_refused(good, tmp_path, group, name, value, why):
    path = tmp_path / "data.h5"
    shutil.copy(good / "well.h5", path)
    with h5py.File(path, "r+") as file:
        del file[group].attrs[name]
        file[group].attrs[name] = value
    check_refused(path, LAYOUTS["well"][1], "", why)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "data.h5"
    for layout, why in (("tensor", "no layout of PDEBench"), ("well", "dimensions")):
        opener = LAYOUTS[layout][1]
        with pytest.raises(FileNotFoundError, match="no data file at"):
            opener(tmp_path / "nothing.h5")
        path.write_text("time,u\n0,1\n")
        check_refused(path, opener, "the file", "cannot be read")
        with h5py.File(path, "w") as file:
            file["other"] = np.ones(3)
        check_refused(path, opener, "", why)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        LAYOUTS["well"][1](tmp_path / "pipe")


def test_times_that_do_not_increase_are_refused(good, tmp_path):
    path = tmp_path / "data.h5"
    shutil.copy(good / "tensor.h5", path)
    with h5py.File(path, "r+") as file:
        file["t-coordinate"][2] = 0.0
    check_refused(path, LAYOUTS["tensor"][1], "t-coordinate", "times that increase")
