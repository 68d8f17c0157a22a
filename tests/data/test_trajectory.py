"""The record of a run, and what it says when the run failed."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from phix._errors import PhixError, Result
from phix.data import Trajectory


def record(result, **stats):
    result = jnp.asarray(result, jnp.int32)
    return Trajectory(
        jnp.broadcast_to(jnp.array([0.0, 1.0]), (*result.shape, 2)),
        jnp.ones((*result.shape, 2, 1, 3)),
        None,
        {},
        result,
        {name: jnp.asarray(value) for name, value in stats.items()},
        jnp.full(result.shape, 0.25),
    )


def test_success_returns_itself():
    trajectory = record(0)
    assert trajectory.throw() is trajectory


def test_failure_names_code_time_and_stable_step():
    with pytest.raises(
        PhixError, match=r"(?s)non_finite.*First bad time: 0\.25.*start: 0\.125"
    ) as caught:
        record(1, stable_step=0.125).throw()
    assert caught.value.result is Result.non_finite


def test_batch_says_how_many_and_which():
    with pytest.raises(PhixError, match=r"2 of 3 failed, first number 1: invalid"):
        record([0, 3, 1]).throw()


def test_nothing_is_raised_under_a_trace():
    assert jax.jit(lambda t: t.throw().result)(record(1)) == 1
    assert list(eqx.filter_vmap(lambda t: t.throw().result)(record([0, 1]))) == [0, 1]
