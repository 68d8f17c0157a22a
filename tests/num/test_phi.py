import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.num import phi, phis
from tests.truth import phi as truth


RAYS = {
    "right": 1.0,
    "left": -1.0,
    "up": 1j,
    "down": -1j,
    "north-east": np.exp(0.25j * np.pi),
    "north-west": np.exp(0.75j * np.pi),
    "south-west": np.exp(-0.75j * np.pi),
    "south-east": np.exp(-0.25j * np.pi),
}
TOLERANCE = {np.float64: 1e-13, np.float32: 1e-6}
PRECISIONS = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def ray(name, dtype, low=1e-8, high=1e3, points=23):
    """Numbers on a ray, in that precision, without those where e^z is out of range."""
    z = np.geomspace(low, high, points) * RAYS[name]
    kind = np.result_type(dtype, np.complex64) if np.iscomplexobj(z) else dtype
    z = z.astype(kind)
    reach = np.log(np.finfo(dtype).max) - 20
    return z[np.abs(z.real) < reach] if name != "left" else z


@functools.cache
def exact(k, name, dtype):
    return truth.phi(k, ray(name, dtype))


def check_ray(given, k, name, dtype, tolerance):
    """`given(k, z)` against 100 digits on one ray."""
    value = np.asarray(given(k, jnp.asarray(ray(name, dtype))))
    assert value.dtype == ray(name, dtype).dtype
    assert np.all(np.isfinite(value))
    assert truth.relative_error(value, exact(k, name, dtype)) < tolerance


@functools.partial(jax.jit, static_argnums=0)
def compiled(k, z):
    return phi(k, z)


@PRECISIONS
@pytest.mark.parametrize("name", RAYS)
def test_phi_is_right_on_every_ray(name, dtype):
    together = jax.jit(lambda z: phis(3, z))(jnp.asarray(ray(name, dtype)))
    for k in range(1, 4):
        check_ray(lambda k, z: together[k], k, name, dtype, TOLERANCE[dtype])


@pytest.mark.parametrize("name", ["right", "up", "north-west"])
def test_later_ones_lose_the_digits_of_a_factorial(name):
    together = jax.jit(lambda z: phis(6, z))(jnp.asarray(ray(name, np.float64)))
    for k in range(4, 7):
        lost = 2 * math.factorial(k) * np.finfo(float).eps
        check_ray(lambda k, z: together[k], k, name, np.float64, lost)


def test_one_alone_is_the_same():
    z = jnp.asarray(ray("up", np.float64))
    for k in range(4):
        np.testing.assert_array_equal(compiled(k, z), phis(k, z)[k])
    np.testing.assert_allclose(phi(0, z), np.exp(z), rtol=1e-15)


def naive(k, z):
    """The textbook recurrence at every z."""
    value = jnp.exp(z)
    for j in range(k):
        value = (value - 1 / np.prod(np.arange(1.0, j + 1))) / z
    return value.astype(z.dtype)


def contour_mean(k, z, real):
    """The mean of φ_k over 32 points of a circle about z, or over the upper half of
    it and the real part of that, as codes for real symbols do."""
    span = np.pi if real else 2 * np.pi
    circle = np.exp(1j * span * (np.arange(1, 33) - 0.5) / 32)
    around = naive(k, z[:, None] + jnp.asarray(circle))
    mean = around.mean(1)
    return mean.real.astype(z.dtype) if real else mean


@PRECISIONS
def test_check_sees_lost_digits(dtype):
    for k in range(1, 4):
        with pytest.raises(AssertionError):
            check_ray(naive, k, "left", dtype, TOLERANCE[dtype])


def test_check_sees_the_real_part_of_a_contour_mean():
    real = functools.partial(contour_mean, real=True)
    with pytest.raises(AssertionError):
        check_ray(real, 1, "up", np.float64, 1e-2)
    # Where z is real that mean is right, and so is the whole circle where it is not:
    # it is the real part that fails.
    check_ray(real, 1, "left", np.float64, 1e-10)
    check_ray(functools.partial(contour_mean, real=False), 1, "up", np.float64, 1e-10)


def check_slope(given, z):
    r"""$\varphi_k' = \varphi_k - k\,\varphi_{k+1}$, for small and large z."""
    for k in range(4):
        slope = jax.vmap(jax.grad(functools.partial(given, k), holomorphic=True))
        here, there = (truth.phi(j, np.asarray(z)) for j in (k, k + 1))
        wanted = [a - k * b for a, b in zip(here, there, strict=True)]
        assert truth.relative_error(np.asarray(jax.jit(slope)(z)), wanted) < 1e-12


def test_gradient_on_and_between_the_branches():
    z = np.concatenate([ray(name, np.float64, 1e-8, 30, 9) for name in RAYS])
    check_slope(phi, jnp.asarray(z))


def test_check_of_the_gradient_sees_lost_digits():
    with pytest.raises(AssertionError):
        check_slope(naive, jnp.asarray([1e-6j]))


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="k must be a whole number from 0, got -1"):
        phi(-1, jnp.zeros(1))
