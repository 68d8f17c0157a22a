"""Stochastic samplers: any noise level gives the same marginals."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._errors import is_concrete, require
from phix._types import Array, Float, PRNGKeyArray, PyTree, RealScalar
from phix.score._path import AbstractPath
from phix.score._predict import AbstractPredictor
from phix.score._sample import AbstractOneStep, AbstractSampler


class _Row(NamedTuple):
    """Times and noise levels ε at both ends of a step."""

    t: Array
    following: Array
    level: Array
    next_level: Array


def reverse_diffusion(path: AbstractPath, t: RealScalar) -> Float[Array, ""]:
    r"""$\epsilon = g^2/2 = \sigma^2|\lambda'|$: the reversed noising process."""
    require(
        isinstance(path, AbstractPath),
        f"`level`: {type(path).__name__} leads between two laws and reverses no "
        "noising; take constant(…)",
    )
    return path.diffusion(t) / 2


def constant(level: RealScalar) -> Callable:
    """The same noise level ε ≥ 0 at all times; `ValueError` for a negative one."""
    require(
        not is_concrete(level) or float(level) >= 0,
        f"`level` must not be negative; got {level}",
    )
    return _Constant(jnp.asarray(level, float))


class _Constant(eqx.Module):
    level: Array

    def __call__(self, path: Any, t: RealScalar) -> Array:
        del path
        return self.level.astype(jnp.result_type(t))


class AbstractNoisy(AbstractOneStep):
    """Steps that draw noise of a level ε(t) of the caller's choice."""

    level: eqx.AbstractVar[Callable]

    def prepare(self, path: Any, ts: Float[Array, " times"]) -> PyTree:
        return _rows(self.level, path, ts)

    def draw(self, path: Any, x: Float[Array, "*shape"], key: PRNGKeyArray) -> PyTree:
        return path.noise.sample(x, key=key)


class EulerMaruyama(AbstractNoisy):
    r"""$dX = (v + \epsilon K s)\,d\tau + \sqrt{2\epsilon}\,K^{1/2}dW$, by Euler's step.

    For any $\epsilon(t)\ge0$ the marginals are those of the path (K is the covariance
    of its noise, τ runs towards the data). Weak order 1, one evaluation.

    **Arguments:**

    - `level`: `level(path, t)` gives ε; `reverse_diffusion`, or `constant(0.5)`.

    A step that starts or ends where σ = 0, and the score may be infinite, is one of the
    ODE. A level that is infinite (`reverse_diffusion` where α = 0) is replaced by that
    of the end of the step; a negative one ends in `non_finite`.
    """

    level: Callable = reverse_diffusion
    random: ClassVar[bool] = True

    def step(
        self,
        predictor: AbstractPredictor,
        x: Float[Array, "*shape"],
        memory: PyTree,
        row: Any,
        drawn: PyTree,
        cond: PyTree,
    ) -> tuple[Float[Array, "*shape"], PyTree]:
        h = row.following - row.t
        slope = _slope(predictor, row.t, x, row.level, h, cond)
        return x + h * slope + _kick(predictor, row.level, h, drawn), memory


class StochasticHeun(AbstractNoisy):
    r"""The same equation with the mean of the drifts at both ends: weak order 2.

    The noise depends on time alone, so it enters both stages alike, with the mean
    variance of the step. Two evaluations. Where the end of a step leaves the velocity
    open the step is one of Euler.

    **Arguments:**

    - `level`: as of `EulerMaruyama`.
    """

    level: Callable = reverse_diffusion
    random: ClassVar[bool] = True

    def step(
        self,
        predictor: AbstractPredictor,
        x: Float[Array, "*shape"],
        memory: PyTree,
        row: Any,
        drawn: PyTree,
        cond: PyTree,
    ) -> tuple[Float[Array, "*shape"], PyTree]:
        h = row.following - row.t
        level = 0.5 * (row.level + row.next_level)
        kick = _kick(predictor, level, h, drawn)
        first = _slope(predictor, row.t, x, row.level, h, cond)
        whole = predictor.determines(row.following)
        stage = jnp.where(whole, row.following, row.t)
        end = jnp.where(whole, row.next_level, row.level)
        second = _slope(predictor, stage, x + h * first + kick, end, h, cond)
        slope = jnp.where(whole, 0.5 * (first + second), first)
        return x + h * slope + kick, memory


class PredictorCorrector(AbstractSampler):
    r"""Steps of any sampler, each followed by Langevin steps at the time reached.

    $x \leftarrow x + \delta K s + \sqrt{2\delta}\,K^{1/2}\xi$ with
    $\delta = 2 r^2\sigma^2$, which leaves $p_t$ alone as r → 0. No correction where
    σ = 0.

    **Arguments:**

    - `predictor`: a sampler such as `DDIM()`.
    - `corrections`: Langevin steps after each, one evaluation each.
    - `snr`: r.

    **Good values:** one correction, r = 0.16.

    ??? cite "Reference"
        Song et al., *Score-based generative modeling through SDEs*, ICLR 2021,
        algorithms 4 and 5, with the mean of the norms in place of the norms.
    """

    predictor: AbstractSampler
    corrections: int = eqx.field(static=True, default=1)
    snr: RealScalar = 0.16
    random: ClassVar[bool] = True

    def __check_init__(self):
        require(
            self.corrections >= 1,
            f"`corrections` must be at least 1; got {self.corrections}",
        )
        require(
            not is_concrete(self.snr) or float(self.snr) > 0,
            f"`snr` must be positive; got {self.snr}",
        )

    def prepare(self, path: Any, ts: Float[Array, " times"]) -> PyTree:
        sigma = jax.vmap(path.sigma)(ts[1:])
        return self.predictor.prepare(path, ts), (ts[:-1], ts[1:], sigma)

    def init(self, x: Float[Array, "*shape"]) -> PyTree:
        return self.predictor.init(x)

    def draw(self, path: Any, x: Float[Array, "*shape"], key: PRNGKeyArray) -> PyTree:
        own, *keys = jr.split(key, self.corrections + 1)
        others = [path.noise.sample(x, key=other) for other in keys]
        return self.predictor.draw(path, x, own), others

    def step(
        self,
        predictor: AbstractPredictor,
        x: Float[Array, "*shape"],
        memory: PyTree,
        row: Any,
        drawn: PyTree,
        cond: PyTree,
    ) -> tuple[Float[Array, "*shape"], PyTree]:
        (inner, (before, t, sigma)), (own, others) = row, drawn
        x, memory = self.predictor.step(predictor, x, memory, inner, own, cond)
        noisy = (sigma > 0) & predictor.determines(t)
        stage = jnp.where(noisy, t, before)
        noise = predictor.path.noise
        r = jnp.asarray(self.snr, x.dtype)
        for other in others:
            n = predictor.denoise(stage, x, cond).noise
            # δ K s = −2r²σ (n − m) and √(2δ) = 2rσ.
            pull = -2 * r**2 * sigma * noise.shifted(-1.0, n)
            xi = noise.shifted(-1.0, other)
            x = jnp.where(noisy, x + pull + 2 * r * sigma * xi, x)
        return x, memory


def _rows(level: Callable, path: Any, ts: Array) -> _Row:
    levels = jax.vmap(lambda t: jnp.asarray(level(path, t), ts.dtype))(ts)
    levels = jnp.where(jnp.isfinite(levels), levels, jnp.roll(levels, -1))
    # A negative level is known only here, under a trace: NaN, which the run reports.
    levels = jnp.where(levels >= 0, levels, jnp.nan)
    noisy = jax.vmap(path.sigma)(ts) > 0
    noisy = noisy[:-1] & noisy[1:]
    here, there = (jnp.where(noisy, e, 0.0) for e in (levels[:-1], levels[1:]))
    return _Row(ts[:-1], ts[1:], here, there)


def _slope(predictor, t, x, level, h, cond):
    """dx/dt: the velocity, and ε K s towards the data; none where ε = 0."""
    known = predictor.denoise(t, x, cond)
    drive = jnp.where(level == 0, 0.0, level) * jnp.where(level == 0, 0.0, known.pull)
    return known.velocity + jnp.sign(h) * drive


def _kick(predictor, level, h, drawn):
    xi = predictor.path.noise.shifted(-1.0, drawn)
    return jnp.sqrt(2 * level * jnp.abs(h)) * xi
