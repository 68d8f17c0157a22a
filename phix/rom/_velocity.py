"""The latent velocity a solver prescribes, and the Galerkin dynamics it defines."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._types import Array, Float, RealScalar
from phix.nn import AbstractPointDecoder
from phix.num import damped_lstsq
from phix.pde import AbstractEquation
from phix.rom._model import AbstractFieldDecoder
from phix.space import Grid


def with_parameters(
    equation: AbstractEquation,
    parameters: tuple[str, ...],
    cond: Float[Array, " parameters"] | None,
) -> AbstractEquation:
    """The equation at the parameter values `cond`, in the order of `parameters`."""
    if not parameters or cond is None:
        return equation
    return equation.replace(**dict(zip(parameters, cond, strict=True)))


def decode_on(
    decoder: Callable, grid: Grid, latent: Float[Array, " latent"]
) -> Float[Array, "channels ..."]:
    """The decoded field on a grid, by the shorter way if the decoder knows one."""
    if isinstance(decoder, AbstractFieldDecoder) and decoder.grid == grid:
        return decoder.field(latent)
    field = decoder(grid.points.astype(latent.dtype), latent)
    return field.reshape(field.shape[0], *grid.shape)


def grid_of(equation: AbstractEquation) -> Grid:
    """The grid of the equation. **Raises:** `ValueError` if it lives on none."""
    grid = equation.space
    if not isinstance(grid, Grid):
        raise ValueError(
            f"the equation must live on a Grid, got space = {grid!r}; give it one."
        )
    return grid


def grid_points(
    equation: AbstractEquation, latent: Float[Array, " latent"]
) -> Float[Array, "points dim"]:
    """The points of the grid in the precision of the latent."""
    return grid_of(equation).points.astype(latent.dtype)


def decoder_jacobian(
    decoder: Callable,
    points: Float[Array, "points dim"],
    latent: Float[Array, " latent"],
) -> Float[Array, "channels points latent"]:
    r"""$\partial_\alpha D(X, \alpha)$, by the cheaper way that the decoder knows.

    Networks that see one point at a time pull each channel back instead of pushing each
    latent forward (`nn.AbstractPointDecoder.jacobian`); any other decoder is
    differentiated by forward mode, at r decodes.
    """
    if isinstance(decoder, AbstractPointDecoder):
        return decoder.jacobian(points, latent)
    return jax.jacfwd(lambda a: decoder(points, a))(latent)


def point_field(decoder: Callable, latent: Float[Array, " latent"]) -> Callable:
    """The decoded field as a function of one point, as `pointwise` takes it."""
    return lambda x: decoder(x[None], latent)[:, 0]


def latent_velocity(
    decoder: Callable,
    latent: Float[Array, " latent"],
    velocity: Float[Array, "channels ..."],
    points: Float[Array, "points dim"],
    *,
    damping: float = 1e-3,
) -> Float[Array, " latent"]:
    r"""The latent velocity that best moves the decoded field as the solver would.

    $$
    \dot\alpha = J^\dagger s, \qquad J = \partial_\alpha D(X, \alpha), \quad
    s = \partial_t u|_X,
    $$

    damped: $\min \lVert J\dot\alpha - s\rVert^2 + \mu^2 \lVert\dot\alpha\rVert^2$ with
    $\mu = d\,\lVert J\rVert_F / \sqrt r$. Fewer points than all of the grid give the
    hyper-reduced velocity.

    **Arguments:**

    - `decoder`, `latent`: the decoder and where to differentiate it.
    - `velocity`: du/dt of the decoded field at the points, "channels *space".
    - `points`: all or some of the grid's, in the order of the flattened space axes.
    - `damping`: d; 0 is the plain pseudo-inverse, unsafe where J loses rank.

    **Returns:** latent units per unit of time.

    **Reference:** Φ-ROM, arXiv 2505.14595 (there without damping).
    """
    jacobian = decoder_jacobian(decoder, points, latent)
    return damped_lstsq(
        jacobian.reshape(-1, latent.shape[0]), velocity.reshape(-1), damping=damping
    )


class GalerkinDynamics(eqx.Module):
    r"""Latent dynamics without training: $\dot\alpha = J^\dagger f(D(\alpha))$.

    With a linear orthonormal decoder this is POD-Galerkin; with any other, Galerkin
    projection on the decoder's manifold. Each evaluation costs one full-field decode,
    one right-hand side of the equation and one decoder Jacobian.

    **Arguments:**

    - `decoder`, `equation`: any decoder, any equation on a grid.
    - `parameters`: names of the parameters that `cond` holds.
    - `damping`: of the pseudo-inverse.
    """

    decoder: Callable
    equation: AbstractEquation
    parameters: tuple[str, ...] = eqx.field(static=True, default=())
    damping: float = eqx.field(static=True, default=0.0)

    def __call__(
        self,
        t: RealScalar,
        latent: Float[Array, " latent"],
        cond: Float[Array, " parameters"] | None = None,
    ) -> Float[Array, " latent"]:
        """The projected right-hand side of the equation at `latent`."""
        equation = with_parameters(self.equation, self.parameters, cond)
        velocity = equation.rhs(
            jnp.asarray(t), decode_on(self.decoder, grid_of(equation), latent), None
        )
        points = grid_points(equation, latent)
        return latent_velocity(
            self.decoder, latent, velocity, points, damping=self.damping
        )
