"""The error report against models whose every error is known."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from phix import rom
from phix.space import Grid


N, FRAMES, HORIZON = 16, 10, 6
GRID = Grid(N, (0.0, 1.0))
TS = np.linspace(0.0, 0.9, FRAMES)
RNG = np.random.default_rng(0)
MODES = np.linalg.qr(RNG.normal(size=(N, 3)))[0].T
RATES = np.array([-0.4, 0.3])


class Exact(rom.AbstractLatentMap):
    """α_k(t) = α_k exp(λ_k t)."""

    rates: jnp.ndarray

    def __call__(self, start, ts, cond):
        return start * jnp.exp(self.rates * (ts - ts[0])[:, None])


def trajectories(hidden):
    """Two exact latents, and a third mode that no model sees: `hidden` of the norm."""
    starts = np.array([[1.0, 0.5], [-0.3, 0.9]])
    latents = starts[:, None] * np.exp(RATES * TS[:, None])
    third = hidden * np.linalg.norm(latents, axis=-1, keepdims=True)
    us = np.concatenate([latents, third], axis=-1) @ MODES
    return jnp.asarray(TS), jnp.asarray(us[:, :, None])


def model_of(rates=RATES, scale=(1.0, 1.0)):
    modes = jnp.asarray(MODES[:2] * np.asarray(scale)[:, None])[:, None]
    decoder = rom.LinearDecoder(GRID, modes)
    return rom.ReducedModel(decoder, Exact(jnp.asarray(rates)), jnp.zeros((2, 6, 2)))


def report_on(model, hidden, **options):
    ts, us = trajectories(hidden)
    train = ts[:HORIZON], trajectories(0.0)[1][:, :HORIZON]
    return rom.error_report(model, (ts, us), train=train, grid=GRID, **options)


def check_parts(report, hidden, drift):
    """A hidden share h of the norm is missed by every part: h/√(1 + h²); with rates
    wrong by `drift`, a time τ adds (exp(drift τ) − 1)/√(1 + h²)."""
    missed = hidden / np.hypot(1, hidden)
    np.testing.assert_allclose(report.floor, missed, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(report.reconstruction, missed, rtol=1e-6, atol=1e-9)
    step = np.hypot(hidden, np.expm1(drift * 0.1)) / np.hypot(1, hidden)
    np.testing.assert_allclose(report.step, step, rtol=1e-6, atol=1e-9)
    grown = np.hypot(hidden, np.expm1(drift * TS)) / np.hypot(1, hidden)
    rollout = np.broadcast_to(grown, (2, FRAMES))
    np.testing.assert_allclose(report.rollout, rollout, rtol=1e-6, atol=1e-9)


def test_each_part_is_its_own_error():
    check_parts(report_on(model_of(), 0.1), 0.1, 0.0)
    drifted = report_on(model_of(RATES + 0.2), 0.1)
    check_parts(drifted, 0.1, 0.2)
    with pytest.raises(AssertionError):
        check_parts(drifted, 0.1, 0.0)


class Bump(eqx.Module):
    """A narrow bump that stands where the latent says."""

    latent_size: int = eqx.field(static=True, default=1)

    def __call__(self, points, latent):
        return jnp.exp(-(((points[:, 0] - latent[0]) / 0.05) ** 2))[None]


class Moving(rom.AbstractLatentMap):
    """One unit of length in one of time."""

    def __call__(self, start, ts, cond):
        return start + (ts - ts[0])[:, None]


def check_found(latents, places):
    np.testing.assert_allclose(latents[..., 0], places, atol=1e-6)


def test_late_frames_are_inverted_from_the_forecast():
    ts, fine = np.linspace(0.0, 0.8, 9), Grid(64, (0.0, 1.0))
    places = 0.1 + ts
    us = jnp.stack([Bump()(fine.points, jnp.array([a])) for a in places])[None]
    known = jnp.asarray(places[None, :3, None])
    model = rom.ReducedModel(Bump(), Moving(), known)
    report = rom.error_report(model, (ts, us), train=(ts[:3], us[:, :3]), grid=fine)
    assert jnp.max(report.reconstruction) < 1e-6
    near = jnp.asarray(places[None, :, None]) + 0.01
    found = rom.invert_frames(model, us, fine, accept=1e-3, starts=near)
    check_found(found.latent[0], places)
    # From the training latents nothing of a late bump can be seen.
    alone = rom.invert_frames(model, us, fine, accept=1e-3)
    with pytest.raises(AssertionError):
        check_found(alone.latent[0], places)


def test_a_network_like_decoder_is_inverted():
    class Wrapped(eqx.Module):
        inner: rom.LinearDecoder
        latent_size: int = eqx.field(static=True, default=2)

        def __call__(self, points, latent):
            return self.inner(points, latent)

    model = model_of()
    wrapped = rom.ReducedModel(Wrapped(model.decoder), model.dynamics, model.latents)
    check_parts(report_on(wrapped, 0.1), 0.1, 0.0)


def test_the_condition_is_that_of_the_modes():
    report = report_on(model_of(scale=(1.0, 20.0)), 0.0)
    np.testing.assert_allclose(report.condition, 20.0, rtol=1e-10)


def test_the_summary_splits_at_the_horizon():
    drift = 0.2
    summary = report_on(model_of(RATES + drift), 0.0).summary()
    errors = np.expm1(drift * TS)
    np.testing.assert_allclose(summary["rollout"]["within"], errors[:HORIZON].mean())
    np.testing.assert_allclose(summary["rollout"]["beyond"], errors[HORIZON:].mean())
    later = report_on(model_of(RATES + drift), 0.0, horizon=8).summary()
    np.testing.assert_allclose(later["rollout"]["within"], errors[:8].mean())
    text = str(report_on(model_of(), 0.1))
    assert all(name in text for name in ("floor", "rollout", "condition", "beyond"))


def test_bad_input():
    ts, us = trajectories(0.0)
    with pytest.raises(ValueError, match="do not live on one grid"):
        rom.error_report(model_of(), (ts, us), train=(ts, us[..., :8]), grid=None)
    uneven = jnp.stack([ts, ts + 0.1])
    with pytest.raises(ValueError, match="must share their times"):
        rom.error_report(model_of(), (uneven, us), train=(ts, us), grid=GRID)
