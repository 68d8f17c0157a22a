"""Eight devices do what one does."""

import json
from pathlib import Path

import pytest

from tests.processes import output


@pytest.fixture(scope="module")
def found():
    script = Path(__file__).with_name("eight_devices.py")
    return json.loads(output(script).splitlines()[-1])


def check_small(difference):
    # Per update, float32 numbers of order one: the order of a sum is all that differs.
    assert difference < 5 * 1e-6


@pytest.mark.parametrize(
    "case", ["per_sample", "whole_batch", "pmap", "resumed_on_one"]
)
def test_eight_devices_equal_one(found, case):
    assert found["devices"] == 8
    check_small(found[case])


def test_resume_on_a_mesh_is_bit_for_bit(found):
    assert found["resumed_on_eight"] == 0


def test_mean_of_parts_would_show(found):
    with pytest.raises(AssertionError):
        check_small(found["mistake"])


def test_one_fused_reduction(found):
    assert found["collectives"] == ["all-reduce"]
