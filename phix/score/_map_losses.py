"""Losses of flow maps: consistency, MeanFlow, self-distillation."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._errors import require
from phix._types import Array, Float, IntScalar, PRNGKeyArray, PyTree
from phix.score._flow_maps import AbstractFlowMap, lagrangian_defect
from phix.score._losses import UniformTimes, uniform_weight
from phix.score._path import AbstractPath
from phix.score._predict import AbstractPredictor


class UniformSpans(eqx.Module):
    r"""Two even times t and s, s nearer to the data; some of them equal.

    **Arguments:**

    - `instant`: the share of spans with s = t, which teach the velocity, in [0, 1].
    - `margin`: the share of the path left out at the data, in [0, 1).
    """

    instant: float = 0.25
    margin: float = 0.0

    def __check_init__(self):
        require(
            0 <= self.instant <= 1, f"`instant` must be in [0, 1]; got {self.instant}"
        )
        require(0 <= self.margin < 1, f"`margin` must be in [0, 1); got {self.margin}")

    def __call__(
        self, path: AbstractPath, *, key: PRNGKeyArray, dtype: Any
    ) -> tuple[Array, Array]:
        pair, coin = jr.split(key)
        shares = jr.uniform(pair, (2,), dtype)
        start, stop = 1 - jnp.min(shares), 1 - jnp.max(shares)
        stop = jnp.where(jr.uniform(coin, (), dtype) < self.instant, start, stop)
        low = path.t_data + self.margin * (path.t_noise - path.t_data)
        return low + (path.t_noise - low) * start, low + (path.t_noise - low) * stop


class SpansToData(eqx.Module):
    """A time of a law of one's own, and the data: the spans of a consistency model.

    **Arguments:**

    - `times`: draws t, as of `MatchingLoss`.
    """

    times: Callable = UniformTimes()

    def __call__(
        self, path: AbstractPath, *, key: PRNGKeyArray, dtype: Any
    ) -> tuple[Array, Array]:
        t = self.times(path, key=key, dtype=dtype)
        return t, jnp.asarray(path.t_data, dtype)


class MeanFlowLoss(eqx.Module):
    r"""$\lVert u - \mathrm{sg}(v + (s-t)(\partial_tu + \nabla u\,v))\rVert^2/d$ with
    u = u(t, s, x).

    What is squared is the Eulerian defect of the map, so that the exact one has no
    loss where v is exact. One evaluation and a forward derivative.

    ```python
    flow_map = score.FlowMap(net, score.Linear())
    fit(flow_map, per_sample(score.MeanFlowLoss()), ArraySource(data, 256), …)
    ```

    **Arguments:**

    - `spans`: draws t and s; `SpansToData()` makes it consistency training in
        continuous time.
    - `teacher`: whose velocity is followed; if None that of the sample,
        $\alpha'x+\sigma'\epsilon$.

    The model is a `FlowMap`. A sample is the data, or a pair of data and conditions.

    ??? cite "Reference"
        Geng, Deng, Bai, Kolter, He, *Mean flows for one-step generative modeling*,
        NeurIPS 2025, eq. 9 to 11.
    """

    spans: Callable = UniformSpans()
    teacher: AbstractPredictor | None = None

    def __call__(
        self,
        model: AbstractFlowMap,
        sample: PyTree,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[Array, dict]:
        """The loss of one sample, with no metrics."""
        del step
        t, s, x, cond, velocity = _drawn(model, sample, self.spans, self.teacher, key)
        average = lambda t, x: model.average(t, s, x, cond)  # noqa: E731
        value, slope = jax.jvp(average, (t, x), (jnp.ones_like(t), velocity))
        target = jax.lax.stop_gradient(velocity + (s - t) * slope)
        return jnp.mean((value - target) ** 2), {}


class LagrangianLoss(eqx.Module):
    r"""The Lagrangian defect of the map, and its velocity on the diagonal.

    $$\lVert\partial_s\Psi_{t\to s}(x) - \mathrm{sg}\,v(s, \Psi_{t\to s}(x))\rVert^2/d
    + \lVert u(t,t,x) - v\rVert^2/d$$

    Without a teacher the velocity in the first term is that of the map itself, and in
    the second that of the sample. Three evaluations and a derivative in s, none in x.

    **Arguments:**

    - `spans`: draws t and s.
    - `teacher`: the velocity in both terms.

    ??? cite "Reference"
        Boffi, Albergo, Vanden-Eijnden, *How to build a consistency model: learning flow
        maps via self-distillation*, NeurIPS 2025, LSD.
    """

    spans: Callable = UniformSpans(0.0)
    teacher: AbstractPredictor | None = None

    def __call__(
        self,
        model: AbstractFlowMap,
        sample: PyTree,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[Array, dict]:
        """The loss of one sample, with both terms as metrics."""
        del step
        t, s, x, cond, velocity = _drawn(model, sample, self.spans, self.teacher, key)
        of = model if self.teacher is None else self.teacher

        def there(s, y):
            return jax.lax.stop_gradient(of.velocity(s, y, cond))

        defect = lagrangian_defect(model, there, t, s, x, cond)
        instant = jnp.mean((model.velocity(t, x, cond) - velocity) ** 2)
        along = jnp.mean(defect**2)
        return along + instant, {"defect": along, "velocity": instant}


class ProgressiveLoss(eqx.Module):
    r"""One jump against two of half the length, per length.

    $$\lVert u(t,s,x) - \tfrac12\mathrm{sg}\big(u(t,r,x) + u(r,s,\Psi_{t\to r}(x))\big)
    \rVert^2/d,\quad r = \tfrac12(t+s)$$

    Without a teacher the two are those of the map itself, and
    $\lVert u(t,t,x) - \alpha'x-\sigma'\epsilon\rVert^2/d$ is added. Three evaluations.

    **Arguments:**

    - `spans`: draws t and s.
    - `teacher`: whose jumps are halved: a map already trained, or the steps of a
        sampler, `StepMap(predictor, DDIM())`.

    ??? cite "Reference"
        Salimans, Ho, *Progressive distillation for fast sampling of diffusion models*,
        ICLR 2022; without a teacher, PSD in Boffi, Albergo, Vanden-Eijnden, NeurIPS
        2025, and the shortcut models of Frans et al., ICLR 2025.
    """

    spans: Callable = UniformSpans(0.0)
    teacher: AbstractFlowMap | None = None

    def __call__(
        self,
        model: AbstractFlowMap,
        sample: PyTree,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[Array, dict]:
        """The loss of one sample, with its terms as metrics."""
        del step
        t, s, x, cond, velocity = _drawn(model, sample, self.spans, None, key)
        halves = model if self.teacher is None else self.teacher
        r = 0.5 * (t + s)
        first = halves.average(t, r, x, cond)
        second = halves.average(r, s, x + (r - t) * first, cond)
        target = jax.lax.stop_gradient(0.5 * (first + second))
        along = jnp.mean((model.average(t, s, x, cond) - target) ** 2)
        if self.teacher is not None:
            return along, {"defect": along}
        instant = jnp.mean((model.velocity(t, x, cond) - velocity) ** 2)
        return along + instant, {"defect": along, "velocity": instant}


class ConsistencyLoss(eqx.Module):
    r"""$w(t_i)\,\lVert f(t_i, x) - \mathrm{sg}\,f(t_{i+1}, \hat x)\rVert^2/d$ with
    $f(t, x) = \Psi_{t\to t_\text{data}}(x)$.

    Two states of one trajectory have the same end. $\hat x$ is the teacher's step from
    $x = \alpha x_\text{data}+\sigma\epsilon$, or the same data and noise at the next
    time. Two evaluations.

    **Arguments:**

    - `ts`: from noise to data, as for `sample`.
    - `teacher`: such as `StepMap(predictor, Heun())`.
    - `weight`: `weight(path, t)`.

    **Raises:** `ValueError` for fewer than two times.

    ??? cite "Reference"
        Song, Dhariwal, Chen, Sutskever, *Consistency models*, ICML 2023, definitions 1
        and 2.
    """

    ts: Float[Array, " times"]
    teacher: AbstractFlowMap | None = None
    weight: Callable = uniform_weight

    def __check_init__(self):
        require(
            self.ts.ndim == 1 and self.ts.size >= 2,
            f"`ts` must be a vector of at least two times; got shape {self.ts.shape}",
        )

    def __call__(
        self,
        model: AbstractFlowMap,
        sample: PyTree,
        *,
        step: IntScalar,
        key: PRNGKeyArray,
    ) -> tuple[Array, dict]:
        """The loss of one sample, with no metrics."""
        del step
        data, cond = sample if isinstance(sample, tuple) else (sample, None)
        path = model.path
        which, noise_key = jr.split(key)
        i = jr.randint(which, (), 0, self.ts.size - 1)
        t, following = (self.ts[j].astype(data.dtype) for j in (i, i + 1))
        noise = path.noise.sample(data, key=noise_key)
        x = path.mix(t, data, noise)
        if self.teacher is None:
            ahead = path.mix(following, data, noise)
        else:
            ahead = self.teacher(t, following, x, cond)
        target = model(following, path.t_data, jax.lax.stop_gradient(ahead), cond)
        apart = model(t, path.t_data, x, cond) - jax.lax.stop_gradient(target)
        return self.weight(path, t) * jnp.mean(apart**2), {}


def _drawn(model, sample, spans, teacher, key):
    """Times, a state of the path, conditions, and the velocity there."""
    data, cond = sample if isinstance(sample, tuple) else (sample, None)
    path = model.path
    time_key, noise_key = jr.split(key)
    t, s = spans(path, key=time_key, dtype=data.dtype)
    noise = path.noise.sample(data, key=noise_key)
    x = path.mix(t, data, noise)
    if teacher is None:
        velocity = path.target(t, data, noise, "velocity")
    else:
        velocity = jax.lax.stop_gradient(teacher.velocity(t, x, cond))
    return t, s, x, cond, velocity
