"""Kinks, pairs of kinks and breathers in closed form, at rest or boosted."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from phix._errors import is_concrete, require
from phix._types import Array, Float, RealScalar
from phix.pde._base import in_precision_of
from phix.pde._potentials import (
    AbstractPotential,
    DoubleSineGordon,
    Phi4,
    Phi6,
    SineGordon,
)


@functools.singledispatch
def kink_profile(potential: object, s: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The static kink φ(s) of a potential, centred at s = 0, rising.

    It solves $\varphi' = \sqrt{2V(\varphi)}$ between neighbouring vacua: −v and v of
    `Phi4`, 0 and v of `Phi6`, 0 and 2π of the sine-Gordon potentials. Register the
    profile of your own potential by `kink_profile.register`.
    """
    del s
    raise ValueError(
        f"no kink is known in closed form for {type(potential).__name__}; register one "
        "by phix.pde.kink_profile.register, a function (potential, s) -> phi"
    )


@kink_profile.register
def _(potential: Phi4, s: Float[Array, "..."]) -> Float[Array, "..."]:
    coupling, v = in_precision_of((potential.coupling, potential.vacuum), s)
    return v * jnp.tanh(v * jnp.sqrt(coupling / 2) * s)


@kink_profile.register
def _(potential: SineGordon, s: Float[Array, "..."]) -> Float[Array, "..."]:
    # 4 arctan(e^s), which overflows.
    return jnp.pi + 4 * jnp.arctan(jnp.tanh(0.5 * s))


@kink_profile.register
def _(potential: DoubleSineGordon, s: Float[Array, "..."]) -> Float[Array, "..."]:
    a = jnp.sqrt(1 + 4 * in_precision_of(potential.eta, s))
    return jnp.pi + 2 * jnp.arctan(jnp.sinh(_bounded(a * s)) / a)


@kink_profile.register
def _(potential: Phi6, s: Float[Array, "..."]) -> Float[Array, "..."]:
    coupling, v = in_precision_of((potential.coupling, potential.vacuum), s)
    rate = 2 * jnp.sqrt(coupling) * v**2
    return v * jnp.exp(0.5 * jax.nn.log_sigmoid(rate * s))


def kink(
    potential: AbstractPotential,
    x: Float[Array, "*points"],
    t: RealScalar = 0.0,
    *,
    speed: RealScalar = 0.0,
    centre: RealScalar = 0.0,
    antikink: bool = False,
) -> Float[Array, " 2 *points"]:
    r"""A kink, $\varphi = K(\gamma(x - ut - x_0))$, $\gamma = 1/\sqrt{1 - u^2}$.

    Its energy is γM, its momentum γMu, with $M = \int\sqrt{2V}\,d\varphi$:
    $\tfrac{2\sqrt2}3\sqrt\lambda v^3$ of `Phi4`, 8 of `SineGordon`.

    **Arguments:**

    - `potential`: one with a known `kink_profile`; the speed of waves is 1.
    - `x`: coordinates of any shape.
    - `t`: time.
    - `speed`: u, |u| < 1.
    - `centre`: $x_0$, where it is at time 0.
    - `antikink`: the mirror image, falling.

    **Returns:** φ and its rate, `"2 *points"`: a field for `KleinGordon` where x is the
    axis of a grid. A lone kink wants antiperiodic (`Phi4`) or twisted sides.

    **Raises:** `ValueError` for a potential without known kink, or |u| ≥ 1.
    """
    _check_speed(speed)
    sign = -1 if antikink else 1

    def at(t: Array, x: Array) -> Array:
        u, centre_ = _as(x, speed, centre)
        gamma = 1 / jnp.sqrt(1 - u**2)
        return kink_profile(potential, sign * gamma * (x - u * t - centre_))

    return _with_rate(at, x, t)


def kink_antikink(
    potential: AbstractPotential,
    x: Float[Array, "*points"],
    t: RealScalar = 0.0,
    *,
    speed: RealScalar,
    separation: RealScalar,
) -> Float[Array, " 2 *points"]:
    r"""A kink from the left and an antikink from the right, about to meet at x = 0.

    $$\varphi = K(\gamma(x + \tfrac d2 - ut)) + K(-\gamma(x - \tfrac d2 + ut)) -
    K(\infty)$$

    The last term makes the far field a vacuum; without it the pair lives on top of the
    barrier. The sum solves the equation up to $e^{-\text{const}\cdot d}$, its energy
    is 2γM, and it fits periodic sides.

    **Arguments:**

    - `potential`, `x`, `t`: as for `kink`.
    - `speed`: u of either, 0 ≤ u < 1.
    - `separation`: d, the distance of the two at time 0.

    **Returns:** φ and its rate, `"2 *points"`.

    **Raises:** `ValueError` as for `kink`.

    !!! example "Good values"
        d = 20 on `Grid(512, (-100.0, 100.0))`. With `Phi4()` u = 0.3 escapes, 0.2385
        and 0.1985 meet twice and escape, 0.25 is captured.
    """
    _check_speed(speed)

    def at(t: Array, x: Array) -> Array:
        u, d = _as(x, speed, separation)
        gamma = 1 / jnp.sqrt(1 - u**2)
        left = kink_profile(potential, gamma * (x + d / 2 - u * t))
        right = kink_profile(potential, -gamma * (x - d / 2 + u * t))
        return left + right - kink_profile(potential, jnp.asarray(jnp.inf, x.dtype))

    return _with_rate(at, x, t)


def breather(
    x: Float[Array, "*points"],
    t: RealScalar = 0.0,
    *,
    omega: RealScalar = 0.5,
    speed: RealScalar = 0.0,
    centre: RealScalar = 0.0,
) -> Float[Array, " 2 *points"]:
    r"""The sine-Gordon breather, exact at all times; a moving one is its boost.

    $$\varphi = 4\arctan\frac{\varepsilon\cos\omega t'}{\omega\cosh\varepsilon x'},
    \qquad \varepsilon = \sqrt{1 - \omega^2},\quad t' = \gamma(t - u(x - x_0)),\quad
    x' = \gamma(x - x_0 - ut)$$

    Its energy is $16\varepsilon\gamma$.

    **Arguments:**

    - `x`, `t`: as for `kink`.
    - `omega`: ω, the frequency at rest, between 0 and 1.
    - `speed`: u, |u| < 1.
    - `centre`: $x_0$.

    **Returns:** φ and its rate, `"2 *points"`.

    **Raises:** `ValueError` for a frequency or a speed out of range.
    """
    _check_speed(speed)
    require(
        not is_concrete(omega) or 0 < float(omega) < 1,
        f"omega must be between 0 and 1, got {omega}",
    )

    def at(t: Array, x: Array) -> Array:
        w, u, centre_ = _as(x, omega, speed, centre)
        gamma, eps = 1 / jnp.sqrt(1 - u**2), jnp.sqrt(1 - w**2)
        s = x - centre_
        along = jnp.cosh(_bounded(eps * gamma * (s - u * t)))
        return 4 * jnp.arctan(eps / w * jnp.cos(w * gamma * (t - u * s)) / along)

    return _with_rate(at, x, t)


def _with_rate(at: Callable, x: Array, t: RealScalar) -> Array:
    """φ and its derivative in time."""
    x = jnp.asarray(x, jnp.result_type(x, jnp.float32))
    t = jnp.asarray(t, x.dtype)
    return jnp.stack(jax.jvp(lambda t: at(t, x), (t,), (jnp.ones_like(t),)))


def _as(x: Array, *numbers: RealScalar) -> tuple[Array, ...]:
    return tuple(jnp.asarray(number, x.dtype) for number in numbers)


def _bounded(s: Array) -> Array:
    """Beyond 40 a hyperbolic function is an exponential, whose square may overflow."""
    return jnp.clip(s, -40, 40)


def _check_speed(speed: RealScalar) -> None:
    require(
        not is_concrete(speed) or abs(float(speed)) < 1,
        f"speed must be below that of waves, |u| < 1; got {speed}",
    )
