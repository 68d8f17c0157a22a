"""Does phix survive what it says it survives? Writes `docs/faults.md`.

    python -m bench.faults

Every row of the table below is run by its tests, the slow ones included: 200 kills of a
fit, of a sweep and of a simulation, ten minutes of damaged files for every reader. It
takes about an hour on two cores. A row that fails is written as such, and the command
ends with an error.
"""

import ast
import collections
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple


ROOT = Path(__file__).parents[1]


class Fault(NamedTuple):
    """`tests` are ids as pytest takes them, after `tests/`."""

    what: str
    comes_of_it: str
    lost: str
    tests: tuple[str, ...]


FIT, SWEEP, FUZZ = "train/test_", "sweeps/test_", "fuzz/test_fuzz.py::"
NOTHING = "nothing"
FAULTS = {
    "Training": (
        Fault(
            "SIGKILL, SIGTERM, Ctrl-C at any moment, also while a checkpoint is "
            "written",
            "the same call ends in the same bits",
            "updates since the last checkpoint; nothing on SIGTERM and Ctrl-C",
            (
                f"{FIT}kill.py",
                f"{FIT}checkpoints.py::test_signal_saves_and_resumes",
                f"{FIT}checkpoints.py::test_half_written_checkpoint_is_ignored",
            ),
        ),
        Fault(
            "any file of a checkpoint flipped, cut or missing",
            "named in a warning, set aside as `<step>.damaged`; the one before is "
            "taken",
            "updates since that one",
            (
                f"{FIT}damage.py::test_damage_of_any_file_is_noticed",
                f"{FIT}damage.py::test_fit_goes_on_from_the_one_before",
            ),
        ),
        Fault(
            "every checkpoint damaged",
            "an error that names the files; all is left as it is",
            NOTHING + " more",
            (f"{FIT}damage.py::test_nothing_whole_is_an_error_that_says_what_to_do",),
        ),
        Fault(
            "the disk is full; a directory that may only be read",
            "an error; the same call goes on when there is room. Read-only: an error "
            "at the start",
            "updates since the last checkpoint",
            (f"{FIT}faults.py::test_disks_that_are_full_or_read_only",),
        ),
        Fault(
            "two fits in one directory",
            "the second is refused, with the process that holds it",
            NOTHING,
            (f"{FIT}faults.py::test_two_fits_in_one_directory_are_refused",),
        ),
        Fault(
            "NaN in the data",
            "stops before the update; names step and sample; saved",
            NOTHING,
            (f"{FIT}faults.py::test_a_bad_sample_is_named",),
        ),
        Fault(
            "loss, gradient or optimiser overflow",
            "stops before the update; says which; saved",
            NOTHING,
            (f"{FIT}faults.py::test_where_it_went_wrong_is_said",),
        ),
        Fault(
            "a batch in which no sample has weight",
            "nothing moves; the step is counted, and recorded with a loss of NaN",
            NOTHING,
            (f"{FIT}faults.py::test_a_batch_without_weight_moves_nothing",),
        ),
        Fault(
            "the clock goes backwards",
            NOTHING,
            NOTHING,
            (f"{FIT}faults.py::test_a_clock_that_goes_backwards_changes_nothing",),
        ),
        Fault(
            "one of two processes is killed in the middle of an update",
            "the other stops and says so, at most `initialise(lost_after=100)` seconds "
            "later; started again, both resume",
            "updates since the last checkpoint",
            (
                f"{FIT}processes.py::"
                "test_a_lost_process_stops_the_other_and_both_resume",
            ),
        ),
        Fault(
            "another number of processes or devices after a restart",
            "the run goes on",
            NOTHING,
            (
                f"{FIT}processes.py::"
                "test_a_run_goes_on_with_another_number_of_processes",
                f"{FIT}devices.py",
            ),
        ),
        Fault(
            "another configuration, key, model or optimiser than saved",
            "refused, naming the first difference",
            NOTHING,
            (f"{FIT}checkpoints.py::test_checkpoint_of_another_run_is_refused",),
        ),
        Fault(
            "a run begun by an older version",
            "goes on while checkpoints have the same format, else it is said; keys it "
            "did not know stand for their defaults; keys that are gone are named",
            NOTHING,
            ("recipes/test_older_runs.py",),
        ),
    ),
    "Sweeps": (
        Fault(
            "SIGKILL, SIGTERM, Ctrl-C at any moment",
            "the same call does only what is missing and ends in the same bits",
            "the blocks in flight: the one that runs and at most two that wait for the "
            "disk, each of about `seconds=1.0` of work",
            (
                f"{SWEEP}kill.py",
                f"{SWEEP}sweep.py::test_a_restart_does_only_what_is_missing",
            ),
        ),
        Fault(
            "a point blows up, does not converge, has an invalid parameter",
            "recorded in `status` with its reason (a `phix.Result`); the others go on",
            NOTHING,
            (f"{SWEEP}sweep.py::test_failed_points_are_recorded_and_the_others_go_on",),
        ),
        Fault(
            "memory does not suffice",
            "the chunk size is halved for all that follows, and kept on restart (one "
            "of several processes stops instead, and says which chunk to begin with); "
            '`attrs["chunks"]` says from which point on',
            NOTHING,
            (
                f"{SWEEP}faults.py::test_out_of_memory_halves_the_chunks",
                f"{SWEEP}faults.py::test_a_halved_chunk_holds_for_all_that_follows",
            ),
        ),
        Fault(
            "the disk is full",
            "an error; the same call goes on when there is room",
            "the blocks in flight",
            (f"{SWEEP}faults.py::test_a_full_disk_loses_nothing_that_was_committed",),
        ),
        Fault(
            "a block flipped, cut or deleted",
            "found by its checksum when the sweep is called again, and done again",
            "that block",
            (f"{SWEEP}sweep.py::test_damaged_blocks_are_done_again",),
        ),
        Fault(
            "two sweeps or runs in one directory",
            "the second is refused, with the process that holds it",
            NOTHING,
            ("data/test_run.py::test_run_directory_in_use",),
        ),
        Fault(
            "other points, another key, another result than the directory was begun "
            "with",
            "refused, naming what differs; a function that changed but returns the "
            "same shapes is not noticed: take another directory",
            NOTHING,
            (f"{SWEEP}sweep.py::test_another_sweep_is_refused",),
        ),
    ),
    "Simulations and other files": (
        Fault(
            "SIGKILL, SIGTERM, Ctrl-C at any moment of `phix simulate`",
            "the file is there whole, or not at all; what was half written is removed "
            "by the next call",
            "the simulation",
            ("recipes/test_kill.py",),
        ),
        Fault(
            "a crash between the old file and the new one",
            "the old file stays",
            NOTHING,
            (
                "data/test_store.py::test_a_crash_leaves_the_old_file",
                "data/test_run.py::test_atomic_write_is_all_or_nothing",
            ),
        ),
        Fault(
            "a data file flipped or cut",
            "refused, naming file and dataset",
            NOTHING,
            (
                "data/test_store.py::test_truncated_files_are_refused_at_every_length",
                "data/test_bad_files.py",
            ),
        ),
    ),
    "Files of strangers": (
        Fault(
            "an artifact with a pickle, a call back into Python, names that climb, "
            "absurd shapes, nesting without end, a program that ends its reader",
            "refused with a reason",
            NOTHING,
            ("data/test_artifact.py",),
        ),
        Fault(
            "a checkpoint with absurd shapes or chunks, links, names elsewhere, JSON "
            "without end",
            "refused with a reason",
            NOTHING,
            (f"{FIT}damage.py",),
        ),
        Fault(
            "a data file with links, external or virtual storage, objects, plugins, "
            "groups in a circle, absurd shapes",
            "refused with a reason",
            NOTHING,
            (
                "data/test_bad_files.py",
                "data/test_store.py::test_what_would_do_harm_is_refused",
            ),
        ),
        Fault(
            "the store of a sweep with links, absurd shapes, other codecs",
            "refused with a reason, before anything is written",
            NOTHING,
            (f"{SWEEP}bad_stores.py",),
        ),
        Fault(
            "a config of wrong names, types, numbers and nesting",
            "refused, naming file and key",
            NOTHING,
            ("recipes/test_config.py",),
        ),
        Fault(
            "whatever once broke a reader",
            "refused with a reason",
            NOTHING,
            (f"{FUZZ}test_what_once_broke_a_reader_is_refused",),
        ),
        *(
            Fault(
                f"ten minutes of damaged {what}",
                "read, or refused with a reason, within ten seconds and two gigabytes; "
                "nothing is written",
                NOTHING,
                (f"{FUZZ}test_ten_minutes_of_damaged_files[{target}]",),
            )
            for target, what in {
                "configs": "configs",
                "hdf5": "HDF5 files, six layouts",
                "zarr": "stores of sweeps (Zarr)",
                "artifacts": "artifacts, with sums that agree",
                "archives": "artifacts, any byte",
            }.items()
        ),
    ),
}

PAGE = """# What may go wrong

What phix does about it, what is lost, and whether that held when last tried: every row
is tests that do it for real, to real processes and files. Nothing that was committed (a
checkpoint, a block of a sweep, a file) may be lost in any of them.

Written by `python -m bench.faults` on {date}, {cores} cores of {machine}, phix-jax
{phix}, jax {jax}.
"""


class Outcome(NamedTuple):
    passed: bool
    counts: collections.Counter


def main() -> None:
    """Runs the tests and writes the page."""
    tests = {t for rows in FAULTS.values() for row in rows for t in row.tests}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "results.xml")
        command = [sys.executable, "-m", "pytest", "-m", "", "--timeout=3600"]
        command += ["-n", "3", "--dist=worksteal", f"--junitxml={file}"]
        command += ["-o", "junit_family=xunit1"]  # knows properties
        # Where a whole file is asked for, its parts are in it.
        command += sorted(f"tests/{t}" for t in tests if not _within(t, tests))
        subprocess.run(command, cwd=ROOT)
        outcomes = read(file)
    text = page(outcomes)
    (ROOT / "docs/faults.md").write_text(text, encoding="utf-8")
    print(text)
    sys.exit("**failed**" in text)


def read(file: Path) -> dict[str, Outcome]:
    """What became of each test, by its id."""
    found = {}
    for case in ET.parse(file).getroot().iter("testcase"):
        module = case.attrib["classname"].removeprefix("tests.").replace(".", "/")
        bad = any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
        counts = collections.Counter()
        for one in case.iter("property"):
            counts.update(ast.literal_eval(one.attrib["value"]))
        found[f"{module}.py::{case.attrib['name']}"] = Outcome(not bad, counts)
    return found


def page(outcomes: dict[str, Outcome]) -> str:
    """The whole page."""
    parts = [
        PAGE.format(
            date=datetime.date.today(),
            cores=os.cpu_count(),
            machine=platform.machine(),
            phix=version("phix-jax"),
            jax=version("jax"),
        )
    ]
    for title, rows in FAULTS.items():
        parts.append(f"## {title}\n")
        parts.append("| what | what comes of it | what is lost | tests | tried |")
        parts.append("|---|---|---|---|---|")
        parts.extend(row_of(row, outcomes) for row in rows)
        parts.append("")
    return "\n".join(parts)


def row_of(row: Fault, outcomes: dict[str, Outcome]) -> str:
    """A line of the table."""
    ran = [
        outcome
        for name, outcome in outcomes.items()
        if any(name == t or name.startswith((f"{t}::", f"{t}[")) for t in row.tests)
    ]
    good = sum(outcome.passed for outcome in ran)
    said = f"{good} of {len(ran)} tests pass" if len(ran) > 1 else "passes"
    if good < len(ran) or not ran:
        said = f"**failed**: {good} of {len(ran)} tests pass"
    counts = sum((outcome.counts for outcome in ran), collections.Counter())
    for name, number in sorted(counts.items()):
        if name in ("kills", "refused", "read"):
            said += f"; {number:,} {name}"
    tests = ", ".join(f"`{test}`" for test in row.tests)
    return f"| {row.what} | {row.comes_of_it} | {row.lost} | {tests} | {said} |"


def _within(test: str, tests: set[str]) -> bool:
    return "::" in test and test.partition("::")[0] in tests


if __name__ == "__main__":
    main()
