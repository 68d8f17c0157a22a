import json

import hypothesis as hp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.space import Boundary, Grid, Twisted


SIDES = ("dirichlet", "neumann", "inflow", "outflow")


def orders(errors, ratio=2.0):
    return np.log(np.array(errors[:-1]) / np.array(errors[1:])) / np.log(ratio)


@pytest.mark.parametrize(
    "boundary, nodes",
    [
        ("periodic", [0.0, 0.25, 0.5, 0.75]),
        ("antiperiodic", [0.0, 0.25, 0.5, 0.75]),
        (Twisted(3.0), [0.0, 0.25, 0.5, 0.75]),
        ("dirichlet", [0.2, 0.4, 0.6, 0.8]),
        ("neumann", [0.0, 1 / 3, 2 / 3, 1.0]),
        (("inflow", "outflow"), [0.0, 1 / 3, 2 / 3, 1.0]),
        (("dirichlet", "neumann"), [0.25, 0.5, 0.75, 1.0]),
        (("neumann", "dirichlet"), [0.0, 0.25, 0.5, 0.75]),
    ],
)
def test_vertices(boundary, nodes):
    grid = Grid(4, (0.0, 1.0), boundary)
    np.testing.assert_allclose(grid.axes[0], nodes, atol=1e-15)
    np.testing.assert_allclose(grid.spacing[0], nodes[1] - nodes[0])


@pytest.mark.parametrize("boundary", ["periodic", *SIDES])
def test_centres(boundary):
    grid = Grid(4, (1.0, 2.0), boundary, "centre")
    np.testing.assert_allclose(grid.axes[0], [1.125, 1.375, 1.625, 1.875])


def test_grid_of_the_sheet():
    grid = Grid(256, (0.0, 100.0), boundary=("inflow", "outflow"))
    assert grid.spacing == (100 / 255,)
    np.testing.assert_allclose(grid.axes[0], np.linspace(0, 100, 256), rtol=1e-15)


def test_points_follow_the_order_of_a_flattened_field():
    grid = Grid((3, 2), ((0.0, 1.0), (5.0, 7.0)), ("neumann", "periodic"))
    u = grid.project(lambda x: jnp.stack([x[0] + 10 * x[1], x[0]]))
    assert u.shape == (2, 3, 2)
    flat = grid.points[:, 0] + 10 * grid.points[:, 1]
    np.testing.assert_array_equal(u[0].reshape(-1), flat)
    np.testing.assert_array_equal(grid.coordinates[0], u[1])


def test_a_grid_compares_by_value_and_costs_one_compilation():
    one = Grid(8, (0, 1), ("inflow", "outflow"))
    same = Grid((8,), ((0.0, 1.0),), (("inflow", "outflow"),))
    other = Grid(8, (0, 1), ("outflow", "inflow"))
    assert one == same and hash(one) == hash(same) and one != other
    traces = 0

    @jax.jit
    def area(grid):
        nonlocal traces
        traces += 1
        return grid.integrate(grid.zeros() + 1)

    area(one), area(same)
    assert traces == 1 and not jax.tree.leaves(one)


boundaries = st.one_of(
    st.sampled_from(["periodic", "antiperiodic"]),
    st.fixed_dictionaries({"kind": st.just("twisted"), "shift": st.floats(-5, 5)}),
    st.tuples(st.sampled_from(SIDES), st.sampled_from(SIDES)),
)


@hp.settings(deadline=None, max_examples=30)
@hp.given(data=st.data(), ndim=st.integers(1, 3))
def test_description_survives_json(data, ndim):
    shape = data.draw(st.tuples(*[st.integers(2, 9)] * ndim))
    boundary = data.draw(st.tuples(*[boundaries] * ndim))
    twisted = any(isinstance(axis, dict) for axis in boundary)
    hp.assume(not ("antiperiodic" in boundary and twisted))
    node = data.draw(st.sampled_from(["vertex", "centre"]))
    grid = Grid(shape, (-1.0, data.draw(st.floats(0, 9))), boundary, node)
    assert Grid.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid


def test_per_channel_twist_survives_json():
    grid = Grid(4, (0, 1), Twisted((6.28, 0.0)))
    assert Grid.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid


def square_of_sine(x):
    return jnp.sin(jnp.pi * x[0]) ** 2


def wave(x):
    return jnp.exp(x[0]) + jnp.cos(3 * x[0])


@pytest.mark.parametrize(
    "boundary, node, fn, truth",
    [
        ("dirichlet", "vertex", lambda x: jnp.sin(jnp.pi * x[0]), 2 / np.pi),
        ("neumann", "vertex", wave, np.e - 1 + np.sin(3) / 3),
        (("inflow", "outflow"), "vertex", wave, np.e - 1 + np.sin(3) / 3),
        ("neumann", "centre", wave, np.e - 1 + np.sin(3) / 3),
        ("dirichlet", "centre", wave, np.e - 1 + np.sin(3) / 3),
        (("dirichlet", "neumann"), "vertex", lambda x: x[0] ** 2 * wave(x), None),
    ],
)
def test_integrals_are_second_order(boundary, node, fn, truth):
    if truth is None:
        x, w = np.polynomial.legendre.leggauss(30)
        x = (x + 1) / 2
        truth = (w / 2 * x**2 * (np.exp(x) + np.cos(3 * x))).sum()
    errors = []
    for n in (32, 64, 128):
        grid = Grid(n, (0.0, 1.0), boundary, node)
        total = jax.jit(lambda grid=grid: grid.integrate(grid.project(fn)))()
        errors.append(abs(float(total[0]) - truth))
    assert np.all(orders(errors) > 1.9)


def test_periodic_integral_is_spectral():
    grid = Grid((12, 12), (0.0, 1.0))
    u = grid.project(lambda x: jnp.exp(jnp.sin(2 * jnp.pi * x)).prod())
    np.testing.assert_allclose(grid.integrate(u)[0], 1.2660658777520084**2, rtol=1e-9)


def test_inner_products():
    grid = Grid((8, 8), (0.0, 1.0))
    a = grid.project(lambda x: jnp.stack([jnp.sin(2 * jnp.pi * x[0]), 1 + 0 * x[1]]))
    np.testing.assert_allclose(grid.inner(a, a), 1.5)
    np.testing.assert_allclose(grid.norm(a), np.sqrt(1.5))
    np.testing.assert_allclose(grid.inner(1j * a, a), -1.5j, atol=1e-15)
    gradient = jax.grad(grid.norm)(grid.zeros(2))
    np.testing.assert_array_equal(gradient, 0)


def largest_error(grid, fn, x, values=0.0):
    @jax.jit
    def error(x, values):
        got = grid.evaluate(grid.project(fn), x, values=values)[0]
        return jnp.abs(got - jax.vmap(fn)(x)).max()

    return float(error(x, values))


@pytest.mark.parametrize("node", ["vertex", "centre"])
@pytest.mark.parametrize(
    "boundary, values",
    [
        ("neumann", ((-2.0, 2.0), (3.0, -3.0))),
        (("inflow", "outflow"), 0.0),
        (("outflow", "neumann"), ((0.0, 2.0), (0.0, -3.0))),
    ],
)
def test_interpolation_is_exact_for_linear_fields(getkey, boundary, values, node):
    grid = Grid((5, 4), ((0.0, 1.0), (0.0, 2.0)), (boundary, boundary), node)
    x = jax.random.uniform(getkey(), (40, 2)) * jnp.array([1.0, 2.0])
    x = jnp.concatenate([x, jnp.array([[0.0, 0.0], [1.0, 2.0], [0.0, 2.0]])])

    def fn(x):
        return 1 + 2 * x[0] - 3 * x[1]

    assert largest_error(grid, fn, x, values) < 1e-13


@pytest.mark.parametrize("node", ["vertex", "centre"])
def test_interpolation_meets_dirichlet_values(node):
    def fn(x):
        return 1 + 2 * x[0]

    grid = Grid(5, (0.0, 1.0), "dirichlet", node)
    x = jnp.linspace(0.0, 1.0, 31)[:, None]
    assert largest_error(grid, fn, x, (1.0, 3.0)) < 1e-13

    plane = Grid((5, 4), (0.0, 1.0), ("dirichlet", "neumann"), node)
    y = plane.axes[1][None, None]
    values = ((y, 1 + y), (-1.0, 1.0))
    x = jnp.array([[0.3, 0.6], [0.0, 0.5], [1.0, 0.0], [1.0, 1.0]])
    # Half a cell beyond the face, its data are repeated: corners of cells are off.
    x = x if node == "vertex" else x[:2]
    assert largest_error(plane, jnp.sum, x, values) < 1e-13


@pytest.mark.parametrize("boundary", ["periodic", "antiperiodic", Twisted(2.0)])
@pytest.mark.parametrize("node", ["vertex", "centre"])
def test_interpolation_continues_past_the_box(getkey, boundary, node):
    def fn(x):
        if boundary == "periodic":
            return jnp.sin(2 * jnp.pi * x[0])
        if boundary == "antiperiodic":
            return jnp.sin(jnp.pi * x[0] + 0.3)
        return 2 * x[0] + jnp.sin(2 * jnp.pi * x[0])

    x = jax.random.uniform(getkey(), (50, 1), minval=-3.0, maxval=4.0)
    errors = []
    for n in (32, 64):
        grid = Grid(n, (0.0, 1.0), boundary, node)
        errors.append(largest_error(grid, fn, x))
    assert np.all(orders(errors) > 1.7) and errors[-1] < 2e-3


def test_points_outside_are_refused_or_marked():
    grid = Grid(8, (0.0, 1.0), "neumann")
    u = grid.zeros() + 1
    x = jnp.array([[0.5], [1.2]])
    with pytest.raises(ValueError, match="1 of 2 points lie outside"):
        grid.evaluate(u, x)
    marked = jax.jit(grid.evaluate)(u, x)
    np.testing.assert_array_equal(marked, [[1.0, jnp.nan]])
    slack = jnp.array([[jnp.nextafter(1.0, 2.0)]])
    assert grid.evaluate(u, slack)[0, 0] == 1


def test_precision_follows_the_field():
    grid = Grid((4, 4), (0.0, 1.0), "dirichlet", "centre")
    u = grid.zeros(2, jnp.float32) + 1
    results = (
        grid.evaluate(u, grid.points),
        grid.integrate(u),
        grid.inner(u, u),
        grid.norm(u),
        grid.project(lambda x: x[0], jnp.float32),
    )
    assert all(result.dtype == jnp.float32 for result in results)
    assert grid.evaluate(u + 0j, grid.points).dtype == jnp.complex64


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, (0, 1)), "shape must be a positive whole number"),
        ((4, (1, 0)), "extent must be finite with low < high"),
        ((4, (0, np.inf)), "extent must be finite"),
        (((4, 4), ((0, 1), (0, 1), (0, 1))), "one such pair per axis"),
        ((4, ("a", "b")), "extent must be"),
        ((4, (0, 1), "dirichelt"), "did you mean 'dirichlet'"),
        ((4, (0, 1), ("periodic", "neumann")), "do not go together"),
        ((4, (0, 1), "twisted"), "needs its constant"),
        (((4, 4), (0, 1), ("periodic",)), "one entry per axis"),
        (((4, 4), (0, 1), ("antiperiodic", Twisted(1.0))), "no field is twisted"),
        (((4, 4), (0, 1), (("periodic",) * 3, "periodic")), "a pair"),
        ((4, (0, 1), "periodic", "center"), "did you mean 'centre'"),
        ((1, (0, 1), "neumann"), "too small"),
    ],
)
def test_bad_grids(arguments, message):
    with pytest.raises(ValueError, match=message):
        Grid(*arguments)


def test_bad_boundaries():
    with pytest.raises(ValueError, match="only a twisted boundary has a shift"):
        Boundary("neumann", 1.0)
    with pytest.raises(ValueError, match="must be finite"):
        Twisted(float("nan"))
    with pytest.raises(ValueError, match="name or a Boundary"):
        Grid(4, (0, 1), ((1, 2),))


def test_bad_fields_and_descriptions():
    grid = Grid((4, 6), (0.0, 1.0))
    with pytest.raises(ValueError, match=r"u of shape \(1, 6, 4\).*\(channels, 4, 6\)"):
        grid.check(jnp.zeros((1, 6, 4)))
    with pytest.raises(ValueError, match="add the axis of channels"):
        grid.integrate(jnp.zeros((4, 6)))
    with pytest.raises(ValueError, match=r"shape \(points, 2\)"):
        grid.evaluate(grid.zeros(), jnp.zeros((3, 1)))
    with pytest.raises(ValueError, match="fn must return"):
        grid.project(lambda x: jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="not the description of a Grid"):
        Grid.from_dict({"shape": [4]})
