"""The published numbers, out of the published mistakes."""

import numpy as np
import pytest

from phix.recipes import amangkurat_published as published


# suppl-amangkurat, stats/fig1_spatiotemporal_stats.txt and stats/entropy_analysis.txt:
# range of φ, drift, and the mean, least and greatest of the sums over ρ.
STATISTICS = {
    "linear_case": (
        (-0.8039, 0.9991),
        0.0,
        {
            "shannon": (26.6120, 11.1733, 33.0582),
            "renyi": (0.8306, -1.0357, 1.6353),
            "tsallis": (0.4250, -1.8170, 0.8051),
            "composite": (13.6402, 4.9126, 17.1807),
        },
    ),
    "kink_case": (
        (-1.3132, 1.3132),
        0.0,
        {
            "shannon": (46.5515, 46.1792, 47.0037),
            "renyi": (2.2038, 2.1733, 2.2599),
            "tsallis": (0.8896, 0.8862, 0.8956),
            "composite": (24.1148, 23.9194, 24.3589),
        },
    ),
    "breather_case": (
        (-3.1375, 3.4237),
        -18.3299,
        {
            "shannon": (11.2070, 8.9408, 16.3847),
            "renyi": (-0.3407, -0.6424, 0.3365),
            "tsallis": (-0.4198, -0.9010, 0.2857),
            "composite": (5.4173, 4.0975, 8.3504),
        },
    ),
}


def _matches(run, name):
    """To every digit that was published."""
    span, drift, entropies = STATISTICS[name]
    assert (round(run.phi.min(), 4), round(run.phi.max(), 4)) == span
    assert round(run.drift, 4) == drift
    for kind, values in run.entropies().items():
        found = np.round([values.mean(), values.min(), values.max()], 4)
        assert tuple(found) == entropies[kind]


@pytest.mark.parametrize("name", sorted(STATISTICS))
def test_the_published_statistics(name):
    _matches(getattr(published, name)(), name)


def _breather(start=None, adaptive=True):
    x = published.grid(512, 40.0)
    start = start or published.breather(x)
    choices = {"duration": 80.0, "num_frames": 300, "dt": 0.01}
    return published.run(start, np.sin, x, adaptive=adaptive, **choices)


def _right_breather():
    x, width = published.grid(512, 40.0), np.sqrt(0.75)
    return 4 * np.arctan(width / 0.5 / np.cosh(width * x)), np.zeros_like(x)


def test_each_mistake_is_needed():
    """Negative twins: with one of them mended the numbers are others."""
    for changes in ({"adaptive": False}, {"start": _right_breather()}):
        with pytest.raises(AssertionError):
            _matches(_breather(**changes), "breather_case")


def test_the_breather_drifts_because_it_has_momentum():
    """The drift is not numerical: the start has momentum, and a fixed step drifts too;
    the right start stays where it is."""
    assert _breather(adaptive=False).drift < -10
    assert abs(_breather(_right_breather(), adaptive=False).drift) < 1e-6


def test_changing_the_step_costs_all_accuracy():
    """Case 1 against its closed form, mode by mode on the grid the package has: order
    two with a fixed step, an error of order one with a changing one."""
    x = published.grid(512, 30.0)
    k = 2 * np.pi * np.fft.fftfreq(x.size, x[1] - x[0])
    start = published.gaussian(x)
    errors = []
    for choices in ({"adaptive": False}, {"adaptive": True}):
        run = published.run(
            start, lambda phi: phi, x, duration=30.0, num_frames=10, **choices
        )
        wave = np.fft.fft(start[0]) * np.cos(np.sqrt(1 + k**2) * run.ts[-1])
        errors.append(np.abs(run.phi[-1] - np.fft.ifft(wave).real).max())
    assert errors[0] < 1e-4 and errors[1] > 1e-2
