import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.num import divergence, gradient, laplacian, norm


X = jnp.asarray([0.3, -0.7, 1.1])


def waves(x):
    """Two channels with closed derivatives; the second is harmonic."""
    return jnp.stack([jnp.sin(x[0]) * x[1] ** 2 * x[2], x[0] ** 2 - x[2] ** 2])


def test_gradient():
    a, b, c = X
    wanted = [
        [jnp.cos(a) * b**2 * c, 2 * jnp.sin(a) * b * c, jnp.sin(a) * b**2],
        [2 * a, 0.0, -2 * c],
    ]
    np.testing.assert_allclose(jax.jit(gradient(waves))(X), wanted, rtol=1e-14)
    np.testing.assert_allclose(gradient(lambda x: x @ x)(X), 2 * X, rtol=1e-14)


def check_laplacian(operator):
    a, b, c = X
    wanted = [jnp.sin(a) * c * (2 - b**2), 0.0]
    np.testing.assert_allclose(operator(waves)(X), wanted, rtol=1e-13, atol=1e-14)


def test_laplacian():
    check_laplacian(lambda u: jax.jit(laplacian(u)))
    check_laplacian(lambda u: jax.jit(divergence(gradient(u))))
    with pytest.raises(AssertionError):
        # The sum of the whole Hessian instead of its diagonal.
        check_laplacian(lambda u: lambda x: gradient(gradient(u))(x).sum((-1, -2)))


def test_divergence():
    def field(x):
        return jnp.stack([x[0] ** 2, x[0] * x[1], jnp.sin(x[2])])

    a, _, c = X
    np.testing.assert_allclose(divergence(field)(X), 3 * a + jnp.cos(c), rtol=1e-14)

    # A curl has none.
    def flow(x):
        return jnp.stack([jnp.cos(x[1]), jnp.exp(x[2]), x[0] * x[1]])

    np.testing.assert_allclose(divergence(flow)(X), 0, atol=1e-15)


def test_single_precision_and_reverse_mode():
    x = X.astype(jnp.float32)

    def energy(x):
        return jnp.sum(laplacian(waves)(x) ** 2) + divergence(gradient(norm))(x)

    assert jax.jit(jax.grad(energy))(x).dtype == jnp.float32
    given = jax.jit(jax.jvp, static_argnums=0)(energy, (X,), (jnp.ones(3),))[1]
    h = 1e-5
    difference = (energy(X + h) - energy(X - h)) / (2 * h)
    np.testing.assert_allclose(given, difference, rtol=1e-8)


def test_bad_input():
    with pytest.raises(
        ValueError, match=r"x must be one point 'dim', got shape \(2, 3"
    ):
        gradient(waves)(jnp.ones((2, 3)))
    with pytest.raises(ValueError, match=r"x must be one point 'dim', got shape \(\)"):
        laplacian(waves)(jnp.ones(()))
    with pytest.raises(ValueError, match=r"flux must return '... dim' with dim = 3"):
        divergence(waves)(X)


def test_norm():
    x = jnp.asarray([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(norm(x, axis=1), [5.0, 0.0])
    np.testing.assert_allclose(norm(3.0 + 4.0j * jnp.ones(1)), 5.0)
    slope = jax.grad(lambda x: jnp.sum(norm(x, axis=1)))(x)
    np.testing.assert_allclose(slope, [[0.6, 0.8], [0.0, 0.0]])
