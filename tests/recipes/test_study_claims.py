"""What the small configs of the recipes in the plane claim, and that they meet it."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from phix.recipes import _gauge_models as gauge, _kinetic_run as kinetic, load_config


CONFIGS = Path(__file__).parents[2] / "configs/score"


def views_agree(found):
    """Every view within three times two true sets; labels drawn as well; the map ahead
    of its teacher in one and two calls."""
    floor = found["two true sets"]
    assert all(v["energy distance"] <= 3 * floor for v in found["views"].values())
    assert found["views"]["exact"]["Fokker–Planck"] < 1e-4
    for row in found["guidance"]:
        if row["weight"] == 1.0:
            assert row["distance"] <= 3 * row["two sets"]
    for row in found["jumps"][:2]:
        others = [v for n, v in row.items() if n not in ("calls", "flow map")]
        assert row["flow map"] <= 0.5 * min(others) and row["flow map"] <= 3 * floor


def few_steps_gain(found):
    """Where components are apart the path from data is nearest, exact and trained."""
    apart = found["laws"][0]
    for field in ("exact", "trained"):
        for runs in apart[field].values():
            assert np.mean([min(r, key=r.get) == kinetic.BEST for r in runs]) > 0.5
    for law in found["laws"]:
        least = law["energies"].pop(kinetic.BEST)
        assert least < min(law["energies"].values())
        # The floor costs energy on top; 5 % for the luck of 1,000 samples.
        assert 0.95 * law["least energy"] < least
        assert least < 1.05 * law["least energy with the floor"]


def gauges_are_free(found):
    """No gradient draws as well as one, and its densities are as near to a tenth of a
    nat; a gauge spoils the count of dimensions."""
    floor, plane = found["two true sets"], found["plane"]
    assert all(row["energy distance"] <= 3 * floor for row in plane.values())
    assert plane[gauge.GRADIENT]["asymmetry"] < 1e-3 < plane[gauge.FREE]["asymmetry"]
    sizes = [
        plane[n]["log-likelihood, mean size"] for n in (gauge.FREE, gauge.GRADIENT)
    ]
    assert abs(sizes[0] - sizes[1]) < 0.1
    right = {
        name: np.mean(np.equal(row["counts"], 2))
        for name, row in found["sphere"].items()
    }
    assert right[gauge.GRADIENT] >= 0.8 > 0.5 > right["conservative, sheared"]


def spoil_views(found):
    """The teacher in the place of the map."""
    for row in found["jumps"]:
        row["flow map"] = row["Euler"]


def spoil_steps(found):
    """The linear path in the place of that from data."""
    for runs in (
        *found["laws"][0]["exact"].values(),
        *found["laws"][0]["trained"].values(),
    ):
        for run in runs:
            run[kinetic.BEST], run["linear"] = run["linear"], run[kinetic.BEST]


def spoil_gauges(found):
    """The sheared twin in the place of the gradient."""
    found["sphere"][gauge.GRADIENT] = found["sphere"]["conservative, sheared"]


CLAIMS = {
    "diffusion_principles": (views_agree, spoil_views),
    "kinetic_optimal": (few_steps_gain, spoil_steps),
    "gauge_freedom": (gauges_are_free, spoil_gauges),
}


def check_claim(name, folder):
    claim, spoil = CLAIMS[name]
    claim(json.loads((folder / "metrics.json").read_text()))
    worse = json.loads((folder / "metrics.json").read_text())
    spoil(worse)
    with pytest.raises(AssertionError):
        claim(worse)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_the_small_config_meets_its_claim(name, tmp_path):
    with jax.enable_x64(False):  # as users run it
        load_config(CONFIGS / f"{name}_small.toml").run(
            tmp_path / "run", progress=False
        )
    check_claim(name, tmp_path / "run")
