"""Dynamic mode decomposition, and the eigenvectors it needs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl

from phix._errors import require
from phix._types import Array, Float, Inexact
from phix.num._matmul import matmul


class DMDSolution(eqx.Module):
    """What `phix.num.dmd` found.

    **Fields:**

    - `eigenvalues`: of one step, complex, as `eig` sorts them.
    - `modes`: their vectors as columns, "unknowns rank", complex, of unit length.
    - `amplitudes`: of the modes in the first snapshot, complex.
    """

    eigenvalues: Inexact[Array, " rank"]
    modes: Inexact[Array, "unknowns rank"]
    amplitudes: Inexact[Array, " rank"]


def eig(
    matrix: Float[Array, "r r"],
) -> tuple[Inexact[Array, " r"], Inexact[Array, "r r"]]:
    r"""Eigenvalues and eigenvectors of a real matrix, $AW = W\Lambda$, differentiable.

    **Arguments:**

    - `matrix`: A; not assumed symmetric.

    **Returns:** the eigenvalues, complex, sorted by falling real part, of a pair of
    conjugates the one with positive imaginary part first; and the eigenvectors as
    columns, of unit length, their largest entry real and positive. A defective matrix
    has fewer eigenvectors than columns: W is singular to half the digits.

    Derivatives exist where the eigenvalues differ. Runs on CPUs and on the GPUs for
    which JAX has a non-symmetric eigensolver.

    **Raises:** `ValueError` for a matrix that is not square.
    """
    require(
        matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1],
        f"matrix must be square, got shape {matrix.shape}",
    )
    values, vectors = _eig(matrix)
    order = jnp.lexsort((-values.imag, -values.real))
    return values[order], _normalised(vectors[:, order])


@jax.custom_jvp
def _eig(matrix):
    values, vectors = jax.lax.linalg.eig(matrix, compute_left_eigenvectors=False)
    return values, vectors


@_eig.defjvp
def _(primals, tangents):
    r"""By the differential of $AW = W\Lambda$, which JAX itself has from 0.10.1 on:
    $d\lambda_i = C_{ii}$ and $dW = WK$ with $C = W^{-1} dA\, W$ and
    $K_{ij} = C_{ij} / (\lambda_j - \lambda_i)$ off the diagonal. The lengths of the
    vectors, which are set afterwards, leave the diagonal of K free: zero here."""
    values, vectors = _eig(*primals)
    change = jnp.linalg.solve(vectors, matmul(tangents[0], vectors))
    gaps = values - values[:, None]
    on_diagonal = jnp.eye(len(values), dtype=bool)
    mixing = jnp.where(on_diagonal, 0.0, change / jnp.where(on_diagonal, 1.0, gaps))
    return (values, vectors), (jnp.diagonal(change), matmul(vectors, mixing))


def dmd(
    X: Float[Array, "unknowns snapshots"],
    Y: Float[Array, "unknowns snapshots"],
    rank: int,
) -> DMDSolution:
    r"""Exact dynamic mode decomposition of pairs of snapshots.

    With the truncated singular value decomposition $X \approx U\Sigma Z^\top$,

    $$\tilde A = U^\top Y Z \Sigma^{-1}, \qquad \tilde A W = W\Lambda, \qquad
    \Phi = Y Z \Sigma^{-1} W \Lambda^{-1},$$

    the eigenvalues Λ and modes Φ of the matrix of least norm that takes X to Y best
    among those that act on U. Amplitudes b solve $\min_b \lVert\Phi b - x_1\rVert$, and
    $\operatorname{Re}\Phi\Lambda^k b$ is the snapshot k steps after the first.

    **Arguments:**

    - `X`, `Y`: snapshots as columns, each of Y one step after that of X; columns
      need not follow each other.
    - `rank`: number of modes.

    **Returns:** a `DMDSolution`. Modes of eigenvalues of zero, to round-off, are
    $UW$. The cost is that of the decomposition of X.

    Differentiable where the singular values of X differ, and the eigenvalues.

    **Raises:** `ValueError` for shapes that differ and for a rank beyond that which X
    can have.

    !!! example "Good values"
        A rank that leaves the noise behind: singular values of X below those of the
        noise ruin the eigenvalues.

    ??? cite "Reference"
        J. H. Tu, C. W. Rowley, D. M. Luchtenburg, S. L. Brunton, J. N. Kutz, Journal of
        Computational Dynamics 1 (2014) 391, algorithm 2.
    """
    require(
        X.ndim == 2 and X.shape == Y.shape,
        "X and Y must be matrices 'unknowns snapshots' of one shape, got "
        f"{X.shape} and {Y.shape}",
    )
    require(
        1 <= rank <= min(X.shape),
        f"rank must lie between 1 and {min(X.shape)}, the smaller of the numbers of "
        f"snapshots and of unknowns; got {rank}",
    )
    U, values, Zt = jnp.linalg.svd(X, full_matrices=False)
    U, moved = U[:, :rank], matmul(Y, Zt[:rank].T) / values[:rank]
    eigenvalues, W = eig(matmul(U.T, moved))
    size = jnp.abs(eigenvalues)
    gone = size <= 10 * rank * jnp.finfo(size.dtype).eps * jnp.max(size)
    exact = matmul(moved, W) / jnp.where(gone, 1, eigenvalues)
    modes = _normalised(jnp.where(gone, matmul(U, W), exact))
    Q, R = jnp.linalg.qr(modes)
    amplitudes = jsl.solve_triangular(R, matmul(Q.conj().T, X[:, 0]))
    return DMDSolution(eigenvalues, modes, amplitudes)


def _normalised(vectors: Inexact[Array, "n r"]) -> Inexact[Array, "n r"]:
    """The columns at unit length, their largest entry real and positive."""
    top = jnp.argmax(jnp.abs(vectors), axis=0)
    turned = vectors / vectors[top, jnp.arange(vectors.shape[1])]
    return turned / jnp.sqrt(jnp.sum(jnp.abs(turned) ** 2, axis=0))
