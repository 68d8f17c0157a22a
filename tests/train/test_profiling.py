"""Traces of a few updates."""

import gzip
import json

import jax.random as jr
import numpy as np
import optax
import pytest

from phix.train import fit, per_sample, profiling
from tests.train.problems import START, loss, source


def trained(steps=40):
    return fit(
        START,
        per_sample(loss),
        source(10),
        optimiser=optax.sgd(0.1),
        steps=steps,
        key=jr.key(0),
        progress=False,
    )


def check_trace(folder, steps):
    """One trace, in which the body of the loop over updates ran so many times."""
    (path,) = folder.rglob("*.trace.json.gz")
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    counts = {}
    for event in events:
        counts[event.get("name")] = counts.get(event.get("name"), 0) + 1
    assert any(name.startswith("while") for name in counts if name)
    assert steps in counts.values()


def test_a_few_updates_are_traced_and_none_changed(tmp_path):
    with profiling(tmp_path / "first", steps=7):
        watched = trained()
        trained()  # the second fit is not
    check_trace(tmp_path / "first", 7)
    assert np.array_equal(watched.model["w"], trained().model["w"])
    with pytest.raises(ValueError), profiling(tmp_path / "none"):  # no file
        trained(steps=1)
        check_trace(tmp_path / "none", 5)


def test_no_step_is_refused(tmp_path):
    steps = "steps must be at least 1, got 0"
    with pytest.raises(ValueError, match=steps), profiling(tmp_path, steps=0):
        pass
