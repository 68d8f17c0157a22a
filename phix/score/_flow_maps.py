"""Flow maps: models that jump along the probability flow in one evaluation."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import eagerly, require
from phix._types import Array, Float, PyTree, RealScalar
from phix.score._path import AbstractInterpolant, AbstractPath
from phix.score._predict import AbstractPredictor
from phix.score._sample import (
    AbstractOneStep,
    AbstractSampler,
    Sample,
    carried,
    check_direction,
)


class AbstractFlowMap(eqx.Module):
    r"""$\Psi_{t\to s}(x) = x + (s-t)\,u(t,s,x)$: where the probability flow takes x.

    u is the mean velocity on the way; at s = t it is the velocity itself, and Ψ the
    identity, whatever the model.
    """

    path: eqx.AbstractVar[AbstractPath]

    @abc.abstractmethod
    def average(
        self,
        t: RealScalar,
        s: RealScalar,
        x: Float[Array, "*shape"],
        cond: PyTree = None,
    ) -> Float[Array, "*shape"]:
        """u(t, s, x): the mean velocity from time t, at x, to time s."""

    def __call__(
        self,
        t: RealScalar,
        s: RealScalar,
        x: Float[Array, "*shape"],
        cond: PyTree = None,
    ) -> Float[Array, "*shape"]:
        r"""$\Psi_{t\to s}(x)$."""
        length = jnp.asarray(s, x.dtype) - jnp.asarray(t, x.dtype)
        return x + length * self.average(t, s, x, cond)

    def velocity(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Float[Array, "*shape"]:
        """dx/dt of the probability flow, u(t, t, x)."""
        return self.average(t, t, x, cond)


class FlowMap(AbstractFlowMap):
    r"""A network of the mean velocity, to be trained by one of the losses of flow maps.

    **Arguments:**

    - `net`: `net(t, s, x, cond)`, of the shape of x, smooth in t, s and x.
    - `path`: one-sided; of finite slopes at both ends, such as `Linear`.

    **Good values:** `MeanFlowLoss()` on `Linear`; sampled by `jump` in 1 to 4 steps.

    ??? cite "Reference"
        Geng, Deng, Bai, Kolter, He, *Mean flows for one-step generative modeling*,
        NeurIPS 2025, for u; Boffi, Albergo, Vanden-Eijnden, *Flow map matching*,
        TMLR 2025, for Ψ.
    """

    net: Callable
    path: AbstractInterpolant

    def __check_init__(self):
        require(
            isinstance(self.path, AbstractPath),
            "`path`: flow maps lead from noise to data, on a one-sided path; got "
            f"{type(self.path).__name__}",
        )

    def average(
        self,
        t: RealScalar,
        s: RealScalar,
        x: Float[Array, "*shape"],
        cond: PyTree = None,
    ) -> Float[Array, "*shape"]:
        t, s = jnp.asarray(t, x.dtype), jnp.asarray(s, x.dtype)
        value = self.net(t, s, x, cond)
        require(
            value.shape == x.shape,
            f"`net` must return the shape of the state, {x.shape}; got {value.shape}",
        )
        return value


class StepMap(AbstractFlowMap):
    r"""One step of a sampler as a flow map: the teacher of a distillation.

    Two steps of `DDIM()` as the teacher of `ProgressiveLoss` are progressive
    distillation, one of `Heun()` as that of `ConsistencyLoss` is consistency
    distillation.

    **Arguments:**

    - `predictor`: exact or trained, on a one-sided path.
    - `sampler`: without memory or noise: `DDIM()`, `Euler()`, `Heun()`, `DPM2()`.

    **Raises:** `ValueError` for a sampler that remembers or draws noise.

    ??? cite "Reference"
        Salimans, Ho, *Progressive distillation for fast sampling of diffusion models*,
        ICLR 2022; Song, Dhariwal, Chen, Sutskever, *Consistency models*, ICML 2023.
    """

    predictor: AbstractPredictor
    sampler: AbstractSampler

    def __check_init__(self):
        require(
            isinstance(self.sampler, AbstractOneStep) and not self.sampler.random,
            "`sampler`: a step must depend on the state alone; got "
            f"{type(self.sampler).__name__}, take DDIM() or Heun()",
        )
        require(
            isinstance(self.predictor.path, AbstractPath),
            "`predictor`: must live on a one-sided path; got "
            f"{type(self.predictor.path).__name__}",
        )

    @property
    def path(self) -> AbstractPath:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the predictor."""
        path = self.predictor.path
        assert isinstance(path, AbstractPath)
        return path

    def __call__(
        self,
        t: RealScalar,
        s: RealScalar,
        x: Float[Array, "*shape"],
        cond: PyTree = None,
    ) -> Float[Array, "*shape"]:
        ts = jnp.stack([jnp.asarray(t, x.dtype), jnp.asarray(s, x.dtype)])
        row = jax.tree.map(lambda v: v[0], self.sampler.prepare(self.path, ts))
        return self.sampler.step(self.predictor, x, None, row, None, cond)[0]

    def average(
        self,
        t: RealScalar,
        s: RealScalar,
        x: Float[Array, "*shape"],
        cond: PyTree = None,
    ) -> Float[Array, "*shape"]:
        length = jnp.asarray(s, x.dtype) - jnp.asarray(t, x.dtype)
        moves = length != 0
        mean = (self(t, s, x, cond) - x) / jnp.where(moves, length, 1)
        return jnp.where(moves, mean, self.predictor.velocity(t, x, cond))


def eulerian_defect(
    flow_map: Callable,
    velocity: Float[Array, "*shape"],
    t: RealScalar,
    s: RealScalar,
    x: Float[Array, "*shape"],
    cond: PyTree = None,
) -> Float[Array, "*shape"]:
    r"""$\partial_t\Psi_{t\to s}(x) + \nabla\Psi_{t\to s}(x)\,v$: zero for the flow map.

    A state carried by the flow always ends at the same place.

    **Arguments:**

    - `flow_map`: `flow_map(t, s, x, cond)` gives Ψ.
    - `velocity`: v(t, x).
    - `t`, `s`, `x`: from where, to when.
    - `cond`: handed to the map.
    """
    start, one = jnp.asarray(t, x.dtype), jnp.ones((), x.dtype)
    end = lambda t, x: flow_map(t, s, x, cond)  # noqa: E731
    return jax.jvp(end, (start, x), (one, velocity))[1]


def lagrangian_defect(
    flow_map: Callable,
    velocity: Callable,
    t: RealScalar,
    s: RealScalar,
    x: Float[Array, "*shape"],
    cond: PyTree = None,
) -> Float[Array, "*shape"]:
    r"""$\partial_s\Psi_{t\to s}(x) - v(s, \Psi_{t\to s}(x))$: zero for the flow map.

    The end moves with the velocity there.

    **Arguments:**

    - `flow_map`: `flow_map(t, s, x, cond)` gives Ψ.
    - `velocity`: `velocity(s, y)` gives v.
    - `t`, `s`, `x`: from where, to when.
    - `cond`: handed to the map.
    """
    stop, one = jnp.asarray(s, x.dtype), jnp.ones((), x.dtype)
    arrived, moving = jax.jvp(lambda s: flow_map(t, s, x, cond), (stop,), (one,))
    return moving - velocity(stop, arrived)


def semigroup_defect(
    flow_map: Callable,
    t: RealScalar,
    r: RealScalar,
    s: RealScalar,
    x: Float[Array, "*shape"],
    cond: PyTree = None,
) -> Float[Array, "*shape"]:
    r"""$\Psi_{t\to s}(x) - \Psi_{r\to s}(\Psi_{t\to r}(x))$: zero for the flow map.

    **Arguments:**

    - `flow_map`: `flow_map(t, s, x, cond)` gives Ψ.
    - `t`, `r`, `s`: times, the second on the way.
    - `x`: the state at the first.
    - `cond`: handed to the map.
    """
    between = flow_map(t, r, x, cond)
    return flow_map(t, s, x, cond) - flow_map(r, s, between, cond)


def jump(
    flow_map: AbstractFlowMap,
    x: Float[Array, "*shape"],
    ts: Float[Array, " times"],
    *,
    cond: PyTree = None,
    throw: bool = True,
) -> Sample:
    r"""From noise to data in a few jumps, one evaluation each.

    ```python
    ts = score.times(path, 2)
    x = score.jump(flow_map, score.start(path, like, key=key), ts).x
    ```

    **Arguments:**

    - `flow_map`: trained.
    - `x`: the state at `ts[0]`, by `start`.
    - `ts`: from noise to data; two for a single jump.
    - `cond`: handed to the map.
    - `throw`: raise where the run failed and that can be seen.

    **Returns:** a `Sample`.

    **Raises:** `ValueError` for times that do not lead from noise to data; `PhixError`
    with the first bad step when the state is not finite.
    """
    with eagerly(ts):
        ts = jnp.asarray(ts, x.dtype)
    check_direction(flow_map.path, x, ts)
    found = _jump(flow_map, x, ts, cond)
    return found.throw() if throw else found


@eqx.filter_jit
def _jump(flow_map, x, ts, cond):
    def step(x, memory, row, own):
        del own
        return flow_map(*row, x, cond), memory

    return carried(step, x, ts, (ts[:-1], ts[1:]))
