import hypothesis as hp
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.space import (
    Grid,
    Twisted,
    derivative,
    divergence,
    gradient,
    hold_inflow,
    laplacian,
    pad,
    upwind_difference,
)
from tests.truth import diffusion as truth


PI = np.pi
NODES = pytest.mark.parametrize("node", ["vertex", "centre"])

# Functions that the boundary continues smoothly: every node is second order.
SMOOTH = pytest.mark.parametrize(
    "boundary, fn",
    [
        ("periodic", lambda x: jnp.sin(2 * PI * x) + jnp.cos(4 * PI * x)),
        ("antiperiodic", lambda x: jnp.sin(PI * x) + jnp.cos(3 * PI * x)),
        (Twisted(2.0), lambda x: 2 * x + jnp.cos(2 * PI * x)),
        ("dirichlet", lambda x: jnp.sin(PI * x) + jnp.sin(3 * PI * x)),
        ("neumann", lambda x: jnp.cos(PI * x) + jnp.cos(2 * PI * x)),
        (("dirichlet", "neumann"), lambda x: jnp.sin(PI * x / 2)),
        (("neumann", "dirichlet"), lambda x: jnp.cos(3 * PI * x / 2)),
    ],
)


def order(error, boundary, node="vertex", sizes=(32, 64)):
    """Observed order of `error(grid)`, one per number it returns."""
    grids = [Grid(n, (0.0, 1.0), boundary, node) for n in sizes]
    coarse, fine = (np.stack(jax.jit(lambda g=g: error(g))()) for g in grids)
    return np.log(coarse / fine) / np.log(grids[0].spacing[0] / grids[1].spacing[0])


def check_second_order(first, second, boundary, fn, node):
    slope, bend = jax.grad(fn), jax.grad(jax.grad(fn))

    def error(grid):
        (x,) = grid.axes
        u = fn(x)[None]
        return (
            jnp.abs(first(grid, u)[0] - jax.vmap(slope)(x)).max(),
            jnp.abs(second(grid, u)[0] - jax.vmap(bend)(x)).max(),
        )

    assert np.all(order(error, boundary, node) > 1.95)


@NODES
@SMOOTH
def test_derivatives_are_second_order(boundary, fn, node):
    check_second_order(derivative, laplacian, boundary, fn, node)


def test_check_of_the_order_sees_a_wrong_boundary():
    def wrapped(grid, u):
        h = grid.spacing[0]
        return (jnp.roll(u, -1, -1) + jnp.roll(u, 1, -1) - 2 * u) / h**2

    def fn(x):
        return jnp.sin(PI * x)

    with pytest.raises(AssertionError):
        check_second_order(derivative, wrapped, "dirichlet", fn, "vertex")


KINDS = ("dirichlet", "neumann")


def check_boundary_value_problem(values_of, left, right, node):
    """u'' - u = f with inhomogeneous data, solved densely, is second order."""

    def exact(x):
        return jnp.exp(x) + jnp.sin(3 * x)

    slope, bend = jax.grad(exact), jax.grad(jax.grad(exact))
    values = values_of(exact, slope, left, right)

    def error(grid):
        (x,) = grid.axes

        def residual(u):
            return laplacian(grid, u[None], values=values)[0] - u

        source = jax.vmap(bend)(x) - exact(x) - residual(0 * x)
        u = jnp.linalg.solve(jax.jacfwd(residual)(0 * x), source)
        return (jnp.abs(u - exact(x)).max(),)

    assert np.all(order(error, (left, right), node) > 1.9)


def given_data(exact, slope, left, right):
    ends = (exact(0.0), exact(1.0))
    normals = (-slope(0.0), slope(1.0))
    return tuple(
        end if side == "dirichlet" else normal
        for side, end, normal in zip((left, right), ends, normals, strict=True)
    )


@NODES
@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_boundary_value_problems_are_second_order(left, right, node):
    check_boundary_value_problem(given_data, left, right, node)


def test_check_of_boundary_values_sees_an_inward_normal():
    def inward(*arguments):
        return tuple(-value for value in given_data(*arguments))

    with pytest.raises(AssertionError):
        check_boundary_value_problem(inward, "neumann", "neumann", "vertex")


def test_open_ends_are_one_sided():
    grid = Grid(8, (0.0, 1.0), ("inflow", "outflow"))
    u = grid.project(lambda x: 3 * x - 1)
    np.testing.assert_allclose(derivative(grid, u), 3, rtol=1e-12)
    np.testing.assert_allclose(laplacian(grid, u), 0, atol=1e-11)


@NODES
@pytest.mark.parametrize(
    "boundary", ["periodic", "antiperiodic", Twisted(2.0), "dirichlet", "neumann"]
)
def test_wide_ghosts_continue_the_function(boundary, node):
    fn = {
        "periodic": lambda x: jnp.sin(2 * PI * x + 1),
        "antiperiodic": lambda x: jnp.sin(PI * x + 1),
        "dirichlet": lambda x: 0.7 + jnp.sin(2 * PI * x),
        "neumann": lambda x: jnp.cos(PI * x),
    }.get(boundary, lambda x: 2 * x + jnp.sin(2 * PI * x))
    grid = Grid(7, (0.0, 1.0), boundary, node)
    values = 0.7 if boundary == "dirichlet" else 0.0
    got = pad(grid, fn(grid.axes[0])[None], 0, 3, values)[0]
    x = grid.origin[0] + grid.spacing[0] * np.arange(-3, 10)
    np.testing.assert_allclose(got, fn(x), atol=1e-13)


def test_two_dimensions_against_loops(getkey):
    grid = Grid((5, 4), ((0, 1), (0, 2)), ("dirichlet", ("neumann", "dirichlet")))
    u = jax.random.normal(getkey(), grid.shape)
    bottom = jax.random.normal(getkey(), (1, 5, 1))
    values = ((1.5, -0.5), (bottom, 0.25))

    def neighbour(index, axis, step):
        place = list(index)
        place[axis] += step
        if 0 <= place[axis] < grid.shape[axis]:
            return float(u[tuple(place)])
        if axis == 0:
            return 1.5 if step < 0 else -0.5
        if step > 0:
            return 0.25
        return float(u[index[0], 1] + 2 * grid.spacing[1] * bottom[0, index[0], 0])

    want = truth.laplacian_by_loops(np.asarray(u), grid.spacing, neighbour)
    got = laplacian(grid, u[None], values=values)[0]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_gradient_and_divergence():
    def error(grid):
        x, y = grid.coordinates
        u = jnp.stack([jnp.sin(2 * PI * x) * jnp.cos(PI * y), jnp.cos(PI * y)])
        ux = 2 * PI * jnp.cos(2 * PI * x) * jnp.cos(PI * y)
        uy = -PI * jnp.sin(2 * PI * x) * jnp.sin(PI * y)
        vy = -PI * jnp.sin(PI * y)
        want = jnp.stack([jnp.stack([ux, uy]), jnp.stack([0 * x, vy])])
        return (
            jnp.abs(gradient(grid, u) - want).max(),
            jnp.abs(divergence(grid, u) - (ux + vy)).max(),
        )

    boundary = ("periodic", "neumann")
    assert np.all(order(error, boundary, sizes=((32, 40), (64, 80))) > 1.9)
    grid = Grid((4, 4), (0.0, 1.0), boundary)
    u = grid.zeros(2)
    with pytest.raises(ValueError, match="no vector field"):
        divergence(grid, u[:1])


@jax.jit
def difference(u):
    grid = Grid(8, (0.0, 2.0))

    def right(u):
        return jnp.maximum(u, 0) ** 2 / 2

    def left(u):
        return jnp.minimum(u, 0) ** 2 / 2

    return upwind_difference(grid, u, right, left)


finite = st.floats(-5, 5, allow_subnormal=False)


@hp.settings(deadline=None, max_examples=20)
@hp.given(u=hnp.arrays(float, (1, 8), elements=finite))
def test_upwind_flux_is_conservative_and_upwind(u):
    grid = Grid(8, (0.0, 2.0))
    u = jnp.asarray(u)
    rate = difference(u)
    np.testing.assert_allclose(rate.sum(), 0, atol=1e-11)
    mirrored = difference(-u[:, ::-1])
    np.testing.assert_allclose(mirrored, -rate[:, ::-1], atol=1e-11)
    positive = jnp.abs(u)
    square = np.asarray(positive) ** 2 / 2
    want = (square - np.roll(square, 1, -1)) / grid.spacing[0]
    np.testing.assert_allclose(difference(positive), want, atol=1e-11)


def test_nothing_comes_back_through_an_open_end():
    grid = Grid(6, (0.0, 1.0), "outflow")
    u = grid.zeros() - jnp.arange(1.0, 7.0)

    def nothing(u):
        return 0 * u

    rate = upwind_difference(grid, u, nothing, lambda u: -u)
    assert rate[0, -1] == 0 and np.all(rate[0, :-1] != 0)


def test_inflow_nodes_are_held_along_every_axis():
    grid = Grid((3, 4), (0.0, 1.0), (("inflow", "outflow"), ("neumann", "inflow")))
    rate = hold_inflow(grid, jnp.ones((2, 3, 4)))
    want = np.ones((2, 3, 4))
    want[:, 0, :] = want[:, :, -1] = 0
    np.testing.assert_array_equal(rate, want)


def test_precision_follows_the_field():
    values = ((1.0, np.float64(2.0)), (jnp.zeros((1, 5, 1)), 0.5))
    grid = Grid((5, 4), (0.0, 1.0), ("dirichlet", "neumann"), "centre")
    for stencil in (laplacian, derivative, gradient, divergence):
        for dtype in (jnp.float32, jnp.complex64):
            field = jax.ShapeDtypeStruct((2, 5, 4), dtype)
            out = jax.eval_shape(lambda u, f=stencil: f(grid, u, values=values), field)
            assert out.dtype == dtype


def test_bad_stencil_input():
    grid = Grid((4, 4), (0.0, 1.0), "dirichlet")
    with pytest.raises(ValueError, match="axis must be in 0..1, got 2"):
        derivative(grid, grid.zeros(), 2)
    with pytest.raises(ValueError, match="u of shape"):
        laplacian(grid, jnp.zeros((1, 4)))
    with pytest.raises(ValueError, match="too short"):
        pad(grid, grid.zeros(), 0, 4)
    with pytest.raises(ValueError, match="values must be a number"):
        laplacian(grid, grid.zeros(), values=(0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match=r"got shape \(1, 1, 3\)"):
        laplacian(grid, grid.zeros(), values=(jnp.ones((1, 1, 3)), 0.0))
    with pytest.raises(ValueError, match="size 1 along their own axis"):
        laplacian(grid, grid.zeros(), values=jnp.ones(4))
