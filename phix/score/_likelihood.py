"""The probability flow as an ODE: encoding, densities and derivatives of the flow."""

import math
from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix._errors import eagerly, is_concrete, require
from phix._types import Array, Float, Int, PRNGKeyArray, PyTree, RealScalar
from phix.integrate import solve
from phix.score._path import AbstractPath
from phix.score._predict import AbstractPredictor


class Flowed(eqx.Module):
    """Where the probability flow took a state.

    - `x`: the state at the end.
    - `log_prob`: the logarithm of the density at the start, or `None`.
    - `result`: a `phix.Result` code.
    - `num_steps`: accepted steps.
    """

    x: Float[Array, "*shape"]
    log_prob: Float[Array, ""] | None
    result: Int[Array, ""]
    num_steps: Int[Array, ""]


def flow(
    predictor: AbstractPredictor,
    x: Float[Array, "*shape"],
    span: tuple[RealScalar, RealScalar],
    *,
    cond: PyTree = None,
    scheme: dfx.AbstractSolver | None = None,
    dt: RealScalar | None = None,
    rtol: RealScalar | None = None,
    atol: RealScalar | None = None,
    throw: bool = True,
) -> Flowed:
    """Follows dx/dt = v(t, x) from one time to another, in either direction.

    Encoding is the flow from `path.t_data` to `path.t_noise`, decoding the other way.

    **Arguments:**

    - `predictor`: exact or learned.
    - `x`: the state at the first time.
    - `span`: the two times.
    - `cond`: handed to the predictor.
    - `scheme`, `dt`, `rtol`, `atol`: as of `phix.integrate.solve`; adaptive Tsit5
        without `dt`.
    - `throw`: raise where the run failed and that can be seen.

    **Returns:** a `Flowed` without density.

    **Raises:** `ValueError` for a time at which the prediction leaves the velocity
    open; `PhixError` for a failed run.
    """

    def field(t, x):
        return predictor.velocity(t, x, cond)

    choices: dict[str, Any] = dict(
        scheme=scheme, dt=dt, rtol=rtol, atol=atol, throw=throw
    )
    (x,), trajectory = _carried(
        predictor, lambda t, y: (field(t, y[0]),), (x,), span, choices
    )
    return Flowed(x, None, trajectory.result, trajectory.stats["num_steps"])


def log_likelihood(
    predictor: AbstractPredictor,
    x: Float[Array, "*shape"],
    *,
    probes: int | None = None,
    key: PRNGKeyArray | None = None,
    cond: PyTree = None,
    span: tuple[RealScalar, RealScalar] | None = None,
    end: Callable | None = None,
    scheme: dfx.AbstractSolver | None = None,
    dt: RealScalar | None = None,
    rtol: RealScalar | None = None,
    atol: RealScalar | None = None,
    throw: bool = True,
) -> Flowed:
    r"""The density of data under the probability flow, by the change of variables.

    $$\log p(x) = \log p_T(x_T) + \int\nabla\cdot v(t, x_t)\,dt$$

    along the flow of x to the noise. Where the noise lives on a subspace it is the
    density there, and so should the data and the predictions be.

    ```python
    nats = score.log_likelihood(predictor, x).log_prob
    estimate = score.log_likelihood(predictor, x, probes=4, key=key).log_prob
    ```

    **Arguments:**

    - `predictor`: exact or learned.
    - `x`: data.
    - `probes`: `None` for the exact divergence (one derivative for each number in x);
        else how many random signs ε estimate it by $\epsilon^\top\nabla v\,\epsilon$
        (unbiased; the same ones along the whole flow, so that it stays an ODE).
    - `key`: for the probes.
    - `cond`: handed to the predictor.
    - `span`: from data to noise; the ends of the path if None.
    - `end`: `end(x)` is the log-density at the noisy end; by default that of the noise
        alone, which is exact where α = 0 and else leaves out α times the data.
    - `scheme`, `dt`, `rtol`, `atol`: as of `phix.integrate.solve`.
    - `throw`: raise where the run failed and that can be seen.

    **Returns:** a `Flowed` whose `x` is the code; differentiable in reverse mode.

    **Raises:** `ValueError` for probes without a key, fewer than one, and a time at
    which the prediction leaves the velocity open; `PhixError` for a failed run.
    """
    require(
        (probes is None) == (key is None),
        "`probes` and `key` go together: give both for an estimate, none for the exact "
        "divergence",
    )
    require(probes is None or probes >= 1, f"`probes` must be ≥ 1; got {probes}")
    path = predictor.path
    start, stop = (path.t_data, path.t_noise) if span is None else span
    directions = jax.vmap(path.noise.project)(_directions(x, probes, key))

    def field(t, y):
        def velocity_at(x):
            return predictor.velocity(t, x, cond)

        def along(direction):
            return jax.jvp(velocity_at, (y[0],), (direction,))

        # Forwards, with nothing kept for it, as `linearize` would.
        velocity, pushed = jax.vmap(along, out_axes=(None, 0))(directions)
        total = jnp.sum(directions * pushed)
        return velocity, total if probes is None else total / probes

    choices: dict[str, Any] = dict(
        scheme=scheme, dt=dt, rtol=rtol, atol=atol, throw=throw
    )
    (code, change), trajectory = _carried(
        predictor, field, (x, jnp.zeros((), x.dtype)), (start, stop), choices
    )
    at_end = _log_prob_of_noise(path, stop, code) if end is None else end(code)
    return Flowed(
        code, at_end + change, trajectory.result, trajectory.stats["num_steps"]
    )


def flow_jacobian(
    predictor: AbstractPredictor,
    x: Float[Array, " dim"],
    ts: Float[Array, " times"] | np.ndarray,
    *,
    cond: PyTree = None,
    scheme: dfx.AbstractSolver | None = None,
    dt: RealScalar | None = None,
    rtol: RealScalar | None = None,
    atol: RealScalar | None = None,
    throw: bool = True,
) -> tuple[Float[Array, "times dim"], Float[Array, "times dim dim"]]:
    r"""The states along the flow and their derivatives in the first.

    $\dot Y = \nabla v\,Y$ beside $\dot x = v$.

    **Arguments:**

    - `predictor`: exact or learned.
    - `x`: the state at `ts[0]`.
    - `ts`: increasing or decreasing times.
    - `cond`: handed to the predictor.
    - `scheme`, `dt`, `rtol`, `atol`, `throw`: as of `flow`.

    **Returns:** states and Jacobians at all `ts`, the first one the identity.
    """
    with eagerly(ts):
        ts = jnp.asarray(ts, x.dtype)
        sign = _sign(ts)
        forward_ts = sign * ts
    _check_velocity(predictor, ts)

    def field(s, y, _):
        velocity, push = jax.linearize(
            lambda x: predictor.velocity(sign * s, x, cond), y[0]
        )
        return sign * velocity, sign * jax.vmap(push, 1, 1)(y[1])

    start = (x, jnp.eye(x.size, dtype=x.dtype))
    choices: dict[str, Any] = dict(
        scheme=scheme, dt=dt, rtol=rtol, atol=atol, throw=throw
    )
    return solve(field, start, forward_ts, **choices).us


def bits_per_dim(
    log_prob: Float[Array, "*batch"], size: int, scale: RealScalar = 1.0
) -> Float[Array, "*batch"]:
    r"""$-\log p/(d\log 2) + \log_2 s$: the cost of a number of the data in bits.

    **Arguments:**

    - `log_prob`: in nats, of the scaled data.
    - `size`: d, how many numbers.
    - `scale`: s, units of the data in one of the scaled data: 127.5 for 8-bit images
        in [−1, 1], to whose values noise on [0, 1) was added.
    """
    scale = jnp.asarray(scale, log_prob.dtype)
    return -log_prob / (size * math.log(2)) + jnp.log2(scale)


def _directions(x: Array, probes: int | None, key: PRNGKeyArray | None) -> Array:
    if probes is None:
        return jnp.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    assert key is not None
    return jr.rademacher(key, (probes, *x.shape), x.dtype)


def _log_prob_of_noise(path: Any, t: RealScalar, x: Array) -> Array:
    sigma = path.sigma(jnp.asarray(t, x.dtype))
    return path.noise.log_prob(x / sigma) - path.noise.size(x) * jnp.log(sigma)


def _carried(predictor, field, y, span, choices):
    """The state at the end of the span, and the trajectory."""
    dtype = y[0].dtype
    with eagerly(span):
        ts = jnp.stack([jnp.asarray(t, dtype) for t in span])
        sign = _sign(ts)
        forward_ts = sign * ts
    _check_velocity(predictor, ts)

    def forward(s, y, _):
        return jax.tree.map(lambda slope: sign * slope, field(sign * s, y))

    trajectory = solve(forward, y, forward_ts, **choices)
    return jax.tree.map(lambda u: u[-1], trajectory.us), trajectory


def _sign(ts: Array) -> Array:
    """What makes times increase, as `solve` wants them."""
    return jnp.sign(ts[-1] - ts[0])


def _check_velocity(predictor: AbstractPredictor, ts: Array) -> None:
    if not is_concrete(predictor, ts):
        return
    with eagerly():
        for t in (ts[0], ts[-1]):
            require(
                bool(predictor.determines(t)),
                f"`span`: at t = {float(t):.6g} this kind of prediction leaves the "
                "velocity open; stay inside, from path.time_at(7.0) to "
                "path.time_at(-7.0)",
            )
        if isinstance(predictor.path, AbstractPath):
            predictor.check_times(ts)
