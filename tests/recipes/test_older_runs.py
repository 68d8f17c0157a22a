"""Runs that a version began which did not know some of the keys of today."""

import dataclasses

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
import tomli_w

from phix.data import RunDirectory
from phix.recipes import to_dict
from phix.recipes._run_folder import run_folder
from phix.train import ArraySource, Checkpoints, fit, per_sample
from tests.recipes.toy import ToyRecipe


def older(recipe):
    """The config as it was before there were `training.shuffle` and `frames`."""
    config = to_dict(recipe)
    del config["training"]["shuffle"], config["frames"]
    return config


def train(folder, steps):
    def loss(model, sample, *, step, key):
        return jnp.sum((model["w"] - sample) ** 2), {}

    saved = Checkpoints(folder.checkpoints, config=folder.config, every=5)
    with saved:
        return fit(
            {"w": np.zeros(2, np.float32)},
            per_sample(loss),
            ArraySource(np.eye(4, 2, dtype=np.float32), 3),
            steps=steps,
            key=jr.key(0),
            optimiser=optax.adam(1e-1),
            checkpoint=saved,
            progress=False,
        ).model["w"]


def check_goes_on(recipe, begun, directory):
    """The run that `begun` is the config of is taken up by `recipe`, from step 5."""
    with RunDirectory(directory, begun) as folder:
        train(folder, 5)
    with run_folder(recipe, directory) as folder:
        assert folder.resumed and folder.config == begun
        assert Checkpoints(folder.checkpoints).latest_step == 5
        again = train(folder, 10)
    with RunDirectory(directory / "whole", begun) as folder:
        np.testing.assert_array_equal(again, train(folder, 10))


def test_a_run_of_an_older_version_goes_on(tmp_path):
    recipe = dataclasses.replace(ToyRecipe(), seed=3)
    check_goes_on(recipe, older(recipe), tmp_path / "run")
    # Another seed, or a new key that is not at its default, makes it another run.
    with pytest.raises(ValueError, match="seed was 3 there and is 4 here"):
        run_folder(dataclasses.replace(recipe, seed=4), tmp_path / "run")
    with pytest.raises(ValueError, match=r"frames was \[0.0, 1.0\] there and is"):
        run_folder(dataclasses.replace(recipe, frames=(0.0, 2.0)), tmp_path / "run")


def test_a_key_that_is_gone_is_named(tmp_path):
    with RunDirectory(tmp_path, to_dict(ToyRecipe())) as folder:
        config = folder.config | {"momentum": 0.9}
    (tmp_path / "config.toml").write_text(tomli_w.dumps(config))
    with pytest.raises(ValueError, match="unknown key momentum"):
        run_folder(ToyRecipe(), tmp_path)
