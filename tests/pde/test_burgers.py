import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from phix.pde import Burgers, burgers_shock
from phix.space import Grid
from tests.truth import burgers as truth


SHEET = Grid(256, (0.0, 100.0), boundary=("inflow", "outflow"))
SPREAD = 0.015 / 7
MIDDLE = 0.015 + (np.arange(7) + 0.5) * SPREAD
OUTSIDE = np.array([0.015 - SPREAD, 0.03 + SPREAD])
LAST_TRAINED = np.array([0.03])
FRAMES = (0, 99, 199)


def march(rate, u0, dt, num_frames):
    def step(u, _):
        return u + dt * rate(u), u

    return jax.lax.scan(step, u0, None, length=num_frames)[1]


@pytest.fixture(scope="module")
def trajectories():
    u0 = SHEET.project(burgers_shock)

    @jax.jit
    @jax.vmap
    def run(mu):
        equation = Burgers(SHEET, mu)
        return march(lambda u: equation.rhs(0.0, u), u0, 0.07, 200)

    every = np.concatenate([MIDDLE, OUTSIDE, LAST_TRAINED])
    return np.asarray(run(jnp.asarray(every)))[:, :, 0]


def shock(u):
    return np.argmin(np.diff(u, axis=-1), axis=-1)


def check_against_the_published_solver(u, mu):
    x, want = truth.march(mu)
    np.testing.assert_allclose(SHEET.axes[0], x, rtol=1e-14)
    np.testing.assert_allclose(u, want, rtol=1e-11)


def test_published_solver(trajectories):
    check_against_the_published_solver(trajectories[3], MIDDLE[3])


def test_published_solver_sees_the_other_form_of_convection():
    def advective(u):
        (x,) = SHEET.axes
        slope = jnp.diff(u, prepend=u[:, :1]) / SHEET.spacing[0]
        return (0.02 * jnp.exp(MIDDLE[3] * x) - u * slope).at[:, 0].set(0)

    u = jax.jit(lambda: march(advective, SHEET.project(burgers_shock), 0.07, 200))()
    with pytest.raises(AssertionError):
        check_against_the_published_solver(np.asarray(u)[:, 0], MIDDLE[3])


def test_numbers_of_the_sheet(trajectories):
    cfl = 0.07 * trajectories[9].max() / SHEET.spacing[0]
    np.testing.assert_allclose(cfl, 0.858, atol=0.0005)
    (x,) = SHEET.axes
    places = np.asarray(x)[shock(trajectories[3][FRAMES, :])]
    np.testing.assert_allclose(places, [11.4, 30.6, 52.2], atol=0.05)
    beyond, frozen = trajectories[:, 100:], trajectories[:, 99:100]
    error = np.linalg.norm(beyond - frozen, axis=-1) / np.linalg.norm(beyond, axis=-1)
    np.testing.assert_allclose(error[:7].mean(), 0.284, atol=0.0005)
    np.testing.assert_allclose(error[7:9].mean(), 0.280, atol=0.0005)


def test_profile_and_stable_step():
    u = SHEET.project(burgers_shock)
    np.testing.assert_allclose(u[0], truth.shock_profile(SHEET.axes[0]), rtol=1e-14)
    step = Burgers(SHEET, 0.02).stable_step(u)
    np.testing.assert_allclose(step, SHEET.spacing[0] / np.abs(u).max())
    viscous = Burgers(SHEET, 0.02, viscosity=0.5).stable_step(0 * u)
    np.testing.assert_allclose(viscous, SHEET.spacing[0] ** 2)


FRONT = {"speed": 0.7, "jump": 0.8, "viscosity": 0.15}


def front(x, t=0.0):
    speed, jump, nu = FRONT["speed"], FRONT["jump"], FRONT["viscosity"]
    return speed - jump * jnp.tanh(jump * (x - speed * t) / (2 * nu))


def test_pointwise_form_on_the_viscous_front():
    equation = Burgers(SHEET, 0.3, amplitude=0.0, viscosity=FRONT["viscosity"])
    x = jnp.linspace(-2.0, 2.0, 9)[:, None]
    np.testing.assert_allclose(front(x), truth.travelling_front(x, 0.0, **FRONT))
    got = jax.jit(jax.vmap(lambda x: equation.pointwise(0.0, x, front)))(x)
    want = jax.vmap(lambda x: jax.jacfwd(front, 1)(x, 0.0))(x)
    np.testing.assert_allclose(got, want, atol=1e-13)


def rate_errors(equation_on, fn, boundary):
    """Largest difference of rhs from pointwise where no node is held, three grids."""
    errors = []
    for n in (128, 256, 512):
        grid = Grid(n, (0.0, 1.0), boundary)
        equation = equation_on(grid)

        @jax.jit
        def error(equation, u, x):
            exact = jax.vmap(lambda x: equation.pointwise(0.0, x, fn))(x)[:, 0]
            return jnp.abs(equation.rhs(0.0, u) - exact)[0, 1:].max()

        errors.append(float(error(equation, grid.project(fn), grid.points)))
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("viscosity", [None, 0.3])
def test_rhs_converges_to_the_pointwise_form(sign, viscosity):
    def fn(x):
        return sign * (2 + jnp.sin(2 * jnp.pi * x))

    def equation(grid):
        return Burgers(grid, 0.3, viscosity=viscosity)

    assert np.all(rate_errors(equation, fn, "periodic") > 0.9)


def test_rhs_converges_beside_an_inflow():
    def fn(x):
        return 2 + jnp.sin(3 * x)

    orders = rate_errors(lambda g: Burgers(g, 0.3), fn, ("inflow", "outflow"))
    assert np.all(orders > 0.9)


def test_inflow_is_held_on_either_side():
    for boundary, node in ((("inflow", "outflow"), 0), (("outflow", "inflow"), -1)):
        grid = Grid(8, (0.0, 1.0), boundary)
        rate = Burgers(grid, 0.1).rhs(0.0, grid.zeros() + 1)
        assert rate[0, node] == 0 and np.count_nonzero(rate) == 7


def check_opens_a_fan(rate):
    grid = Grid(101, (-2.0, 2.0), "outflow")
    u0 = grid.project(lambda x: jnp.where(x[0] > 0, 1.0, -1.0))
    u = jax.jit(lambda: march(lambda u: rate(grid, u), u0, 0.02, 51))()[-1]
    x = np.asarray(grid.axes[0])
    assert np.abs(u[0] - truth.fan(x, 1.0)).mean() < 0.03


def test_an_expansion_opens_into_a_fan():
    check_opens_a_fan(lambda grid, u: Burgers(grid, 0.0, 0.0).rhs(0.0, u))


def test_a_flux_without_entropy_does_not_open():
    def roe(grid, u):
        padded = jnp.pad(u, ((0, 0), (1, 1)), mode="edge")
        left, right = padded[:, :-1], padded[:, 1:]
        flux = jnp.where(left + right >= 0, left**2, right**2) / 2
        return -jnp.diff(flux) / grid.spacing[0]

    with pytest.raises(AssertionError):
        check_opens_a_fan(roe)


def test_invariants():
    grid = Grid(64, (0.0, 1.0))
    equation = Burgers(grid, 0.0, amplitude=0.0, viscosity=0.01)
    u0 = grid.project(lambda x: 0.3 + jnp.sin(2 * jnp.pi * x[0]))
    us = jax.jit(lambda: march(lambda u: equation.rhs(0.0, u), u0, 0.005, 100))()
    mass, energy = (
        np.asarray(jax.vmap(equation.invariants[name])(us))
        for name in ("mass", "energy")
    )
    np.testing.assert_allclose(mass, 0.3, rtol=1e-13)
    np.testing.assert_allclose(energy[0], 0.5 * (0.09 + 0.5))
    assert np.all(np.diff(energy) < 0)


def test_gradient_with_respect_to_mu_and_field():
    grid = Grid(16, (0.0, 1.0), ("inflow", "outflow"))
    u = grid.project(lambda x: 1 + 0.3 * jnp.sin(5 * x))
    equation = Burgers(grid, 0.4, viscosity=0.1)

    def total(equation, u):
        equation, u = jax.tree.map(jnp.asarray, (equation, u))
        rate = equation.rhs(0.0, u)
        return (rate * jnp.cos(jnp.arange(u.size)).reshape(u.shape)).sum()

    check_grads(jax.jit(total), (equation, u), order=1, rtol=1e-6)


def test_precision_follows_the_field():
    for viscosity in (None, 0.1):
        equation = Burgers(SHEET, 0.02, viscosity=viscosity)
        u = jax.ShapeDtypeStruct((1, 256), jnp.float32)
        for out in (
            jax.eval_shape(lambda u, e=equation: e.rhs(0.0, u), u),
            jax.eval_shape(equation.stable_step, u),
            jax.eval_shape(equation.invariants["energy"], u),
            jax.eval_shape(
                lambda x, e=equation: e.pointwise(0.0, x, burgers_shock),
                jax.ShapeDtypeStruct((1,), jnp.float32),
            ),
        ):
            assert out.dtype == jnp.float32


def test_bad_input():
    with pytest.raises(ValueError, match="viscosity must be finite and within"):
        Burgers(SHEET, 0.02, viscosity=-1e-3)
    with pytest.raises(ValueError, match="mu must be finite"):
        Burgers(SHEET, float("nan"))
    with pytest.raises(ValueError, match="grid must be one-dimensional"):
        Burgers(Grid((4, 4), (0.0, 1.0)), 0.02)
    with pytest.raises(ValueError, match="must have one channel"):
        Burgers(SHEET, 0.02).stable_step(SHEET.zeros(2))
    with pytest.raises(ValueError, match=r"mu must have shape \(\), got \(3,\).*vmap"):
        Burgers(SHEET, 0.02).replace(mu=jnp.ones(3))
    with pytest.raises(ValueError, match="no parameter 'nu'.*did you mean 'mu'"):
        Burgers(SHEET, 0.02).replace(nu=0.1)


def test_a_sweep_marks_only_the_invalid_point():
    @jax.jit
    @jax.vmap
    def allowed(nu):
        return Burgers(SHEET, 0.02, viscosity=nu).valid()

    got = allowed(jnp.array([0.0, -1.0, jnp.nan, 2.0]))
    np.testing.assert_array_equal(got, [True, False, False, True])
