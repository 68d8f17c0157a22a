"""The roster of equations and schemes; see `tests/test_roster.py`."""

import pytest

from tests.test_roster import PHYSICS, lines


@pytest.mark.parametrize(("check", "case"), list(lines(PHYSICS)))
def test_public_objects(check, case):
    check(case)
