"""Run directories, their log, and stopping politely."""

import json
import os
import signal
import subprocess
import threading

import jax.numpy as jnp
import numpy as np
import pytest

from phix._files import _machine
from phix.data import (
    JsonLines,
    Progress,
    RunDirectory,
    StopSignal,
    atomic_write,
    check_same_config,
)


CONFIG = {"seed": 1, "net": {"width": 32, "sizes": [1, 2]}, "name": "burgers"}


def test_run_directory_holds_what_it_says(tmp_path):
    with RunDirectory(tmp_path / "a" / "run", CONFIG) as run:
        assert not run.resumed
        run.write_metrics({"error": 0.5})
        run.write_report("# Report\n")
        run.log.write({"step": 1})
        assert run.checkpoints.is_dir() and run.figures.is_dir()
    assert json.loads((run.path / "metrics.json").read_text()) == {"error": 0.5}
    assert (run.path / "report.md").read_text() == "# Report\n"
    (start,) = json.loads((run.path / "environment.json").read_text())
    assert {"devices", "packages", "platform"} <= set(start)


def test_run_directory_is_taken_up_again(tmp_path):
    with RunDirectory(tmp_path, CONFIG) as run:
        run.log.write({"step": 1})
    with RunDirectory(tmp_path, CONFIG) as run:
        assert run.resumed
        assert run.log.read() == [{"step": 1}]
    assert len(json.loads((tmp_path / "environment.json").read_text())) == 2


def test_run_directory_in_use(tmp_path):
    with (
        RunDirectory(tmp_path, CONFIG),
        pytest.raises(ValueError, match=f"in use.*process {os.getpid()}"),
    ):
        RunDirectory(tmp_path, CONFIG)
    RunDirectory(tmp_path, CONFIG).close()


def test_run_directory_of_another_configuration(tmp_path):
    RunDirectory(tmp_path, CONFIG).close()
    other = {**CONFIG, "net": {"width": 64, "sizes": [1, 2]}}
    with pytest.raises(ValueError, match=r"net\.width was 32 there and is 64 here"):
        RunDirectory(tmp_path, other)
    # A refusal lets go of the lock.
    RunDirectory(tmp_path, CONFIG).close()


def test_run_directory_refuses_what_toml_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match=r"net\.depth is None"):
        RunDirectory(tmp_path, {"net": {"depth": None}})


@pytest.mark.parametrize(
    "saved, given, message",
    [
        ({"a": 1}, {"a": 1, "b": 2}, "b was not set"),
        ({"a": 1, "b": {"c": 2}}, {"a": 1}, "b was {'c': 2} there and is not set"),
        ({"a": [1, 2]}, {"a": [1, 3]}, r"a was \[1, 2\]"),
        ({"a": 1}, {"a": 1.0}, "a was 1 there and is 1.0"),
        ({"a": True}, {"a": 1}, "a was True"),
    ],
)
def test_first_difference_of_configs(saved, given, message):
    with pytest.raises(ValueError, match=message):
        check_same_config(saved, given, what="it")


def test_same_configs_pass():
    nested = {"a": (1, 2), "b": {"c": float("nan")}}
    check_same_config(nested, {"a": [1, 2], "b": {"c": float("nan")}}, what="it")


def test_atomic_write_is_all_or_nothing(tmp_path, monkeypatch):
    file = tmp_path / "file"
    atomic_write(file, "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_log_survives_a_cut_line_and_rewinds(tmp_path):
    path = tmp_path / "log.jsonl"
    with JsonLines(path) as log:
        for step in range(1, 6):
            log.write({"step": step, "loss": np.float32(0.5), "x": jnp.ones(2)})
    with path.open("a") as file:
        file.write('{"step": 6, "lo')
    with JsonLines(path) as log:
        assert [r["step"] for r in log.read()] == [1, 2, 3, 4, 5]
        log.rewind(3)
        log.write({"step": 4})
        assert [r["step"] for r in log.read()] == [1, 2, 3, 4]
        assert log.read()[0] == {"step": 1, "loss": 0.5, "x": [1.0, 1.0]}


def test_log_is_on_disk_as_soon_as_written(tmp_path):
    log = JsonLines(tmp_path / "log.jsonl")
    log.write({"step": 1})
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1}\n'
    log.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_signal_sets_a_flag_and_goes_away(number):
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop and stop.signal == number
    assert signal.getsignal(number) is before


def test_second_interrupt_is_immediate():
    with pytest.raises(KeyboardInterrupt), StopSignal():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_stop_signal_does_nothing_in_a_thread():
    seen = []

    def work():
        with StopSignal() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_progress_shows_steps_and_scalars(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Progress(10, initial=4) as bar:
        bar.update(9, {"loss": 0.12345})
        bar.advance()
    shown = capsys.readouterr().err
    assert "10/10" in shown and "loss=0.123" in shown


def test_progress_can_be_silent(capsys):
    with Progress(10, enabled=False) as bar:
        bar.update(5, {"loss": 1.0})
        bar.message("hello")
    assert capsys.readouterr().err == ""


def test_what_a_killed_writer_left_is_removed(tmp_path):
    with RunDirectory(tmp_path, {"a": 1}) as run:
        left = [tmp_path / ".config.7.tmp.toml", run.figures / ".f.7.tmp.png"]
    for file in left:
        file.write_text("half")
    with RunDirectory(tmp_path, {"a": 1}):
        assert not any(file.exists() for file in left)
        assert (tmp_path / "config.toml").exists()


def test_what_a_living_writer_is_at_stays(tmp_path):
    """Of two writers of one file that were not ready, one lives."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [
        tmp_path / f".a.{_machine()}-{number}.tmp.txt"
        for number in (dead.pid, os.getppid())
    ]
    for file in left:
        file.write_text("half")
    atomic_write(tmp_path / "a.txt", "whole")
    assert [file.exists() for file in left] == [False, True]
    assert (tmp_path / "a.txt").read_text() == "whole"
