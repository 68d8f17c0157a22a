"""Exponential samplers: exact in the linear part, steps even in log signal-to-noise."""

import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import require
from phix._types import Array, Float, PyTree
from phix.num import phi
from phix.score._path import AbstractPath
from phix.score._predict import AbstractPredictor
from phix.score._sample import AbstractOneStep, AbstractSampler


class _Step(NamedTuple):
    """The time, the amplitudes after the step, and what is added to that of DDIM."""

    t: Array
    amplitudes: tuple[Array, Array]
    weights: Array


class _Midpoint(NamedTuple):
    """Times and amplitudes before, amid and after a step; whether there is a middle."""

    t: Array
    middle: Array
    before: tuple[Array, Array]
    amid: tuple[Array, Array]
    after: tuple[Array, Array]
    proper: Array


class DDIM(AbstractOneStep):
    r"""$x_t = \alpha_t\,\hat x_\text{data} + \sigma_t\,\hat\epsilon$: order 1, one
    evaluation.

    Exact if data and noise were constant over the step. Ends at the denoised mean where
    σ = 0.

    ??? cite "Reference"
        Song, Meng, Ermon, *Denoising diffusion implicit models*, ICLR 2021, eq. 12.
    """

    random: ClassVar[bool] = False

    def prepare(self, path: Any, ts: Float[Array, " times"]) -> PyTree:
        check_one_sided(self, path)
        return ts[:-1], _amplitudes(path, ts[1:])

    def step(
        self,
        predictor: AbstractPredictor,
        x: Float[Array, "*shape"],
        memory: PyTree,
        row: tuple[Array, tuple[Array, Array]],
        drawn: PyTree,
        cond: PyTree,
    ) -> tuple[Float[Array, "*shape"], PyTree]:
        del drawn
        t, amplitudes = row
        data, noise, *_ = predictor.denoise(t, x, cond)
        return _mixed(amplitudes, data, noise), memory


class DPM2(AbstractOneStep):
    r"""Two evaluations, the second at the midpoint in λ: order 2.

    A step that starts or ends at infinite λ is one of `DDIM`.

    ??? cite "Reference"
        Lu et al., *DPM-Solver*, NeurIPS 2022, algorithm 1.
    """

    random: ClassVar[bool] = False

    def prepare(self, path: Any, ts: Float[Array, " times"]) -> PyTree:
        check_one_sided(self, path)
        levels = jax.vmap(path.log_snr)(ts)
        middle = 0.5 * (levels[:-1] + levels[1:])
        proper = jnp.isfinite(middle)
        times = jax.vmap(path.time_at)(jnp.where(proper, middle, 0.0))
        times = jnp.where(proper, times, ts[:-1])
        before, amid, after = (_amplitudes(path, t) for t in (ts[:-1], times, ts[1:]))
        return _Midpoint(ts[:-1], times, before, amid, after, proper)

    def step(
        self,
        predictor: AbstractPredictor,
        x: Float[Array, "*shape"],
        memory: PyTree,
        row: _Midpoint,
        drawn: PyTree,
        cond: PyTree,
    ) -> tuple[Float[Array, "*shape"], PyTree]:
        del drawn
        data, noise, *_ = predictor.denoise(row.t, x, cond)
        ahead = jnp.where(row.proper, _mixed(row.amid, data, noise), x)
        second = predictor.denoise(row.middle, ahead, cond).noise
        # The data that the old state holds beside the new noise.
        alpha, sigma = row.before
        kept = (x - sigma * second) / jnp.where(row.proper, alpha, 1.0)
        x = jnp.where(
            row.proper,
            _mixed(row.after, kept, second),
            _mixed(row.after, data, noise),
        )
        return x, memory


class Multistep(AbstractSampler):
    r"""Linear multistep in the data or the noise: one evaluation a step.

    $x_t = \alpha_t\hat d_i + \sigma_t\hat n_i + \sum_j w_j \hat d_{i-j}$ (or
    $\hat n$) with $\sum_j w_j = 0$; the first steps of lower order, and those next to
    an infinite λ the one of `DDIM`.

    **Arguments:**

    - `rule`: `"dpm++"`, `"data"` or `"noise"`; see `DPMpp2M`, `ExponentialAB`.
    - `order`: earlier predictions in use, this one included.
    """

    rule: str = eqx.field(static=True)
    order: int = eqx.field(static=True)
    random: ClassVar[bool] = False

    def prepare(self, path: Any, ts: Float[Array, " times"]) -> PyTree:
        check_one_sided(self, path)
        levels = jax.vmap(path.log_snr)(ts)
        alpha, sigma = _amplitudes(path, ts)
        scale, other = (alpha, sigma) if self.rule == "noise" else (sigma, alpha)

        def row(i):
            h = levels[i + 1] - levels[i]
            weights = jnp.zeros(self.order, ts.dtype)
            for order in range(2, self.order + 1):
                back = levels[jnp.maximum(i - jnp.arange(order), 0)] - levels[i]
                known = (i >= order - 1) & jnp.isfinite(h) & jnp.all(jnp.isfinite(back))
                # Any distinct numbers serve where the answer is not used.
                back = jnp.where(known, back, -jnp.arange(order, dtype=h.dtype))
                shares = _shares(self.rule, jnp.where(known, h, 1.0), back)
                factor = scale[i + 1] / jnp.where(known, scale[i], 1.0)
                total = other[i + 1] - factor * other[i]
                change = total * shares.at[0].add(-1.0)
                change = jnp.pad(change, (0, self.order - order))
                weights = jnp.where(known, change, weights)
            return weights

        rows = jax.vmap(row)(jnp.arange(ts.size - 1))
        return _Step(ts[:-1], (alpha[1:], sigma[1:]), rows)

    def init(self, x: Float[Array, "*shape"]) -> PyTree:
        return tuple(jnp.zeros_like(x) for _ in range(self.order - 1))

    def step(
        self,
        predictor: AbstractPredictor,
        x: Float[Array, "*shape"],
        memory: PyTree,
        row: _Step,
        drawn: PyTree,
        cond: PyTree,
    ) -> tuple[Float[Array, "*shape"], PyTree]:
        del drawn
        data, noise, *_ = predictor.denoise(row.t, x, cond)
        history = (noise if self.rule == "noise" else data, *memory)
        x = _mixed(row.amplitudes, data, noise)
        if self.order > 1:
            x = x + sum(row.weights[j] * value for j, value in enumerate(history))
        return x, history[: self.order - 1]


def DPMpp2M() -> Multistep:
    """DPM-Solver++(2M): order 2 in the data; the one to start with for few steps.

    ??? cite "Reference"
        Lu et al., *DPM-Solver++*, arXiv:2211.01095, algorithm 2.
    """
    return Multistep("dpm++", 2)


def ExponentialAB(order: int = 2, kind: str = "noise") -> Multistep:
    """Exponential Adams–Bashforth in λ, of order 1 to 4, in the noise or the data.

    **Arguments:**

    - `order`: 1 is `DDIM`.
    - `kind`: `"noise"` (the family of DEIS) or `"data"`.

    **Raises:** `ValueError` for another order or kind.

    ??? cite "Reference"
        Zhang, Chen, *Fast sampling of diffusion models with exponential integrator*,
        ICLR 2023, here with polynomials in λ.
    """
    require(1 <= order <= 4, f"`order` must be 1 to 4; got {order}")
    require(kind in ("noise", "data"), f"`kind` must be noise or data; got {kind!r}")
    return Multistep(kind, order)


def check_one_sided(sampler: AbstractSampler, path: Any) -> None:
    """Refuses an interpolant between two laws, which has no data and noise alone."""
    require(
        isinstance(path, AbstractPath),
        f"`sampler`: {type(sampler).__name__} works between data and noise; on "
        f"{type(path).__name__} take Heun() or EulerMaruyama(constant(…))",
    )


def _amplitudes(path: AbstractPath, ts: Array) -> tuple[Array, Array]:
    return jax.vmap(path.alpha)(ts), jax.vmap(path.sigma)(ts)


def _mixed(amplitudes: tuple[Array, Array], data: Array, noise: Array) -> Array:
    return amplitudes[0] * data + amplitudes[1] * noise


def _shares(rule: str, h: Array, back: Array) -> Array:
    """Shares of the latest predictions, at λ − λ_i = `back`, in a step of length h.

    The mean of the interpolating polynomial under the weight e^{∓u} on [0, h], − for
    noise and + for data.
    """
    order = back.size
    if rule == "dpm++":
        slope = -0.5 * h / back[1]
        return jnp.stack([1 + slope, -slope])
    z = -h if rule == "noise" else h
    # ∫₀¹ e^{zθ} θ^k dθ from the φ-functions of −z, by θ → 1 − θ.
    moments = [_moment(k, z) for k in range(order)]
    means = jnp.stack([h**k * m / moments[0] for k, m in enumerate(moments)])
    vandermonde = back[None, :] ** jnp.arange(order)[:, None]
    return jnp.linalg.solve(vandermonde, means)


def _moment(k: int, z: Array) -> Array:
    r"""$\int_0^1 e^{z\theta}\theta^k\,d\theta = e^z\,k!\,\varphi_{k+1}(-z)$."""
    factorial = math.factorial(k)
    return jnp.exp(z) * factorial * phi(k + 1, -z)
