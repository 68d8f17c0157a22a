"""Batches read on the host are those of arrays on the device, bit for bit."""

import threading

import grain
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from phix import data
from phix.train import ArraySource, Checkpoints, HostSource, fit, per_sample
from tests.data import layouts
from tests.train.test_source import check_epoch


ROWS = np.random.default_rng(0).normal(size=(13, 3))
TARGETS = ROWS @ np.array([1.0, -2.0, 0.5])


class Counted:
    """Rows of a table, and how they were asked for."""

    def __init__(self, change=lambda index: index):
        self.change, self.asked, self.reading, self.most = change, [], 0, 0
        self._lock = threading.Lock()

    def __len__(self):
        return len(ROWS)

    def __getitem__(self, index):
        with self._lock:
            self.reading += 1
            self.most = max(self.most, self.reading)
        self.asked.append(index)
        row = ROWS[self.change(index)], TARGETS[self.change(index)]
        with self._lock:
            self.reading -= 1
        return row


def loss(w, sample, *, step, key):
    x, y = sample
    return (jnp.dot(w, x) - y) ** 2, {}


def trained(source, steps=7, **choices):
    return fit(
        jnp.zeros(3),
        per_sample(loss),
        source,
        steps=steps,
        key=jr.key(5),
        optimiser=optax.adam(0.1),
        progress=False,
        **choices,
    )


@pytest.fixture(scope="module")
def wanted():
    return trained(ArraySource((jnp.asarray(ROWS), jnp.asarray(TARGETS)), 5))


def check_training(wanted, samples):
    found = trained(HostSource(samples, 5))
    assert np.array_equal(found.model, wanted.model)
    assert np.array_equal(found.curve("loss")[1], wanted.curve("loss")[1])


def test_training_is_that_of_arrays_and_reads_a_batch_ahead(wanted):
    samples = Counted()
    check_training(wanted, samples)
    assert samples.most == 1
    # The first sample for its shape, the batches of seven steps, and the next one.
    assert len(samples.asked) <= 1 + 5 * 8
    with pytest.raises(AssertionError):
        check_training(wanted, Counted(lambda index: (index + 1) % len(ROWS)))


def test_a_dataset_of_grain_is_a_sequence(wanted):
    both = list(zip(ROWS, TARGETS, strict=True))
    doubled = grain.MapDataset.source(both).map(lambda row: (2 * row[0], 2 * row[1]))
    check_training(wanted, doubled.map(lambda row: (row[0] / 2, row[1] / 2)))


def test_a_resumed_run_has_the_batches_it_would_have_had(wanted, tmp_path):
    def part(steps):
        checkpoint = Checkpoints(tmp_path / "run", every=2)
        return trained(HostSource(Counted(), 5), steps, checkpoint=checkpoint)

    part(4)
    assert np.array_equal(part(7).model, wanted.model)


def test_an_epoch_visits_each_sample_once():
    source = HostSource(np.arange(20), 6)
    draw = jax.jit(lambda step: source.draw(step, key=jr.key(1)))
    check_epoch(draw, 20, source.num_batches)


def test_windows_of_a_file(tmp_path):
    path = tmp_path / "well.hdf5"
    layouts.well(path)
    with data.open_well(path) as reader:
        windows = data.Windows(reader, 2)
        source = HostSource(windows, 3)
        found = jax.jit(lambda step: source.draw(step, key=jr.key(2)))(1)
        numbers = source.index(1, key=jr.key(2))
        for place, number in enumerate(numbers):
            given = windows[int(number)]
            np.testing.assert_array_equal(found.samples["us"][place], given["us"])
            np.testing.assert_array_equal(found.samples["ts"][place], given["ts"])


class Ragged(Counted):
    def __getitem__(self, index):
        return np.ones(3 if index < 6 else 4), 1.0


class Broken(Counted):
    def __getitem__(self, index):
        if index == 7:
            raise OSError("the disk is gone")
        return super().__getitem__(index)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (Ragged(), r"samples\[\d+\] is not shaped like samples\[0\].*float64\[4\]"),
        (Broken(), r"samples\[7\] cannot be read: the disk is gone"),
    ],
)
def test_bad_samples_are_named(samples, message):
    with pytest.raises(Exception, match=message):
        trained(HostSource(samples, 13))


def test_bad_arguments():
    with pytest.raises(ValueError, match="samples: there are none"):
        HostSource([], 3)
    with pytest.raises(ValueError, match="batch_size: got 0"):
        HostSource(ROWS, 0)
