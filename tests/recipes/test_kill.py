"""A simulation killed at any moment leaves a whole file or none, and no other."""

import h5py
import numpy as np
import pytest

from tests.kills import counted
from tests.recipes import kills


def test_killed_simulations_leave_whole_files(tmp_path):
    last = tmp_path / str(counted(kills.__file__, tmp_path, 5, 0)["runs"] - 1)
    # The check sees a number that is off by one unit in the last place.
    with h5py.File(last / kills.NAME, "r+") as file:
        file["us"][3, 0, 5] = np.nextafter(file["us"][3, 0, 5], np.float32(9))
    with pytest.raises(AssertionError):
        kills.check_same(last, tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills(tmp_path, record_property):
    counts = counted(kills.__file__, tmp_path, 200, 2)
    record_property("counts", counts)
    assert counts["kills"] == 200 and counts["lost"] == 0
