"""Semilinear equations: what is refused, and equations of one's own symbol."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import Grid, from_symbol, make_stepper, solve
from phix._errors import PhixError
from phix.pde import KuramotoSivashinsky, Vorticity


GRID = Grid(32, (0.0, 2 * np.pi))


def airy(modes, speed):
    return -speed * modes.derivative(0, 3)[None]


def check_airy_wave(symbol):
    """cos kx travels at -speed k² under u_t = -speed u_xxx, exactly, at any step."""
    equation = from_symbol(symbol, GRID, speed=0.5)
    x = GRID.axes[0]
    u = solve(equation, jnp.cos(3 * x)[None], [0.0, 0.7], dt=0.7).us[-1]
    np.testing.assert_allclose(u[0], jnp.cos(3 * (x + 0.5 * 9 * 0.7)), atol=1e-13)


def test_own_symbol():
    check_airy_wave(airy)
    with pytest.raises(AssertionError):
        check_airy_wave(lambda modes, speed: airy(modes, -speed))


def test_own_nonlinear_part():
    """u_t = -u² at every point: 1 / (1 + t)."""

    def square(t, y, args, modes):
        return -modes.to_modes(modes.to_nodes(y) ** 2)

    def nothing(modes):
        return np.zeros((1, *modes.shape))

    equation = from_symbol(nothing, GRID, nonlinear=square)
    u = solve(equation, jnp.ones((1, 32)), [0.0, 1.0], dt=1 / 64).us[-1]
    np.testing.assert_allclose(u, 0.5, atol=1e-8)


@pytest.mark.parametrize(
    "symbol",
    [
        lambda modes: -modes.laplacian[None],
        lambda modes: -0.1 * modes.derivative(0, 4)[None] * -1,
    ],
)
def test_a_symbol_that_grows_without_bound_is_refused(symbol):
    with pytest.raises(ValueError, match="amplifies the shortest"):
        from_symbol(symbol, GRID)


def test_a_grid_too_coarse_for_its_damping_is_refused():
    with pytest.raises(ValueError, match="too coarse"):
        KuramotoSivashinsky(Grid(16, (0.0, 200.0)))
    KuramotoSivashinsky(Grid(256, (0.0, 200.0)))


def test_a_symbol_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="symbol returned shape"):
        from_symbol(lambda modes: np.zeros((1, 7)), GRID)
    with pytest.raises(ValueError, match="not finite"):
        from_symbol(lambda modes: np.full((1, *modes.shape), np.nan), GRID)


def test_a_grid_without_transform_or_room_is_refused():
    with pytest.raises(ValueError, match="no transform"):
        from_symbol(airy, Grid(32, (0.0, 1.0), ("inflow", "outflow")), speed=1.0)
    with pytest.raises(ValueError, match="too small"):
        Vorticity(Grid((2, 2), (0.0, 1.0)), 0.1)


def test_an_explicit_step_beyond_the_stability_limit_is_named():
    equation = Vorticity(Grid((16, 16), (0.0, 2 * np.pi)), 1.0)
    u0 = jnp.asarray(np.random.default_rng(0).normal(size=(1, 16, 16)))
    limit = float(equation.stable_step(u0))
    run = solve(equation, u0, [0.0, 100 * limit], dt=limit / 2, scheme=dfx.Euler())
    assert np.isfinite(run.us).all()
    with pytest.raises(PhixError, match=r"non_finite.*stable"):
        solve(equation, u0, [0.0, 1e4 * limit], dt=10 * limit, scheme=dfx.Euler())


@pytest.mark.parametrize("dt", [0.0, -0.1, np.nan])
def test_a_step_that_is_not_positive_is_refused(dt):
    equation, u0 = from_symbol(airy, GRID, speed=1.0), jnp.ones((1, 32))
    for call in (
        lambda: make_stepper(equation, u0, dt),
        lambda: solve(equation, u0, [0.0, 1.0], dt=dt),
    ):
        with pytest.raises(ValueError, match="`dt` must be a positive"):
            call()


def test_float64_while_x64_is_off_is_refused():
    with jax.enable_x64(False):
        for call in (
            lambda: GRID.zeros(dtype="float64"),
            lambda: GRID.modes().zeros(dtype=np.float64),
            lambda: GRID.project(jnp.sin, np.float64),
        ):
            with pytest.raises(ValueError, match="jax_enable_x64"):
                call()
        assert GRID.zeros().dtype == jnp.float32
