"""Readers under random damage: five seconds each always, ten minutes with `-m slow`."""

import gzip
import json
import time
from pathlib import Path

import pytest

from tests.data.layouts import LAYOUTS
from tests.fuzz.campaign import campaign, check_reads_or_refuses
from tests.fuzz.targets import TARGETS, Target
from tests.processes import output


FOLDER = Path(__file__).parent
CRASHERS = sorted((FOLDER / "crashers").rglob("*.gz"))


def check_survives(target, folder, seconds, seed):
    """A process of its own: what a C library does to it is seen, and harms no other."""
    script, timeout = FOLDER / "campaign.py", seconds + 200
    counts = json.loads(output(script, target, folder, seconds, seed, timeout=timeout))
    assert counts["refused"] > 0
    return counts


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_files_are_read_or_refused(tmp_path, target):
    check_survives(target, tmp_path, 5, 0)


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("target", TARGETS)
def test_ten_minutes_of_damaged_files(tmp_path, target, record_property):
    record_property("counts", check_survives(target, tmp_path, 600, 1000))


@pytest.mark.parametrize("crasher", CRASHERS, ids=lambda path: path.stem)
def test_what_once_broke_a_reader_is_refused(tmp_path, crasher):
    """Files that random damage led to, in the reader that they broke."""
    path = tmp_path / crasher.stem
    path.write_bytes(gzip.decompress(crasher.read_bytes()))
    target = TARGETS[crasher.parent.name]
    for name in LAYOUTS if crasher.parent.name == "hdf5" else [""]:
        became = check_reads_or_refuses(path, lambda p, name=name: target.read(name, p))
        assert became == "refused"


def test_a_reader_that_fails_otherwise_is_seen(tmp_path):
    def no_name(path):
        raise ValueError("something is wrong")

    def no_refusal(path):
        raise IndexError(f"{path}")

    def no_room(path):
        try:
            raise MemoryError
        except MemoryError as error:
            raise ValueError(f"{path} is damaged") from error

    for reader in (no_name, no_room):
        with pytest.raises(AssertionError):
            check_reads_or_refuses(tmp_path / "data.h5", reader)
    with pytest.raises(IndexError):
        check_reads_or_refuses(tmp_path / "data.h5", no_refusal)


def test_a_reader_that_writes_is_seen(tmp_path):
    def good(folder):
        return {"letters": {"letters": b"abc"}}

    def write(path, files):
        path.write_bytes(files["letters"])

    def read(name, path):
        (path.parent / f"left_{time.monotonic_ns()}").touch()

    with pytest.raises(AssertionError):
        campaign(Target(good, write, read), tmp_path, 5.0, 0)
