"""Readers and writers of other people's layouts: every number where it belongs."""

import subprocess
import sys

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.data import open_pdebench, open_well, save_pdebench, save_well
from phix.space import Grid
from tests.data.layouts import LAYOUTS, LINE, PLANE, TS, batch


def check_same(saved, reader):
    assert len(reader) == len(saved.us)
    assert reader.shape == saved.us.shape[1:]
    for i, got in enumerate(reader):
        wanted = jax.tree.map(lambda x, i=i: x[i], saved)
        assert np.array_equal(got.us, wanted.us)
        assert np.array_equal(got.ts, wanted.ts)
        assert got.params.keys() == wanted.params.keys()
        for name, value in wanted.params.items():
            assert np.array_equal(got.params[name], value)
            assert got.params[name].shape == value.shape
        assert got.space.boundary == wanted.space.boundary
        for x, y in zip(got.space.axes, wanted.space.axes, strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_written_comes_back(tmp_path, layout):
    write, opener = LAYOUTS[layout]
    saved = write(tmp_path / "data.h5")
    with opener(tmp_path / "data.h5") as reader:
        check_same(saved, reader)
        with pytest.raises(AssertionError):  # two samples change places
            check_same(jax.tree.map(lambda x: x[::-1], saved), reader)
        if saved.us.shape[2] > 1:
            with pytest.raises(AssertionError):  # two channels do
                check_same(batch(saved.space, saved.us.shape[2], seed=1), reader)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_window_is_a_part_of_the_whole(tmp_path, layout):
    write, opener = LAYOUTS[layout]
    write(tmp_path / "data.h5")
    with opener(tmp_path / "data.h5") as reader:
        whole = reader.read(1)
        for start, stop in ((0, 1), (1, 3), (3, 4)):
            assert np.array_equal(reader.read(1, start, stop), whole[start:stop])
            assert np.array_equal(reader.ts(1, start, stop), TS[start:stop])
        assert np.array_equal(reader.read(-1), reader.read(2))
        for start, stop in ((0, 5), (2, 2), (-1, 2)):
            with pytest.raises(ValueError, match="start, stop: got"):
                reader.read(1, start, stop)
        with pytest.raises(IndexError):
            reader.read(3)


def test_the_layout_of_pdebench_in_one_dimension(tmp_path):
    """Written here by hand as the published files are: one time more than frames."""
    path, us = tmp_path / "1D_Burgers.hdf5", np.arange(2 * 3 * 4.0).reshape(2, 3, 4)
    with h5py.File(path, "w") as file:
        file["tensor"] = us.astype(np.float32)
        file["x-coordinate"] = np.array([0.125, 0.375, 0.625, 0.875], np.float32)
        file["t-coordinate"] = np.array([0, 0.01, 0.02, 0.03], np.float32)
        file.attrs["nu"], file.attrs["author"] = 0.001, "someone"
    with open_pdebench(path, boundary="periodic") as reader:
        assert reader.dtype == np.float32 and reader.channels == ("tensor",)
        assert np.array_equal(reader.read(1), us[1][:, None])
        assert np.array_equal(reader.ts(0), np.array([0, 0.01, 0.02], np.float32))
        assert list(reader.parameters) == ["nu"]
        assert reader.params(0)["nu"] == np.float32(0.001)
        assert reader.space == Grid(4, (0.0, 1.0), node="centre")


def test_the_layout_of_darcy(tmp_path):
    """Steady: no time, and the coefficient is a field of its own."""
    path, rng = tmp_path / "darcy.hdf5", np.random.default_rng(0)
    nu, u = rng.normal(size=(2, 4, 5)), rng.normal(size=(2, 1, 4, 5))
    with h5py.File(path, "w") as file:
        file["tensor"], file["nu"] = u, nu
        file["x-coordinate"], file["y-coordinate"] = np.arange(4.0), np.arange(5.0)
        file.attrs["beta"] = 1.0
    with open_pdebench(path) as reader:
        assert np.array_equal(reader[1].us, u[1][:, None])
        assert np.array_equal(reader[1].params["nu"], nu[1][None])
        assert np.array_equal(reader[1].ts, [0.0]) and reader[1].params["beta"] == 1
        assert reader.space.shape == (4, 5)


def test_the_layout_of_incompressible_flow(tmp_path):
    """Components last, times by sample, no coordinates: hence no grid."""
    path, rng = tmp_path / "ns.h5", np.random.default_rng(0)
    v, p = rng.normal(size=(2, 3, 4, 5, 2)), rng.normal(size=(2, 3, 4, 5, 1))
    force, ts = rng.normal(size=(2, 4, 5, 2)), np.array([[0, 1, 2], [0, 2, 4]])
    with h5py.File(path, "w") as file:
        file["velocity"], file["particles"], file["force"], file["t"] = v, p, force, ts
    with open_pdebench(path, dtype=np.float32) as reader:
        assert reader.channels == ("velocity_x", "velocity_y", "particles")
        wanted = np.concatenate([v, p], -1)[1].astype(np.float32)
        assert np.array_equal(reader.read(1), np.moveaxis(wanted, -1, 1))
        assert np.array_equal(reader.ts(1), [0, 2, 4]) and reader.space is None
        moved = np.moveaxis(force[0], -1, 0).astype(np.float32)
        assert np.array_equal(reader.params(0)["force"], moved)


def test_the_layout_of_the_well(tmp_path):
    """By hand, with all that the specification allows beside what we write."""
    path, rng = tmp_path / "well.hdf5", np.random.default_rng(0)
    rho, v = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 5, 2))
    profile, mask = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5))
    with h5py.File(path, "w") as file:
        file.attrs["n_trajectories"], file.attrs["grid_type"] = 2, "cartesian"
        dims = file.create_group("dimensions")
        dims.attrs["spatial_dims"] = ["x", "z"]
        dims["time"] = np.arange(3.0)
        dims["x"], dims["z"] = np.arange(4.0), np.linspace(0, 1, 5)
        walls = file.create_group("boundary_conditions/walls")
        walls.attrs["bc_type"], walls.attrs["associated_dims"] = "WALL", ["z"]
        walls["mask"] = np.array([True, False, False, False, False])
        t0 = file.create_group("t0_fields")
        t0.attrs["field_names"] = ["rho", "profile", "mask"]
        t0["rho"], t0["profile"], t0["mask"] = rho, profile, mask
        t1 = file.create_group("t1_fields")
        t1["v"] = v
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["Ra", "wind"]
        scalars["Ra"], scalars["wind"] = np.array([1e6]), np.arange(6.0).reshape(2, 3)
        for name, sample, time, axes in (
            ("dimensions/time", False, False, None),
            ("dimensions/x", False, False, None),
            ("dimensions/z", False, False, None),
            ("t0_fields/rho", True, True, [True, True]),
            ("t0_fields/profile", True, True, [True, False]),
            ("t0_fields/mask", False, False, [True, True]),
            ("t1_fields/v", True, True, [True, True]),
            ("scalars/Ra", False, False, None),
            ("scalars/wind", True, True, None),
        ):
            attributes = file[name].attrs
            attributes["sample_varying"], attributes["time_varying"] = sample, time
            if axes:
                attributes["dim_varying"] = axes
    with open_well(path) as reader:
        assert reader.channels == ("rho", "profile", "v_x", "v_z")
        us = reader.read(1, 1, 3)
        assert np.array_equal(us[:, 0], rho[1, 1:])
        assert np.array_equal(us[:, 1], np.repeat(profile[1, 1:, :, None], 5, -1))
        assert np.array_equal(us[:, 2:], np.moveaxis(v[1, 1:], -1, 1))
        params = reader.params(1, 1, 3)
        assert params["Ra"] == 1e6 and np.array_equal(params["wind"], [4, 5])
        assert np.array_equal(params["mask"], mask[None])
        x, z = reader.space.boundary
        assert [side.kind for side in x] == ["outflow", "outflow"]
        assert [side.kind for side in z] == ["dirichlet", "outflow"]
    with open_well(path, boundary="periodic") as reader:
        assert reader.space.boundary[1][0].kind == "periodic"
    with h5py.File(path, "r+") as file:
        file.attrs["grid_type"] = "spherical"
    with open_well(path) as reader:
        assert reader.space is None and list(reader.coordinates) == ["x", "z"]


def test_uneven_nodes_make_no_grid(tmp_path):
    path = tmp_path / "data.h5"
    save_pdebench(path, batch(LINE, 1))
    with h5py.File(path, "r+") as file:
        file["x-coordinate"][:] = np.arange(6.0) ** 2
    with open_pdebench(path) as reader:
        assert reader.space is None
        assert np.array_equal(reader.coordinates["x"], np.arange(6.0) ** 2)


def test_double_precision_is_not_halved_in_silence(tmp_path):
    path = tmp_path / "data.h5"
    save_pdebench(path, batch(LINE, 1))
    refused = pytest.raises(ValueError, match="data.h5 is float64 .* 32-bit mode")
    with jax.enable_x64(False), open_pdebench(path) as reader, refused:
        reader[0]
    with jax.enable_x64(False), open_pdebench(path, dtype=np.float32) as reader:
        assert reader[0].us.dtype == np.float32


@pytest.mark.parametrize(
    "why, call",
    [
        ("layout: got 'tensr'", lambda p: save_pdebench(p, LINED, layout="tensr")),
        ("holds one unnamed channel", lambda p: save_pdebench(p, TWO)),
        ("names: got", lambda p: save_pdebench(p, TWO, layout="flow")),
        ("no place for names", lambda p: groups_with_names(p)),
        ("nu differs between samples", lambda p: save_pdebench(p, VARIED)),
        ("tensor orders", lambda p: save_well(p, TWO, name="x", fields={"u": 0})),
        ("fields on a Grid", lambda p: save_pdebench(p, SPACELESS)),
        ("are no batch of fields", lambda p: save_pdebench(p, DEEP)),
        ("one time axis", lambda p: save_pdebench(p, UNEQUAL)),
    ],
)
def test_what_a_layout_cannot_hold_is_refused(tmp_path, why, call):
    with pytest.raises(ValueError, match=why):
        call(tmp_path / "data.h5")
    assert list(tmp_path.iterdir()) == []


def groups_with_names(path):
    save_pdebench(path, TWO, layout="groups", names=("a", "b"))


def changed(trajectory, **parts):
    whole = {name: getattr(trajectory, name) for name in trajectory.__annotations__}
    return type(trajectory)(**(whole | parts))


LINED, TWO = batch(LINE, 1), batch(PLANE, 2)
VARIED = batch(LINE, 1, {"nu": np.arange(3.0)})
SPACELESS = changed(LINED, space=None)
DEEP = jax.tree.map(lambda x: x[None], LINED)
UNEQUAL = changed(LINED, ts=LINED.ts * jnp.arange(1, 4)[:, None])


def test_times_of_each_sample_come_back_from_the_well(tmp_path):
    save_well(tmp_path / "data.h5", UNEQUAL, name="x", fields={"u": 0})
    with open_well(tmp_path / "data.h5") as reader:
        check_same(UNEQUAL, reader)


def test_a_single_trajectory_is_a_batch_of_one(tmp_path):
    save_pdebench(tmp_path / "data.h5", jax.tree.map(lambda x: x[1], LINED))
    with open_pdebench(tmp_path / "data.h5") as reader:
        assert len(reader) == 1 and np.array_equal(reader.read(0), LINED.us[1])


def test_importing_phix_data_imports_no_reader():
    code = (
        "import sys, phix.data; "
        "assert not {'h5py', 'zarr', 'xarray', 'grain'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
