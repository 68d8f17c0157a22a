"""Least-squares Petrov–Galerkin: the residual of a time step, made smallest."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from phix._errors import Result, require
from phix._types import Array, Float, Int, PRNGKeyArray
from phix.num import least_squares
from phix.pde import AbstractEquation
from phix.rom._data import TrainingData
from phix.rom._hyper import qdeim
from phix.rom._march import march, require_step
from phix.rom._model import AbstractLatentMap
from phix.rom._pod import LinearDecoder
from phix.rom._projection import AbstractProjection
from phix.rom._velocity import decode_on, grid_of, with_parameters


class LSPGDynamics(AbstractLatentMap):
    r"""Implicit steps of the equation, solved as well as the decoder can.

    $$\alpha_{n+1} = \arg\min_\alpha \lVert D(\alpha) - D(\alpha_n) - h\,
    f(t_{n+1}, D(\alpha)) \rVert^2$$

    by backward Euler (`order=1`), or BDF2 (`order=2`: the history is $\tfrac43
    D(\alpha_n) - \tfrac13 D(\alpha_{n-1})$ and the step $\tfrac23 h$, for unequal steps
    with their own coefficients; the first step is one of Euler). Levenberg–Marquardt
    starts each step from the latent before, near Gauss–Newton.

    With a linear decoder this is LSPG, with any other one manifold LSPG. Where Galerkin
    projects the velocity, it projects the step: for a linear equation $\dot u = -Ku$
    the normal equations of $J V\alpha = V\alpha_n$, $J = I + hK$. For symmetric
    positive K Galerkin's step is the same minimum in the norm of $J^{-1}$, hence the
    two differ at first order in h, and not at all if V spans eigenvectors of K.

    **Arguments:**

    - `decoder`, `equation`: any decoder, any equation on a grid.
    - `dt`: the longest step; output times are landed on by equal shorter ones. `None`
      takes one step an output interval.
    - `parameters`: names of the parameters that `cond` holds.
    - `order`: 1 or 2.
    - `nodes`: the entries of the flattened field "channels *space" whose residual is
      made small, at least as many as latents; all by default. The right-hand side is
      evaluated on the whole grid even so: what is saved is the linear algebra.
    - `weight`: `weight(residual "channels *space")`, applied first: another norm.
    - `rtol`, `max_iterations`: of `num.least_squares`, for each step.

    A step whose search does not converge makes this latent and all after it NaN, which
    `forecast` reports with the time.

    **Raises:** `ValueError` for another order or a dt that is not positive; when
    called, for times that are traced though `dt` is given, as the number of steps must
    be known.

    !!! example "Good values"
        The dt of the full model; `order=2` where the latents are smooth. A step costs 2
        to 4 Jacobians, each r right-hand sides by forward mode.

    ??? cite "Reference"
        K. Carlberg, M. Barone, H. Antil, Journal of Computational Physics 330 (2017)
        693; K. Lee, K. Carlberg, ibid. 404 (2020) 108973 (manifolds).
    """

    decoder: Callable
    equation: AbstractEquation
    dt: float | None = eqx.field(static=True)
    parameters: tuple[str, ...] = eqx.field(static=True, default=())
    order: int = eqx.field(static=True, default=1)
    nodes: Int[Array, " nodes"] | None = None
    weight: Callable | None = None
    rtol: float | None = eqx.field(static=True, default=None)
    max_iterations: int = eqx.field(static=True, default=50)

    def __check_init__(self):
        _check(self.dt, self.order)

    def __call__(
        self,
        start: Float[Array, " latent"],
        ts: Float[Array, " time"],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, "time latent"]:
        """The latents at `ts`, by steps of at most `dt`."""
        equation = with_parameters(self.equation, self.parameters, cond)

        def step(latent, before, t, h, ratio):
            ratio = ratio if self.order == 2 else jnp.zeros_like(ratio)
            return self._step(equation, latent, before, t, h, ratio)

        return march(step, start, ts, self.dt)

    def _step(
        self,
        equation: AbstractEquation,
        latent: Array,
        before: Array,
        t: Array,
        h: Array,
        ratio: Array,
    ) -> Array:
        """One step to the time t, `ratio` times as long as the one before."""
        grid = grid_of(equation)
        now = decode_on(self.decoder, grid, latent)
        past = decode_on(self.decoder, grid, before)
        history = ((1 + ratio) ** 2 * now - ratio**2 * past) / (1 + 2 * ratio)
        scale = h * (1 + ratio) / (1 + 2 * ratio)

        def residual(new: Array, _: None) -> Array:
            field = decode_on(self.decoder, grid, new)
            lost = field - history - scale * equation.rhs(t, field, None)
            lost = lost if self.weight is None else self.weight(lost)
            lost = lost.reshape(-1)
            return lost if self.nodes is None else lost[self.nodes]

        found = least_squares(
            residual,
            latent,
            rtol=self.rtol,
            max_iterations=self.max_iterations,
            damping=1e-3,
        )
        return jnp.where(found.result == Result.successful, found.x, jnp.nan)


class LSPG(AbstractProjection):
    r"""POD modes as decoder, least-squares Petrov–Galerkin steps as dynamics.

    $$\min_\alpha \lVert V\alpha - V\alpha_n - h\,f(\bar u + V\alpha) \rVert$$

    Stable where Galerkin's projection of a transport operator is not; see
    `LSPGDynamics` for what one step is.

    **Arguments:**

    - `equation`: on the grid of the data.
    - `rank`: number of modes.
    - `dt`, `order`, `rtol`, `max_iterations`: as for `LSPGDynamics`.
    - `num_nodes`: how many entries of the field the residual is sampled at, chosen by
      `qdeim` from the modes; from `rank` to all, the default.
    - `centre`: take out the mean of the training fields.
    - `pod`: the method of `pod_modes`.

    **Raises:** `ValueError` for data on another grid, a rank beyond the data's, or
    fewer nodes than modes.

    !!! example "Good values"
        `rom.fit(rom.LSPG(equation, rank=8, dt=0.07), trajectories)`; three to ten nodes
        a mode.

    ??? cite "Reference"
        K. Carlberg, C. Bou-Mosleh, C. Farhat, International Journal for Numerical
        Methods in Engineering 86 (2011) 155.
    """

    equation: AbstractEquation
    rank: int = eqx.field(static=True)
    dt: float | None = eqx.field(static=True)
    order: int = eqx.field(static=True, default=1)
    num_nodes: int | None = eqx.field(static=True, default=None)
    centre: bool = eqx.field(static=True, default=False)
    pod: str = eqx.field(static=True, default="exact")
    rtol: float | None = eqx.field(static=True, default=None)
    max_iterations: int = eqx.field(static=True, default=50)

    def __check_init__(self):
        _check(self.dt, self.order)
        require(
            self.num_nodes is None or self.num_nodes >= self.rank,
            f"num_nodes must be at least the rank, {self.rank}, got {self.num_nodes}",
        )

    def dynamics(
        self,
        decoder: LinearDecoder,
        latents: Float[Array, "trajectories frames latent"],
        data: TrainingData,
        *,
        key: PRNGKeyArray | None,
    ) -> LSPGDynamics:
        """The steps, with the nodes chosen by the modes."""
        del latents, key
        nodes = None
        if self.num_nodes is not None:
            nodes = qdeim(decoder.modes, self.num_nodes)
        return LSPGDynamics(
            decoder,
            self.equation,
            self.dt,
            data.parameters,
            order=self.order,
            nodes=nodes,
            rtol=self.rtol,
            max_iterations=self.max_iterations,
        )


def _check(dt: float | None, order: int) -> None:
    require(order in (1, 2), f"order must be 1 or 2, got {order}")
    require_step(dt)
