"""A sweep killed at any moment goes on where it was, to the same bits."""

import json
from pathlib import Path

import numpy as np
import pytest

from phix.sweeps._store import Store
from tests.processes import output
from tests.sweeps import kills


SCRIPT = Path(kills.__file__)


def found(directory, number):
    lines = output(SCRIPT, directory, str(number), "0", timeout=3600)
    counts = json.loads(lines.splitlines()[-1])
    assert counts["kills"] == number
    assert counts["lost"] == 0  # nothing that was committed
    return counts


def test_killed_sweeps_end_in_the_same_bits(tmp_path):
    last = found(tmp_path, 5)["runs"] - 1
    # The check sees a number that is off by one unit in the last place.
    store = Store(tmp_path / str(last))
    rows = store.rows(1)
    block = store.arrays["u"][rows]
    store.arrays["u"][rows] = np.nextafter(block, np.inf)
    with pytest.raises(AssertionError):
        kills.check_same(tmp_path / str(last), tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills(tmp_path):
    counts = found(tmp_path, 200)
    print(counts)
    assert counts["kills"] == 200 and counts["lost"] == 0
