"""Latent dynamics that are a polynomial of degree two, also affine in parameters."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._errors import require
from phix._types import Array, Float, RealScalar


class QuadraticDynamics(eqx.Module):
    r"""$\dot\alpha = c + A\alpha + H(\alpha\otimes\alpha)$, H on the distinct products.

    What a linear decoder makes of an equation of degree two (Burgers, Navier–Stokes,
    Fisher–KPP, Kuramoto–Sivashinsky): $r^3/2$ multiplications, whatever the grid.

    **Arguments:**

    - `constant`: c, "latent", or `None` for zero.
    - `linear`: A, "latent latent", or `None` for zero.
    - `quadratic`: H, "latent products", or `None` for zero; the r(r + 1)/2 columns
      belong to $\alpha_i\alpha_j$, $i \le j$, in the order of `products_of`: 00, 01, …,
      0r, 11, 12, ….

    All per unit of time.

    **Raises:** `ValueError` for shapes that do not fit each other, or no operator.
    """

    constant: Float[Array, " latent"] | None
    linear: Float[Array, "latent latent"] | None
    quadratic: Float[Array, "latent products"] | None = None

    def __check_init__(self):
        _check((), self.constant, self.linear, self.quadratic)

    def __call__(
        self,
        t: RealScalar,
        latent: Float[Array, " latent"],
        cond: Float[Array, " parameters"] | None = None,
    ) -> Float[Array, " latent"]:
        """The latent velocity; the same for all times and parameters."""
        del t, cond
        velocity = jnp.zeros_like(latent)
        if self.constant is not None:
            velocity = velocity + self.constant
        if self.linear is not None:
            velocity = velocity + num.matmul(self.linear, latent)
        if self.quadratic is not None:
            velocity = velocity + num.matmul(self.quadratic, products_of(latent))
        return velocity


class AffineDynamics(eqx.Module):
    r"""`QuadraticDynamics` whose operators are affine in the parameters.

    $$\dot\alpha = \sum_{k=0}^p \theta_k \left(c_k + A_k\alpha +
    H_k(\alpha\otimes\alpha)\right), \qquad \theta = (1, \beta_1, \ldots, \beta_p)$$

    **Arguments:**

    - `constant`, `linear`, `quadratic`: as for `QuadraticDynamics`, each with a leading
      axis of 1 + p terms, or `None` for zero.

    **Raises:** `ValueError` for shapes that do not fit each other; and when called
    without `cond`, or with another number of parameters than p.
    """

    constant: Float[Array, "terms latent"] | None
    linear: Float[Array, "terms latent latent"] | None
    quadratic: Float[Array, "terms latent products"] | None = None

    def __check_init__(self):
        given = (self.constant, self.linear, self.quadratic)
        terms = {operator.shape[:1] for operator in given if operator is not None}
        require(
            len(terms) == 1,
            "constant, linear and quadratic must share a leading axis of 1 + parameters"
            f" terms, got {[None if a is None else a.shape for a in given]}",
        )
        _check(terms.pop(), *given)

    def at(self, cond: Float[Array, " parameters"] | None) -> QuadraticDynamics:
        """The dynamics at the parameter values `cond`."""
        operators = (self.constant, self.linear, self.quadratic)
        terms = next(a.shape[0] for a in operators if a is not None)
        if cond is None or cond.shape != (terms - 1,):
            raise ValueError(
                f"cond must hold the values of {terms - 1} parameter(s), got "
                f"{None if cond is None else cond.shape}; give forecast its cond"
            )
        theta = jnp.concatenate([jnp.ones(1, cond.dtype), cond])
        return QuadraticDynamics(
            *(
                None if a is None else jnp.tensordot(theta, a, 1, precision="highest")
                for a in operators
            )
        )

    def __call__(
        self,
        t: RealScalar,
        latent: Float[Array, " latent"],
        cond: Float[Array, " parameters"] | None = None,
    ) -> Float[Array, " latent"]:
        """The latent velocity at the parameter values `cond`."""
        return self.at(cond)(t, latent)


def products_of(latent: Float[Array, " latent"]) -> Float[Array, " products"]:
    """The distinct products αᵢαⱼ, i ≤ j, row by row of the upper triangle."""
    i, j = np.triu_indices(latent.shape[0])
    return latent[i] * latent[j]


def _check(
    lead: tuple, constant: Array | None, linear: Array | None, quadratic: Array | None
) -> None:
    """Raises unless the shapes are those of one number of latents."""
    given = [a for a in (constant, linear, quadratic) if a is not None]
    require(len(given) > 0, "give at least one of constant, linear and quadratic")
    rank = given[0].shape[len(lead)] if given[0].ndim > len(lead) else 0
    wanted = {
        "constant": (constant, (*lead, rank)),
        "linear": (linear, (*lead, rank, rank)),
        "quadratic": (quadratic, (*lead, rank, rank * (rank + 1) // 2)),
    }
    for name, (operator, shape) in wanted.items():
        require(
            operator is None or operator.shape == shape,
            f"{name} must have shape {shape} to go with the other operators, got "
            f"{None if operator is None else operator.shape}",
        )
