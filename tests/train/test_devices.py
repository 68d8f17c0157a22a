"""Eight devices do what one does."""

import json
import re
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
    "case",
    [
        "per_sample",
        "whole_batch",
        "pmap",
        "resumed_on_one",
        "in_parts",
        "rows_in_parts",
        "parts_resumed_on_one",
    ],
)
def test_eight_devices_equal_one(found, case):
    assert found["devices"] == 8
    check_small(found[case])


@pytest.mark.parametrize("case", ["resumed_on_eight", "parts_resumed_in_parts"])
def test_resume_on_a_mesh_is_bit_for_bit(found, case):
    assert found[case] == 0


def test_mean_of_parts_would_show(found):
    with pytest.raises(AssertionError):
        check_small(found["mistake"])


def test_one_fused_reduction(found):
    assert [kind for _, kind in found["collectives"]] == ["all-reduce"]


def check_parts(collectives):
    """Each array that is cut is gathered once and scattered once; one sum for what is
    whole, one over the two sets of parts, the rest single numbers."""
    by_kind = {kind: [] for _, kind in collectives}
    for shape, kind in collectives:
        by_kind[kind].append(re.sub(r"\{.*?\}", "", shape))
    arrays = [s for s in by_kind["all-reduce"] if not set(numbers(s)) <= {1}]
    assert sorted(by_kind) == ["all-gather", "all-reduce", "reduce-scatter"]
    assert sorted(by_kind["all-gather"]) == ["f32[24,64]", "f32[3,512]"]
    assert sorted(by_kind["reduce-scatter"]) == ["f32[24,16]", "f32[3,128]"]
    # 512 weights that stay whole, loss, weight, metric; a quarter of the others.
    assert arrays == ["f32[515]", "f32[768]"]


def numbers(shapes):
    """Sizes of the axes in a shape, or a tuple of shapes, of the compiled text."""
    found = re.findall(r"\[([\d,]*)\]", shapes)
    return [int(n or 1) for axes in found for n in axes.split(",")]


def test_one_gather_and_one_scatter_an_array(found):
    check_parts(found["collectives_in_parts"])
    with pytest.raises(AssertionError):  # the whole model on each device
        check_parts(found["collectives_of_wholes"])


def test_a_device_keeps_its_part(found):
    """A quarter of all but 512 of 3584 weights, as much for each memory of Adam."""
    assert found["share"] == pytest.approx((3072 / 4 + 512) / 3584, rel=1e-3)


def test_only_rows_of_a_table_in_parts_are_gathered(found):
    gathered = [s for s, kind in found["collectives_of_rows"] if kind == "all-gather"]
    # Ten rows, padded to sixteen for eight devices, of the table of 24.
    assert any("[16,64]" in shape for shape in gathered)
    assert not any("[24,64]" in shape for shape in gathered)
