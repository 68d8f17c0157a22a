import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from phix._errors import Result
from phix.num import at_minimum, least_squares


# Under jaxtyping's hook the annotations speak first; the messages are for users.
unchecked = getattr(least_squares, "__wrapped__", least_squares)


def rosenbrock(x, args):
    return jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def powell_singular(x, args):
    a, b, c, d = x
    root5, root10 = 5**0.5, 10**0.5
    return jnp.stack(
        [a + 10 * b, root5 * (c - d), (b - 2 * c) ** 2, root10 * (a - d) ** 2]
    )


def helical_valley(x, args):
    angle = jnp.arctan2(x[1], x[0]) / (2 * jnp.pi)
    radius = jnp.hypot(x[0], x[1])
    return jnp.stack([10 * (x[2] - 10 * angle), 10 * (radius - 1), x[2]])


TIMES = np.linspace(0, 1, 12)
DECAY = 2 * np.exp(-3 * TIMES) + 0.05 * np.cos(20 * TIMES)


def decay_fit(x, data):
    return x[0] * jnp.exp(-x[1] * jnp.asarray(TIMES, x.dtype)) - data


# residual, first guess, args, minimiser (None: Optimistix alone tells)
PROBLEMS = {
    "rosenbrock": (rosenbrock, [-1.2, 1.0], None, [1.0, 1.0]),
    "powell_singular": (powell_singular, [3.0, -1.0, 0.0, 1.0], None, [0.0] * 4),
    "helical_valley": (helical_valley, [-1.0, 1e-3, 0.0], None, [1.0, 0.0, 0.0]),
    "decay_fit": (decay_fit, [1.0, 0.0], DECAY, None),
}


def given(name, dtype=jnp.float64):
    residual, x0, args, _ = PROBLEMS[name]
    args = None if args is None else jnp.asarray(args, dtype)
    return residual, jnp.asarray(x0, dtype), args


def check_minimum(solve, name):
    residual, x0, args = given(name)
    solution = solve(residual, x0, args=args)
    peer = optx.least_squares(
        residual, optx.LevenbergMarquardt(1e-8, 1e-8), x0, args=args, max_steps=500
    )
    wanted = PROBLEMS[name][3]
    # Powell's Jacobian is singular at the minimum: ‖ρ‖ ~ ‖x‖².
    tolerance = 1e-6 if name == "powell_singular" else 1e-7
    np.testing.assert_allclose(solution.x, peer.value, atol=tolerance)
    if wanted is not None:
        np.testing.assert_allclose(solution.x, wanted, atol=tolerance)
    norm = jnp.linalg.norm(residual(solution.x, args))
    np.testing.assert_allclose(solution.residual_norm, norm, rtol=1e-12, atol=1e-15)
    assert solution.result == Result.successful
    assert solution.num_residuals == solution.num_iterations + 1
    assert solution.num_jacobians <= solution.num_residuals


@pytest.mark.parametrize("name", PROBLEMS)
def test_against_optimistix(name):
    check_minimum(least_squares, name)


@pytest.mark.parametrize("name", ["helical_valley", "decay_fit"])
def test_the_factor_does_not_change_the_minimum(name):
    check_minimum(functools.partial(least_squares, factor="cholesky"), name)


def test_a_few_steps_are_no_minimum():
    def few(*a, **k):
        return least_squares(*a, max_iterations=3, **k)

    with pytest.raises(AssertionError):
        check_minimum(few, "rosenbrock")
    residual, x0, args = given("rosenbrock")
    assert few(residual, x0).result == Result.not_converged


def test_float32_stays_and_stops_at_its_own_precision():
    residual, x0, args = given("decay_fit", jnp.float32)
    single = least_squares(residual, x0, args=args)
    double = least_squares(*given("decay_fit")[:2], args=given("decay_fit")[2])
    assert single.x.dtype == single.residual_norm.dtype == jnp.float32
    assert single.num_iterations < 30
    np.testing.assert_allclose(single.x, double.x, rtol=1e-3)


def test_linear_problem_takes_one_undamped_step():
    A = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)))
    b = jnp.arange(6.0)
    solution = least_squares(lambda x, _: A @ x - b, jnp.zeros(3), damping=1e-12)
    np.testing.assert_allclose(solution.x, jnp.linalg.lstsq(A, b)[0], rtol=1e-10)
    # The first step, and one more that finds nothing to gain.
    assert solution.num_iterations == 2
    assert solution.num_jacobians == 2


def test_start_at_the_minimum_and_fewer_equations_than_unknowns():
    residual, _, _ = given("rosenbrock")
    done = least_squares(residual, jnp.ones(2))
    assert (done.result, done.num_residuals, done.num_jacobians) == (0, 1, 0)
    thin = least_squares(lambda x, _: jnp.sum(x**2)[None] - 3, jnp.asarray([1.0, 0.2]))
    assert thin.result == Result.successful
    np.testing.assert_allclose(jnp.sum(thin.x**2), 3, rtol=1e-10)


def test_result_codes_lane_by_lane():
    # log x is NaN for x < 0: a start there fails, a step there is refused.
    def residual(x, target):
        return jnp.log(x) - target

    starts = jnp.asarray([[1.0], [-1.0], [30.0], [1e-3]])
    targets = jnp.asarray([[1.0], [1.0], [0.0], [jnp.nan]])
    lanes = jax.vmap(lambda x, t: least_squares(residual, x, args=t))(starts, targets)
    wanted = [Result.successful, Result.non_finite] * 2
    np.testing.assert_array_equal(lanes.result, wanted)
    np.testing.assert_allclose(lanes.x[::2, 0], [np.e, 1.0], rtol=1e-8)
    np.testing.assert_array_equal(lanes.x[1::2], starts[1::2])
    single = least_squares(residual, starts[2], args=targets[2])
    assert single.num_residuals == lanes.num_residuals[2]
    np.testing.assert_allclose(single.x, lanes.x[2], rtol=1e-12)


def test_non_finite_jacobian_and_no_finite_neighbour():
    root = least_squares(lambda x, _: jnp.sqrt(x) + 1, jnp.zeros(1))
    assert root.result == Result.non_finite

    def wall(x, _):
        return jnp.where(x == 1.0, x, jnp.nan * x)

    assert least_squares(wall, jnp.ones(1)).result == Result.non_finite


def check_implicit_derivative(derivative):
    """The exact Hessian: this fit leaves a residual, where Gauss–Newton's is wrong."""
    residual, x0, data = given("decay_fit")
    data = data + 0.3 * jnp.cos(9 * jnp.asarray(TIMES))
    find = jax.jit(lambda data: least_squares(residual, x0, args=data, rtol=1e-14).x)
    h = 1e-4
    direction = jnp.sin(jnp.arange(12.0))
    difference = (find(data + h * direction) - find(data - h * direction)) / (2 * h)
    slope = derivative(residual, find, data) @ direction
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_implicit_derivative():
    def reverse(_, find, data):
        return jax.jit(jax.jacrev(find))(data)

    check_implicit_derivative(reverse)

    def gauss_newton(residual, find, data):
        J = jax.jit(jax.jacfwd(residual))(find(data), data)
        return np.linalg.pinv(J)

    with pytest.raises(AssertionError):
        check_implicit_derivative(gauss_newton)


def test_derivative_of_the_norm_through_a_closure():
    def norm(shift):
        def residual(x, _):
            return jnp.stack([x[0] - shift, x[0] + shift, 2 * shift])

        return least_squares(residual, jnp.zeros(1)).residual_norm

    # The minimiser is 0, the norm √6 |shift|.
    for derivative in (jax.grad(norm), jax.jacfwd(norm)):
        np.testing.assert_allclose(jax.jit(derivative)(0.5), 6**0.5, rtol=1e-12)


def test_derivative_of_any_minimiser():
    def find(a):
        return at_minimum(lambda x: jnp.sum((x - a**2) ** 2), jnp.full(2, a) ** 2)

    np.testing.assert_allclose(find(3.0), 9 * np.ones(2))
    for derivative in (jax.jacrev(find), jax.jacfwd(find)):
        np.testing.assert_allclose(jax.jit(derivative)(3.0), [6.0, 6.0], rtol=1e-12)


def test_compiles_once():
    residual, x0, data = given("decay_fit")

    @jax.jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def find(x0, data):
        return least_squares(residual, x0, args=data).x

    find(x0, data), find(x0 + 1, data - 1)


def test_bad_input():
    residual, x0, _ = given("rosenbrock")
    with pytest.raises(ValueError, match="x0 must be a floating vector"):
        unchecked(residual, jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match="x0 must be a floating vector"):
        unchecked(residual, jnp.zeros(2, int))
    with pytest.raises(ValueError, match=r"residual\(x, args\) must return a vector"):
        unchecked(lambda x, _: jnp.sum(x), x0)
    with pytest.raises(ValueError, match="must return a vector of dtype float32"):
        unchecked(lambda x, a: x - a, jnp.zeros(2, jnp.float32), args=jnp.ones(2))
    with pytest.raises(ValueError, match="rtol must be ≥ 0"):
        unchecked(residual, x0, rtol=-1.0)
    with pytest.raises(ValueError, match="atol must be ≥ 0"):
        unchecked(residual, x0, atol=-1.0)
    with pytest.raises(ValueError, match="max_iterations must be > 0"):
        unchecked(residual, x0, max_iterations=0)
    with pytest.raises(ValueError, match="damping must be > 0"):
        unchecked(residual, x0, damping=0.0)
    with pytest.raises(ValueError, match="unknown factor 'chol'"):
        unchecked(residual, x0, factor="chol")
    with pytest.raises(ValueError, match="as many equations as unknowns"):
        unchecked(lambda x, _: x[:1], x0, factor="cholesky")
