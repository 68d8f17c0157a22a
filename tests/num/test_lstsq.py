import hypothesis as hyp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.test_util import check_grads

from phix.num import damped_lstsq
from tests.truth import tikhonov


lstsq = jax.jit(damped_lstsq)
# Under jaxtyping's hook the annotations speak first; the messages are for users.
unchecked = getattr(damped_lstsq, "__wrapped__", damped_lstsq)


def problem(key, columns=()):
    keys = jr.split(key)
    return jr.normal(keys[0], (7, 3)), jr.normal(keys[1], (7, *columns))


def normal_equations(J, b, *, damping):
    mu2 = damping**2 * jnp.sum(J * J) / J.shape[1]
    return jnp.linalg.solve(J.T @ J + mu2 * jnp.eye(J.shape[1], dtype=J.dtype), J.T @ b)


@pytest.mark.parametrize("columns", [(), (2,)])
def test_closed_form(getkey, columns):
    J, b = problem(getkey(), columns)
    for damping in (0.0, 1e-3, 0.7):
        x = lstsq(J, b, damping=damping)
        assert x.shape == (3, *columns)
        wanted = tikhonov.solve(J, b, damping).reshape(x.shape)
        np.testing.assert_allclose(x, wanted, rtol=1e-12, atol=1e-13)


def check_accuracy_of_qr(solve):
    """The error of QR grows as κ ε; that of the normal equations as κ² ε."""
    condition = 1e4
    J = tikhonov.with_condition(26, 4, condition)
    b = J @ np.ones(4)
    x = solve(jnp.asarray(J, jnp.float32), jnp.asarray(b, jnp.float32), damping=0.0)
    assert x.dtype == jnp.float32
    error = np.linalg.norm(x - np.ones(4)) / 2
    assert error < 10 * condition * np.finfo(np.float32).eps


def test_accuracy_in_float32():
    check_accuracy_of_qr(damped_lstsq)
    with pytest.raises(AssertionError):
        check_accuracy_of_qr(normal_equations)


def test_derivatives(getkey):
    J, b = problem(getkey(), (2,))
    solve = jax.jit(lambda J, b, damping: damped_lstsq(J, b, damping=damping))
    arguments = (J, b, jnp.asarray(0.1))
    check_grads(solve, arguments, order=2, modes=("rev",), rtol=1e-6, atol=1e-6)
    plain = jax.jit(lambda J, b: damped_lstsq(J, b, damping=0.0))
    check_grads(plain, (J, b), order=1, rtol=1e-6, atol=1e-6)


def check_gradient(solve, J, b):
    """Against reverse mode through the closed form."""

    def loss(solve):
        return lambda J, b: jnp.sum(jnp.sin(solve(J, b, damping=0.3)))

    given = jax.jit(jax.grad(loss(solve), (0, 1)))(J, b)
    wanted = jax.jit(jax.grad(loss(normal_equations), (0, 1)))(J, b)
    for a, c in zip(given, wanted, strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-9, atol=1e-11)


def test_gradient_knows_that_the_damping_follows_the_matrix(getkey):
    def frozen(J, b, *, damping):
        size = damping * jnp.linalg.norm(J) / jnp.linalg.norm(jax.lax.stop_gradient(J))
        ratio = jax.lax.stop_gradient(size) * jnp.linalg.norm(jax.lax.stop_gradient(J))
        return damped_lstsq(J, b, damping=ratio / jnp.linalg.norm(J))

    J, b = problem(getkey())
    check_gradient(damped_lstsq, J, b)
    with pytest.raises(AssertionError):
        check_gradient(frozen, J, b)


def check_finite(solve, J, b):
    """`J` holds several matrices."""

    def loss(J, b):
        return jnp.sum(jax.vmap(solve, (0, None))(J, b))

    value, slopes = jax.jit(jax.value_and_grad(loss, (0, 1)))(J, b)
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(slope)) for slope in slopes)


def test_rank_deficient_is_finite_in_float32(getkey):
    J, b = (a.astype(jnp.float32) for a in problem(getkey()))
    twins = J.at[:, 1].set(J[:, 0])
    cases = jnp.stack([twins, J.at[:, 2].set(0), jnp.zeros_like(J), jnp.ones_like(J)])
    check_finite(damped_lstsq, cases, b)

    def plain(J, b):
        return damped_lstsq(J, b, damping=0.0)

    with pytest.raises(AssertionError):
        check_finite(plain, cases[1:2], b)


def test_zero_matrix_gives_the_solution_of_least_norm(getkey):
    J, b = problem(getkey())
    for damping in (0.0, 1e-3):

        def solve(J, d=damping):
            return damped_lstsq(J, b, damping=d)

        np.testing.assert_array_equal(solve(0 * J), jnp.zeros(3))
        slope = jax.jit(jax.jacrev(solve))(0 * J)
        np.testing.assert_array_equal(slope, jnp.zeros((3, 7, 3)))


@hyp.given(
    scale=st.floats(1e-6, 1e6),
    damping=st.floats(1e-3, 10.0),
    seed=st.integers(0, 1000),
)
@hyp.settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("shape", [(6, 3), (2, 3)])
def test_scales_and_rotates_with_the_matrix(shape, scale, damping, seed):
    rng = np.random.default_rng(seed)
    J, b = rng.normal(size=shape), rng.normal(size=shape[0])
    rotation, _ = np.linalg.qr(rng.normal(size=(shape[0], shape[0])))
    x = lstsq(jnp.asarray(J), jnp.asarray(b), damping=damping)
    turned = jnp.asarray(scale * rotation @ J), jnp.asarray(rotation @ b)
    np.testing.assert_allclose(
        scale * lstsq(*turned, damping=damping), x, rtol=1e-7, atol=1e-9
    )
    assert np.linalg.norm(J @ x - b) <= np.linalg.norm(b) * (1 + 1e-12)


def test_bad_input(getkey):
    J, b = problem(getkey())
    with pytest.raises(ValueError, match=r"b must have shape \(7,\).*got \(6,\)"):
        unchecked(J, b[:6])
    with pytest.raises(ValueError, match="J must be a matrix"):
        unchecked(b, b)
    with pytest.raises(ValueError, match="damping must be ≥ 0, got -1"):
        unchecked(J, b, damping=-1.0)
    with pytest.raises(ValueError, match="fewer equations than unknowns"):
        unchecked(J.T, b[:3], damping=0.0)
