import dataclasses
import math
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from phix.recipes import ConfigError, load_config, override, parse_config, to_toml
from tests.recipes.toy import Fourier, Sine, ToyRecipe, Training


CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.toml"))
FULL = """
recipe = "toy"
seed = 3
frames = [0, 0.5, 2]
[decoder]
kind = "fourier"
modes = 7
[training]
steps = 20
rate = 1
name = "sgd"
shuffle = false
"""


def test_a_file_becomes_the_recipe(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(FULL)
    recipe = load_config(path)
    assert recipe == ToyRecipe(
        seed=3,
        frames=(0.0, 0.5, 2.0),
        decoder=Fourier(modes=7),
        training=Training(steps=20, rate=1.0, name="sgd", shuffle=False),
    )
    assert type(recipe.training.rate) is float
    assert all(type(frame) is float for frame in recipe.frames)


def test_absent_keys_keep_the_default_of_the_field():
    assert parse_config('recipe = "toy"') == ToyRecipe()
    # The default decoder is a sine of width 16; the class by itself says 8.
    partial = parse_config('recipe = "toy"\n[decoder]\ndepth = 5')
    assert partial.decoder == Sine(width=16, depth=5)
    other = parse_config('recipe = "toy"\n[decoder]\nkind = "fourier"')
    assert other.decoder == Fourier()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sede = 1", r"unknown key sede \(did you mean 'seed'\?\)"),
        ("[training]\nstep = 1", r"training.step \(did you mean 'steps'\?\)"),
        ("[training]\nkind = 1", r"unknown key training.kind"),
        ("[decoder]\nmodes = 1", r"unknown key decoder.modes"),
        ('[decoder]\nkind = "fouried"', r"decoder.kind = 'fouried' .*'fourier'"),
        ("seed = 1.5", r"seed = 1.5; wanted an integer"),
        ("seed = true", r"seed = True; wanted an integer"),
        ('[training]\nrate = "big"', r"training.rate = 'big'; wanted a number"),
        ('[training]\nclip = "a"', r"training.clip = 'a'; wanted a number"),
        ("[training]\nshuffle = 1", r"training.shuffle = 1; wanted true or false"),
        ('[training]\nname = "adan"', r"training.name = 'adan' .*'adam'"),
        ("training = 3", r"training = 3; wanted a table"),
        ("optional = 3", r"optional = 3; wanted a table"),
        ("[optional]\nsteps = 'x'", r"optional.steps = 'x'; wanted an integer"),
        ("frames = 3", r"frames = 3; wanted an array"),
        ('frames = [1, "a"]', r"frames\[1\] = 'a'; wanted a number"),
        ("extent = [1, 2, 3]", r"extent = .*; wanted an array of 2 values"),
        ("[decoder]\nwidth = -1", r"decoder: width must be positive, got -1"),
        ("seed = ", r"not valid TOML"),
    ],
)
def test_bad_keys_and_values_are_named(tmp_path, text, words):
    path = tmp_path / "bad.toml"
    path.write_text('recipe = "toy"\n' + text)
    with pytest.raises(ConfigError, match=r"bad\.toml: .*" + words):
        load_config(path)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_house_can_be_read_and_written(path):
    recipe = load_config(path)
    assert parse_config(to_toml(recipe)) == recipe


def test_bad_recipes_and_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="unknown recipe 'phi_rmo'.*'phi_rom'"):
        parse_config('recipe = "phi_rmo"')
    with pytest.raises(ConfigError, match="recipe is missing"):
        parse_config("seed = 1")
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.toml"):
        load_config(tmp_path / "nowhere.toml")


_numbers = st.floats(allow_nan=False)
_trainings = st.builds(
    Training,
    steps=st.integers(0, 10**9),
    rate=_numbers,
    name=st.sampled_from(["adam", "sgd"]),
    clip=st.none() | _numbers,
    shuffle=st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(
    st.builds(
        ToyRecipe,
        seed=st.integers(-(2**60), 2**60),
        frames=st.lists(_numbers).map(tuple),
        decoder=st.builds(Sine, width=st.integers(1, 9)) | st.builds(Fourier),
        training=_trainings,
        optional=st.none() | _trainings,
    )
)
def test_written_and_read_back_it_is_the_same(recipe):
    assert parse_config(to_toml(recipe)) == recipe
    assert tomllib.loads(to_toml(recipe))["decoder"]["kind"] == recipe.decoder.kind


def test_what_toml_cannot_hold_is_refused():
    with pytest.raises(ConfigError, match="reads back"):
        to_toml(dataclasses.replace(ToyRecipe(), seconds=math.nan))


def test_overrides_come_over_the_file():
    recipe = parse_config(FULL)
    changed = override(
        recipe,
        ["--training.steps", "7", "--decoder.modes=9", "--training.clip", "0.5"],
    )
    training = dataclasses.replace(recipe.training, steps=7, clip=0.5)
    decoder = Fourier(modes=9)
    assert changed == dataclasses.replace(recipe, training=training, decoder=decoder)
    assert override(recipe, ["--frames", "1", "2.5"]).frames == (1.0, 2.5)
    assert override(recipe, ["--training.shuffle"]).training.shuffle
    assert override(recipe, []) is recipe


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--training.step", "7"], r"--training.step .*'training.steps'"),
        (["--training.steps", "many"], r"--training.steps many: .*many"),
        (["--decoder.width", "7"], r"unknown option --decoder.width"),
        (["--decoder.modes"], r"--decoder.modes: "),
        (["stray"], r"stray"),
    ],
)
def test_bad_overrides_are_named_in_one_line(arguments, words):
    with pytest.raises(ConfigError, match=words) as caught:
        override(parse_config(FULL), arguments)
    assert "\n" not in str(caught.value)


def test_an_override_is_validated():
    with pytest.raises(ConfigError, match="width must be positive"):
        override(ToyRecipe(), ["--decoder.width", "-1"])


def test_reading_a_config_imports_no_jax():
    code = (
        "import sys, tests.recipes.toy, phix.recipes as r\n"
        "r.to_toml(r.override(r.parse_config('recipe = \"toy\"'), ['--seed', '1']))\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
