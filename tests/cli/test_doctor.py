"""`phix doctor`: what it says of a machine, right, wrong and troubled."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from phix.cli import _doctor as doctor, main


PSUM = jax.lax.psum
HEALTHY = doctor.Facts(
    jax=(0, 10, 2),
    platform="cpu",
    devices=1,
    processes=1,
    cores=8,
    environment={},
    matmul=None,
)


def check_passes(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "✗" not in said
    for word in (f"jax {jax.__version__}", "FFT", "gradient", "collectives", "cpu"):
        assert word in said
    return said


def test_a_machine_that_computes_right_passes(capsys):
    check_passes(capsys)


@pytest.mark.parametrize(
    ("where", "name", "broken", "said"),
    [
        (jnp.fft, "rfft2", lambda u: 1.001 * jnp.fft.fft2(u)[:, :33], "FFT is wrong"),
        (jnp.fft, "irfft2", lambda w, s: jnp.full(s, jnp.nan), "FFT is wrong by nan"),
        (jax, "grad", lambda f: lambda a: 1.05 * a, "a gradient is"),
        (jax.lax, "psum", lambda x, axis: 2 * PSUM(x, axis), "over devices gave"),
        (jax, "shard_map", None, "✗ collectives: TypeError"),
    ],
)
def test_one_that_computes_wrong_does_not(
    where, name, broken, said, monkeypatch, capsys
):
    monkeypatch.setattr(where, name, broken)
    jax.clear_caches()
    with pytest.raises(AssertionError):
        check_passes(capsys)
    main(["doctor"])
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jax": (0, 9, 1)}, ["0.9.1 is older", "pip install"]),
        ({"cores": 2}, ["NPROC=8"]),
        ({"devices": 16}, ["16 CPU devices share 8 cores"]),
        ({"environment": {"SLURM_NTASKS": "4"}}, ["one of 4 tasks", "initialise"]),
        ({"platform": "gpu"}, ["XLA_PYTHON_CLIENT_PREALLOCATE=false"]),
        ({"matmul": "bfloat16"}, ["'bfloat16'"]),
    ],
)
def test_known_trouble_is_named_with_its_remedy(changes, words):
    assert doctor.known_trouble(HEALTHY) == []
    (said,) = doctor.known_trouble(dataclasses.replace(HEALTHY, **changes))
    assert all(word in said for word in words)


def test_what_is_set_right_is_no_trouble():
    two = dataclasses.replace(HEALTHY, cores=2, environment={"NPROC": "8"})
    joined = dataclasses.replace(
        HEALTHY, processes=4, environment={"SLURM_NTASKS": "4"}
    )
    assert doctor.known_trouble(two) == doctor.known_trouble(joined) == []
