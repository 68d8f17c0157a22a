"""Windows over files, and statistics of the training part, against NumPy on all."""

import equinox as eqx
import numpy as np
import pytest

from phix.data import Windows, open_pdebench, open_well, save_pdebench, statistics
from tests.data.layouts import FRAMES, LINE, SAMPLES, batch, well


@pytest.fixture
def opened(tmp_path):
    saved = well(tmp_path / "data.h5")
    with open_well(tmp_path / "data.h5") as reader:
        yield saved, reader


def check_windows(saved, windows, samples, starts, length):
    places = [(i, start) for i in samples for start in starts]
    assert len(windows) == len(places)
    for (i, start), window in zip(places, windows, strict=True):
        assert np.array_equal(window["us"], saved.us[i, start : start + length])
        assert np.array_equal(window["ts"], saved.ts[i, start : start + length])
        assert window["params"]["nu"] == saved.params["nu"][i]


def test_windows_are_where_they_should_be(opened):
    saved, reader = opened
    check_windows(saved, Windows(reader, 2), range(SAMPLES), (0, 1, 2), 2)
    check_windows(saved, Windows(reader), range(SAMPLES), (0,), FRAMES)
    windows = Windows(reader, 2, stride=2, samples=[2, 0])
    check_windows(saved, windows, [2, 0], (0, 2), 2)
    with pytest.raises(AssertionError):
        check_windows(saved, windows, [0, 2], (0, 2), 2)
    with pytest.raises(IndexError):
        windows[4]
    for bad in ({"length": 5}, {"length": 0}, {"stride": 0}, {"samples": [3]}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))}: got"):
            Windows(reader, **bad)


def check_statistics(found, us):
    axes = (0, 1, *range(3, us.ndim))
    np.testing.assert_allclose(found.mean, us.mean(axes), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found.std, us.std(axes), rtol=1e-12)
    assert np.array_equal(found.least, us.min(axes))
    assert np.array_equal(found.greatest, us.max(axes))


@pytest.mark.parametrize("frames", [1, 3, 64])
def test_statistics_are_those_of_the_training_part(opened, frames):
    saved, reader = opened
    us = np.asarray(saved.us)
    check_statistics(statistics(reader, [0, 2], frames=frames), us[[0, 2]])
    with pytest.raises(AssertionError):
        check_statistics(statistics(reader, [0, 1], frames=frames), us[[0, 2]])


def test_statistics_keep_their_digits_beside_a_large_mean(tmp_path):
    """1e8 ± 1: a sum of squares less a squared mean has no digit left."""
    saved = batch(LINE, 1)
    std = np.asarray(saved.us).std()
    large = eqx.tree_at(lambda t: t.us, saved, saved.us + 1e8)
    save_pdebench(tmp_path / "data.h5", large)
    with open_pdebench(tmp_path / "data.h5") as reader:
        found = statistics(reader, range(SAMPLES), frames=1)
    np.testing.assert_allclose(found.std, std, rtol=1e-6)
    us = np.asarray(large.us)
    naive = np.sqrt(np.abs((us**2).mean() - us.mean() ** 2))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(naive, std, rtol=1e-6)
