"""Losses of predictors: weighted squares along a path, for `phix.train.fit`."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._errors import require
from phix._types import Array, Float, IntScalar, PRNGKeyArray, PyTree, RealScalar
from phix.score._path import AbstractPath, check_kind


class UniformTimes(eqx.Module):
    """Times drawn evenly over the path, or over a share of it next to the noise.

    **Arguments:**

    - `margin`: the share of the path left out at the data, in [0, 1).
    """

    margin: float = 0.0

    def __call__(self, path: AbstractPath, *, key: PRNGKeyArray, dtype: Any) -> Array:
        share = 1 - jr.uniform(key, (), dtype)  # never the data themselves
        low = path.t_data + self.margin * (path.t_noise - path.t_data)
        return low + (path.t_noise - low) * share


class LogitNormalTimes(eqx.Module):
    """The share of the path from data to noise is the sigmoid of a normal number.

    **Arguments:**

    - `mean`, `std`: of that number; more noise for a larger mean.

    ??? cite "Reference"
        Esser et al., *Scaling rectified flow transformers*, ICML 2024, eq. 19.
    """

    mean: float = 0.0
    std: float = 1.0

    def __call__(self, path: AbstractPath, *, key: PRNGKeyArray, dtype: Any) -> Array:
        share = jax.nn.sigmoid(self.mean + self.std * jr.normal(key, (), dtype))
        return path.t_data + (path.t_noise - path.t_data) * share


class LogNormalTimes(eqx.Module):
    r"""$\log(\sigma/\alpha)$ is normal, cut at the ends of the path.

    **Arguments:**

    - `mean`, `std`: of $\log(\sigma/\alpha)$.

    ??? cite "Reference"
        Karras et al., *Elucidating the design space*, NeurIPS 2022, table 1.
    """

    mean: float = -1.2
    std: float = 1.2

    def __call__(self, path: AbstractPath, *, key: PRNGKeyArray, dtype: Any) -> Array:
        return path.time_at(-(self.mean + self.std * jr.normal(key, (), dtype)))


class PowerTimes(eqx.Module):
    """The share of the path from data to noise is a power of a uniform number.

    **Arguments:**

    - `exponent`: above 1 for more times near the data, below 1 for fewer.
    """

    exponent: float = 2.0

    def __call__(self, path: AbstractPath, *, key: PRNGKeyArray, dtype: Any) -> Array:
        share = (1 - jr.uniform(key, (), dtype)) ** self.exponent
        return path.t_data + (path.t_noise - path.t_data) * share


def uniform_weight(path: AbstractPath, t: RealScalar) -> Array:
    """The same weight at all times."""
    return jnp.ones_like(path.sigma(t))


def sigma_squared(path: AbstractPath, t: RealScalar) -> Array:
    """σ², which makes an error of the score one of the noise."""
    return path.variance(t)


def min_snr(gamma: RealScalar = 5.0) -> Callable:
    r"""$\min(\alpha^2/\sigma^2, \gamma)$, for an error of the data.

    ??? cite "Reference"
        Hang et al., *Efficient diffusion training via min-SNR weighting*, ICCV 2023.
    """

    def weight(path: AbstractPath, t: RealScalar) -> Array:
        # Bounded before the exponential: σ may be 0.
        log_snr = jnp.minimum(2 * path.log_snr(t), jnp.log(gamma))
        return jnp.exp(log_snr)

    return weight


def edm_weight(scale: RealScalar = 0.5) -> Callable:
    r"""$(\sigma^2+s^2)/(\sigma s)^2$ with σ/α for σ, for an error of the data.

    **Arguments:**

    - `scale`: s, the standard deviation of the data.
    """

    def weight(path: AbstractPath, t: RealScalar) -> Array:
        sigma = path.sigma(t) / path.alpha(t)
        return 1 / scale**2 + 1 / sigma**2

    return weight


class MatchingLoss(eqx.Module):
    r"""$E_{t,\epsilon}\,w(t)\,\lVert\text{prediction}-\text{target}\rVert^2/d$.

    One loss for denoising, score matching, flow matching: the prediction is compared
    with $x_\text{data}$, ε, the score of the noising, $\alpha'x+\sigma'\epsilon$, … of
    the point $\alpha x+\sigma\epsilon$. The mean over the d numbers of a sample.

    ```python
    objective = per_sample(score.MatchingLoss())
    result = fit(predictor, objective, ArraySource(data, 256), optimiser=…, …)
    ```

    **Arguments:**

    - `kind`: in which to compare; that of the network if None.
    - `times`: `times(path, key=, dtype=)` draws t.
    - `weight`: `weight(path, t)`.
    - `antithetic`: the mean over ε and its mirror about the mean of the noise: two
        evaluations, far less variance where the target is large.

    The model is a `Predictor`. A sample is the data, or a pair of data and conditions.

    **Good values:** uniform times and weight in `"velocity"`; `LogNormalTimes` with
    `edm_weight` in `"data"` on `EDM`.
    """

    kind: str | None = eqx.field(static=True, default=None)
    times: Callable = UniformTimes()
    weight: Callable = uniform_weight
    antithetic: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        if self.kind is not None:
            check_kind(self.kind)

    def __call__(
        self, model: Any, sample: PyTree, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict]:
        """The loss of one sample, with no metrics."""
        del step
        data, cond = sample if isinstance(sample, tuple) else (sample, None)
        path, kind = model.path, self.kind or model.kind
        time_key, noise_key = jr.split(key)
        t = self.times(path, key=time_key, dtype=data.dtype)
        centred = path.noise.shifted(-1.0, path.noise.sample(data, key=noise_key))

        def error(sign):
            noise = path.noise.shifted(1.0, sign * centred)
            x = path.mix(t, data, noise)
            target = path.target(t, data, noise, kind)
            return jnp.mean((model.predict(t, x, kind, cond) - target) ** 2)

        value = error(1.0)
        if self.antithetic:
            value = 0.5 * (value + error(-1.0))
        return self.weight(path, t) * value, {}


def explicit_score_loss(
    model: Callable, sample: Array, *, step: IntScalar, key: PRNGKeyArray
) -> tuple[Array, dict]:
    r"""$\nabla\cdot s + \tfrac12\lVert s\rVert^2$ of `model(x)`, its mean least at the
    score of the data.

    Cost: d derivatives.

    ??? cite "Reference"
        Hyvärinen, *Estimation of non-normalized statistical models by score matching*,
        JMLR 2005, eq. 4.
    """
    del step, key
    jacobian = jax.jacfwd(model)(sample).reshape(sample.size, sample.size)
    return jnp.trace(jacobian) + 0.5 * jnp.sum(model(sample) ** 2), {}


def sliced_score_loss(
    model: Callable, sample: Array, *, step: IntScalar, key: PRNGKeyArray
) -> tuple[Array, dict]:
    r"""The same with $z\cdot\nabla(s\cdot z)$ for the divergence: one derivative.

    z is ±1 in each number, so that the mean over z is the explicit loss.

    ??? cite "Reference"
        Song, Garg, Shi, Ermon, *Sliced score matching*, UAI 2019, eq. 8.
    """
    del step
    z = jr.rademacher(key, sample.shape, sample.dtype)
    value, pushed = jax.jvp(model, (sample,), (z,))
    return jnp.sum(z * pushed) + 0.5 * jnp.sum(value**2), {}


class DenoisingScoreLoss(eqx.Module):
    r"""$\tfrac12\sigma^2\lVert s(x+\sigma\epsilon) + \epsilon/\sigma\rVert^2$ of
    `model(x)`: the score of the data smoothed by σ.

    **Arguments:**

    - `sigma`: the noise level, > 0.

    **Raises:** `ValueError` for a level that is not positive.

    ??? cite "Reference"
        Vincent, *A connection between score matching and denoising autoencoders*,
        Neural Computation 2011.
    """

    sigma: float

    def __check_init__(self):
        require(self.sigma > 0, f"`sigma` must be positive; got {self.sigma}")

    def __call__(
        self, model: Callable, sample: Array, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict]:
        """The loss of one sample."""
        del step
        noise = jr.normal(key, sample.shape, sample.dtype)
        error = self.sigma * model(sample + self.sigma * noise) + noise
        return 0.5 * jnp.sum(error**2), {}


class Conservative(eqx.Module):
    r"""A network that is a gradient: $\nabla_x\tfrac12(|x|^2 - |x - F(t,x)|^2)$.

    As the net of a `Predictor` of data or noise, with white noise, its score is a
    gradient field, whatever the weights. Cost: a reverse derivative, and one more in
    training.

    **Arguments:**

    - `net`: `net(t, x, cond)`, smooth in x (no ReLU); in a `Predictor` its first
      argument is the log signal-to-noise ratio.
    """

    net: Callable

    def __call__(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Float[Array, "*shape"]:
        return jax.grad(lambda x: self.energy(t, x, cond))(x)

    def energy(
        self, t: RealScalar, x: Float[Array, "*shape"], cond: PyTree = None
    ) -> Float[Array, ""]:
        r"""$\tfrac12(|x|^2 - |x - F(t,x)|^2)$, of which the output is the gradient."""
        return 0.5 * (jnp.sum(x**2) - jnp.sum((x - self.net(t, x, cond)) ** 2))


def curl_penalty(
    field: Callable, x: Float[Array, "*shape"], *, key: PRNGKeyArray
) -> Float[Array, ""]:
    r"""$\lVert J\epsilon - J^\top\epsilon\rVert^2$ at x: zero for a gradient field.

    Its mean over the signs ε is $\lVert J - J^\top\rVert_F^2$. Cost: one derivative in
    each mode.

    **Arguments:**

    - `field`: a function of x of its shape.
    - `x`: where.
    - `key`: for the signs.
    """
    probe = jr.rademacher(key, x.shape, x.dtype)
    _, pushed = jax.jvp(field, (x,), (probe,))
    _, pull = jax.vjp(field, x)
    (pulled,) = pull(probe)
    return jnp.sum((pushed - pulled) ** 2)
