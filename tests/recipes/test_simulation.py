"""`phix simulate` for any equation: choices, starts, and what comes out."""

import inspect
import subprocess
import sys
import typing
from pathlib import Path

import diffrax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from phix import integrate, pde
from phix.cli import main
from phix.recipes import ConfigError, parse_config, to_toml
from phix.recipes._equations import Box, Equation
from phix.recipes._starts import Start
from phix.recipes.simulation import Scheme, Simulation
from tests.recipes import toy  # registers itself


CONFIGS = sorted((Path(__file__).parents[2] / "configs/simulate").glob("*.toml"))
CHOICES = {choice.__name__: choice for choice in typing.get_args(Equation)}
STARTS = {choice.kind: choice for choice in typing.get_args(Start)}

# What a config cannot say: functions and fields.
UNSAID = {"forcing", "scalar_diffusivity", "drive"}

WAVE = """
recipe = "simulation"
duration = 0.5
num_frames = 6
dt = 0.1
precision = "float64"
[equation]
kind = "advection"
velocity = [2.0]
[grid]
shape = [16]
extent = [0.0, 1.0]
[start]
kind = "wave"
amplitude = [0.5, 1.0]
background = [1.0, 0.0]
"""

KINK = """
recipe = "simulation"
duration = 1.0
equation = { kind = "klein_gordon", potential = { kind = "sine_gordon" } }
start = { kind = "kink" }
[grid]
shape = [32]
extent = [-8.0, 8.0]
boundary = "twisted"
"""


def _equations_of_the_room():
    """What is made of a grid and numbers."""
    for name in pde.__all__:
        item = getattr(pde, name)
        if inspect.isclass(item) and issubclass(item, pde.AbstractEquation):
            first = next(iter(inspect.signature(item).parameters), None)
            if first == "grid" and not inspect.isabstract(item):
                yield name


def test_every_equation_is_a_choice():
    assert set(CHOICES) == set(_equations_of_the_room())


def _is_the_signature(choice, function):
    """The fields are the parameters but the grid, with their defaults."""
    wanted = dict(inspect.signature(function).parameters)
    wanted = {k: p.default for k, p in list(wanted.items())[1:] if k not in UNSAID}
    found = inspect.signature(choice).parameters
    assert {name: field.default for name, field in found.items()} == wanted


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_a_choice_has_the_parameters_of_its_equation(name):
    _is_the_signature(CHOICES[name], getattr(pde, name))
    # Negative twin: the parameters of another equation.
    other = pde.Burgers if name != "Burgers" else pde.GrayScott
    with pytest.raises(AssertionError):
        _is_the_signature(CHOICES[name], other)


def test_every_scheme_of_the_house_is_a_choice():
    names = typing.get_args(Scheme)
    schemes = {
        name
        for name in integrate.__all__
        if inspect.isclass(item := getattr(integrate, name))
        and issubclass(item, diffrax.AbstractSolver)
        and not name.startswith("Abstract")
    }
    assert schemes <= set(names)
    for name in set(names) - schemes:
        assert issubclass(getattr(diffrax, name), diffrax.AbstractSolver)


def _moves_as_it_should(trajectory):
    """u(x, t) = 1 + cos(2π(x − 2t))/2, and a whole one about 0."""
    assert trajectory.us.dtype == np.float64
    x, t = np.arange(16) / 16, np.asarray(trajectory.ts)
    wave = np.cos(2 * np.pi * (x - 2 * t[:, None]))
    wanted = np.stack([1 + 0.5 * wave, wave], 1)
    np.testing.assert_allclose(trajectory.us, wanted, atol=1e-12)


def test_a_config_becomes_a_trajectory():
    _moves_as_it_should(parse_config(WAVE).trajectory())
    # Negative twin: a config of another velocity.
    slow = parse_config(WAVE.replace("[2.0]", "[1.9]")).trajectory()
    with pytest.raises(AssertionError):
        _moves_as_it_should(slow)


def test_exponential_schemes_move_waves_too():
    text = WAVE.replace('"advection"\nvelocity = [2.0]', '"klein_gordon"')
    text = text.replace("background = [1.0, 0.0]", "").replace(
        "[0.5, 1.0]", "[1.0, 0.0]"
    )
    linear = '\npotential = { kind = "linear", m = 3.0 }\n[grid]'
    text = text.replace("\n[grid]", linear).replace("dt =", 'scheme = "ETDRK4"\ndt =')
    trajectory = parse_config(text).trajectory()
    x, t = np.arange(16) / 16, np.asarray(trajectory.ts)
    omega = np.sqrt(9 + 4 * np.pi**2)
    wanted = np.cos(2 * np.pi * x) * np.cos(omega * t[:, None])
    np.testing.assert_allclose(trajectory.us[:, 0], wanted, atol=1e-12)


def _start(kind, equation, **choices):
    dtype = np.dtype(np.float32)
    u = STARTS[kind](**choices).build(equation, dtype)
    equation.space.check(u)
    assert u.dtype in (np.float32, np.complex64) and np.isfinite(np.asarray(u)).all()
    return u


def _line(extent=(-8.0, 8.0)):
    return pde.Diffusion(Box((32,), extent).build(), nu=1.0)


def test_starts_on_a_line():
    line = _line()
    bump = _start("gaussian", line, amplitude=(2.0,), background=(1.0,), width=2.0)
    x = np.asarray(line.space.axes[0])
    np.testing.assert_allclose(bump[0], 1 + 2 * np.exp(-(x**2) / 4), rtol=1e-5)
    noise = _start("noise", line, amplitude=(0.3, 0.1), length=1.0, seed=3)
    size = np.sqrt(np.mean(np.asarray(noise) ** 2, axis=1))
    np.testing.assert_allclose(size, [0.3, 0.1], rtol=1e-5)
    x = jnp.asarray(x, jnp.float32)
    two = _start("kdv_solitons", line, speeds=(4.0, 1.0), centres=(-3.0, 2.0))
    wanted = pde.kdv_soliton(x, speeds=[4.0, 1.0], centres=[-3.0, 2.0])
    np.testing.assert_array_equal(two[0], wanted)
    wave = _start("schrodinger_soliton", line, amplitude=1.5)
    np.testing.assert_allclose(np.abs(wave[0]), 1.5 / np.cosh(1.5 * x), rtol=1e-5)
    shock = _start("burgers_shock", _line(extent=(0.0, 100.0)))
    assert shock[0, 0] > 4 > 2 > shock[0, 8]


def test_starts_of_waves_and_their_sides():
    kink = parse_config(KINK)
    equation = kink.equation.build(kink.grid.build())
    assert equation.space.twist[0, 0] == pytest.approx(2 * np.pi)
    assert type(equation.potential) is pde.SineGordon
    u = _start("kink", equation, speed=0.3)
    assert u.shape == (2, 32) and u[0, -1] - u[0, 0] > 6
    pair = _start("kink_antikink", equation, speed=0.3, separation=6.0)
    assert pair.shape == (2, 32) and np.abs(pair[0, [0, -1]]).max() < 0.1
    rest = _start("breather", equation)
    # The exact height is 4 arctan(ε/ω), at x = 0.
    assert rest[0, 16] == pytest.approx(4 * np.pi / 3)
    assert not np.any(rest[1])


def test_starts_in_a_plane():
    grid = Box((16, 16)).build()
    flow = pde.Vorticity(grid, nu=0.1)
    assert _start("random_flow", flow, peak=3.0).shape[0] == 1
    velocity = pde.NavierStokes(grid, nu=0.1)
    assert _start("random_flow", velocity, peak=3.0).shape[0] == 2
    vortex = _start("taylor_green", velocity)
    x, y = np.asarray(grid.coordinates)
    np.testing.assert_allclose(vortex[0], np.sin(x) * np.cos(y), atol=1e-6)
    with pytest.raises(ValueError, match="one-dimensional, the grid is"):
        _start("burgers_shock", flow)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('"advection"', '"advetcion"'), "unknown equation.kind.*'advection'"),
        (("velocity", "velicity"), r"equation.velicity \(did you mean 'velocity'"),
        (("velocity = [2.0]", ""), "missing key equation.velocity"),
        (('"wave"', '"wavy"'), "unknown start.kind = 'wavy'"),
        (("dt = 0.1", 'scheme = "ETDRK9"'), r"scheme = 'ETDRK9' .*ETDRK"),
        (("duration = 0.5", "duration = 0.0"), "duration must be positive, got 0.0"),
        (("num_frames = 6", "num_frames = 1"), "num_frames must be at least 2"),
        (("[1.0, 0.0]\n", "[1.0]\n"), r"start: background must have 2 numbers"),
        (('"float64"', '"float16"'), "precision = 'float16' is no valid choice"),
    ],
)
def test_bad_configs_name_key_and_remedy(change, words):
    assert change[0] in WAVE
    with pytest.raises(ConfigError, match=words):
        parse_config(WAVE.replace(*change))


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "wave.toml"
    path.write_text(WAVE)
    return str(path)


def test_the_command_writes_data_figure_and_film(config, tmp_path, capsys):
    arguments = ["--out", "w.nc", "--plot", "w.png", "--animate", "w.html"]
    changes = ["--equation.velocity", "1.0", "--precision", "float32"]
    assert main(["simulate", config, *arguments, *changes]) == 0
    with xr.open_dataset("w.nc", engine="h5netcdf") as dataset:
        assert dataset["u"].dtype == np.float32 and dataset.attrs["velocity"] == 1.0
        assert dataset["x"].dtype == np.float64
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (tmp_path / "w.html").read_text()
    said = capsys.readouterr().out
    assert said.split() == ["wrote", "w.nc", "wrote", "w.png", "wrote", "w.html"]
    assert main(["simulate", config]) == 0
    assert (tmp_path / "wave.h5").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["simulate", "wave.toml", "--animate", "w.mp4"], "must end in .gif or .html"),
        (["simulate", "wave.toml", "--plot", "w.xyz"], "must end in one of"),
        (["simulate", "wave.toml", "--out", "w.csv"], "must end in .h5 or .nc"),
        (["run", "wave.toml"], "no job 'run'; it has: simulate, trajectory"),
        (["simulate", "toy.toml", "--plot", "w.png"], "no job 'trajectory'; it has: r"),
    ],
)
def test_what_it_cannot_do_it_says_before_it_starts(
    config, command, words, tmp_path, monkeypatch, capsys
):
    def fail(self):
        raise AssertionError("started")

    monkeypatch.setattr(Simulation, "trajectory", fail)
    (tmp_path / "toy.toml").write_text(to_toml(toy.ToyRecipe()))
    assert main(command) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_of_the_house_have_a_start(path):
    text = path.read_text()
    recipe = typing.cast(Simulation, parse_config(text))
    assert f"phix simulate configs/simulate/{path.name}" in text
    shape = (12,) * len(recipe.grid.shape)
    equation = recipe.equation.build(Box(shape, recipe.grid.extent).build())
    u = recipe.start.build(equation, np.dtype(np.float32))
    assert np.isfinite(np.asarray(u)).all() and np.ptp(np.asarray(u)) > 0.01


def test_reading_a_config_imports_no_jax():
    code = (
        "import sys, phix.recipes as r\n"
        f"r.load_config({str(CONFIGS[0])!r})\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
