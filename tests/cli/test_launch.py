"""The scripts of docs/launch: what can be known of them without such machines."""

import re
import subprocess
from pathlib import Path

import pytest

from phix.cli._parser import make_parser
from phix.recipes import load_config


ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "docs/launch").iterdir())


def commands(text):
    """The calls of phix in a script, as lists of words."""
    joined = text.replace("\\\n", " ")
    joined = re.sub(r"\]\s+args: \[", ", ", joined)
    joined = joined.replace('", "', " ")
    found = re.findall(r'(?:^|[ /"])phix ((?:doctor|sweep|run) ?[^"\n&|]*)', joined)
    return [line.split() for line in found]


def check_commands(text):
    """Each is one that the parser takes, of a config that is there and is a sweep."""
    found = commands(text)
    assert any(words[0] == "sweep" for words in found)
    for words in found:
        options, rest = make_parser().parse_known_args(words)
        assert options.command == words[0] and rest == []
        if options.command == "sweep":
            assert options.out is not None
            if options.config.parts[0] == "configs":
                assert hasattr(load_config(ROOT / options.config), "sweep")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_call_phix_as_it_is(script):
    text = script.read_text()
    check_commands(text)
    with pytest.raises((AssertionError, SystemExit)):
        check_commands(
            text.replace("phix sweep", "phix swipe").replace('"sweep"', '"x"')
        )


@pytest.mark.parametrize("name", ["slurm.sh", "tpu.sh"])
def test_bash_can_read_them(name):
    script = (ROOT / "docs/launch" / name).read_text()
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
    broken = script + "\nif true; then\n"
    done = subprocess.run(["bash", "-n"], input=broken, text=True, capture_output=True)
    assert done.returncode != 0


def test_every_line_is_explained():
    page = (ROOT / "docs/launch.md").read_text()
    said = re.findall(r"^#SBATCH (--[a-z-]+)", SCRIPTS[1].read_text(), re.MULTILINE)
    assert len(said) >= 8
    missing = [option for option in said if option not in page]
    assert missing == ["--job-name"]  # says what it is
