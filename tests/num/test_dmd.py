"""Dynamic mode decomposition of linear systems whose matrix is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import num


UNKNOWNS, RANK = 12, 4
VALUES = np.array([0.95 + 0.2j, 0.95 - 0.2j, 0.8, -0.5])


class System:
    """x → Ax on a plane of four dimensions, in which all snapshots lie."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        half = rng.normal(size=(UNKNOWNS, 4))
        pair = half[:, 0] + 1j * half[:, 1]
        self.modes = np.stack([pair, pair.conj(), half[:, 2], half[:, 3]], axis=1)
        self.modes /= np.linalg.norm(self.modes, axis=0)
        self.amplitudes = np.array([1 + 2j, 1 - 2j, -3.0, 0.7])

    def at(self, steps):
        powers = VALUES[:, None] ** steps * self.amplitudes[:, None]
        return np.real(self.modes @ powers)


def check_system(dmd):
    system = System()
    steps = np.arange(7)
    X, Y = jnp.asarray(system.at(steps)), jnp.asarray(system.at(steps + 1))
    found = dmd(X, Y)
    np.testing.assert_allclose(found.eigenvalues, VALUES, rtol=0, atol=1e-10)
    # Modes up to a phase, which the amplitudes take back.
    given, truth = found.modes * found.amplitudes, system.modes * system.amplitudes
    np.testing.assert_allclose(given, truth, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found.modes, axis=0), 1, atol=1e-12)
    late = np.real(given @ np.asarray(found.eigenvalues) ** 40)
    np.testing.assert_allclose(late, system.at(np.array([40]))[:, 0], atol=1e-8)


def test_a_linear_system_is_found():
    check_system(lambda X, Y: num.dmd(X, Y, RANK))
    # Pairs need not follow each other, nor be in order, but for the first.
    swap = np.array([0, 4, 2, 6, 1])
    check_system(lambda X, Y: num.dmd(X[:, swap], Y[:, swap], RANK))
    with pytest.raises(AssertionError):
        check_system(lambda X, Y: num.dmd(X, Y.at[0, 0].add(1e-6), RANK))
    with pytest.raises(AssertionError):
        check_system(lambda X, Y: num.dmd(X[:, ::-1], Y[:, ::-1], RANK))


def test_full_rank_gives_the_matrix_itself():
    rng = np.random.default_rng(1)
    A, X = rng.normal(size=(5, 5)), rng.normal(size=(5, 9))

    def check(matrix):
        found = num.dmd(jnp.asarray(X), jnp.asarray(matrix @ X), 5)
        left = A @ found.modes - found.modes * found.eigenvalues
        np.testing.assert_allclose(left, 0, atol=1e-10)

    check(A)
    with pytest.raises(AssertionError):
        check(A + 1e-6)


def test_a_mode_that_dies_at_once_is_finite():
    A = jnp.diag(jnp.array([0.5, 0.0]))
    X = jnp.asarray([[1.0, 2.0], [3.0, -1.0]])
    found = num.dmd(X, A @ X, 2)
    np.testing.assert_allclose(found.eigenvalues, [0.5, 0.0], atol=1e-14)
    np.testing.assert_allclose(np.abs(found.modes), np.eye(2), atol=1e-12)


def check_eig(eig, A):
    values, vectors = eig(A)
    np.testing.assert_allclose(A @ vectors, vectors * values, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1, atol=1e-12)
    top = np.asarray(vectors)[np.argmax(np.abs(vectors), axis=0), np.arange(len(A))]
    assert np.all(top.real > 0) and np.allclose(top.imag, 0, atol=1e-14)
    keys = [(-v.real, -v.imag) for v in np.asarray(values)]
    assert keys == sorted(keys)


def test_eigenvectors_in_order():
    A = jnp.asarray(np.random.default_rng(2).normal(size=(7, 7)))
    check_eig(num.eig, A)
    with pytest.raises(AssertionError):
        check_eig(jnp.linalg.eig, A)


def check_derivative(eig):
    """d(W Λ² W⁻¹) = dA A + A dA, which no phase or order of the vectors enters."""
    rng = np.random.default_rng(3)
    A, dA = (jnp.asarray(rng.normal(size=(4, 4))) for _ in range(2))

    def square(A):
        values, W = eig(A)
        return jnp.linalg.solve(W.T, (W * values**2).T).T.real

    _, given = jax.jvp(square, (A,), (dA,))
    np.testing.assert_allclose(given, dA @ A + A @ dA, atol=1e-11)


def test_derivatives_of_eigenvectors():
    check_derivative(num.eig)

    def still(A):
        values, vectors = num.eig(A)
        return values, jax.lax.stop_gradient(vectors)

    with pytest.raises(AssertionError):
        check_derivative(still)


def test_wrong_use_is_refused():
    X = jnp.ones((3, 4))
    unchecked = getattr(num.dmd, "__wrapped__", num.dmd)
    with pytest.raises(ValueError, match=r"of one shape, got \(3, 4\) and \(3, 3\)"):
        unchecked(X, X[:, 1:], 2)
    with pytest.raises(ValueError, match="rank must lie between 1 and 3"):
        num.dmd(X, X, 4)
    with pytest.raises(ValueError, match=r"must be square, got shape \(3, 4\)"):
        getattr(num.eig, "__wrapped__", num.eig)(X)
