"""Long steps of forecasts: fields joined by splines, and how long is not too long."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from phix import rom
from phix.rom._longest import _counts


POINTS = jnp.linspace(0.0, 1.0, 5)[:, None]
TS = np.linspace(0.0, 2.0, 41)
RATES = np.array([-0.3, -1.2])
START = jnp.array([1.0, -2.0])


def decoder(points, latent):
    """Bent in the latent."""
    waves = jnp.sin(latent[0] + points[:, 0]) + latent[1] ** 2 * points[:, 0]
    return waves[None]


def plain(points, latent):
    """The first latent, everywhere."""
    return jnp.broadcast_to(latent[0], (1, points.shape[0]))


def model_of(decoder):
    def dynamics(t, latent, cond=None):
        return jnp.asarray(RATES) * latent

    return rom.ReducedModel(decoder, dynamics, jnp.broadcast_to(START, (3, 1, 2)))


def check_fields(forecast):
    """At the steps those of the latents there, and in between as near to the truth as a
    tenth to the fourth power, 1e-4, times the fourth derivative, 130, over 384 and some
    more at the ends."""
    found = forecast(model_of(decoder), START, TS, POINTS, dt=0.1).fields
    exact = np.asarray(START) * np.exp(RATES * TS[:, None])
    truth = np.stack([decoder(POINTS, jnp.asarray(a)) for a in exact])
    there = rom.forecast(model_of(decoder), START, TS[::2], POINTS).fields
    np.testing.assert_allclose(found[::2], there, rtol=1e-10)
    np.testing.assert_allclose(found, truth, atol=2e-3)


def test_fields_between_long_steps():
    def joined(*args, **how):
        return rom.forecast(*args, between="fields", **how)

    def held(model, start, ts, points, dt):
        """The last field, until the next one."""
        made = rom.forecast(model, start, ts, points)
        last = made.fields[np.arange(41) // 2 * 2]
        return eqx.tree_at(lambda made: made.fields, made, last)

    check_fields(joined)
    check_fields(rom.forecast)
    with pytest.raises(AssertionError):
        check_fields(held)


def expected(tolerance):
    """The longest step by hand: a third-order scheme multiplies by
    1 + z + z²/2 + z³/6."""

    def values(steps):
        z = RATES[0] * 2.0 / steps
        factor = 1 + z + z**2 / 2 + z**3 / 6
        knots = np.linspace(0.0, 2.0, steps + 1)
        return CubicSpline(knots, factor ** np.arange(steps + 1))(TS)

    short = values(40)
    for steps in _counts(40):
        if np.mean(np.abs(values(steps) - short) / np.abs(short)) <= tolerance:
            return 2.0 / steps
    return 2.0 / 40


def check_longest(longest_step):
    found = longest_step(model_of(plain), TS, POINTS, tolerance=1e-5)
    np.testing.assert_allclose(found, expected(1e-5), rtol=1e-12)
    np.testing.assert_allclose(
        longest_step(model_of(plain), TS, POINTS, tolerance=1e-15), 2.0 / 40, rtol=1e-12
    )


def test_the_longest_step():
    check_longest(rom.longest_step)

    def lax(*args, tolerance):
        return rom.longest_step(*args, tolerance=100 * tolerance)

    with pytest.raises(AssertionError):
        check_longest(lax)


def test_bad_input():
    model = model_of(plain)
    with pytest.raises(ValueError, match="tolerance"):
        rom.longest_step(model, TS, POINTS, tolerance=0.0)
    with pytest.raises(ValueError, match="fields"):
        rom.forecast(model, START, TS, POINTS, dt=0.5, between="field")
    named = rom.ReducedModel(plain, model.dynamics, model.latents, ("mu",))
    with pytest.raises(ValueError, match="mu"):
        rom.longest_step(named, TS, POINTS)
