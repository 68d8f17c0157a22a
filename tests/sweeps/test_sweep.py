"""A sweep gives what `vmap` gives, records failures, and does what is missing."""

import json

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import num
from phix._errors import Result
from phix.data import RunDirectory
from phix.integrate import solve
from phix.parallel import make_mesh
from phix.pde import SpectralDiffusion
from phix.space import Grid
from phix.sweeps import open_sweep, product, sweep
from phix.sweeps._store import NOT_RUN, Store


GRID = Grid(8, (0.0, 2 * np.pi))
EQUATION = SpectralDiffusion(GRID, nu=1.0)
U0 = GRID.project(lambda x: jnp.sin(x[0]))
TS = np.array([0.0, 0.5, 1.0])
POINTS = product({"nu": np.linspace(0.1, 1.0, 5), "size": [1.0, 2.0]})


def waves(p):
    """Diffusion of a sine: size · exp(−νt) · sin x."""
    return solve(EQUATION.replace(nu=p["nu"]), p["size"] * U0, TS, dt=0.25)


def run(fn, directory, points=POINTS, **options):
    options = {"progress": False, "chunk": 2, "seconds": 0.0} | options
    return sweep(fn, points, directory, **options)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return run(waves, tmp_path_factory.mktemp("waves"))


def check_waves(dataset):
    nu, size, t, x = (dataset[name] for name in ("nu", "size", "time", "x"))
    wanted = size * np.exp(-nu * t) * np.sin(x)
    u = dataset.u.isel(channel=0)
    np.testing.assert_allclose(u, wanted.transpose(*u.dims), atol=1e-12)


def test_results_are_those_of_the_points(found):
    assert found.u.dims == ("point", "time", "channel", "x")
    assert (found.status == 0).all() and (found.chunk_size == 2).all()
    assert found.status.attrs["flag_meanings"].split()[:2] == ["not_run", "successful"]
    check_waves(found)
    box = found.set_index(point=["nu", "size"]).unstack()
    assert box.u.sizes["nu"] == 5 and box.u.sizes["size"] == 2
    shuffled = found.assign(u=found.u.isel(point=np.roll(np.arange(10), 1)))
    with pytest.raises(AssertionError):
        check_waves(shuffled)


def test_bits_are_those_of_vmap(tmp_path):
    points = {"x": jr.normal(jr.key(0), (13, 3))}  # 13 is no multiple of 4

    def fn(p):
        return {"y": jnp.sin(p["x"]) @ p["x"], "z": jnp.fft.rfft(p["x"])}

    wanted = jax.jit(jax.vmap(fn))(points)
    for place, mesh in (("one", None), ("mesh", make_mesh(1))):
        dataset = run(fn, tmp_path / place, points, chunk=4, mesh=mesh)
        assert np.array_equal(dataset.y, wanted["y"])
        assert np.array_equal(dataset.z, wanted["z"])


def test_a_random_key_belongs_to_the_point(tmp_path):
    def fn(p, *, key):
        return p["x"] + jr.normal(key)

    points, key = {"x": np.arange(7.0)}, jr.key(5)
    for chunk in (1, 4):
        dataset = run(fn, tmp_path / str(chunk), points, key=key, chunk=chunk)
        keys = [jr.fold_in(key, i) for i in range(7)]
        wanted = [x + jr.normal(k) for x, k in zip(points["x"], keys, strict=True)]
        assert np.array_equal(dataset.value, wanted)
    with pytest.raises(ValueError, match="key was .*5.* there and is .*6.* here"):
        run(fn, tmp_path / "1", points, key=jr.key(6))


def test_failed_points_are_recorded_and_the_others_go_on(tmp_path):
    nus = np.array([0.5, -1.0, np.nan, 0.25])
    dataset = run(waves, tmp_path / "invalid", {"nu": nus, "size": np.ones(4)})
    invalid = Result.invalid_parameter
    assert dataset.status.values.tolist() == [0, invalid, invalid, 0]
    assert np.isnan(dataset.u[1]).all()
    check_waves(dataset.where(dataset.status == 0, drop=True))

    def burst(p):  # u' = u² from p blows up at t = 1/p
        return solve(lambda t, u, args: u**2, p["p"], [0.0, 1.0], dt=0.01)

    dataset = run(burst, tmp_path / "burst", {"p": np.array([0.5, 1e3])})
    assert dataset.status.values.tolist() == [0, Result.non_finite]
    assert dataset.first_bad_time[1] < 0.1
    np.testing.assert_allclose(dataset.u[0, -1], 1.0, rtol=1e-3)

    def root(p):  # x² = −p has no root for p > 0
        start = jnp.ones(1)
        return num.least_squares(lambda x, _: x**2 + p["p"], start, max_iterations=3)

    dataset = run(root, tmp_path / "root", {"p": np.array([-1.0, -400.0])})
    assert dataset.status.values.tolist() == [0, Result.not_converged]

    def slim(p):  # infinite where all went well
        return {"t": jnp.array(jnp.inf), "result": p["p"].astype(jnp.int32)}

    dataset = run(slim, tmp_path / "slim", {"p": np.array([0.0, 2.0])})
    assert dataset.status.values.tolist() == [0, Result.not_converged]

    dataset = run(lambda p: 1 / p["p"], tmp_path / "plain", {"p": np.array([0.0, 2.0])})
    assert dataset.status.values.tolist() == [Result.non_finite, 0]


def check_only_the_hopeful_run(fn, hopeless, directory, mesh=None):
    """Every other point is hopeless: it is not run, and the others are as ever."""
    calls = []

    def counted(p):
        jax.debug.callback(lambda _: calls.append(None), p["nu"])
        return fn(p)

    options = {"hopeless": hopeless, "seconds": 1e9, "mesh": mesh}
    found = run(counted, directory, **options)
    assert found.sizes["point"] == 10
    calls.clear()
    with pytest.MonkeyPatch.context() as patch:  # as a restart after a lost block
        patch.setattr(Store, "missing", _once(list(range(Store(directory).num_blocks))))
        found = run(counted, directory, **options)
    jax.effects_barrier()
    lost = np.arange(10) % 2 == 1
    assert (found.status.values == np.where(lost, Result.hopeless, 0)).all()
    assert np.isnan(found.u.values[lost]).all()
    check_waves(found.isel(point=np.flatnonzero(~lost)))
    # Blocks of eight in chunks of two: four of the first, one of the second and a
    # stand-in beside it.
    assert len(calls) == 6


def _once(blocks):
    """What is missing the first time, and nothing afterwards."""
    rest = [blocks]
    return lambda self: rest.pop() if rest else []


@pytest.mark.parametrize("mesh", [None, make_mesh(1)])
def test_hopeless_points_cost_nothing(tmp_path, mesh):
    def large(p):
        return p["size"] > 1.5

    check_only_the_hopeful_run(waves, large, tmp_path, mesh)


def test_a_look_that_sees_nothing_costs_all(tmp_path):
    with pytest.raises(AssertionError):
        check_only_the_hopeful_run(waves, lambda p: p["size"] > 9, tmp_path)


def test_a_result_that_is_no_code_is_data(tmp_path):
    def fn(p):
        return {"result": p["a"] + 0.5}

    dataset = run(fn, tmp_path, {"a": np.arange(3.0)})
    assert dataset.status.values.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(dataset.result, np.arange(3.0) + 0.5)


def test_a_restart_does_only_what_is_missing(tmp_path):
    points = {"x": np.arange(9.0)}
    run(lambda p: p["x"] ** 2, tmp_path, points, chunk=2)
    store = Store(tmp_path)
    store.arrays["status"][store.rows(2)] = NOT_RUN
    assert (open_sweep(tmp_path).status == NOT_RUN).sum() == 2
    dataset = run(lambda p: -p["x"], tmp_path, points)
    wanted = points["x"] ** 2
    wanted[4:6] = [-4.0, -5.0]
    assert np.array_equal(dataset.value, wanted)
    assert (dataset.status == 0).all()


def spoil(file, how):
    content = bytearray(file.read_bytes())
    if how == "flipped":
        content[len(content) // 3] ^= 4
    if how == "truncated":
        del content[-3:]
    if how == "lost":
        file.unlink()
    else:
        file.write_bytes(content)


@pytest.mark.parametrize("how", ["flipped", "truncated", "lost"])
@pytest.mark.parametrize("name", ["value", "status"])
def test_damaged_blocks_are_done_again(tmp_path, how, name):
    points = {"x": np.arange(8.0)}
    run(lambda p: p["x"] ** 2, tmp_path, points, chunk=2)
    spoil(tmp_path / f"points.zarr/{name}/c/1", how)
    dataset = run(lambda p: -p["x"], tmp_path, points)
    assert np.array_equal(dataset.value, [0, 1, -2, -3, 16, 25, 36, 49])
    assert (dataset.status == 0).all()


def test_a_damaged_description_is_said(tmp_path):
    points = {"x": np.arange(2.0)}
    run(lambda p: p["x"], tmp_path, points)
    (tmp_path / "points.zarr/zarr.json").write_text("{")
    with pytest.raises(ValueError, match="its description is damaged"):
        run(lambda p: p["x"], tmp_path, points)
    with pytest.raises(FileNotFoundError, match="no sweep in"):
        open_sweep(tmp_path / "nowhere")


def test_the_log_tells_how_it_goes(tmp_path):
    run(lambda p: 1 / p["x"], tmp_path, {"x": np.arange(6.0)}, chunk=1)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    done = [record["points"] for record in records]
    assert done == sorted(done) and done[-1] == 6
    assert records[-1]["failed"] == 1 and records[-1]["seconds_left"] == 0
    assert all(0 < record["goodput"] <= 1 for record in records)


def test_chunks_are_found_and_kept(tmp_path):
    points = {"x": np.arange(100.0)}
    fn = lambda p: p["x"] * jnp.ones(1000)  # noqa: E731
    dataset = run(fn, tmp_path, points, chunk=None)
    # The cache of 2²⁰ bytes holds 64 rows of 8,000 and what it takes to make them.
    assert 1 < dataset.attrs["chunks"][0][1] <= 64
    kept = dataset.attrs["chunks"]
    assert run(fn, tmp_path, points, chunk=None).attrs["chunks"] == kept


def test_another_sweep_is_refused(tmp_path):
    points = {"x": np.arange(3.0)}
    run(lambda p: p["x"], tmp_path, points)
    with pytest.raises(ValueError, match="another configuration: points was"):
        run(lambda p: p["x"], tmp_path, {"x": np.arange(3.0) + 1})
    with pytest.raises(ValueError, match=r"result of fn.value was 'float64\[\]' there"):
        run(lambda p: p["x"][None], tmp_path, points)
    with RunDirectory(tmp_path, {}), pytest.raises(ValueError, match="in use"):
        run(lambda p: p["x"], tmp_path, points)


@pytest.mark.parametrize(
    ("points", "fn", "options", "words"),
    [
        ({}, waves, {}, "points: names no parameter"),
        ({"a": [1.0], "b": [1.0, 2.0]}, waves, {}, "as many rows.*'b': 2"),
        ({"a/b": [1.0]}, waves, {}, "'a/b' cannot be that of a file"),
        ({"a": ["x"]}, waves, {}, "a must be an array of real numbers"),
        ({"status": [1.0]}, lambda p: 1.0, {}, "returns no array"),
        ({"status": [1.0]}, lambda p: p["status"], {}, "name 'status' is taken"),
        ({"a": [1.0]}, lambda p: {"a": p["a"]}, {}, "returns an array 'a'"),
        ({"a": [1.0]}, lambda p: jnp.zeros((0, 2)), {}, "shape .0, 2. is empty"),
        ({"a": [1.0]}, lambda p: p["a"], {"chunk": 3}, "chunk: got 3.*power of two"),
    ],
)
def test_bad_input(tmp_path, points, fn, options, words):
    with pytest.raises(ValueError, match=words):
        run(fn, tmp_path, points, **options)
    assert not (tmp_path / "points.zarr").exists()
