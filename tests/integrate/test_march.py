"""Random marches: noise drawn for many steps at once is that of each step."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix.integrate import march


KEY = jr.key(4)


def pair(key):
    """What a step gets: two kinds of noise."""
    one, other = jr.split(key)
    return jr.normal(one, (3,)), jr.uniform(other, ())


def walked(count, keys, **choices):
    """x ← 0.9 x + u ξ from zero, with ξ and u of each step."""
    x = np.zeros(3)
    for k in range(count):
        xi, u = pair(keys(k))
        x = 0.9 * x + np.asarray(u * xi)
    return x


def check_walk(arrived, count, keys=lambda k: jr.fold_in(KEY, k)):
    np.testing.assert_allclose(arrived.state, walked(count, keys), rtol=1e-12)
    assert int(arrived.result) == 0 and int(arrived.failed) == count


@pytest.mark.parametrize("numbers", [2**16, 20, 1])
@pytest.mark.parametrize(("count", "memory"), [(12, None), (7, None), (12, 7)])
def test_noise_of_a_block_is_that_of_its_steps(numbers, count, memory, monkeypatch):
    monkeypatch.setattr("phix.integrate._march._NUMBERS", numbers)

    def step(x, carry, h, drawn):
        xi, u = drawn
        return h * x + u * xi, carry

    choices = {"key": KEY, "draw": pair, "memory": memory}
    arrived = march(step, jnp.zeros(3), jnp.full(count, 0.9), **choices)
    check_walk(arrived, count)
    with pytest.raises(AssertionError):  # one noise for all steps
        check_walk(arrived, count, lambda k: jr.fold_in(KEY, 0))


def test_a_block_says_in_which_step_it_failed():
    def step(x, carry, h, drawn):
        return jnp.where(h > 5, jnp.nan, x + drawn), carry

    rows, draw = jnp.arange(12.0), lambda key: jr.normal(key, ())
    arrived = march(step, jnp.zeros(()), rows, key=KEY, draw=draw)
    assert int(arrived.failed) == 6 and int(arrived.result) != 0
