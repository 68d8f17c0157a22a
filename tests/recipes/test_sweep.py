"""`phix sweep`: a simulation at many points, from a config to a report."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from phix.cli import main
from phix.recipes import load_config, parse_config, to_toml
from phix.sweeps import open_sweep


CONFIGS = sorted((Path(__file__).parents[2] / "configs/sweep").glob("*.toml"))

WAVES = """
recipe = "sweep"
devices = 1
chunk = 2

[points]
kind = "product"

[points.axes]
"equation.nu" = [0.5, 1.0, -1.0]
"start.amplitude.0" = { low = 1.0, high = 4.0, number = 2, log = true }

[simulation]
duration = 0.5
num_frames = 3
dt = 0.125
precision = "float64"
equation = { kind = "spectral_diffusion", nu = 0.1 }
grid = { shape = [8] }
start = { kind = "wave" }
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "waves.toml").write_text(WAVES)
    return "waves.toml"


def check_waves(dataset):
    """amplitude · exp(−νt) · cos x, and nothing for ν = −1."""
    assert dataset.status.values.tolist() == [0, 0, 0, 0, 3, 3]
    good = dataset.isel(point=slice(4))
    nu, size, t, x = (good[name] for name in ("nu", "0", "time", "x"))
    wanted = size * np.exp(-nu * t) * np.cos(x)
    u = good.u.isel(channel=0)
    assert np.abs(u - wanted.transpose(*u.dims)).max() < 1e-12


def test_a_config_becomes_a_store_a_figure_and_a_report(config, capsys):
    assert main(["sweep", config, "--quiet"]) == 0
    assert "done: see runs/waves/report.md" in capsys.readouterr().out
    run = Path("runs/waves")
    dataset = open_sweep(run)
    check_waves(dataset)
    with pytest.raises(AssertionError):
        check_waves(dataset.assign_coords(nu=dataset.nu * 1.1))
    report = (run / "report.md").read_text()
    assert "| 4 | successful |" in report and "| 2 | invalid_parameter" in report
    assert (run / "figures/sweep.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["points"], metrics["failed"]) == (6, 2)
    assert load_config(run / "config.toml") == load_config(config)
    assert main(["sweep", config]) == 0
    assert "is finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("equation.nu", "equation.mu"), "'equation.mu' is no parameter .* has nu"),
        (("equation.nu", "duration"), "'duration' cannot vary; take numbers of the"),
        (("amplitude.0", "amplitude.1"), r"start.amplitude has no '1'"),
        (("amplitude.0", "amplitude"), r"start.amplitude is \(1.0,\), not a number"),
        (("amplitude.0", "amplitud.0"), "did you mean 'amplitude'"),
        (("number = 2", "number = 1"), "number must be at least 2, got 1"),
        (("low = 1.0", "low = 5.0"), "low < high is wanted"),
    ],
)
def test_bad_points_name_what_is_wrong(config, change, words, capsys):
    assert change[0] in WAVES
    Path(config).write_text(WAVES.replace(*change))
    assert main(["sweep", config]) == 2
    said = capsys.readouterr().err
    assert said.startswith("phix sweep: ") and said.count("\n") == 1
    assert re.search(words, said)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_are_whole(path):
    recipe = load_config(path)
    assert parse_config(to_toml(recipe)) == recipe
    columns = recipe._points()
    assert len({len(column) for column in columns.values()}) == 1


def test_every_kind_of_points_is_built():
    for points, number in (
        ('kind = "sobol"\nnumber = 4\nranges = { x = { low = 1, high = 2 } }', 4),
        (
            'kind = "latin_hypercube"\nnumber = 3\n'
            "ranges = { x = { low = 1, high = 2, log = true } }",
            3,
        ),
        ('kind = "table"\ncolumns = { x = [1, 2] }', 2),
    ):
        head = f'recipe = "sweep"\n[points]\n{points}\n'
        text = head + WAVES[WAVES.index("[simulation]") :]
        (column,) = parse_config(text).points.build().values()
        assert len(column) == number and column.min() >= 1 and column.max() <= 2
