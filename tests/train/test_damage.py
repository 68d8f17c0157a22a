"""Checkpoints that are damaged or crafted: noticed by name, and never trusted."""

import json
import os
import shutil
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest
import tensorstore as ts

from phix.train import Checkpoints, _checkpoints, fit, gradient_update, per_sample
from phix.train._seal import seal
from tests.train.problems import START, noisy_loss, source


UPDATE = gradient_update(per_sample(noisy_loss), optax.adam(1e-2))
# Nothing reads these two.
UNREAD = ("_CHECKPOINT_METADATA", "commit_success.txt")


def run(directory, steps, config=None):
    return fit(
        START,
        UPDATE,
        source(7),
        steps=steps,
        key=jr.key(0),
        checkpoint=Checkpoints(directory, config=config, every=10),
        ema=0.9,
        steps_per_call=50,
        progress=False,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with checkpoints of 10 and 17 updates."""
    directory = tmp_path_factory.mktemp("saved")
    run(directory, 17)
    return directory


@pytest.fixture
def copy(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "copy"))


@pytest.fixture(scope="module")
def weights(saved):
    with Checkpoints(saved) as whole:
        return [whole.restore_model(START, step=step)["w"] for step in (10, 17)]


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x80  # also makes text undecodable
    file.write_bytes(content)


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def complaint(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return "nothing"


def check_noticed(directory, name, damage, weights):
    """The fault is named and the checkpoint before it taken; then all is as before."""
    file = directory / "17" / name
    content = file.read_bytes()
    damage(file)
    with Checkpoints(directory) as found:
        if name in UNREAD:
            assert jnp.array_equal(found.restore_model(START)["w"], weights[1])
        elif name == "checksums.json" and damage is os.unlink:
            assert found.latest_step == 10
        else:
            said = complaint(lambda: found.restore_model(START, step=17))
            assert "damaged" in said and f"17: {name}" in said
            with pytest.warns(UserWarning, match=f"17: {name} .* of update 10"):
                model = found.restore_model(START)
            assert jnp.array_equal(model["w"], weights[0])
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [flip, cut, os.unlink])
def test_damage_of_any_file_is_noticed(copy, damage, weights):
    files = [file for file in (copy / "17").rglob("*") if file.is_file()]
    names = [file.relative_to(copy / "17").as_posix() for file in files]
    assert len(names) > 12 and {*UNREAD, "checksums.json"} < set(names)
    for name in names:
        check_noticed(copy, name, damage, weights)


def test_damage_shows_only_by_the_checksums(copy, weights, monkeypatch):
    monkeypatch.setattr(_checkpoints, "check_seal", lambda folder, part="": None)
    with pytest.raises(AssertionError, match="nothing"):
        check_noticed(copy, "about/commit_success.txt", flip, weights)


def test_fit_goes_on_from_the_one_before(copy, saved):
    whole = run(shutil.copytree(saved, copy.parent / "whole"), 33)
    flip(copy / "17" / "about" / "metadata")
    with pytest.warns(UserWarning, match="about/metadata .* of update 10"):
        found = run(copy, 33)
    assert eqx.tree_equal((found.state, found.ema), (whole.state, whole.ema))
    assert (copy / "17.damaged").is_dir()
    assert Checkpoints(copy).latest_step == 33  # what is set aside does not count


def test_nothing_whole_is_an_error_that_says_what_to_do(copy):
    flip(copy / "10" / "arrays" / "_METADATA")
    shutil.rmtree(copy / "17" / "arrays")
    with pytest.raises(
        ValueError, match=r"every .* damaged .*17: arrays/.*10: arrays/_METADATA.* copy"
    ):
        run(copy, 33)
    assert sorted(f.name for f in copy.iterdir() if f.is_dir()) == ["10", "17"]


def test_a_damaged_best_one_is_not_the_best(tmp_path):
    errors = iter([1.0, 2.0, 3.0])
    with Checkpoints(tmp_path, every=10, keep_best="error") as saved:
        fit(
            START,
            UPDATE,
            source(7),
            steps=30,
            key=jr.key(0),
            evaluate=lambda model: {"error": next(errors)},
            evaluate_every=10,
            checkpoint=saved,
            progress=False,
        )
        assert (saved.best_step, saved.best_value) == (10, 1.0)
        flip(tmp_path / "10" / "about" / "metadata")
        assert (saved.best_step, saved.best_value) == (20, 2.0)


# What follows has true checksums: it was made by someone who wants to do harm.


def crafted(directory, name, change):
    """Changes the JSON of a file of the latest checkpoint, and seals it again."""
    file = directory / "17" / name
    file.write_text(change(file.read_text()))
    seal(directory / "17")


def check_refused(directory, match):
    with pytest.raises(ValueError, match=match):
        run(directory, 33)
    with Checkpoints(directory) as found, pytest.raises(ValueError, match=match):
        found.restore_model(START)


def test_absurd_shapes_are_refused(copy):
    crafted(copy, "about/metadata", lambda s: s.replace("[3]", "[999999999999]"))
    check_refused(copy, r"\['w'\] was 'float64\[999999999999\]'")
    with pytest.raises(ValueError, match="no array of it agrees .*999999999999"):
        Checkpoints(copy).restore_matching(START)


def test_other_shapes_than_announced_are_refused(copy, tmp_path):
    """The arrays of another model, under the description of this one."""
    other = tmp_path / "other"
    start, model = {**START, "w": jnp.zeros(300_000)}, copy / "17" / "arrays"
    with Checkpoints(other) as found:
        found.save(1, UPDATE.init(start), None, key=jr.key(0))
    shutil.rmtree(model)
    shutil.copytree(other / "1" / "arrays", model)
    seal(copy / "17")
    check_refused(copy, "cannot be read, .* shape: .*300000")


def test_chunks_larger_than_their_array_are_refused(copy):
    """Decoding one would make room for 32 GB."""
    base = {"driver": "file", "path": f"{copy}/17/arrays/"}
    store = ts.KvStore.open({"driver": "ocdbt", "base": base}).result()
    header = json.loads(store.read("model['w']/.zarray").result().value)
    store.write("model['w']/.zarray", json.dumps(header | {"chunks": [2**32]})).result()
    seal(copy / "17")
    check_refused(copy, r"of shape \[3\] is stored in chunks of \[4294967296\]")


@pytest.mark.parametrize("name", ["about/metadata", "arrays/_METADATA"])
@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, "{}", "null", "\udcff"]
)
def test_json_that_is_not_ours_is_refused(copy, name, text):
    file = copy / "17" / name
    file.write_bytes(text.encode(errors="surrogateescape"))
    seal(copy / "17")
    check_refused(copy, "cannot be read, though its checksums agree")


def test_config_nested_without_end_is_refused(copy):
    deep = '{"a":' * 900 + "1" + "}" * 900
    crafted(
        copy, "about/metadata", lambda s: s.replace('"config": {}', f'"config": {deep}')
    )
    with pytest.raises(ValueError, match="config"):
        run(copy, 33)


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{}", "[]", '{"format": "phix-checksums-1", "files": [1]}']
)
def test_seals_that_are_not_ours_are_damage(copy, text):
    (copy / "17" / "checksums.json").write_text(text)
    with Checkpoints(copy) as found, pytest.warns(UserWarning, match="cannot be read"):
        found.restore_model(START)


def test_seals_name_no_files_elsewhere(copy, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    for name in ("../../secret", str(secret)):
        seal_file = copy / "17" / "checksums.json"
        content = json.loads(seal_file.read_text())
        content["files"][name] = [1, "0" * 64]
        seal_file.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="secret is missing"):
            Checkpoints(copy).restore_model(START, step=17)


@pytest.mark.parametrize("name", ["about/metadata", "arrays", "arrays/manifest.ocdbt"])
def test_links_are_refused(copy, tmp_path, name):
    path, elsewhere = copy / "17" / name, tmp_path / "elsewhere"
    os.rename(path, elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(ValueError, match=f"17: {name} is not a plain file"):
        Checkpoints(copy).restore_model(START, step=17)
    with pytest.raises(ValueError, match="not a plain file"):
        seal(copy / "17")
