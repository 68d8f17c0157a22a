"""rollout: closed forms, conditions, keys, memory, bad input."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix.integrate import PerStep, rollout


def test_linear_map_in_closed_form():
    states = rollout(lambda state: 0.5 * state, jnp.array([8.0]), 3)
    assert np.array_equal(states[:, 0], [4.0, 2.0, 1.0])


def test_state_may_be_any_pytree_and_observe_picks():
    def step(state):
        field, hidden = state
        return field + hidden, hidden * 2

    seen = rollout(step, (jnp.zeros(1), jnp.ones(1)), 3, observe=lambda s: s[0])
    assert np.array_equal(seen[:, 0], [1.0, 3.0, 7.0])


def test_condition_is_fixed_or_changes_from_step_to_step():
    def step(state, *, cond):
        return state * cond["factor"]

    one = jnp.ones(1)
    fixed = rollout(step, one, 2, cond={"factor": jnp.array(3.0)})
    assert np.array_equal(fixed[:, 0], [3.0, 9.0])
    cond = PerStep({"factor": jnp.array([2.0, 5.0])})
    assert np.array_equal(rollout(step, one, 2, cond=cond)[:, 0], [2.0, 10.0])


def test_times_are_handed_on():
    states = rollout(lambda s, *, t: s + t, jnp.zeros(1), 2, ts=jnp.array([1.0, 2.0]))
    assert np.array_equal(states[:, 0], [1.0, 3.0])


def test_longer_rollout_begins_like_a_shorter(getkey):
    def step(state, *, key):
        return state + jr.normal(key, state.shape)

    key = getkey()
    long, short = (rollout(step, jnp.zeros(2), n, key=key) for n in (5, 3))
    assert np.array_equal(long[:3], short)
    assert len(np.unique(np.diff(long[:, 0]))) == 4


def test_memory_changes_no_gradient():
    def loss(u, memory):
        return jnp.sum(rollout(lambda s: jnp.sin(s) + 0.1, u, 12, memory=memory) ** 2)

    u = jnp.array([0.3, -1.0])
    assert np.allclose(
        jax.grad(loss)(u, None), jax.grad(loss)(u, 8), rtol=1e-13, atol=0
    )


def test_module_with_new_weights_is_not_compiled_again():
    traces = []

    def step(state, *, cond):
        traces.append(1)
        return cond * state

    rollout(step, jnp.ones(1), 3, cond=jnp.array(1.0))
    count = len(traces)
    rollout(step, jnp.ones(1), 3, cond=jnp.array(3.0))
    assert len(traces) == count


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"n": 0}, "`n` must be"),
        ({"cond": PerStep(jnp.ones(3))}, "leading axis of n = 2"),
        ({"ts": jnp.ones(3)}, "one time per step"),
        ({"memory": 0}, "`memory`"),
    ],
)
def test_bad_input(keywords, message):
    keywords = {"n": 2} | keywords
    with pytest.raises(ValueError, match=message):
        rollout(lambda s, **_: s, jnp.ones(1), **keywords)


@pytest.mark.parametrize("step", [lambda s: s[:1], lambda s: (s,), lambda s: s > 0])
def test_step_must_return_a_state(step):
    with pytest.raises(ValueError, match="a state like the one"):
        rollout(step, jnp.ones(2), 2)
