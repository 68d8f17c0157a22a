"""A reader given damaged files: `campaign.py TARGET FOLDER SECONDS [SEED]`.

Good files are damaged as Hypothesis says and read whole. A reader may give what it
reads or raise a `ValueError` that names the file; nothing else, within ten seconds and
two gigabytes each, and nothing may be written. What is being read stands in the folder
as `mutated`, so what ends the process is still there. Prints the counts as JSON.
"""

import collections
import json
import os
import resource
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from tests.fuzz.damage import BYTES, TEXT, damaged
from tests.fuzz.targets import TARGETS, Target


LIMIT = 2 * 2**30  # bytes


def check_reads_or_refuses(path: Path, read) -> str:
    """What became of a file, or another error than a `ValueError` that names it."""
    try:
        read(path)
    except ValueError as error:
        assert str(path) in str(error), error
        cause: BaseException | None = error
        while cause is not None:
            assert not isinstance(cause, MemoryError), "room was made for a claim"
            cause = cause.__cause__ or cause.__context__
        return "refused"
    return "read"


def campaign(target: Target, folder: Path, seconds: float, number: int) -> dict:
    """Damage and reading for some seconds; counts of what became of the files."""
    good = target.good(folder)
    places = [(name, part) for name, files in good.items() for part in files]
    path = folder / "mutated"
    counts = collections.Counter()
    for name, files in good.items():
        target.write(path, files)
        target.read(name, path)
        _remove(path)
    end = time.monotonic() + seconds

    def damage_of(place):
        text = place[1].endswith((".json", ".toml"))
        return st.tuples(st.just(place), (TEXT | BYTES) if text else BYTES)

    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # the first file that breaks a reader stays
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(places).flatmap(damage_of))
    def one(case):
        if time.monotonic() > end:
            return
        (name, part), steps = case
        _remove(path)
        target.write(path, good[name] | {part: damaged(good[name][part], steps)})
        before = _listing(folder)
        signal.alarm(10)  # ends the process, also inside a library
        counts[check_reads_or_refuses(path, lambda p: target.read(name, p))] += 1
        signal.alarm(0)
        assert _listing(folder) == before

    while time.monotonic() < end:
        seed(number)(one)()
        number += 1
    return counts


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _listing(folder: Path) -> list:
    """Everything in the folder, with sizes."""
    return sorted((str(p), p.stat().st_size) for p in folder.rglob("*"))


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    which, place, seconds, *number = sys.argv[1:]
    target = Path(place).resolve()
    os.chdir(target)
    _limit_memory()
    found = campaign(TARGETS[which], target, float(seconds), int((number or ["0"])[0]))
    print(json.dumps(found))
