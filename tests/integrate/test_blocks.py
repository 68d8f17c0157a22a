"""Steps that are left out go in blocks: no step is lost or taken twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import ETDRK2, _fixed, solve
from tests.integrate.manufactured import EQUATION, U0


H = 0.01
# The longest interval is no multiple of a block; others end within, at and after one.
COUNTS = (1, 16, 17, 20)
TS = H * np.concatenate([[0], np.cumsum(COUNTS)])


def by_intervals(scale, stretch):
    """The fields at the ends of all intervals, from a start and over times scaled."""
    run = solve(EQUATION, scale * U0, stretch * TS, dt=stretch * H, scheme=ETDRK2(),
                max_steps=max(COUNTS), throw=False)  # fmt: skip
    return run.us


def step_by_step(scale, stretch):
    """The same, from output times one step apart."""
    ts = stretch * H * jnp.arange(sum(COUNTS) + 1)
    run = solve(EQUATION, scale * U0, ts, dt=stretch * H, scheme=ETDRK2(), max_steps=1,
                throw=False)  # fmt: skip
    return run.us[np.concatenate([[0], np.cumsum(COUNTS)])]


def check_intervals(transform):
    jax.clear_caches()
    made, wanted = transform(by_intervals), transform(step_by_step)
    np.testing.assert_allclose(made, wanted, rtol=1e-10, atol=1e-12)


def plain(fn):
    return fn(1.0, 1.0)


def mapped(fn):
    return jax.vmap(fn)(jnp.asarray([1.0, 0.9]), jnp.asarray([1.0, 0.7]))


def slope(fn):
    return jax.grad(lambda scale: jnp.sum(jnp.abs(fn(scale, 1.0)) ** 2))(1.0)


@pytest.mark.parametrize("transform", [plain, mapped, slope])
def test_intervals_of_any_number_of_steps(transform):
    check_intervals(transform)


@pytest.mark.parametrize("transform", [plain, mapped, slope])
def test_a_lost_block_is_noticed(transform, monkeypatch):
    whole = _fixed._in_blocks

    def cut_short(masked, carry, length, count):
        return whole(masked, carry, max(length - 4, 1), count)

    monkeypatch.setattr(_fixed, "_in_blocks", cut_short)
    with pytest.raises(AssertionError):
        check_intervals(transform)
    jax.clear_caches()
