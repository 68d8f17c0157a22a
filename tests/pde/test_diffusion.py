import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from phix.pde import Diffusion
from phix.space import Grid, Twisted
from tests.truth import diffusion as truth


PI = np.pi

ALONG = {
    "periodic": lambda x: jnp.sin(2 * PI * x + 1),
    "antiperiodic": lambda x: jnp.sin(PI * x + 1),
    "dirichlet": lambda x: jnp.sin(PI * x),
    "neumann": lambda x: jnp.cos(PI * x),
    ("dirichlet", "neumann"): lambda x: jnp.sin(PI * x / 2),
    ("neumann", "dirichlet"): lambda x: jnp.cos(PI * x / 2),
}


def check_rate(boundary, fn, node, rhs=lambda equation, u: equation.rhs(0.0, u)):
    errors, spacings = [], []
    for n in (16, 32):
        shape = (n,) * len(boundary)
        grid = Grid(shape, (0.0, 1.0), boundary, node)
        equation = Diffusion(grid, 0.3)

        @jax.jit
        def error(equation, u, x):
            exact = jax.vmap(lambda x: equation.pointwise(0.0, x, fn))(x).T
            return jnp.abs(rhs(equation, u) - exact.reshape(u.shape)).max()

        errors.append(float(error(equation, grid.project(fn), grid.points)))
        spacings.append(grid.spacing[0])
    assert np.log(errors[0] / errors[1]) / np.log(spacings[0] / spacings[1]) > 1.9


@pytest.mark.parametrize("node", ["vertex", "centre"])
@pytest.mark.parametrize("boundary", ALONG)
def test_rhs_converges_to_the_pointwise_form(boundary, node):
    def fn(x):
        return jnp.stack([ALONG[boundary](x[0]), 2 * ALONG[boundary](x[0])])

    check_rate((boundary,), fn, node)


def test_rhs_converges_where_sides_differ_in_three_dimensions():
    def fn(x):
        return (
            ALONG["dirichlet"](x[0]) * ALONG["periodic"](x[1]) * ALONG["neumann"](x[2])
        )[None]

    check_rate(("dirichlet", "periodic", "neumann"), fn, "centre")


def test_convergence_sees_a_missing_ghost():
    def blind(equation, u):
        rate = equation.rhs(0.0, u)
        return rate.at[:, 0].add(-0.3 * u[:, 0] / equation.space.spacing[0] ** 2)

    def fn(x):
        return ALONG["neumann"](x[0])[None]

    with pytest.raises(AssertionError):
        check_rate(("neumann",), fn, "centre", blind)


def test_a_twist_is_carried():
    grid = Grid(32, (0.0, 1.0), Twisted(3.0))
    line = grid.project(lambda x: 3 * x[0])
    rate = Diffusion(grid, 0.5).rhs(0.0, line)
    np.testing.assert_allclose(rate, 0, atol=1e-10)
    blind = Diffusion(Grid(32, (0.0, 1.0)), 0.5).rhs(0.0, line)
    assert np.abs(blind).max() > 1


@pytest.mark.parametrize("node", ["vertex", "centre"])
def test_steady_states_between_given_sides(node):
    grid = Grid(
        (6, 5), (0.0, 1.0), (("dirichlet", "neumann"), ("neumann", "dirichlet")), node
    )
    (x, y) = (axis[None] for axis in grid.axes)
    left, top = (2 - 3 * y)[:, None], (1 + 4 * x - 2)[:, :, None]
    u = grid.project(lambda x: 2 + 4 * x[0] - 3 * x[1])
    equation = Diffusion(grid, 0.7, ((left, 4.0), (3.0, top)))
    np.testing.assert_allclose(equation.rhs(0.0, u), 0, atol=1e-11)
    assert list(equation.parameters) == [
        "nu",
        "values[0][0]",
        "values[0][1]",
        "values[1][0]",
        "values[1][1]",
    ]


def test_spread_of_a_point_and_the_stable_step():
    grid = Grid((41, 41), (-6.0, 6.0), "dirichlet")
    equation = Diffusion(grid, 0.5)
    u0 = truth.heat_kernel(np.asarray(grid.coordinates), 1.0, nu=0.5)[None]
    dt = 0.5 * float(equation.stable_step(jnp.asarray(u0)))
    steps = round(1.0 / dt)

    @jax.jit
    def run(u, dt):
        return jax.lax.fori_loop(
            0, steps, lambda _, u: u + dt * equation.rhs(0.0, u), u
        )

    u = run(jnp.asarray(u0), 1.0 / steps)
    want = truth.heat_kernel(np.asarray(grid.coordinates), 2.0, nu=0.5)
    assert np.abs(u[0] - want).max() < 0.01 * want.max()
    mass = equation.invariants["mass"]
    np.testing.assert_allclose(mass(u), 1.0, rtol=2e-3)


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize("node", ["vertex", "centre"])
def test_stable_step_is_the_edge_of_stability(boundary, node):
    grid = Grid((16, 12), (0.0, 1.0), boundary, node)
    equation = Diffusion(grid, 0.3)
    step = equation.stable_step(grid.zeros())
    size = 16 * 12

    @jax.jit
    def operator():
        return jax.jacfwd(lambda u: equation.rhs(0.0, u.reshape(1, 16, 12)).ravel())(
            jnp.zeros(size)
        )

    growth = np.abs(1 + float(step) * np.linalg.eigvals(operator()))
    assert growth.max() < 1 + 1e-12
    assert np.abs(1 + 1.1 * float(step) * np.linalg.eigvals(operator())).max() > 1


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
@pytest.mark.parametrize("node", ["vertex", "centre"])
def test_mass_is_kept_and_energy_decays(getkey, boundary, node):
    grid = Grid((7, 6), (0.0, 1.0), boundary, node)
    equation = Diffusion(grid, 0.3)
    u = jax.random.normal(getkey(), (2, 7, 6))

    @jax.jit
    def rates(u):
        du = equation.rhs(0.0, u)
        return [jax.jvp(f, (u,), (du,))[1] for f in equation.invariants.values()]

    mass, energy = rates(u)
    assert abs(mass) < 1e-10 and energy < -1


def test_inflow_nodes_are_held():
    grid = Grid(8, (0.0, 1.0), ("inflow", "outflow"))
    u = grid.project(lambda x: x[0] ** 2)
    rate = Diffusion(grid, 1.0).rhs(0.0, u)
    assert rate[0, 0] == 0
    np.testing.assert_allclose(rate[0, 1:-1], 2, rtol=1e-9)


def test_gradient_with_respect_to_every_leaf():
    grid = Grid((4, 3), (0.0, 1.0), ("dirichlet", "neumann"), "centre")
    equation = Diffusion(grid, 0.3, ((1.0, 2.0), 0.5))
    u = grid.project(lambda x: jnp.sin(3 * x[:1]) * x[1])

    def total(equation, u):
        equation, u = jax.tree.map(jnp.asarray, (equation, u))
        rate = equation.rhs(0.0, u)
        return (rate * jnp.cos(jnp.arange(u.size)).reshape(u.shape)).sum()

    check_grads(jax.jit(total), (equation, u), order=1, rtol=1e-6)


def test_precision_follows_the_field():
    grid = Grid((4, 3), (0.0, 1.0), "dirichlet")
    equation = Diffusion(grid, 0.3, ((1.0, 2.0), 0.5))
    for dtype in (jnp.float32, jnp.complex64):
        u = jax.ShapeDtypeStruct((1, 4, 3), dtype)
        assert jax.eval_shape(lambda u: equation.rhs(0.0, u), u).dtype == dtype
        assert jax.eval_shape(equation.stable_step, u).dtype == jnp.float32
    x = jax.ShapeDtypeStruct((2,), jnp.float32)
    out = jax.eval_shape(lambda x: equation.pointwise(0.0, x, lambda x: x**2), x)
    assert out.dtype == jnp.float32


def test_bad_input():
    grid = Grid((4, 3), (0.0, 1.0), "dirichlet")
    with pytest.raises(ValueError, match=r"nu must be finite and within.*got -0.1"):
        Diffusion(grid, -0.1)
    with pytest.raises(ValueError, match="nu must be finite and within"):
        Diffusion(grid, 0.1).replace(nu=-0.1)
    with pytest.raises(ValueError, match=r"nu must have shape \(\)"):
        Diffusion(grid, 0.1).replace(nu=jnp.ones(2))
    with pytest.raises(ValueError, match="values must be a number"):
        Diffusion(grid, 0.1, (0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="u of shape"):
        Diffusion(grid, 0.1).rhs(0.0, jnp.zeros((1, 3, 4)))


def test_a_sweep_marks_only_the_invalid_point():
    grid = Grid(4, (0.0, 1.0))
    allowed = jax.vmap(lambda nu: Diffusion(grid, nu).valid())
    got = allowed(jnp.array([0.1, -0.1, 0.0, jnp.inf]))
    np.testing.assert_array_equal(got, [True, False, True, False])
