"""`sample`: from noise to data by any fixed-step sampler, in one scan."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from phix._errors import (
    PhixError,
    Result,
    describe,
    eagerly,
    is_concrete,
    nearest,
    require,
)
from phix._types import Array, Float, Int, PRNGKeyArray, PyTree, Real, RealScalar
from phix.integrate import march
from phix.score._path import AbstractInterpolant, AbstractPath, check_ends
from phix.score._predict import AbstractPredictor


_SPACINGS = ("time", "log_snr", "power")
# λ at which a grid even in λ starts and stops where the path has no bound of its own.
_WIDEST = 7.0
_POWER = 7.0


class AbstractSampler(eqx.Module):
    """A fixed-step scheme from noise to data.

    The three parts are those of an integrator: `prepare` computes what depends on the
    times alone, outside the loop; `init` what the first step remembers; `step` moves.
    One that is `random` has a fourth: `draw`, the noise of a step.
    One that is `random` has a fourth, `draw`, the noise of a step.
    """

    random: eqx.AbstractClassVar[bool]

    @abc.abstractmethod
    def prepare(self, path: Any, ts: Float[Array, " times"]) -> PyTree:
        """Coefficients, `"steps ..."`."""

    @abc.abstractmethod
    def init(self, x: Float[Array, "*shape"]) -> PyTree:
        """What is remembered before the first step."""

    @abc.abstractmethod
    def step(
        self,
        predictor: AbstractPredictor,
        x: Float[Array, "*shape"],
        memory: PyTree,
        row: Any,
        drawn: PyTree,
        cond: PyTree,
    ) -> tuple[Float[Array, "*shape"], PyTree]:
        """The state and the memory one step nearer to the data, by what `draw` gave."""

    def draw(self, path: Any, x: Float[Array, "*shape"], key: PRNGKeyArray) -> PyTree:
        """The noise of a step for states like x; nothing for one without."""
        del path, x, key


class AbstractOneStep(AbstractSampler):
    """A sampler whose steps remember nothing of those before."""

    def init(self, x: Float[Array, "*shape"]) -> PyTree:
        del x


class Sample(eqx.Module):
    """What `sample` returns.

    - `x`: the state at the last time.
    - `result`: a `phix.Result` code, 0 for success.
    - `failed`: the first step, from 0, whose state is not finite.
    - `first_bad_time`: its time; infinite when all went well.
    """

    x: Float[Array, "*shape"]
    result: Int[Array, "*batch"]
    failed: Int[Array, "*batch"]
    first_bad_time: Real[Array, "*batch"]

    def throw(self) -> "Sample":
        """Raises `PhixError` if the run failed and that can be seen; else itself."""
        if is_concrete(self.result) and bool(jnp.any(self.result != 0)):
            bad = jnp.ravel(self.result != 0).argmax()
            code = Result(int(jnp.ravel(self.result)[bad]))
            step = int(jnp.ravel(self.failed)[bad])
            raise PhixError(
                f"sampling failed in step {step}, time "
                f"{float(jnp.ravel(self.first_bad_time)[bad]):.6g}: {describe(code)}",
                code,
            )
        return self


def sample(
    predictor: AbstractPredictor,
    x: Real[Array, "*shape"],
    ts: Float[Array, " times"],
    *,
    sampler: AbstractSampler,
    key: PRNGKeyArray | None = None,
    cond: PyTree = None,
    memory: int | None = None,
    throw: bool = True,
) -> Sample:
    """Carries noise to data along the times `ts`; callers `vmap` for many samples.

    ```python
    ts = score.times(path, 20)
    draw = lambda key: score.sample(
        predictor, score.start(path, like, key=key), ts, sampler=score.Heun()
    ).x
    xs = jax.vmap(draw)(jax.random.split(key, 1000))
    ```

    **Arguments:**

    - `predictor`: exact or learned, on a path.
    - `x`: the state at `ts[0]`, by `start`.
    - `ts`: from noise to data, in the direction of the path; see `times`.
    - `sampler`: such as `Heun()` or `DPMpp2M()`.
    - `key`: for samplers that draw noise; those that do not, refuse none.
    - `cond`: handed to the predictor.
    - `memory`: states that reverse mode may keep; `None` keeps all.
    - `throw`: raise where the run failed and that can be seen.

    **Returns:** a `Sample`.

    **Raises:** `ValueError` for times that do not lead from noise to data, a sampler
    without the key it needs, a path whose ends are exchanged, times outside the range
    of training, and a kind of prediction that says nothing of the data at `ts[0]`;
    `PhixError` with the first bad step when the state is not finite.
    """
    with eagerly(ts):
        ts = jnp.asarray(ts, x.dtype)
    with eagerly(ts, predictor):
        check_run(predictor, x, ts)
        check_key(sampler, sampler.random, key)
    drawn = _sample(predictor, x, ts, sampler, key, cond, memory)
    return drawn.throw() if throw else drawn


@eqx.filter_jit
def _sample(predictor, x, ts, sampler, key, cond, memory):
    rows = sampler.prepare(predictor.path, ts)

    def step(x, remembered, row, drawn):
        return sampler.step(predictor, x, remembered, row, drawn, cond)

    choices: dict[str, Any] = {"carry": sampler.init(x), "memory": memory}
    if sampler.random:
        choices["key"] = key
        choices["draw"] = lambda key: sampler.draw(predictor.path, x, key)
    return carried(step, x, ts, rows, **choices)


def carried(step, x, ts, rows, **choices) -> Sample:
    """`march` along the times, with the time of the first bad step."""
    arrived = march(step, x, rows, **choices)
    last = jnp.minimum(arrived.failed + 1, ts.size - 1)
    bad = jnp.where(arrived.result == 0, jnp.inf, ts[last])
    return Sample(
        arrived.state, arrived.result, arrived.failed, jax.lax.stop_gradient(bad)
    )


def start(
    path: AbstractInterpolant,
    like: Float[Array, "*shape"],
    t: RealScalar | None = None,
    *,
    key: PRNGKeyArray,
) -> Float[Array, "*shape"]:
    r"""Noise $\sigma(t)\,\epsilon$ to sample from, at the noisy end by default.

    **Arguments:**

    - `path`: whose noise is drawn.
    - `like`: an array of the shape and dtype of a state.
    - `t`: the time, `ts[0]` if that is not the end of the path.
    - `key`: for the noise.
    """
    t = path.t_noise if t is None else t
    drawn = path.noise.sample(like, key=key)
    return path.sigma(jnp.asarray(t, like.dtype)) * drawn


def times(
    path: AbstractPath,
    steps: int,
    spacing: str = "time",
    *,
    log_snr_range: tuple[RealScalar, RealScalar] | None = None,
) -> Float[Array, " times"]:
    r"""A grid of times from noise to data.

    **Arguments:**

    - `path`: whose times they are.
    - `steps`: number of steps, one less than that of times.
    - `spacing`: `"time"`, even in t; `"log_snr"`, even in λ, for the exponential
        samplers; `"power"`, even in $(\sigma/\alpha)^{1/7}$ (EDM).
    - `log_snr_range`: the lowest and highest λ; by default those of the path, within
        ±7 for the last two spacings, but always both ends of it for `"time"`.

    **Returns:** `"steps+1"` times, in the default precision.

    **Raises:** `ValueError` for no step, or an unknown spacing.
    """
    require(steps >= 1, f"`steps` must be at least 1; got {steps}")
    require(
        spacing in _SPACINGS,
        f"`spacing`: {spacing!r}{nearest(str(spacing), _SPACINGS)}",
    )
    share = jnp.linspace(0.0, 1.0, steps + 1)
    if spacing == "time":
        ends = [jnp.asarray(t, float) for t in (path.t_noise, path.t_data)]
        if log_snr_range is not None:
            ends = [path.time_at(r) for r in log_snr_range]
        return ends[0] * (1 - share) + ends[1] * share
    if log_snr_range is None:
        low, high = path.log_snr(path.t_noise), path.log_snr(path.t_data)
        log_snr_range = (jnp.maximum(low, -_WIDEST), jnp.minimum(high, _WIDEST))
    low, high = (jnp.asarray(r, float) for r in log_snr_range)
    if spacing == "log_snr":
        levels = low * (1 - share) + high * share
    else:
        root = jnp.exp(-low / _POWER) * (1 - share) + jnp.exp(-high / _POWER) * share
        levels = -_POWER * jnp.log(root)
    return jax.vmap(path.time_at)(levels)


def check_key(method: Any, random: bool, key: PRNGKeyArray | None) -> None:
    """Refuses a method that draws noise without a key."""
    require(
        key is not None or not random,
        f"`key`: {type(method).__name__} draws noise; give a key",
    )


def check_run(predictor: AbstractPredictor, x: Array, ts: Array) -> None:
    """Refuses states and times with which no run from noise to data can start."""
    check_direction(predictor.path, x, ts)
    if is_concrete(predictor, ts):
        require(
            bool(predictor.determines(ts[0])),
            f"`ts`: at t = {float(ts[0]):.6g} there is no data in the state "
            "(alpha = 0), of which a prediction of noise or score says nothing, nor a "
            "guide; start at path.time_at(-7.0), or predict data or velocity",
        )
        predictor.check_times(ts[:-1])


def check_direction(path: AbstractInterpolant, x: Array, ts: Array) -> None:
    """Refuses times that do not lead from noise to data, and states of integers."""
    require(
        jnp.issubdtype(x.dtype, jnp.floating),
        f"`x` must be floating; got {x.dtype}",
    )
    require(
        ts.ndim == 1 and ts.size >= 2,
        f"`ts` must be a vector of at least two times; got shape {ts.shape}",
    )
    if isinstance(path, AbstractPath):
        check_ends(path)
    if is_concrete(ts):
        # With NumPy: under `jit` a known array becomes a traced one by any operation.
        forward = np.diff(np.asarray(ts)) * (1 if path.t_data > path.t_noise else -1)
        require(
            bool(np.all(forward > 0)),
            f"`ts` must lead from noise (t = {path.t_noise}) to data (t = "
            f"{path.t_data}) without standing still; got {ts}",
        )
