"""What a sweep survives: little memory, a full disk, a process beside it."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix._errors import PhixError
from phix.sweeps import sweep
from phix.sweeps._program import Program
from tests.processes import free_port, output, output_with_mounts, start
from tests.sweeps import shared


HERE = Path(__file__).parent
X64 = {"JAX_ENABLE_X64": "1"}


def script(name, *arguments):
    return json.loads(output(HERE / name, *arguments).splitlines()[-1])


def test_out_of_memory_halves_the_chunks(tmp_path):
    found = script("small_memory.py", tmp_path)
    first, size = found["chunks"][-1]
    assert size < 8 and set(found["status"]) == {0}
    assert set(found["chunk_size"][first:]) == {size}


def fits(most, beyond=0):
    """Instead of `Program.compiled`: more than `most` points from `beyond` on do not
    fit together."""
    compiled = Program.compiled

    def limited(self, chunk, **choices):
        run = compiled(self, chunk, **choices)

        def call(parameters, index):
            if chunk > most and int(index[-1]) >= beyond:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: pretended")
            return run(parameters, index)

        call.lower = run.lower
        return call

    return limited


def halved(directory, **options):
    points = {"x": np.arange(20.0)}
    return sweep(
        lambda p: jnp.sin(p["x"]), points, directory, progress=False, **options
    )


def check_halved(dataset):
    assert np.array_equal(dataset.value, np.sin(np.arange(20.0)))
    # Blocks of eight: the second one, from point 8 on, was the first that did not fit.
    assert dataset.attrs["chunks"] == [[0, 8], [8, 2]]
    assert dataset.chunk_size.values.tolist() == [8] * 8 + [2] * 12


def test_a_halved_chunk_holds_for_all_that_follows(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Program, "compiled", fits(2, beyond=8))
        dataset = halved(tmp_path / "a", chunk=8, seconds=0.0)
    check_halved(dataset)
    # Kept on restart, where all would fit: the lost block runs in chunks of two again.
    for name in ("value", "status"):
        (tmp_path / f"a/points.zarr/{name}/c/1").unlink()
    check_halved(halved(tmp_path / "a", chunk=8, seconds=0.0))
    with pytest.raises(AssertionError):
        check_halved(halved(tmp_path / "b", chunk=8, seconds=0.0))
    with monkeypatch.context() as patch:
        patch.setattr(Program, "compiled", fits(0, beyond=8))
        with pytest.raises(PhixError, match="not even one point fits the memory"):
            halved(tmp_path / "c", chunk=2, seconds=0.0)


def test_a_full_disk_loses_nothing_that_was_committed(tmp_path):
    out = output_with_mounts(HERE / "full_disk.py", tmp_path)
    found = json.loads(out.splitlines()[-1])
    assert "No space left" in found["said"] and "the same call goes on" in found["said"]
    before, after = found["done"]
    assert 0 < before < 64 and after == 64
    assert found["gap"] < 1e-6


def test_two_processes_share_a_sweep_to_the_same_bits(tmp_path):
    port = free_port()
    ranks = [
        start(HERE / "one_of_two.py", str(rank), port, tmp_path / "two", **X64)
        for rank in range(2)
    ]
    try:
        for process in ranks:
            _, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors
    finally:
        for process in ranks:
            process.kill()
    two, one = shared.run(tmp_path / "two"), shared.run(tmp_path / "one")
    assert np.array_equal(two.u, one.u)
    assert (two.status == 0).all()
