import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from phix._errors import Result
from phix.num import minimise


# Under jaxtyping's hook the annotations speak first; the messages are for users.
unchecked = getattr(minimise, "__wrapped__", minimise)
WEIGHTS = np.asarray([1.0, 4.0, 9.0])


def bowl(x, centre):
    """Least at a = centre, b = centre²; the least value is centre²."""
    a = jnp.sum(jnp.asarray(WEIGHTS, x["a"].dtype) * (x["a"] - centre) ** 2)
    return a + (x["b"] - centre**2) ** 2 + a * x["b"] ** 2 + centre**2


def start(dtype=jnp.float64):
    return {"a": jnp.zeros(3, dtype), "b": jnp.zeros((), dtype)}


@pytest.mark.parametrize(
    ("optimiser", "derivative"),
    [(None, jax.jacfwd), (optax.lbfgs(), jax.jacrev)],
    ids=["adam-forward", "lbfgs-reverse"],
)
def test_finds_the_minimum_and_its_derivative(optimiser, derivative):
    def find(centre):
        solution = minimise(
            bowl, start(), args=centre, optimiser=optimiser, rtol=0.0, max_steps=3000
        )
        found = {**solution.x, "value": solution.value}
        return found, (found, solution.result)

    slopes, (found, result) = jax.jit(derivative(find, has_aux=True))(1.5)
    assert result == Result.successful
    wanted = {"a": (1.5, 1.0), "b": (2.25, 3.0), "value": (2.25, 3.0)}
    for name, (value, slope) in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
        np.testing.assert_allclose(slopes[name], slope, rtol=1e-5)


def check_best(search):
    """A rate so large that the iterates overshoot for ever."""

    def fn(x, args):
        return jnp.sum(jnp.abs(x - 1.0))

    x, value = search(fn, jnp.asarray([0.3, 5.0]), optax.sgd(0.4))
    assert value == fn(x, None)
    points = jnp.asarray([0.3, 5.0])
    values = []
    for _ in range(60):
        values.append(float(fn(points, None)))
        points = points - 0.4 * jnp.sign(points - 1.0)
    assert value == min(values)


def test_returns_the_best_iterate_with_its_own_value():
    def ours(fn, x0, optimiser):
        solution = minimise(fn, x0, optimiser=optimiser, max_steps=60)
        return solution.x, solution.value

    def off_by_one(fn, x0, optimiser):
        """The value before the update kept with the iterate after it."""

        def step(carry, _):
            x, best, least = carry
            value, slope = jax.value_and_grad(fn)(x, None)
            x = x + optimiser.update(slope, optimiser.init(x))[0]
            better = value < least
            return (x, jnp.where(better, x, best), jnp.minimum(value, least)), None

        carry = (x0, x0, jnp.asarray(jnp.inf))
        return lax.scan(step, carry, length=60)[0][1:]

    check_best(ours)
    with pytest.raises(AssertionError):
        check_best(off_by_one)


def test_stops_on_a_plateau_and_result_codes_lane_by_lane():
    # Falls with x, flat from x = 3 on; NaN beyond `wall`.
    def slide(x, wall):
        return jnp.where(x > wall, jnp.nan, 1 + jnp.maximum(3 - x, 0.0))

    def find(x0, wall):
        return minimise(
            slide, x0, args=wall, optimiser=optax.sgd(0.1), max_steps=50, patience=7
        )

    x0 = jnp.asarray([2.05, -99.0, 2.05, 9.0])
    walls = jnp.asarray([jnp.inf, jnp.inf, 2.5, 3.0])
    lanes = jax.jit(jax.vmap(find))(x0, walls)
    codes = [Result.successful, Result.max_steps_reached, *[Result.non_finite] * 2]
    np.testing.assert_array_equal(lanes.result, codes)
    # Ten steps to the plateau, whose first point is the eleventh; then the patience.
    np.testing.assert_array_equal(lanes.num_steps, [11 + 7, 50, 6, 1])
    np.testing.assert_allclose(lanes.x, [3.05, -94.1, 2.45, 9.0])
    np.testing.assert_allclose(lanes.value, [1.0, 98.1, 1.55, np.nan])


def test_float32_stays():
    solution = minimise(bowl, start(jnp.float32), args=jnp.asarray(1.5, jnp.float32))
    assert solution.x["a"].dtype == solution.value.dtype == jnp.float32
    np.testing.assert_allclose(solution.value, 2.25, rtol=1e-3)


def test_bad_input():
    def fn(x, args):
        return jnp.sum(x**2)

    with pytest.raises(ValueError, match="x0 must be a PyTree of floating arrays"):
        unchecked(fn, jnp.zeros(2, int))
    with pytest.raises(ValueError, match="must return a floating scalar"):
        unchecked(lambda x, args: x, jnp.zeros(2))
    for name, value in (("max_steps", 0), ("rtol", -1.0), ("patience", 0)):
        with pytest.raises(ValueError, match=f"{name} must be"):
            unchecked(fn, jnp.zeros(2), **{name: value})
