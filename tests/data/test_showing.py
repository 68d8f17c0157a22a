"""Trajectories as figures, animations, datasets and NetCDF."""

import json

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from phix.data import Trajectory, load_trajectories, save_trajectories
from phix.space import Grid


LINE = Grid(8, (0.0, 1.0))
PLANE = Grid((4, 6), ((0.0, 1.0), (-1.0, 2.0)), ("periodic", "dirichlet"))


def record(grid=LINE, channels=1, **changes):
    shape = () if grid is None else grid.shape
    us = np.random.default_rng(0).normal(size=(5, channels, *shape))
    fields = {
        "ts": jnp.linspace(0.0, 2.0, 5),
        "us": jnp.asarray(us),
        "space": grid,
        "params": {"nu": jnp.array(0.1), "velocity": jnp.array([1.0, 2.0])},
        "result": jnp.array(0, jnp.int32),
        "stats": {"num_steps": jnp.arange(4), "stable_step": jnp.array(0.25)},
        "first_bad_time": jnp.array(jnp.inf),
    }
    return Trajectory(**(fields | changes))


def _is_labelled(dataset, trajectory):
    """Values by name and coordinate are the trajectory's."""
    assert dataset["u"].dims[:2] == ("time", "channel")
    assert np.array_equal(dataset["u"], trajectory.us)
    assert np.array_equal(dataset["time"], trajectory.ts)
    for name, axis in zip("xyz", trajectory.space.axes, strict=False):
        assert np.array_equal(dataset[name], axis)
    x = float(trajectory.space.axes[0][2])
    t = float(trajectory.ts[3])
    picked = dataset["u"].sel(time=t, x=x)
    assert np.array_equal(picked, trajectory.us[3, :, 2])


@pytest.mark.parametrize("grid", [LINE, PLANE], ids=["line", "plane"])
def test_a_dataset_is_labelled_and_says_how_it_came_about(grid):
    trajectory = record(grid, channels=2)
    dataset = trajectory.to_xarray()
    _is_labelled(dataset, trajectory)
    assert dataset["u"].dims[2:] == ("x", "y")[: grid.ndim]
    assert dataset.attrs["nu"] == 0.1
    assert list(dataset.attrs["velocity"]) == [1.0, 2.0]
    assert dataset.attrs["result"] == "successful"
    assert dataset.attrs["stable_step"] == 0.25 and "phix_version" in dataset.attrs
    assert Grid.from_dict(json.loads(dataset.attrs["space"])) == grid
    # Negative twin: coordinates of another box are caught.
    with pytest.raises(AssertionError):
        _is_labelled(dataset.assign_coords(x=dataset["x"] + 0.1), trajectory)


def test_states_without_a_grid_and_fields_among_the_parameters():
    field = jnp.ones((1, *PLANE.shape))
    dataset = record(None, us={"q": jnp.ones((5, 3))}, params={"nu": field}).to_xarray()
    assert dataset["q"].dims == ("time", "q_0")
    assert np.array_equal(dataset["nu"], field) and "nu" not in dataset.attrs


@pytest.mark.parametrize("complex_field", [False, True])
def test_netcdf_is_read_by_others(tmp_path, complex_field):
    us = record(PLANE, 2).us
    trajectory = record(PLANE, 2, us=us * (1 + 2j) if complex_field else us)
    path = tmp_path / "run.nc"
    trajectory.save(path)
    with h5py.File(path) as file:
        name = "u_imag" if complex_field else "u"
        scale = 2 if complex_field else 1
        assert np.array_equal(file[name], scale * us)
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        if complex_field:
            both = dataset["u_real"] + 1j * dataset["u_imag"]
            dataset = dataset.assign(u=both)
        _is_labelled(dataset, trajectory)
        assert dataset.attrs["nu"] == 0.1


def test_hdf5_comes_back(tmp_path):
    trajectory = record(PLANE)
    trajectory.save(tmp_path / "run.h5")
    assert np.array_equal(load_trajectories(tmp_path / "run.h5")[0].us, trajectory.us)


@pytest.mark.parametrize("suffix", [".nc", ".h5", ".gif", ".html"])
def test_nothing_half_written_stays(tmp_path, monkeypatch, suffix):
    def fail(*_):
        raise OSError("disk full")

    path = tmp_path / f"run{suffix}"
    path.write_text("old")
    monkeypatch.setattr("os.replace", fail)
    write = record().save if suffix in (".nc", ".h5") else record().animate
    with pytest.raises(OSError, match="disk full"):
        write(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_trajectory_draws_itself(tmp_path):
    trajectory = record(LINE, 2)
    fig = trajectory.plot(title="run", label="v")
    image = fig.axes[0].collections[0]
    assert np.array_equal(np.asarray(image.get_array()), trajectory.us[:, 0])
    trajectory.animate(tmp_path / "run.gif")
    assert (tmp_path / "run.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(
    ("trajectory", "words"),
    [
        (record(None), "only a field on a Grid can be drawn"),
        (record(us={"a": jnp.ones((5, 1, 8))}), "this trajectory holds dict on Grid"),
        (jax.tree.map(lambda a: jnp.stack([a, a]), record()), "take one of it"),
        (record(Grid((2, 3, 4), (0.0, 1.0))), "3 dimensions cannot be drawn"),
    ],
    ids=["no grid", "dictionary", "batch", "cube"],
)
def test_what_cannot_be_drawn_says_why(tmp_path, trajectory, words):
    with pytest.raises(ValueError, match=words):
        trajectory.plot()
    with pytest.raises(ValueError, match=words):
        trajectory.animate(tmp_path / "run.gif")


def test_what_cannot_be_labelled_or_saved_says_why(tmp_path):
    batch = jax.tree.map(lambda a: jnp.stack([a, a]), record())
    with pytest.raises(ValueError, match="take one of it"):
        batch.to_xarray()
    with pytest.raises(ValueError, match="HDF5 is written here"):
        save_trajectories(tmp_path / "batch.nc", batch)
    with pytest.raises(ValueError, match="an array or a dictionary of arrays, got tup"):
        record(None, us=(jnp.ones(5),)).to_xarray()
    with pytest.raises(ValueError, match=r"must end in \.h5 or \.nc, got .*run\.csv"):
        record().save(tmp_path / "run.csv")


def test_without_xarray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(ModuleNotFoundError, match=r"phix-jax\[data\]"):
        record().to_xarray()
