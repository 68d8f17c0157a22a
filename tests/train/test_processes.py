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


def both(directory, pause, x64):
    port, env = free_port(), {"JAX_ENABLE_X64": x64}
    return [start(SCRIPT, rank, port, directory, pause, **env) for rank in "01"]


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
    env = {"JAX_ENABLE_X64": x64}
    alone = result(start(SCRIPT, "alone", "0", directory / "one", 0.0, **env))
    check_same(first, alone, per_update)
    moved = {**first, "w": [x * (1 + 100 * UPDATES * per_update) for x in first["w"]]}
    with pytest.raises(AssertionError):
        check_same(moved, alone, per_update)


def test_two_processes_equal_one(tmp_path):
    check_equals_one(tmp_path, "1", 1e-12)


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
