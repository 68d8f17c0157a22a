"""Forecasts by networks: a deterministic one, and an interpolant about it."""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import nn, score
from phix._types import Array, Float, IntScalar, PRNGKeyArray, RealScalar
from phix.recipes._forecast_data import Flow, Pairs, random_image
from phix.recipes._interpolant_choices import Forecast, Members
from phix.recipes._interpolant_times import clock, times
from phix.recipes._score_training import Fits
from phix.space import Grid
from phix.train import ArraySource


# Where members start, as a share of the way in which γ is smooth.
_FIRST = 1 / 8


class Deterministic(eqx.Module):
    r"""The mean forecast $x_0 + \text{net}(x_0, g)$, with the force g, as the network
    commutes with shifts and the flow does not.

    **Arguments:**

    - `net`: called with a time, 0, with $x_0$ and with g.
    - `force`: g; not trained.
    """

    net: Callable
    force: Float[Array, "1 x y"]

    def __call__(self, now: Float[Array, "1 x y"]) -> Float[Array, "1 x y"]:
        """The forecast."""
        zero = jnp.zeros((), now.dtype)
        return now + self.net(zero, now, jax.lax.stop_gradient(self.force))


class OnGaussian(eqx.Module):
    r"""A field of an interpolant, beside what is exact for a Gaussian law of the
    future, $x_1 \sim N(m, S)$ with $x_0$ and m given.

    $$\rho = \frac{x - \alpha x_0 - \beta m}{\beta^2S + \gamma^2},\qquad
    \eta_z = \gamma\rho,\qquad
    b = \alpha'x_0 + \beta'm + (\beta\beta'S + \gamma\gamma')\rho$$

    by waves. Untrained it is the forecast m, dressed; what it learns is what is not
    Gaussian. The network sees $x - \alpha x_0 - \beta m$ with unit variance, and
    $\log(t/(1-t))$ as the time.

    **Arguments:**

    - `net`: called with the time, the state, and the condition and the force.
    - `path`: two-sided.
    - `spectrum`: S, the mean of |FFT|² over the number of nodes.
    - `force`: g.
    - `kind`: `"velocity"` or `"noise"`.

    The condition is $x_0$ and m, `"2 x y"`.
    """

    net: Callable
    path: score.AbstractTwoSided
    spectrum: Float[Array, "x waves"]
    force: Float[Array, "1 x y"]
    kind: Literal["velocity", "noise"] = eqx.field(static=True)

    def __call__(
        self, t: RealScalar, x: Float[Array, "1 x y"], cond: Float[Array, "2 x y"]
    ) -> Float[Array, "1 x y"]:
        """The field at x."""
        power, force = jax.lax.stop_gradient((self.spectrum, self.force))
        now, mean = cond[:1], cond[1:]
        c = self.path.at(t)
        rest = x - c.alpha * now - c.beta * mean
        waves = jnp.fft.rfft2(rest) / (c.beta**2 * power + c.gamma**2)
        variance = c.beta**2 * self._mean_power(power) + c.gamma**2
        learned = self.net(
            clock(t), rest / jnp.sqrt(variance), jnp.concatenate([cond, force])
        )

        def field(gain):
            return jnp.fft.irfft2(gain * waves, x.shape[1:])

        if self.kind == "noise":
            return field(c.gamma) + learned
        known = c.d_alpha * now + c.d_beta * mean
        return known + field(c.beta * c.d_beta * power + c.gamma_d_gamma) + learned

    def sample(
        self, t: RealScalar, cond: Float[Array, "2 x y"], *, key: PRNGKeyArray
    ) -> Float[Array, "1 x y"]:
        """A state at a time, of the interpolant of the Gaussian law."""
        c, now = self.path.at(t), cond[:1]
        waves = jnp.fft.rfft2(jr.normal(key, now.shape, now.dtype))
        waves = jnp.sqrt(c.beta**2 * self.spectrum + c.gamma**2) * waves
        rest = jnp.fft.irfft2(waves, now.shape[1:])
        return c.alpha * now + c.beta * cond[1:] + rest

    def _mean_power(self, power: Array) -> Array:
        """Over all waves, of which the half axis holds one half."""
        inner = power[:, 1 : (power.shape[0] + 1) // 2]
        return (jnp.sum(power) + jnp.sum(inner)) / power.shape[0] ** 2


class Imaged(eqx.Module):
    """A loss of a random image of a sample of fields "1 x y", under the symmetries of
    the flow.

    **Arguments:**

    - `loss`: of one sample, a tuple of fields.
    - `wavenumber`: of the force.
    """

    loss: Callable
    wavenumber: int = eqx.field(static=True)

    def __call__(
        self, model: eqx.Module, sample: tuple, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict]:
        """The loss of the image."""
        which, key = jr.split(key)
        fields = random_image(jnp.concatenate(sample), self.wavenumber, key=which)
        return self.loss(model, tuple(fields[:, None]), step=step, key=key)


def squared_error(
    model: Callable, sample: tuple, *, step: IntScalar, key: PRNGKeyArray
) -> tuple[Array, dict]:
    """Of a deterministic forecast."""
    del step, key
    now, later = sample
    return jnp.mean((model(now) - later) ** 2), {}


def interpolant_loss(antithetic: bool) -> Callable:
    """`InterpolantLoss` of the state now, the state later, and the mean forecast."""
    loss = score.InterpolantLoss(antithetic=antithetic)

    def of(model, sample, *, step, key):
        now, later, mean = sample
        triple = (now, later, jnp.concatenate([now, mean]))
        return loss(model, triple, step=step, key=key)

    return of


def network(problem: Forecast, grid: Grid, conditions: int, key: PRNGKeyArray):
    """A U-Net with so many fields as conditions."""
    choice = problem.network
    return nn.UNet(
        grid,
        cond_channels=conditions,
        widths=choice.widths,
        depth=choice.depth,
        patch=choice.patch,
        key=key,
        dtype=jnp.float32,
    )


def spectrum_of(us: Float[Array, "fields 1 x y"]) -> Float[Array, "x waves"]:
    """The mean of |FFT|² over the number of nodes."""
    return jnp.mean(jnp.abs(jnp.fft.rfft2(us[:, 0])) ** 2, axis=0) / us[0].size


def fitted(
    problem: Forecast, flow: Flow, seed: int, fits: Fits
) -> tuple[Deterministic, score.TwoSidedPredictor]:
    """Both networks, one after the other; the second is told what the first says."""
    keys = jr.split(jr.fold_in(jr.key(seed), 10), 5)
    size, wavenumber = problem.training.batch_size, problem.flow.wavenumber
    mean = fits(
        "deterministic",
        problem.training,
        Deterministic(network(problem, flow.grid, 1, keys[0]), flow.force),
        Imaged(squared_error, wavenumber),
        ArraySource((flow.train.now, flow.train.later), size),
        key=keys[1],
    )
    means = jax.jit(lambda us: jax.lax.map(mean, us, batch_size=16))(flow.train.now)
    path = problem.interpolant.build()
    spectrum = spectrum_of(flow.train.later - means)

    def half(kind, key):
        net = network(problem, flow.grid, 3, key)
        return OnGaussian(net, path, spectrum, flow.force, kind)

    predictor = fits(
        "interpolant",
        problem.training,
        score.TwoSidedPredictor(
            half("velocity", keys[2]), path, half("noise", keys[3])
        ),
        Imaged(interpolant_loss(problem.interpolant.antithetic), wavenumber),
        ArraySource((flow.train.now, flow.train.later, means), size),
        key=keys[4],
    )
    return mean, predictor


def drawn(
    mean: Callable,
    predictor: score.TwoSidedPredictor,
    now: Float[Array, "states 1 x y"],
    choice: Members,
    level: float | None,
    key: PRNGKeyArray,
) -> np.ndarray:
    """Members "members states nodes", by the SDE of noise level ε or, without, by the
    ODE, whose steps by Heun's scheme evaluate one network twice where those of the SDE
    evaluate two.

    The law at t = 0 is one point, from which the ODE knows no way. Both start a little
    later, from what is exact for a Gaussian future: nearly all of it is noise yet.
    """

    def member(now, m, key):
        return _member(predictor, now, m, choice.steps, level, key)

    return _members(mean, now, choice.count, member, key)


def gaussian_members(
    mean: Callable,
    predictor: score.TwoSidedPredictor,
    now: Float[Array, "states 1 x y"],
    count: int,
    key: PRNGKeyArray,
) -> np.ndarray:
    """Members "members states nodes" of the Gaussian law that the untrained interpolant
    leads to: what training adds is beyond it."""

    def member(now, m, key):
        cond = jnp.concatenate([now, m])
        return predictor.velocity_net.sample(jnp.ones((), now.dtype), cond, key=key)

    return _members(mean, now, count, member, key)


def _member(predictor, now, m, steps, level, key):
    stochastic = level is not None
    sampler = score.EulerMaruyama(score.constant(level)) if stochastic else score.Heun()
    ts = times(steps, _FIRST).astype(now.dtype)
    noise, own = jr.split(key)
    cond = jnp.concatenate([now, m])
    x = predictor.velocity_net.sample(ts[0], cond, key=noise)
    return score.sample(
        predictor, x, ts, sampler=sampler, key=own, cond=cond, throw=False
    ).x


def _members(mean, now, count, member, key) -> np.ndarray:
    @jax.jit
    def all_of(now, keys):
        def one(row):
            u, key = row
            m = mean(u)
            return jax.vmap(lambda k: member(u, m, k))(jr.split(key, count))

        return jax.lax.map(one, (now, keys))

    members = np.asarray(all_of(now, jr.split(key, len(now))))
    return members.reshape(*members.shape[:2], -1).swapaxes(0, 1)


def predicted(mean: Callable, pairs: Pairs) -> np.ndarray:
    """Deterministic forecasts "pairs nodes"."""
    found = jax.jit(lambda us: jax.lax.map(mean, us, batch_size=16))(pairs.now)
    return np.asarray(found, float).reshape(len(found), -1)
