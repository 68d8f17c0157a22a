"""A run killed at any moment goes on where it was, to the same bits."""

import time
from pathlib import Path

import numpy as np
import pytest

from phix.data import JsonLines
from tests.processes import start
from tests.train import slow_fit


SCRIPT = Path(__file__).with_name("slow_fit.py")


def final(directory):
    with np.load(directory / "final.npz") as saved:
        return saved["w"], saved["ema"]


def log_of(directory):
    with JsonLines(directory / "log.jsonl") as log:
        return log.read()


def lines_in(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_after(directory, num_lines):
    """Starts the run and kills it, with SIGKILL, once its log has so many lines."""
    process = start(SCRIPT, directory, JAX_ENABLE_X64="1")
    try:
        for _ in range(6000):
            if lines_in(directory / "log.jsonl") >= num_lines:
                break
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    assert not (directory / "final.npz").exists(), "killed too late"


def check_same_end(killed, whole):
    for a, b in zip(final(killed), final(whole), strict=True):
        assert np.array_equal(a, b)
    assert log_of(killed) == log_of(whole)


def test_killed_run_ends_in_the_same_bits(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    slow_fit.main(whole, pause=0.0)
    total = lines_in(whole / "log.jsonl")
    # Somewhere in each of three parts of the run; the exact moment is up to the system.
    places = np.random.default_rng(0).uniform([0.05, 0.3, 0.55], [0.2, 0.5, 0.8])
    for place in places:
        kill_after(killed, int(place * total))
    slow_fit.main(killed, pause=0.0)
    check_same_end(killed, whole)

    # The check sees a weight that is off by one unit in the last place.
    w, ema = final(killed)
    np.savez(killed / "final.npz", w=np.nextafter(w, np.inf), ema=ema)
    with pytest.raises(AssertionError):
        check_same_end(killed, whole)
