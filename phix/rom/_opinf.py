"""Operator inference: a quadratic latent ODE, by least squares from data alone."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.lax as lax
import jax.numpy as jnp
import numpy as np

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.num import damped_lstsq, matmul
from phix.rom._data import TrainingData
from phix.rom._forecast import forecast
from phix.rom._method import AbstractMethod
from phix.rom._model import ReducedModel
from phix.rom._pod import pod_of
from phix.rom._quadratic import AffineDynamics, QuadraticDynamics, products_of


_SEARCH = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
# Points of the difference formula: of fourth order.
_STENCIL = 5


class OperatorInference(AbstractMethod):
    r"""POD modes as decoder, a polynomial latent ODE fitted to the latents' rates.

    $$\min_{c, A, H} \sum_n \lVert c + A\alpha_n + H(\alpha_n\otimes\alpha_n) -
    \dot\alpha_n \rVert^2 + \lambda^2\lVert [c\; A\; H] \rVert^2$$

    with rates by differences of fourth order between the frames, or those you give. It
    needs no equation. With parameters the operators are affine in them, as in
    `AffineDynamics`. Columns are scaled to unit root mean square and λ is relative to
    the root mean square singular value, hence without units.

    Of several λ the one is taken whose rollouts of all training trajectories stay
    nearest to their latents, one step an output interval; one that blows up is never
    taken if another does not.

    **Arguments:**

    - `rank`: number of modes, r.
    - `degree`: 1 (linear) or 2.
    - `regularisation`: the λ to try; one number alone is taken as it is.
    - `rates`: du/dt of the training fields, shaped as they are, instead of differences.
    - `centre`: take out the mean of the training fields.
    - `pod`: the method of `pod_modes`.

    **Raises:** `ValueError` for a degree other than 1 and 2, negative λ, rates of
    another shape, fewer than five frames without rates, a rank beyond the data's.

    !!! example "Good values"
        `rom.fit(rom.OperatorInference(8), trajectories, parameters=("nu",))`. Frames
        must resolve the fastest latent: the differences are only as good.

    ??? cite "Reference"
        B. Peherstorfer, K. Willcox, Computer Methods in Applied Mechanics and
        Engineering 306 (2016) 196; S. A. McQuarrie, C. Huang, K. Willcox, Journal of
        the Royal Society of New Zealand 51 (2021) 194 (the search).
    """

    rank: int = eqx.field(static=True)
    degree: int = eqx.field(static=True, default=2)
    regularisation: tuple[float, ...] = eqx.field(static=True, default=_SEARCH)
    rates: Float[Array, "trajectories time channels ..."] | None = None
    centre: bool = eqx.field(static=True, default=False)
    pod: str = eqx.field(static=True, default="exact")

    def __check_init__(self):
        require(self.degree in (1, 2), f"degree must be 1 or 2, got {self.degree}")
        require(
            len(self.regularisation) > 0 and min(self.regularisation) >= 0,
            f"regularisation must hold numbers ≥ 0, got {self.regularisation}",
        )

    def fit(self, data: TrainingData, *, key: PRNGKeyArray | None) -> ReducedModel:
        """The model of the data; `key` is used by `pod="randomised"`."""
        decoder, latents = pod_of(
            data, self.rank, method=self.pod, centre=self.centre, key=key
        )
        if self.rates is None:
            require(
                data.ts.shape[1] >= _STENCIL,
                f"differences need {_STENCIL} frames, got {data.ts.shape[1]}; give more"
                " or the rates",
            )
            rates = jax.vmap(differences)(latents, data.ts)
        else:
            require(
                self.rates.shape == data.us.shape,
                f"rates of shape {self.rates.shape} do not go with fields of shape "
                f"{data.us.shape}",
            )
            rates = jax.vmap(jax.vmap(decoder.project_rate))(self.rates)

        rows, targets = self._rows(latents, data), rates.reshape(-1, self.rank)
        weights = jnp.asarray(self.regularisation, latents.dtype)
        best = weights[0]
        if len(self.regularisation) > 1:
            shown = lax.stop_gradient(latents)
            trial = _ridges(*lax.stop_gradient((rows, targets)))

            def error(weight: Array) -> Array:
                return _rollout_error(self._dynamics(trial(weight), data), shown, data)

            # One after the other: a rollout is cheap, all of them at once are not.
            errors = lax.map(error, weights)
            best = weights[jnp.argmin(jnp.where(jnp.isfinite(errors), errors, jnp.inf))]
        dynamics = self._dynamics(_ridge(rows, targets, best), data)
        return ReducedModel(decoder, dynamics, latents, data.parameters)

    def _rows(self, latents: Array, data: TrainingData) -> Array:
        """The features of every frame, times 1 and each of its parameters."""
        theta = jnp.pad(data.cond, ((0, 0), (1, 0)), constant_values=1)
        features = jax.vmap(jax.vmap(self._features))(latents)
        whole = theta[:, None, :, None] * features[:, :, None, :]
        return whole.reshape(-1, whole.shape[2] * whole.shape[3])

    def _dynamics(
        self, found: Array, data: TrainingData
    ) -> QuadraticDynamics | AffineDynamics:
        """The operators in what least squares found."""
        terms = 1 + data.cond.shape[-1]
        by_term = jnp.moveaxis(found.reshape(terms, -1, self.rank), 1, 2)
        constant, linear = by_term[:, :, 0], by_term[:, :, 1 : self.rank + 1]
        quadratic = by_term[:, :, self.rank + 1 :] if self.degree == 2 else None
        if data.parameters:
            return AffineDynamics(constant, linear, quadratic)
        last = None if quadratic is None else quadratic[0]
        return QuadraticDynamics(constant[0], linear[0], last)

    def _features(self, latent: Array) -> Array:
        """1, α and its distinct products."""
        parts = [jnp.ones_like(latent[:1]), latent]
        if self.degree == 2:
            parts.append(products_of(latent))
        return jnp.concatenate(parts)


def differences(
    values: Float[Array, "time latent"], ts: Float[Array, " time"]
) -> Float[Array, "time latent"]:
    """Derivatives in time by the polynomial through the five nearest frames: of fourth
    order, also at the ends and between uneven frames."""
    count = ts.shape[0]
    first = np.clip(np.arange(count) - _STENCIL // 2, 0, count - _STENCIL)
    rows = first[:, None] + np.arange(_STENCIL)
    scale = ts[rows[:, -1]] - ts[rows[:, 0]]
    away = (ts[rows] - ts[:, None]) / scale[:, None]
    powers = away[:, None, :] ** np.arange(_STENCIL)[:, None]
    slope = jnp.zeros(_STENCIL, ts.dtype).at[1].set(1.0)
    weights = jnp.linalg.solve(
        powers, jnp.broadcast_to(slope[:, None], (count, _STENCIL, 1))
    )
    weights = weights[..., 0] / scale[:, None]
    return jnp.einsum("ts,tsl->tl", weights, values[rows], precision="highest")


def _ridge(rows: Array, targets: Array, weight: Array) -> Array:
    """Damped least squares with scaled columns; never quite undamped, so that operators
    the data leave open are small instead of infinite."""
    size = _scale(rows)
    found = damped_lstsq(rows / size, targets, damping=_damping(weight))
    return found / size[:, None]


def _ridges(rows: Array, targets: Array) -> Callable[[Array], Array]:
    """`_ridge` as a function of the weight: one decomposition for all of them.

    A QR for each takes minutes where thousands of products outnumber the frames.
    """
    size = _scale(rows)
    left, values, right = jnp.linalg.svd(rows / size, full_matrices=False)
    shown = matmul(left.T, targets)
    mean = jnp.sqrt(jnp.sum(values**2) / rows.shape[1])

    def ridge(weight: Array) -> Array:
        filtered = values / (values**2 + (_damping(weight) * mean) ** 2)
        return matmul(right.T, filtered[:, None] * shown) / size[:, None]

    return ridge


def _scale(rows: Array) -> Array:
    """Root mean squares of the columns; 1 for those of zeros."""
    size = jnp.sqrt(jnp.mean(rows**2, axis=0))
    return jnp.where(size > 0, size, 1)


def _damping(weight: Array) -> Array:
    return jnp.maximum(weight, 10 * jnp.finfo(weight.dtype).eps)


def _rollout_error(
    dynamics: QuadraticDynamics | AffineDynamics, latents: Array, data: TrainingData
) -> Array:
    """The distance of rolled-out training latents from the given ones."""
    model = ReducedModel(lambda points, latent: latent, dynamics, latents)

    def one(start, ts, cond):
        cond = cond if data.parameters else None
        return forecast(model, start, ts, cond=cond, throw=False).latents

    made = jax.vmap(one)(latents[:, 0], data.ts, data.cond)
    return jnp.sqrt(jnp.sum((made - latents) ** 2))
