import signal
import subprocess
import sys
import time

import pytest

from phix._errors import PhixError, Result
from phix.cli import main
from phix.recipes import recipe_names
from tests.recipes.toy import ToyRecipe


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text('recipe = "toy"\n[training]\nsteps = 3\n')
    return str(path)


def _start(*arguments):
    # A suite started in the background ignores Ctrl-C, and its children with it.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "import sys, tests.recipes.toy, phix.cli; sys.exit(phix.cli.main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_without_updates_says_that_there_is_no_trace(config, capsys):
    assert main(["run", config, "--profile"]) == 0
    assert "no trace" in capsys.readouterr().out


def test_list_shows_each_recipe_with_its_paper(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    width = max(map(len, recipe_names()))
    assert f"{'toy':{width}}  A toy: counts to a number of steps." in out
    assert ToyRecipe.reference in out
    assert "more words" not in out.lower()
    assert "phi_rom" in out and "2505.14595" in out


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["simulate", "--help"]])
def test_help_and_list_import_no_jax(arguments):
    code = (
        "import sys, phix.cli\n"
        "try: phix.cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'equinox', 'tyro', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)


@pytest.mark.parametrize(
    "command",
    ["list", "simulate", "run", "sweep", "evaluate", "forecast", "export", "doctor"],
)
def test_every_command_has_examples_in_its_help(command, capsys):
    try:
        assert main([command, "--help"]) == 0
    except SystemExit as stop:
        assert stop.code == 0
    out = capsys.readouterr().out
    assert f"examples:\n  phix {command}" in out


def test_help_of_a_config_shows_its_fields(config, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", config, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "--training.steps" in out and "3" in out


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("phix 0.")


def test_run_goes_to_a_folder_named_after_the_config(config, tmp_path, capsys):
    assert main(["run", config, "--training.rate", "0.5", "--quiet"]) == 0
    text = (tmp_path / "runs/small/config.toml").read_text()
    assert "steps = 3" in text and "rate = 0.5" in text
    assert "runs/small/report.md" in capsys.readouterr().out


def test_a_finished_run_says_so_and_how_to_start_anew(config, tmp_path, capsys):
    assert main(["run", config]) == 0
    (tmp_path / "runs/small/started").unlink()
    capsys.readouterr()
    assert main(["run", config]) == 0
    out = capsys.readouterr().out
    assert "is finished" in out and "--out" in out
    assert not (tmp_path / "runs/small/started").exists()


def test_an_unfinished_run_is_continued(config, tmp_path, capsys):
    assert main(["run", config]) == 0
    (tmp_path / "runs/small/report.md").unlink()
    assert main(["run", config]) == 0
    assert "continuing runs/small" in capsys.readouterr().out
    assert (tmp_path / "runs/small/report.md").exists()


def test_the_other_commands_reach_the_recipe(config, tmp_path):
    assert main(["simulate", config]) == 0
    assert (tmp_path / "small.h5").read_text() == "data"
    assert main(["run", config, "--out", "here"]) == 0
    assert main(["evaluate", "here"]) == 0
    assert (tmp_path / "here/metrics.json").exists()
    forecast = ["forecast", "here", "--parameter", "0.0213", "--out", "f.h5"]
    assert main(forecast) == 0
    assert (tmp_path / "f.h5").read_text() == "0.0213 None"
    assert main([*forecast, "--frames", "7"]) == 0
    assert (tmp_path / "f.h5").read_text() == "0.0213 7"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere.toml"], "cannot read the config nowhere.toml"),
        (["run"], "which CONFIG?"),
        (["run", "small.toml", "--training.step", "3"], "did you mean"),
        (["run", "small.toml", "--seed", "13"], "seed must not be 13"),
        (["evaluate", "nowhere"], "nowhere is no run directory"),
        (["forecast", "r"], "--parameter"),
        (["list", "--bogus"], "--bogus"),
        (["fly"], "'fly'"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(config, arguments, words, capsys):
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2
    assert words in error
    assert error.count("\n") == 1 and error.startswith("phix")


def test_without_a_command_it_shows_the_help(capsys):
    assert main([]) == 2
    assert "phix run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PhixError("non-finite at step 3", Result.non_finite), 1),
        (OSError("disk full"), 1),
        (ModuleNotFoundError('install "phix-jax[plot]"'), 2),
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
    ],
)
def test_failures_have_their_exit_codes(config, error, code, monkeypatch, capsys):
    def fail(self, directory, *, progress=True):
        raise error

    monkeypatch.setattr(ToyRecipe, "run", fail)
    assert main(["run", config]) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert ("continues where it was" if code > 100 else str(error)) in said


def test_a_bug_keeps_its_traceback(config, monkeypatch):
    def fail(self, directory, *, progress=True):
        raise TypeError("a bug")

    monkeypatch.setattr(ToyRecipe, "run", fail)
    with pytest.raises(TypeError, match="a bug"):
        main(["run", config])


def test_traceback_can_be_asked_for(config):
    with pytest.raises(ValueError, match="seed must not be 13"):
        main(["--traceback", "run", config, "--seed", "13"])


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_stops_it_with_a_word_on_how_to_go_on(config, tmp_path, number, code):
    process = _start("run", config, "--seconds", "60")
    try:
        started = tmp_path / "runs/small/started"
        limit = time.monotonic() + 60
        while not started.exists() and time.monotonic() < limit:
            time.sleep(0.02)
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == code
    assert error.count("\n") == 1 and "continues where it was" in error
