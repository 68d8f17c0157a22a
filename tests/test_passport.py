"""The gradient passport measures what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench import passport
from tests.rosters.equations import EQUATIONS


def check_gradient(loss):
    assert passport.difference_error(loss, jnp.linspace(0.1, 1.0, 12)) <= 1e-6


def test_error_of_a_gradient():
    check_gradient(lambda u: jnp.sum(jnp.sin(u) * u**2))
    with pytest.raises(AssertionError):
        check_gradient(lambda u: jnp.sum(jnp.sin(u) * jax.lax.stop_gradient(u)))


@pytest.mark.slow
def test_horizon_and_growth_of_a_known_flow():
    """Diffusion forgets: gradients hold for ever, and no direction grows but the mean,
    which neither grows nor decays."""
    reached, lyapunov = passport.horizon(EQUATIONS["HyperDiffusion"])
    assert reached >= 320 * 0.01
    assert lyapunov > 1e6


def test_bytes_of_a_step():
    """Reverse mode of a split scheme keeps at most the stages of a step, as modes."""
    equation, u, dt = EQUATIONS["ViscousBurgers"](jnp.float64, (32, 24))
    _, size = passport.cost(equation, u, dt)
    assert 0 < size < 6
    assert np.isfinite(size)
