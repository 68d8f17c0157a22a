"""Learning the fields of an interpolant between two laws."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from phix._errors import require
from phix._types import Array, Float, IntScalar, PRNGKeyArray, PyTree, RealScalar
from phix.score._path import AbstractInterpolant
from phix.score._predict import AbstractPredictor, Denoised, pull_of
from phix.score._two_sided import AbstractTwoSided, NoLatent, TwoSidedCoefficients


class TwoSidedPredictor(AbstractPredictor):
    r"""Two networks on an interpolant: velocity b and mean $\eta_z$ of its noise.

    The score is $-\eta_z/\gamma$; the mean of $x_1$ follows from both where α, β and
    their slopes tell it apart from $x_0$.

    **Arguments:**

    - `velocity`: `velocity(t, x, cond)`, of the shape of x.
    - `path`: two-sided.
    - `noise`: `noise(t, x, cond)`; `None` for a deterministic interpolant, or where
        only the flow is wanted. The score is then NaN.

    **Raises:** `ValueError` for a path that is not two-sided.
    """

    velocity_net: Callable
    path: AbstractTwoSided
    noise_net: Callable | None

    def __init__(
        self,
        velocity: Callable,
        path: AbstractInterpolant,
        noise: Callable | None = None,
    ):
        require(
            isinstance(path, AbstractTwoSided),
            f"`path`: {type(path).__name__} leads from noise to data; take `Predictor`",
        )
        assert isinstance(path, AbstractTwoSided)
        self.velocity_net, self.path, self.noise_net = velocity, path, noise

    def predict(
        self, t: RealScalar, x: Float[Array, "*shape"], kind: str, cond: PyTree = None
    ) -> Float[Array, "*shape"]:
        if kind == "velocity":
            return self.velocity_net(jnp.asarray(t, x.dtype), x, cond)
        names = {"data": "data", "noise": "noise", "score": "pull"}
        require(
            kind in names, f"`kind`: a two-sided interpolant has no {kind!r} prediction"
        )
        return getattr(self.denoise(t, x, cond), names[kind])

    def denoise(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Denoised:
        t = jnp.asarray(t, x.dtype)
        c = self.path.at(t)
        velocity = self.velocity_net(t, x, cond)
        if self.noise_net is None:
            open_ = jnp.full_like(
                x, 0 if isinstance(self.path.latent, NoLatent) else jnp.nan
            )
            data = _target_of(c, x - c.gamma * open_, velocity - c.d_gamma * open_)
            return Denoised(data, open_, velocity, jnp.full_like(x, jnp.nan))
        noise = self.noise_net(t, x, cond)
        data = _target_of(c, x - c.gamma * noise, velocity - c.d_gamma * noise)
        return Denoised(data, noise, velocity, pull_of(self.path, t, noise))

    def determines(self, t: RealScalar) -> Array:
        return jnp.isfinite(jnp.asarray(t))

    def check_times(self, ts: Float[Array, " times"]) -> None:
        del ts


class OpenTimes(eqx.Module):
    """Even times strictly inside a path, where no slope is infinite."""

    def __call__(
        self, path: AbstractInterpolant, *, key: PRNGKeyArray, dtype: Any
    ) -> Array:
        tiny = jnp.finfo(dtype).eps
        share = tiny + (1 - 2 * tiny) * jr.uniform(key, (), dtype)
        return path.t_noise + (path.t_data - path.t_noise) * share


class InterpolantLoss(eqx.Module):
    r"""$\tfrac12|\hat b|^2 - (\alpha'x_0+\beta'x_1+\gamma'z)\cdot\hat b$ and
    $\tfrac12|\hat\eta|^2 - z\cdot\hat\eta$, over d.

    Their means are least at the velocity and the noise of the interpolant, where they
    are $-\tfrac12E|b|^2/d$ and $-\tfrac12E|\eta_z|^2/d$, not zero. Without the squares
    of the targets, and in the mean over z and −z, they stay finite where γ' does not.

    ```python
    model = score.TwoSidedPredictor(velocity_net, path, noise_net)
    fit(model, per_sample(score.InterpolantLoss()), ArraySource((now, later), 256), …)
    ```

    **Arguments:**

    - `times`: draws t, inside the path.
    - `antithetic`: the mean over z and −z: two evaluations.

    The model is a `TwoSidedPredictor`. A sample is a pair $(x_0, x_1)$, of whatever
    coupling, or a triple with conditions, such as $x_0$ again for a forecast.

    ??? cite "Reference"
        Albergo, Boffi, Vanden-Eijnden, *Stochastic interpolants*, JMLR 2025, theorems
        on the objectives of b and η.
    """

    times: Callable = OpenTimes()
    antithetic: bool = eqx.field(static=True, default=True)

    def __call__(
        self,
        model: Any,
        sample: PyTree,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[Array, dict]:
        """The loss of one sample, with its terms as metrics."""
        del step
        require(
            isinstance(sample, tuple) and len(sample) in (2, 3),
            "`sample` must be a pair (x0, x1), or a triple with conditions",
        )
        x0, x1 = sample[:2]
        cond = sample[2] if len(sample) == 3 else None
        time_key, noise_key = jr.split(key)
        t = self.times(model.path, key=time_key, dtype=x0.dtype)
        drawn = jr.normal(noise_key, x0.shape, x0.dtype)
        signs = (1.0, -1.0) if self.antithetic else (1.0,)
        terms = [_terms(model, t, x0, x1, sign * drawn, cond) for sign in signs]
        velocity, noise = jnp.mean(jnp.stack([jnp.stack(v) for v in terms]), axis=0)
        return velocity + noise, {"velocity": velocity, "noise": noise}


def _terms(model, t, x0, x1, z, cond):
    c = model.path.at(t)
    x = c.alpha * x0 + c.beta * x1 + c.gamma * z
    found = model.velocity_net(t, x, cond)
    target = c.d_alpha * x0 + c.d_beta * x1 + c.d_gamma * z
    velocity = jnp.mean(0.5 * found**2 - target * found)
    if model.noise_net is None:
        return velocity, jnp.zeros_like(velocity)
    found = model.noise_net(t, x, cond)
    return velocity, jnp.mean(0.5 * found**2 - z * found)


def _target_of(c: TwoSidedCoefficients, state: Array, slope: Array) -> Array:
    r"""$\eta_1$ of $\alpha\eta_0+\beta\eta_1$ and $\alpha'\eta_0+\beta'\eta_1$."""
    wronskian = c.alpha * c.d_beta - c.d_alpha * c.beta
    apart = jnp.abs(wronskian) > 0
    both = (c.alpha * slope - c.d_alpha * state) / jnp.where(apart, wronskian, 1)
    lonely = (c.alpha == 0) & (c.beta != 0)
    alone = jnp.where(lonely, state / jnp.where(lonely, c.beta, 1), jnp.nan)
    return jnp.where(apart, both, alone)
