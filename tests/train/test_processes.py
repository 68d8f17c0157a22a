"""Two processes share a fit, and one of them is lost."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from phix.train import Checkpoints
from tests.processes import free_port, start


SCRIPT = Path(__file__).with_name("one_of_two.py")
UPDATES = 60


def both(directory, pause, x64, steps=UPDATES):
    port, env = free_port(), {"JAX_ENABLE_X64": x64}
    return [start(SCRIPT, rank, port, directory, pause, steps, **env) for rank in "01"]


def alone(directory, x64, steps=UPDATES):
    """One process with as many devices as one of the two."""
    return result(
        start(SCRIPT, "alone", "0", directory, 0.0, steps, JAX_ENABLE_X64=x64)
    )


def result(process):
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


def check_same(found, wanted, per_update):
    """Relative difference, so much for each update at most."""
    assert found["step"] == wanted["step"] == UPDATES
    for name in ("w", "ema"):
        a, b = (np.asarray(x[name]) for x in (found, wanted))
        assert np.abs(a - b).max() < UPDATES * per_update * np.abs(b).max()


def lose_one(directory, rank, x64):
    """Kills one of two in the middle; what the other says until it stops."""
    processes = both(directory, 0.3, x64)
    saved = Checkpoints(directory)
    try:
        while (saved.latest_step or 0) < 20:
            assert all(p.poll() is None for p in processes), "ended too early"
            time.sleep(0.05)
        processes[rank].kill()
        # Ten seconds without a sign of life, the rest for slow machines.
        _, errors = processes[1 - rank].communicate(timeout=120)
        assert processes[1 - rank].returncode != 0
        return errors
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def check_equals_one(directory, x64, per_update):
    """Two processes end where one does that is alone."""
    first, second = [result(p) for p in both(directory / "two", 0.0, x64)]
    assert first == second
    single = alone(directory / "one", x64)
    check_same(first, single, per_update)
    moved = {**first, "w": [x * (1 + 100 * UPDATES * per_update) for x in first["w"]]}
    with pytest.raises(AssertionError):
        check_same(moved, single, per_update)


def test_two_processes_equal_one(tmp_path):
    check_equals_one(tmp_path, "1", 1e-12)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    """What two began one ends, and the other way round."""
    whole = alone(tmp_path / "whole", "1")
    for process in both(tmp_path / "fewer", 0.0, "1", steps=30):
        assert result(process)["step"] == 30
    check_same(alone(tmp_path / "fewer", "1"), whole, 1e-12)
    half = alone(tmp_path / "more", "1", steps=30)
    with pytest.raises(AssertionError):  # half of it is not the whole
        check_same({**half, "step": UPDATES}, whole, 1e-12)
    for process in both(tmp_path / "more", 0.0, "1"):
        check_same(result(process), whole, 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("x64, per_update", [("0", 1e-6), ("1", 1e-12)])
def test_a_lost_process_stops_the_other_and_both_resume(
    tmp_path, rank, x64, per_update
):
    said = lose_one(tmp_path / "two", rank, x64)
    assert "processes was lost" in said or "another task died" in said
    assert 20 <= Checkpoints(tmp_path / "two").latest_step < UPDATES
    check_equals_one(tmp_path, x64, per_update)
