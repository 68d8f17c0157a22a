"""`rhs` of every semilinear equation against its pointwise form by AD."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import pde
from phix.space import Grid
from tests.rosters.equations import EQUATIONS
from tests.rosters.pde import NOT_LOCAL


LOCAL = [
    name
    for name in EQUATIONS
    if name not in NOT_LOCAL and not name.startswith(("Vorticity", "NavierStokes"))
]


def smooth(grid, channels, complex):
    """A function of a point in few waves that keeps to the boundary."""

    def along(axis, x, m):
        (low, _), length = grid.extent[axis], grid.lengths[axis]
        kinds = tuple(side.kind for side in grid.boundary[axis])
        s = (x - low) / length
        if kinds[0] == "periodic":
            return jnp.sin(2 * jnp.pi * m * s + m)
        half = 0.5 if kinds[0] != kinds[1] else 0.0
        if kinds[0] == "dirichlet":
            return jnp.sin(jnp.pi * (m - half) * s)
        return jnp.cos(jnp.pi * (m - half) * s)

    def fn(x):
        def channel(c):
            first = 1.0 + 0.1 * c
            for a in range(grid.ndim):
                first = first * along(a, x[a], 1)
            return first + 0.3 * along(0, x[0], 2) * along(grid.ndim - 1, x[-1], 1)

        real = jnp.stack([channel(c) for c in range(channels)])
        return real * (1 - 0.4j) + 0.3j * along(0, x[0], 1) if complex else real

    return fn


def check(equation, channels, nodes=(0, 5, 100), rhs=None):
    grid = equation.space
    fn = smooth(grid, channels, equation.modes.complex)
    rhs = rhs or equation.rhs

    @jax.jit
    def both(x):
        rate = rhs(0.0, grid.project(fn)).reshape(channels, -1)
        exact = jax.vmap(lambda x: equation.pointwise(0.0, x, fn))(x).T
        return rate[:, np.array(nodes) % rate.shape[1]], exact

    points = grid.points[np.array(nodes) % grid.points.shape[0]]
    rate, exact = both(points)
    assert rate.shape == exact.shape
    np.testing.assert_allclose(rate, exact, atol=1e-9 * (1 + np.abs(exact).max()))
    assert np.abs(exact).max() > 1e-3


@pytest.mark.parametrize("name", LOCAL)
def test_rhs_is_the_pointwise_form(name):
    equation, u, _ = EQUATIONS[name](jnp.float64, (26, 27))
    check(equation, u.shape[0])


def test_burgers_in_three_dimensions():
    equation = pde.ViscousBurgers(
        Grid((14, 8, 10), (0.0, 2 * np.pi), node="centre"), 1.0
    )
    check(equation.replace(nu=0.2), 3)


def test_burgers_without_the_turn_of_the_flow_is_caught():
    equation, _, _ = EQUATIONS["ViscousBurgers plane"](jnp.float64, (26, 27))

    def straight(t, u):
        head = equation.encode(0.5 * jnp.sum(u**2, 0, keepdims=True))[0]
        y = equation.encode(u)
        rate = [equation.modes.derivative(a) * head for a in range(2)]
        return equation.decode(equation.linear(t, y) - jnp.stack(rate))

    with pytest.raises(AssertionError):
        check(equation, 2, rhs=straight)


def test_what_is_not_local_says_so():
    for name in ("Vorticity", "SpectralDiffusion field"):
        equation, _, _ = EQUATIONS[name](jnp.float64, (10, 11))
        with pytest.raises(ValueError, match="pointwise"):
            equation.pointwise(0.0, jnp.zeros(2), lambda x: x[:1])
