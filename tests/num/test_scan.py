import hypothesis as hyp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax

from phix.num import checkpointed_scan
from phix.num._scan import _kept, _plan, _step_weight


def loss_and_more(steps, memory):
    """A loop with floats, an integer and a key in its carry, inputs and outputs."""

    def loss(rate, u0, forcing):
        def step(carry, force):
            u, count, key = carry
            key, use = jr.split(key)
            u = u + rate * jnp.sin(jnp.roll(u, 1)) + force * jr.normal(use, u.shape)
            return (u, count + 1, key), (u[0], count)

        carry = (u0, 0, jr.key(0))
        carry, (trace, counts) = checkpointed_scan(step, carry, forcing, memory=memory)
        value = jnp.sum(carry[0] ** 2) + trace @ jnp.cos(jnp.arange(float(steps)))
        return value, (carry[1], trace, counts)

    slopes = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)
    arguments = jnp.asarray(0.3), jnp.ones(3), jnp.linspace(0.0, 0.1, steps)
    return jax.jit(slopes)(*arguments)


@pytest.mark.parametrize(("steps", "memory"), [(1, 1), (7, 5), (24, 9), (23, 9)])
def test_is_the_plain_scan(steps, memory):
    given, wanted = loss_and_more(steps, memory), loss_and_more(steps, None)
    for a, b in zip(jax.tree.leaves(given), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


def test_length_without_inputs():
    def step(c, _):
        return (c * 2, None)

    assert checkpointed_scan(step, 1.0, length=10, memory=7) == (1024.0, None)
    assert checkpointed_scan(step, 1.0, length=0, memory=1) == (1.0, None)


def check_memory(scan, steps, memory):
    """Temporaries of the gradient, as XLA counts them, in states."""
    size = 20_000

    def loss(u0, rate):
        def step(u, _):
            return (u + rate * jnp.sin(u), None)

        return jnp.sum(scan(step, u0, length=steps)[0])

    u0 = jnp.ones(size)
    compiled = jax.jit(jax.grad(loss, (0, 1))).lower(u0, 0.1).compile()
    temporary = compiled.memory_analysis().temp_size_in_bytes / u0.nbytes
    assert temporary <= memory + 10  # one step and the gradient itself


@pytest.mark.parametrize(("steps", "memory"), [(400, 60), (400, 30)])
def test_keeps_to_its_budget(steps, memory):
    def checkpointed(*a, **k):
        return checkpointed_scan(*a, memory=memory, **k)

    check_memory(checkpointed, steps, memory)
    with pytest.raises(AssertionError):
        check_memory(lax.scan, steps, memory)


def test_budget_counts_what_a_step_saves():
    def heavy(u, _):
        for _ in range(5):
            u = jnp.sin(u) * u
        return u, None

    assert _step_weight(lambda u, x: (2 * u, None), jnp.ones(8), None) == 1
    assert _step_weight(heavy, jnp.ones(8), None) >= 5
    # A weight matrix is the same in every step.
    matrix = jnp.ones((8, 8))
    assert _step_weight(lambda u, _: (matrix @ u, None), jnp.ones(8), None) == 1

    # The derivative of a conditional saves blanks for the branch not taken.
    def either(u, _):
        return (jax.lax.cond(u[0] > 0, jnp.sin, jnp.zeros_like, u), None)

    assert _step_weight(either, jnp.ones(8), None) < 2
    # The rate is the derivative's business too where it is differentiated.
    rates = []

    def loss(rate):
        def step(u, _):
            return (u + rate * jnp.roll(u, 1) ** 2, None)

        rates.append(_step_weight(step, jnp.ones(8), None))
        return rate

    loss(1.0), jax.grad(loss)(1.0)
    assert rates[1] >= rates[0] + 1


@hyp.given(
    steps=st.integers(1, 20_000),
    memory=st.integers(1, 400),
    weight=st.floats(1.0, 20.0),
)
@hyp.settings(max_examples=200, deadline=None)
def test_plan_fits_the_budget_or_says_what_does(steps, memory, weight):
    try:
        plan = _plan(steps, memory, weight)
    except ValueError as error:
        least = int(str(error).rsplit(" ", 1)[1])
        assert memory < least <= 2 * np.log2(steps) + 8
        assert _kept(steps, _plan(steps, least, weight), weight) <= least
    else:
        assert _kept(steps, plan, weight) <= memory
        assert np.prod(plan, initial=1) <= steps


def test_bad_input():
    def step(c, x):
        return (c, None)

    with pytest.raises(ValueError, match="memory=5 .* 1000 steps, give at least 18"):
        checkpointed_scan(step, 1.0, length=1000, memory=5)
    with pytest.raises(ValueError, match="one number of steps, got 3, 4"):
        checkpointed_scan(step, 1.0, jnp.ones(3), length=4, memory=5)
    with pytest.raises(ValueError, match="one number of steps, got neither"):
        checkpointed_scan(step, 1.0, memory=5)
