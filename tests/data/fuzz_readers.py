"""Readers given mutated files: `python fuzz_readers.py FOLDER SECONDS [SEED]`.

Good files are damaged as Hypothesis says and read whole. A reader may give numbers or
raise a `ValueError` that names the file; nothing else, within ten seconds each, and
nothing may be written. The file being read stands in the folder as `mutated`, so what
kills the process is still there. Prints the counts as JSON.
"""

import collections
import json
import os
import signal
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings, strategies as st

from tests.data.layouts import LAYOUTS, read_all


# Sizes and addresses that parsers trip over.
_INTERESTING = (0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1, 2**40)
_PLACE = st.floats(0, 1, exclude_max=True)
_FLIP = st.tuples(st.just("flip"), _PLACE, st.integers(0, 7))
_SET = st.tuples(st.just("set"), _PLACE, st.integers(0, 255))
_WORD = st.tuples(st.just("word"), _PLACE, st.sampled_from(_INTERESTING))
_MOVE = st.tuples(st.just("move"), _PLACE, _PLACE)
_CUT = st.tuples(st.just("cut"), _PLACE, st.none())
DAMAGE = st.lists(st.one_of(_FLIP, _SET, _WORD, _MOVE, _CUT), min_size=1, max_size=6)


def damage(content: bytes, steps) -> bytes:
    """The bytes after some steps of damage."""
    out = bytearray(content)
    for what, place, value in steps:
        at = int(place * len(out))
        if what == "flip" and out:
            out[at] ^= 1 << value
        elif what == "set" and out:
            out[at] = value
        elif what == "word":
            out[at : at + 8] = value.to_bytes(8, "little")
        elif what == "move":
            source = int(value * len(out))
            out[at : at + 64] = out[source : source + 64]
        elif what == "cut":
            del out[at:]
    return bytes(out)


def check_reads_or_refuses(path: Path, opener) -> str:
    """What became of a file, or `AssertionError` for what must not."""
    try:
        read_all(path, opener)
    except ValueError as error:
        assert str(path) in str(error), error
        return "refused"
    return "read"


def main(folder: Path, seconds: float, number: int = 0) -> None:
    good = {}
    for name, (write, opener) in LAYOUTS.items():
        write(folder / "good")
        good[name] = (folder / "good").read_bytes(), opener
    path = folder / "mutated"
    path.touch()
    files = sorted(os.listdir(folder))
    counts = collections.Counter()
    end = time.monotonic() + seconds

    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(sorted(good)), DAMAGE)
    def one(name, steps):
        if time.monotonic() > end:
            return
        content, opener = good[name]
        path.write_bytes(damage(content, steps))
        signal.alarm(10)  # ends the process, also inside a library
        counts[check_reads_or_refuses(path, opener)] += 1
        signal.alarm(0)
        assert sorted(os.listdir(folder)) == files

    while time.monotonic() < end:
        seed(number)(one)()
        number += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    os.chdir(target)
    main(target, float(sys.argv[2]), *map(int, sys.argv[3:]))
