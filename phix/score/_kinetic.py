"""Paths from tables, and the one whose flow moves the data with the least energy."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.interpolate import PchipInterpolator

from phix._errors import is_concrete, require
from phix._types import Array, Float, PRNGKeyArray, RealScalar
from phix.num import matmul
from phix.score._base import AbstractNoise, White
from phix.score._path import AbstractPath, as_time, check_ends
from phix.score._predict import AbstractPredictor


_STANDARD = 0.05
# Angles of the quadrature: b to some 1e-6 where γ is smooth.
_ANGLES = 4000


class Tabulated(AbstractPath):
    r"""α and σ from a table, by cubic Hermite polynomials of their polar form.

    $(\alpha, \sigma) = r(\sin\theta, \cos\theta)$: σ never becomes negative, and a path
    of unit variance keeps it.

    **Arguments:**

    - `ts`: increasing times, "times"; one end holds the data, the other the noise,
        whichever has the larger α.
    - `alphas`, `sigmas`: the amplitudes there.
    - `d_alphas`, `d_sigmas`: their derivatives; monotone ones (PCHIP) if None.
    - `noise`: the law of ε.

    **Raises:** `ValueError` for tables of unequal lengths, times that do not increase,
    and ends that are not data and noise.
    """

    table: Float[Array, "5 times"]
    noise: AbstractNoise
    t_data: float = eqx.field(static=True)
    t_noise: float = eqx.field(static=True)

    def __init__(self, ts, alphas, sigmas, d_alphas=None, d_sigmas=None, noise=None):
        ts, alphas, sigmas = (np.asarray(v, float) for v in (ts, alphas, sigmas))
        require(
            ts.ndim == 1 and ts.size >= 2 and bool(np.all(np.diff(ts) > 0)),
            f"`ts` must be at least two increasing times; got shape {ts.shape}",
        )
        for name, values in (("alphas", alphas), ("sigmas", sigmas)):
            require(
                values.shape == ts.shape,
                f"`{name}` must have shape {ts.shape}, as `ts`; got {values.shape}",
            )
        r, theta = np.hypot(alphas, sigmas), np.arctan2(alphas, sigmas)
        if d_alphas is None or d_sigmas is None:
            slopes = [PchipInterpolator(ts, v).derivative()(ts) for v in (r, theta)]
        else:
            d_r = (alphas * d_alphas + sigmas * d_sigmas) / r
            slopes = [d_r, (sigmas * d_alphas - alphas * d_sigmas) / r**2]
        self.table = jnp.asarray(np.stack([ts, r, theta, *slopes]))
        self.noise = White() if noise is None else noise
        ends = (float(ts[0]), float(ts[-1]))
        self.t_data, self.t_noise = ends if alphas[0] > alphas[-1] else ends[::-1]
        check_ends(self)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        return self._at(t, 1) * jnp.sin(self._at(t, 2))

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        # As a sine: exactly zero where the table is.
        return self._at(t, 1) * jnp.sin(math.pi / 2 - self._at(t, 2))

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        return self.sigma(t) ** 2

    def _at(self, t, row):
        t = as_time(t)
        table = self.table.astype(t.dtype)
        last = table.shape[1] - 2
        i = jnp.clip(jnp.searchsorted(table[0], t, side="right") - 1, 0, last)
        (left, right), (a, b), (p, q) = (
            (table[k, i], table[k, i + 1]) for k in (0, row, row + 2)
        )
        # As `num.hermite`, but exact at the knots: σ must vanish where the table does.
        h = right - left
        s = (t - left) / h
        blend = s**2 * (3 - 2 * s)
        bend = s * (1 - s) * h * ((1 - s) * p - s * q)
        return a * (1 - blend) + b * blend + bend


class KineticOptimal(eqx.Module):
    r"""The path of least kinetic energy among those $\alpha x_1 + \sigma\epsilon$.

    - `path`: data at t = 1, for data of mean zero and unit mean square.
    - `energy`: $b = \frac1d\int_0^1E|v(t,x_t)|^2dt$, the least there is; 0 for a
        standard Gaussian, 2 for separated points.
    """

    path: Tabulated
    energy: float = eqx.field(static=True)


def kinetic_optimal(
    mmse: Callable[[np.ndarray], np.ndarray], *, floor: float = 0.0
) -> KineticOptimal:
    r"""The kinetic-optimal path, from how well the data can be denoised.

    With $(\alpha, \sigma) = r(\sin\theta, \cos\theta)$ the energy is that of a curve in
    the flat metric $dr^2 + r^2d\varphi^2$ with $d\varphi = \sqrt\gamma\,d\theta$,
    $\gamma(\theta) = 1 - m(\tan\theta)/\cos^2\theta$: the best is the straight chord
    between unit vectors $\Phi = \varphi(\pi/2)$ apart, $b = 2(1-\cos\Phi)$.

    **Arguments:**

    - `mmse`: m(s), the least mean-square error $\frac1dE|x - E[x|y]|^2$ of data of mean
        zero and unit mean square from $y = x + z/s$; of an array of s > 0. From data by
        `denoising_error`.
    - `floor`: added to γ. Where data look Gaussian γ is next to nothing, moving is free
        and θ runs; few steps cannot follow, and a measured γ errs there by more than
        its size.

    **Returns:** a `KineticOptimal`, whose energy is that with the floor. Where γ is 0
    at an end, slopes are infinite there; the table ends in a chord.

    **Raises:** `ValueError` where m is not a finite number in [0, 1], no flow is needed
    (γ = 0 everywhere: any path will do), or the floor is negative.

    **Good values:** a floor of 0 for an error in closed form, 0.02 for one of samples.
    Few steps gain where data are of separate parts; where these overlap,
    `Trigonometric` does as well or better.

    ??? cite "Reference"
        Shaul, Chen, Nickel, Le, Lipman, *On kinetic optimal probability paths for
        generative models*, ICML 2023, theorem 3.1, in the polar form above.
    """
    require(floor >= 0, f"`floor` must not be negative; got {floor}")
    edges = np.linspace(0.0, np.pi / 2, _ANGLES + 1)
    middle = 0.5 * (edges[1:] + edges[:-1])
    s = np.tan(middle)
    error = np.asarray(mmse(s), float)
    require(
        error.shape == s.shape and bool(np.all((error >= 0) & (error <= 1 + 1e-6))),
        "`mmse` must return errors in [0, 1] for an array of s, of its shape; are the "
        "data of unit mean square?",
    )
    speed = np.sqrt(np.maximum(1 - error * (1 + s**2), 0.0) + floor)
    phi = np.concatenate([[0.0], np.cumsum(speed * np.diff(edges))])
    total = phi[-1]
    require(
        bool(total > 1e-8),
        "`mmse` is that of a standard Gaussian: nothing has to move, any path will do",
    )
    # Where the chord meets the ray at φ, at time t and radius r.
    t = np.sin(phi) / (np.sin(phi) + np.sin(total - phi))
    b = 2 * (1 - np.cos(total))
    r = np.sqrt(1 - b * t + b * t**2)
    keep = _spread(t)
    t, r, theta = t[keep], r[keep], edges[keep]
    alpha, sigma = r * np.sin(theta), r * np.cos(theta)
    sigma[-1], alpha[0] = 0.0, 0.0
    return KineticOptimal(Tabulated(t, alpha, sigma), float(b))


def denoising_error(
    data: Float[Array, "samples dim"],
    *,
    key: PRNGKeyArray,
    probes: int = 1000,
    angles: int = 48,
    held_out: bool = False,
) -> Callable[[np.ndarray], np.ndarray]:
    r"""The least mean-square error of denoising `data`, for `kinetic_optimal`.

    The best denoiser of the empirical law averages the data with weights
    $\propto e^{-s^2|y-x_i|^2/2}$; its error is measured with random noise at some
    angles $\theta = \arctan s$, beside that of the best linear denoiser, whose mean is
    known (a control variate: γ is a small difference), and interpolated.

    **Arguments:**

    - `data`: of mean zero and unit mean square.
    - `key`: for noise and choice of samples.
    - `probes`: noisy samples per angle; the standard error falls as 1/√probes.
    - `angles`: in (0, π/2).
    - `held_out`: leave the sample out that a probe is made from. The paper leaves it
        in, which measures how the data are memorised once noise is smaller than their
        distances.

    **Returns:** a function of an array of s. Cost: angles × probes × samples.

    **Raises:** `ValueError` for data that are not standardised, to 5 %.
    """
    _check_standard(data)
    grid = np.linspace(0.0, np.pi / 2, angles + 2)[1:-1]
    choice, noise_key = jr.split(key)
    number, dim = data.shape
    # Along the principal axes, where the best linear denoiser is known.
    data = data - jnp.mean(data, axis=0)
    variances, axes = jnp.linalg.eigh(matmul(data.T, data))
    variances = jnp.maximum(variances, 0) / number
    data = matmul(data, axes)
    index = jr.choice(choice, number, (probes,), replace=probes > number)
    z = jr.normal(noise_key, (probes, dim), data.dtype)

    @jax.jit
    def error(s):
        linear = s**2 * variances / (1 + s**2 * variances)

        def one(pair):
            i, z = pair
            y = data[i] + z / s
            logits = -0.5 * s**2 * jnp.sum((y - data) ** 2, axis=1)
            logits = jnp.where(held_out & (jnp.arange(number) == i), -jnp.inf, logits)
            guess = matmul(jax.nn.softmax(logits), data)
            errors = jnp.stack([guess, linear * y]) - data[i]
            return jnp.mean(errors**2, axis=1)

        best, known = jax.lax.map(one, (index, z), batch_size=64).T
        # The linear one has the same luck with its noise, and an error that is known.
        luck = jnp.mean(known) - jnp.mean(variances * (1 - linear))
        share = jnp.cov(best, known)[0, 1] / jnp.var(known, ddof=1)
        return jnp.mean(best) - share * luck

    measured = [float(error(jnp.asarray(np.tan(a), data.dtype))) for a in grid]
    # Of m/cos² the ends are known: 1 at both unless the data are separated.
    scaled = np.array(measured) / np.cos(grid) ** 2
    last = 1.0 if held_out else 0.0
    ends = np.concatenate([[1.0], np.clip(scaled, 0.0, 1.0), [last]])
    curve = PchipInterpolator(np.concatenate([[0.0], grid, [np.pi / 2]]), ends)

    def mmse(s):
        return np.clip(curve(np.arctan(s)), 0.0, 1.0) / (1 + s**2)

    return mmse


def gaussian_denoising_error(
    eigenvalues: Float[Array, " dim"] | np.ndarray,
) -> Callable[[np.ndarray], np.ndarray]:
    r"""$\frac1d\sum_ic_i/(1+s^2c_i)$ for Gaussian data of variances c, of mean 1."""
    c = np.asarray(eigenvalues, float)
    return lambda s: np.mean(c / (1 + np.asarray(s)[..., None] ** 2 * c), axis=-1)


def kinetic_energy(
    predictor: AbstractPredictor,
    data: Float[Array, " samples *shape"],
    ts: Float[Array, " times"],
    *,
    key: PRNGKeyArray,
) -> Float[Array, ""]:
    r"""$\frac1d\int E|v(t,x_t)|^2\,dt$ of any velocity, by the trapezoid rule in time.

    **Arguments:**

    - `predictor`: exact or learned.
    - `data`: samples; each is given one noise for all times.
    - `ts`: increasing times, inside the path.
    - `key`: for the noise.
    """
    path = predictor.path
    require(
        isinstance(path, AbstractPath), "`predictor`: must live on a one-sided path"
    )
    assert isinstance(path, AbstractPath)
    keys = jr.split(key, data.shape[0])

    def power(t):
        def one(x, key):
            x = path.mix(t, x, path.noise.sample(x, key=key))
            return jnp.mean(predictor.velocity(t, x) ** 2)

        return jnp.mean(jax.vmap(one)(data, keys))

    return jnp.trapezoid(jax.lax.map(power, ts), ts)


def _spread(t: np.ndarray) -> np.ndarray:
    """Indices of nodes at least 1e-7 apart, the ends among them."""
    keep = [0]
    for i in range(1, t.size - 1):
        if t[i] - t[keep[-1]] >= 1e-7 and t[-1] - t[i] >= 1e-7:
            keep.append(i)
    return np.array([*keep, t.size - 1])


def _check_standard(data: Array) -> None:
    require(data.ndim == 2, f"`data` must be 'samples dim'; got shape {data.shape}")
    if is_concrete(data):
        mean = float(jnp.max(jnp.abs(jnp.mean(data, axis=0))))
        square = float(jnp.mean(data**2))
        require(
            mean <= _STANDARD and abs(square - 1) <= _STANDARD,
            f"`data` must have mean zero and unit mean square; got a mean of up to "
            f"{mean:.3g} and {square:.3g}. Subtract the mean, divide by one scale for "
            "all numbers",
        )
