"""Fields, solves, inversions and sweeps over eight devices equal those on one."""

import json
from pathlib import Path

import jax.numpy as jnp
import pytest

from phix.parallel import initialise, place_field, spread
from phix.space import Grid
from tests.processes import output


BOX = (0.0, 1.0)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    script = Path(__file__).with_name("fields_on_devices.py")
    folder = tmp_path_factory.mktemp("sweeps")
    return json.loads(output(script, folder, JAX_ENABLE_X64="1").splitlines()[-1])


def check_transform(gaps):
    there, back = gaps
    assert there < 1e-14 and back < 1e-13  # of normal numbers, in float64


@pytest.mark.parametrize("case", ["pencils", "all_modes", "plane"])
def test_transform_over_devices_is_that_of_one(found, case):
    check_transform(found[case])
    there, back = found["broken"]
    for gaps in ((there, 0.0), (0.0, back)):
        with pytest.raises(AssertionError):
            check_transform(gaps)


def test_flow_in_space_runs_unchanged_on_an_eighth_of_the_field_per_device(found):
    assert found["flow"] < 1e-13
    assert found["flow_share"] == 1 / 8
    # The coefficients in excess, and the lines that are made whole.
    assert found["flow_memory"] < 1 / 4
    # Blocks are exchanged, and scalars (the stable step, the verdict) reduced.
    assert set(found["flow_collectives"]) <= {"all-to-all", "all-reduce"}


@pytest.mark.parametrize("case", ["solve", "pmap", "filter_pmap", "invert", "sweep"])
def test_eight_devices_equal_one(found, case):
    assert found[case] < 1e-13
    assert found["inverted"] < 1e-8 and found["points"] == 37


def test_batches_need_no_communication(found):
    assert found["solve_collectives"] == {} and found["invert_collectives"] == {}


def test_bad_input():
    grid = Grid((4, 4, 4), BOX)
    with pytest.raises(ValueError, match="rows, columns: got 2 and 1; there are 1"):
        spread(grid, rows=2)
    with pytest.raises(ValueError, match="columns: a plane is cut into rows only"):
        spread(Grid((4, 4), BOX), rows=1, columns=2)
    with pytest.raises(ValueError, match="is periodic and of 2 or 3 dimensions"):
        spread(Grid(4, BOX))
    with pytest.raises(ValueError, match="complex: fields over many devices"):
        spread(grid).modes(complex=True).to_modes(jnp.ones((1, 4, 4, 4), complex))
    with pytest.raises(ValueError, match="is not spread over devices"):
        place_field(jnp.ones((1, 4, 4, 4)), grid)
    with pytest.raises(ValueError, match="give all three, or none"):
        initialise("localhost:1")
