"""One loop of variational posterior methods; RED-diff and FLAIR are its settings."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from phix._errors import eagerly
from phix._types import Array, Float, PRNGKeyArray, PyTree, RealScalar
from phix.score._fit_readings import fit_readings
from phix.score._guide import require_one_sided
from phix.score._losses import uniform_weight
from phix.score._measure import Measurement
from phix.score._path import AbstractPath
from phix.score._predict import AbstractPredictor
from phix.score._sample import Sample, carried, check_key, check_run


def fresh(path: AbstractPath, t: RealScalar) -> Array:
    """New noise in every step: nothing of the predicted one is kept."""
    return jnp.zeros_like(path.alpha(t))


def straight_share(path: AbstractPath, t: RealScalar) -> Array:
    r"""$\alpha/(\alpha+\sigma)$: 1 − t on `Linear`, what FLAIR keeps of the noise."""
    return path.alpha(t) / (path.alpha(t) + path.sigma(t))


class Variational(eqx.Module):
    r"""How `reconstruct` sweeps over the times.

    At each t noise ε, a gradient step of `DenoisingPenalty` at $x_t = \alpha x +
    \sigma\epsilon$, and the readings:

    $$\epsilon = a\,\hat\epsilon + \sqrt{1-a^2}\,\xi,\quad
    x \leftarrow \text{step}\big(x,\ w\,(x - d(x_t))\big),\quad
    \hat\epsilon \leftarrow E[\epsilon|x_t]$$

    `red_diff` and `flair` are its two settings. With w = 1, a = 1, steps of rate 1 and
    no readings it is Euler's method for the probability flow on `Linear`, and DDIM on
    any path.

    **Arguments:**

    - `optimiser`: takes the step.
    - `weight`: `weight(path, t)` is w, as of `DenoisingPenalty`.
    - `keep`: `keep(path, t)` is a, in [0, 1].
    - `fit`: `fit(measurement, x)` after each step, such as `fit_readings`; `None` adds
        the gradient of $|\Sigma^{-1/2}(y-A(x))|^2/2$ to that of the penalty.
    """

    optimiser: optax.GradientTransformation
    weight: Callable = uniform_weight
    keep: Callable = fresh
    fit: Callable | None = None


def red_diff(rate: RealScalar = 0.1, weight: Callable = uniform_weight) -> Variational:
    r"""Fresh noise, and Adam on the sum of penalty and misfit: a point, no sample.

    Both terms are summed, the misfit in units of its noise: doubled sensors of doubled
    variance change nothing. (The published means over pixels and readings are the
    constant weight $\lambda m\sigma_y^2/n$.)

    **Arguments:**

    - `rate`: of Adam, with decays 0.9 and 0.99.
    - `weight`: `weight(path, t)`, for an error of the data.

    **Good values:** a rate of 0.1 to 0.5 of the standard deviation of the data, 100
    times. It falls on one mode of several, the smaller the rate the more.

    ??? cite "Reference"
        Mardani, Song, Kautz, Vahdat, *A variational perspective on solving inverse
        problems with diffusion models*, ICLR 2024, algorithm 1.
    """
    return Variational(optax.adam(rate, b1=0.9, b2=0.99), weight)


def flair(weight: Callable, keep: Callable = straight_share) -> Variational:
    r"""Plain steps of the penalty, each followed by `fit_readings` to the noise level.

    **Arguments:**

    - `weight`: `calibrated_weight(predictor, data, key=key)`.
    - `keep`: a; `fresh` where the data are of few dimensions.

    **Good values:** 50 times from the noise to 0.18 on `Linear`, then 0.

    ??? cite "Reference"
        Erbach, Narnhofer, Dombos, Lenssen, Schiele, Schindler, *Solving inverse
        problems with FLAIR*, NeurIPS 2025; without the shift of the weights by the
        last, which turns the prior off where the error is largest at the noise.
    """
    return Variational(optax.sgd(1.0), weight, keep, fit_readings)


class _Row(NamedTuple):
    t: Array
    weight: Array
    keep: Array


def reconstruct(
    predictor: AbstractPredictor,
    measurement: Measurement,
    x: Float[Array, "*shape"],
    ts: Float[Array, " times"],
    *,
    method: Variational,
    key: PRNGKeyArray,
    cond: PyTree = None,
    throw: bool = True,
) -> Sample:
    r"""A field that explains readings and that the prior finds likely.

    ```python
    x = score.fit_readings(seen, jnp.zeros(grid.shape)[None])
    ts = score.times(path, 100)
    found = score.reconstruct(
        predictor, seen, x, ts, method=score.red_diff(0.2), key=key
    ).x
    ```

    **Arguments:**

    - `predictor`: of the prior, of any kind, on any path.
    - `measurement`: the readings.
    - `x`: a first field.
    - `ts`: from noise to data; one evaluation at each but the last.
    - `method`: `red_diff()` or `flair(weight)`, or a `Variational` of one's own.
    - `key`: for the noise.
    - `cond`: handed to the predictor.
    - `throw`: raise where the run failed and that can be seen.

    **Returns:** a `Sample`.

    **Raises:** as `sample`.
    """
    path = require_one_sided(predictor)
    with eagerly(ts):
        ts = jnp.asarray(ts, x.dtype)
    with eagerly(ts, predictor):
        check_run(predictor, x, ts)
        check_key(method, True, key)
    found = _reconstruct(predictor, path, measurement, x, ts, method, key, cond)
    return found.throw() if throw else found


@eqx.filter_jit
def _reconstruct(predictor, path, measurement, x, ts, method, key, cond):
    weights, keeps = (
        jax.vmap(lambda t, f=f: jnp.asarray(f(path, t), x.dtype))(ts[:-1])
        for f in (method.weight, method.keep)
    )
    rows = _Row(ts[:-1], weights, keeps.at[0].set(0))  # nothing is predicted yet

    def step(x, memory, row, own):
        predicted, state = memory
        drawn = path.noise.sample(x, key=own)
        # Both about the mean of the noise.
        moved = row.keep * path.noise.shifted(-1.0, predicted)
        moved = moved + jnp.sqrt(1 - row.keep**2) * path.noise.shifted(-1.0, drawn)
        epsilon = path.noise.shifted(1.0, moved)
        known = predictor.denoise(row.t, path.mix(row.t, x, epsilon), cond)
        slope = row.weight * (x - known.data)
        if method.fit is None:
            near = measurement.linearise(x)
            slope = slope - near.pull(near.misfit)
        change, state = method.optimiser.update(slope, state, x)
        x = optax.apply_updates(x, change)
        if method.fit is not None:
            x = method.fit(measurement, x)
        return x, (known.noise, state)

    carry = (jnp.zeros_like(x), method.optimiser.init(x))
    return carried(step, x, ts, rows, carry=carry, key=key)
