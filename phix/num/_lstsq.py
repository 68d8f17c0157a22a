"""Damped linear least squares by augmented QR, with its exact derivative."""

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl

from phix._errors import is_concrete, require
from phix._types import Array, Float, RealScalar
from phix.num._matmul import matmul


def damped_lstsq(
    J: Float[Array, "m r"], b: Float[Array, " m *k"], *, damping: RealScalar = 1e-3
) -> Float[Array, " r *k"]:
    r"""Least squares with a damping relative to the size of the matrix.

    $$\min_x \|Jx-b\|_2^2+\mu^2\|x\|_2^2,\qquad
      \mu=\text{damping}\cdot\|J\|_F/\sqrt r$$

    Solved by one QR factorisation of the augmented matrix $[J;\mu I]$, whose
    condition is at most $\sqrt r/\text{damping}$ whatever $J$ is: a rank-deficient
    $J$ gives a finite solution with finite gradients, and float32 serves. The
    derivative is the implicit one (forward and reverse), exact also in the dependence
    of $\mu$ on $J$, and reuses the factor.

    **Arguments:**

    - `J`: the matrix, `m` equations by `r` unknowns. Units: of `b` over those of `x`.
    - `b`: the right-hand side, or `k` of them as columns.
    - `damping`: non-dimensional, ≥ 0. Zero is plain least squares by QR and then asks
        for full column rank. May be traced and differentiated.

    **Returns:**

    The solution `x`, "r" or "r k". For `J = 0` it is zero, the solution of least norm,
    and so are its derivatives (the map has none there).

    **Raises:**

    `ValueError` for shapes that do not fit, a negative `damping`, and fewer equations
    than unknowns at `damping=0`.

    !!! tip "Cost and good values"

        About $2(m+r)r^2$ operations. `damping=1e-3` changes the solution by less than
        $10^{-6}\kappa^2$ relative, $\kappa$ the condition number of `J` (measured
        with the root mean square singular value).

    ??? cite "Reference"

        Å. Björck, *Numerical Methods for Least Squares Problems*, SIAM 1996, §2.7.2.
    """
    J, b = jnp.asarray(J), jnp.asarray(b)
    require(J.ndim == 2, f"J must be a matrix 'm r', got shape {J.shape}")
    require(
        b.ndim in (1, 2) and b.shape[0] == J.shape[0],
        f"b must have shape ({J.shape[0]},) or ({J.shape[0]}, k) to go with J of shape "
        f"{J.shape}, got {b.shape}",
    )
    if is_concrete(damping):
        require(float(damping) >= 0, f"damping must be ≥ 0, got {float(damping)}")
        require(
            float(damping) > 0 or J.shape[0] >= J.shape[1],
            f"J of shape {J.shape} has fewer equations than unknowns: give damping > 0",
        )
    dtype = jnp.result_type(J, b)
    columns = b.reshape(b.shape[0], -1).astype(dtype)
    x = _solve(J.astype(dtype), columns, jnp.asarray(damping, dtype))
    return x.reshape(J.shape[1:] + b.shape[1:])


def _mu2(J, damping):
    """μ²: smooth in `J`, unlike μ."""
    return damping**2 * jnp.sum(J * J) / J.shape[1]


def _factor(J, damping):
    """Q (its rows that meet `J`) and R of [J; μI]; J = 0 takes μ = 1."""
    mu2 = _mu2(J, damping)
    mu2 = jnp.where(_vanishes(J), 1, mu2)
    # The double where keeps the derivative of the root finite at damping = 0.
    mu = jnp.where(mu2 > 0, jnp.sqrt(jnp.where(mu2 > 0, mu2, 1)), 0)
    eye = jnp.eye(J.shape[1], dtype=J.dtype)
    Q, R = jnp.linalg.qr(jnp.concatenate([J, mu * eye]))
    return Q[: J.shape[0]], R


def _vanishes(J):
    return jnp.sum(J * J) == 0


def _back(R, y):
    return jsl.solve_triangular(R, y)


@jax.custom_jvp
def _solve(J, b, damping):
    Q, R = _factor(J, damping)
    return _back(R, matmul(Q.T, b))


@_solve.defjvp
def _solve_jvp(primals, tangents):
    J, b, damping = primals
    dJ, db, ddamping = tangents
    Q, R = _factor(J, damping)
    x = _back(R, matmul(Q.T, b))
    _, dmu2 = jax.jvp(_mu2, (J, damping), (dJ, ddamping))
    # (JᵀJ + μ²)⁻¹ [dJᵀ(b − Jx) − dμ² x] + (JᵀJ + μ²)⁻¹ Jᵀ(db − dJ x), the second by Q,
    # which keeps it as accurate as x itself.
    normal = matmul(dJ.T, b - matmul(J, x)) - dmu2 * x
    direct = matmul(Q.T, db - matmul(dJ, x))
    dx = _back(R, jsl.solve_triangular(R, normal, trans="T") + direct)
    return x, jnp.where(_vanishes(J), 0, dx)
