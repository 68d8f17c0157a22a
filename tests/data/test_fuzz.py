"""Readers under random damage: five seconds always, ten minutes with `-m slow`."""

import json
from pathlib import Path

import pytest

from tests.data.fuzz_readers import check_reads_or_refuses
from tests.data.layouts import LAYOUTS
from tests.processes import output


SCRIPT = Path(__file__).with_name("fuzz_readers.py")


def check_survives(folder, seconds, seed):
    """A process of its own: what a C library does to it is seen, and harms no other."""
    out = output(SCRIPT, folder, seconds, seed, timeout=seconds + 200)
    counts = json.loads(out)
    assert counts["refused"] > 0 and counts["read"] > 0
    print(counts)


def test_damaged_files_are_read_or_refused(tmp_path):
    check_survives(tmp_path, 5, 0)


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_damaged_files_are_read_or_refused_for_ten_minutes(tmp_path):
    check_survives(tmp_path, 600, 1000)


def test_a_reader_that_fails_otherwise_is_seen(tmp_path):
    path = tmp_path / "data.h5"
    LAYOUTS["tensor"][0](path)

    def no_name(path):
        raise ValueError("something is wrong")

    def no_refusal(path):
        raise IndexError(f"{path}")

    with pytest.raises(AssertionError):
        check_reads_or_refuses(path, no_name)
    with pytest.raises(IndexError):
        check_reads_or_refuses(path, no_refusal)
