"""A sweep killed at any moment goes on where it was, to the same bits."""

import numpy as np
import pytest

from phix.sweeps._store import Store
from tests.kills import counted
from tests.sweeps import kills


def test_killed_sweeps_end_in_the_same_bits(tmp_path):
    last = counted(kills.__file__, tmp_path, 5, 0)["runs"] - 1
    # The check sees a number that is off by one unit in the last place.
    store = Store(tmp_path / str(last))
    rows = store.rows(1)
    block = store.arrays["u"][rows]
    store.arrays["u"][rows] = np.nextafter(block, np.inf)
    with pytest.raises(AssertionError):
        kills.check_same(tmp_path / str(last), tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills(tmp_path, record_property):
    counts = counted(kills.__file__, tmp_path, 200, 0)
    record_property("counts", counts)
    assert counts["kills"] == 200 and counts["lost"] == 0
