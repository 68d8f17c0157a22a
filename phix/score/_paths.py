"""The paths in use: flow matching, variance preserving and exploding, and others."""

import math

import equinox as eqx
import jax.numpy as jnp

from phix._errors import is_concrete, require
from phix._types import Array, Float, RealScalar
from phix.score._base import AbstractNoise, White
from phix.score._path import AbstractPath, as_time, check_ends


class Linear(AbstractPath):
    r"""$\alpha = 1 - t,\ \sigma = t$: rectified flow, data at 0.

    **Arguments:**

    - `noise`: the law of ε.

    **Good values:** the first path to try on standardised data.
    """

    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=0.0)
    t_noise: float = eqx.field(static=True, default=1.0)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        return 1 - as_time(t)

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        return as_time(t)

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        return as_time(t) ** 2


class FlowMatching(AbstractPath):
    r"""$\alpha = t,\ \sigma = 1 - (1 - \sigma_\min)t$: data at 1.

    **Arguments:**

    - `sigma_min`: noise left on the data, in [0, 0.05).
    - `noise`: the law of ε.

    ??? cite "Reference"
        Lipman et al., *Flow matching for generative modeling*, ICLR 2023, eq. 20.
    """

    sigma_min: RealScalar = 0.0
    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=1.0)
    t_noise: float = eqx.field(static=True, default=0.0)

    def __check_init__(self):
        check_ends(self)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        return as_time(t)

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        t = as_time(t)
        return (1 - t) + self.sigma_min * t

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        return self.sigma(t) ** 2


class Trigonometric(AbstractPath):
    r"""$\alpha = \cos(\pi t/2),\ \sigma = \sin(\pi t/2)$: data at 0, unit variance.

    **Arguments:**

    - `noise`: the law of ε.
    """

    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=0.0)
    t_noise: float = eqx.field(static=True, default=1.0)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        # As a sine: exactly zero at the end.
        return jnp.sin(math.pi / 2 * (1 - as_time(t)))

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        return jnp.sin(math.pi / 2 * as_time(t))

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        return self.sigma(t) ** 2


class Cosine(AbstractPath):
    r"""$\alpha = \cos(\tfrac{t+s}{1+s}\tfrac\pi2)/\cos(\tfrac{s}{1+s}\tfrac\pi2)$.

    $\sigma^2 = 1-\alpha^2$, data at 0.

    **Arguments:**

    - `offset`: s > 0, which keeps σ from growing too fast at the start.
    - `noise`: the law of ε.

    ??? cite "Reference"
        Nichol, Dhariwal, *Improved denoising diffusion probabilistic models*, ICML
        2021, eq. 17.
    """

    offset: RealScalar = 0.008
    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=0.0)
    t_noise: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        _check_positive(offset=self.offset)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        left = (1 - as_time(t)) / (1 + self.offset)
        return jnp.sin(math.pi / 2 * left) / self._at_data()

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        return jnp.sqrt(self.variance(t))

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        # cos²a − cos²b = sin(b − a) sin(b + a): no cancellation near the data.
        t = as_time(t)
        unit = math.pi / 2 / (1 + self.offset)
        apart, total = unit * t, unit * (t + 2 * self.offset)
        return jnp.sin(apart) * jnp.sin(total) / self._at_data() ** 2

    def _at_data(self):
        return jnp.cos(self.offset / (1 + self.offset) * math.pi / 2)


class VP(AbstractPath):
    r"""Variance preserving: $\alpha = e^{-B/2},\ \sigma^2 = 1 - e^{-B}$, data at 0.

    $B = \beta_\min t + \tfrac12(\beta_\max - \beta_\min)t^2$.

    **Arguments:**

    - `beta_min`, `beta_max`: rates of noising at both ends, 1/time.
    - `noise`: the law of ε.

    ??? cite "Reference"
        Song et al., *Score-based generative modeling through SDEs*, ICLR 2021, eq. 11.
    """

    beta_min: RealScalar = 0.1
    beta_max: RealScalar = 20.0
    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=0.0)
    t_noise: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        _check_positive(beta_min=self.beta_min, beta_max=self.beta_max)
        check_ends(self)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        return jnp.exp(-0.5 * self._noised(t))

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        return jnp.sqrt(self.variance(t))

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        return -jnp.expm1(-self._noised(t))

    def _noised(self, t):
        t = as_time(t)
        return self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t**2


class VE(AbstractPath):
    r"""Variance exploding: $\sigma = \sigma_\min(\sigma_\max/\sigma_\min)^t$.

    $\alpha = 1$, data at 0.

    **Arguments:**

    - `sigma_min`: noise left on the data.
    - `sigma_max`: noise at the far end, some five times the spread of the data.
    - `noise`: the law of ε.

    ??? cite "Reference"
        Song et al., *Score-based generative modeling through SDEs*, ICLR 2021, eq. 9.
    """

    sigma_min: RealScalar = 0.01
    sigma_max: RealScalar = 50.0
    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=0.0)
    t_noise: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        _check_positive(sigma_min=self.sigma_min, sigma_max=self.sigma_max)
        check_ends(self)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        return jnp.ones_like(as_time(t))

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        t = as_time(t)
        growth = jnp.log(self.sigma_max) - jnp.log(self.sigma_min)
        return self.sigma_min * jnp.exp(growth * t)

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        return self.sigma(t) ** 2


class EDM(AbstractPath):
    r"""$\alpha = 1,\ \sigma = t$: time is the noise level, from `sigma_min` to
    `sigma_max`.

    **Arguments:**

    - `sigma_min`: noise left on the data; zero is allowed.
    - `sigma_max`: noise at the far end.
    - `noise`: the law of ε.

    **Good values:** data of deviation 0.5, 0.002 and 80; with `times(…, "power")`.

    ??? cite "Reference"
        Karras et al., *Elucidating the design space of diffusion-based generative
        models*, NeurIPS 2022, table 1.
    """

    t_data: float = eqx.field(static=True)
    t_noise: float = eqx.field(static=True)
    noise: AbstractNoise

    def __init__(
        self,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        noise: AbstractNoise | None = None,
    ):
        self.t_data, self.t_noise = float(sigma_min), float(sigma_max)
        self.noise = White() if noise is None else noise

    def __check_init__(self):
        require(self.t_data >= 0, f"`sigma_min` must be ≥ 0; got {self.t_data}")
        check_ends(self)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        return jnp.ones_like(as_time(t))

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        return as_time(t)

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        return as_time(t) ** 2


class Foellmer(AbstractPath):
    r"""The Föllmer flow: $\alpha = t,\ \sigma = \sqrt{1 - t^2}$, data at 1.

    The same marginals as the Ornstein–Uhlenbeck process in the time $-\log t$, hence
    as `VP` with another clock; its velocity is Lipschitz where data are log-concave.
    The Föllmer *process*, from a point, is a `SchroedingerBridge`.

    **Arguments:**

    - `noise`: the law of ε.

    ??? cite "Reference"
        Dai, Gao, Huang, Jiao, Kang, Liu, *Lipschitz transport maps via the Föllmer
        flow*, arXiv:2309.03490.
    """

    noise: AbstractNoise = White()
    t_data: float = eqx.field(static=True, default=1.0)
    t_noise: float = eqx.field(static=True, default=0.0)

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        return as_time(t)

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        return jnp.sqrt(self.variance(t))

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        t = as_time(t)
        return (1 - t) * (1 + t)


class Reversed(AbstractPath):
    """A path run the other way: data and noise exchange their times, nothing else.

    **Arguments:**

    - `path`: any path.
    """

    path: AbstractPath

    @property
    def t_data(self) -> float:  # pyright: ignore
        """Where the noise was."""
        return self.path.t_noise

    @property
    def t_noise(self) -> float:  # pyright: ignore
        """Where the data were."""
        return self.path.t_data

    @property
    def noise(self) -> AbstractNoise:  # pyright: ignore
        """The law of ε."""
        return self.path.noise

    def alpha(self, t: RealScalar) -> Float[Array, ""]:
        return self.path.alpha(self._mirrored(t))

    def sigma(self, t: RealScalar) -> Float[Array, ""]:
        return self.path.sigma(self._mirrored(t))

    def variance(self, t: RealScalar) -> Float[Array, ""]:
        return self.path.variance(self._mirrored(t))

    def _mirrored(self, t):
        return (self.path.t_data + self.path.t_noise) - as_time(t)


def _check_positive(**values) -> None:
    for name, value in values.items():
        require(
            not is_concrete(value) or float(value) > 0,
            f"`{name}` must be positive; got {value}",
        )
