"""Options of the family: driven dynamics, encoders, rows of the batch alone."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import rom, solve
from phix.metrics import relative_l2
from phix.pde import Diffusion
from phix.space import Grid
from phix.train import Batch


GRID = Grid(12, (0.0, 1.0), "dirichlet")
TS = np.linspace(0.0, 1.0, 9)


def driven(t, latent, cond):
    """dα/dt = w(t) − α."""
    return cond - latent


def check_driven(cond):
    """w rises by 2 from 0 to 1/2 and stays 1: α = 2(t − 1 + e^{−t}), then decay to 1
    from there."""
    model = rom.ReducedModel(Diffusion, driven, jnp.zeros((1, 1, 1)))
    made = rom.forecast(model, jnp.zeros(1), TS, cond=cond, dt=0.01, throw=False)
    rise = 2 * (TS - 1 + np.exp(-TS))
    half = 2 * (np.exp(-0.5) - 0.5)
    stay = 1 - (1 - half) * np.exp(0.5 - TS)
    truth = np.where(TS <= 0.5, rise, stay)
    np.testing.assert_allclose(made.latents[:, 0], truth, atol=1e-7)


def test_inputs_may_vary_in_time():
    inputs = jnp.minimum(2 * jnp.asarray(TS), 1.0)[:, None]
    check_driven(inputs)
    with pytest.raises(AssertionError):
        check_driven(inputs[-1])


@pytest.mark.slow
def test_a_projection_is_driven_through_its_boundary():
    """A wall that warms up: POD-Galerkin of all unknowns is the solver itself."""
    equation = Diffusion(GRID, 0.02, values=0.5)
    inputs = jnp.stack([jnp.asarray(TS) ** 2, 1 - jnp.asarray(TS)])[..., None]

    def full(cond):
        def rate(t, u, args):
            now = jnp.interp(t, jnp.asarray(TS), cond[:, 0])
            return equation.replace(values=now).rhs(t, u, None)

        u0 = jnp.sin(jnp.pi * GRID.points[:, 0])[None]
        return solve(rate, u0, TS, dt=0.005, scheme=dfx.Bosh3()).us

    us = jnp.stack([full(cond) for cond in inputs])
    rough = us + 0.1 * jr.normal(jr.key(0), us.shape)
    data = rom.training_data((TS, rough, inputs), parameters=("values",), grid=GRID)
    model = rom.fit(rom.PODGalerkin(equation, 12), data)
    start = model.decoder.project(us[0, 0])
    made = rom.forecast(model, start, TS, GRID, cond=inputs[0], dt=0.005)
    np.testing.assert_allclose(made.fields, us[0], atol=1e-9)
    other = rom.forecast(model, start, TS, GRID, cond=inputs[1], dt=0.005)
    assert np.max(np.abs(other.fields - us[0])) > 0.05
    # A report follows the inputs too, a step a frame.
    clean = rom.training_data((TS, us, inputs), parameters=("values",), grid=GRID)
    report = rom.error_report(model, clean, train=data)
    made = rom.forecast(model, start, TS, GRID, cond=inputs[0])
    error = relative_l2(made.fields, us[0])
    np.testing.assert_allclose(report.rollout[0], error, rtol=1e-6, atol=1e-12)
    # Snapshots carry the input of their own frame, for the solver that teaches.
    taken = rom.snapshots(data)
    np.testing.assert_array_equal(taken.cond[9 + 4], inputs[1, 4])
    with pytest.raises(ValueError, match="OperatorInference takes parameters"):
        rom.fit(rom.OperatorInference(2), data)
    with pytest.raises(ValueError, match="one row for each of the 9 times"):
        rom.forecast(model, start, TS, cond=inputs[0, :4])


def blobs():
    """Frames of three latents of a linear decoder."""
    latents = jr.normal(jr.key(1), (4, 16, 3)) * jnp.array([3.0, 1.0, 0.3])
    modes = jnp.linalg.qr(jr.normal(jr.key(2), (12, 3)))[0].T[:, None]
    decoder = rom.LinearDecoder(GRID, modes)
    us = jax.vmap(jax.vmap(decoder.field))(latents)
    model = rom.ReducedModel(decoder, rom.ConstantVelocity(jnp.zeros(3)), latents)
    ts = jnp.arange(16.0)
    return model, rom.training_data((ts, us), grid=GRID)


@eqx.filter_jit
def missed(encoder, model, data):
    values = data.us.reshape(64, 1, 12)
    z = jax.vmap(encoder.law.whiten)(model.latents.reshape(64, 3))
    return jnp.mean((jax.vmap(encoder.whitened)(values) - z) ** 2)


def check_encodes(encoder, model, data):
    """Unit variance is missed by less than a hundredth."""
    assert missed(encoder, model, data) < 0.01


def test_an_encoder_learns_the_inversion():
    model, data = blobs()
    training = rom.Training(300, 32, 1e-2, progress=False)
    encoder = rom.fit_encoder(model, data, training, width=16, depth=1, key=jr.key(3))
    check_encodes(encoder, model, data)
    with pytest.raises(AssertionError):  # one that always says the mean
        last = encoder.network.layers[-1]
        silent = jax.tree.map(lambda x: 0 * x, last)
        check_encodes(
            eqx.tree_at(lambda e: e.network.layers[-1], encoder, silent), model, data
        )
    # As a start it is refined to the same latent.
    u = data.us[1, 5].reshape(1, -1)
    found = rom.invert(model, encoder.points, u, start=encoder(u), max_restarts=0)
    np.testing.assert_allclose(found.latent, model.latents[1, 5], atol=1e-4)
    with pytest.raises(ValueError, match=r"values must have shape \(channels, 12\)"):
        encoder(u[:, :5])
    with pytest.raises(ValueError, match="do not go with latents"):
        short = rom.training_data((data.ts[:, :3], data.us[:, :3]), grid=GRID)
        rom.fit_encoder(model, short, training, key=jr.key(0))


def encoding(training):
    """A method that learns an encoder beside its decoder."""
    networks = rom.Networks(
        3, "sine", 16, 2, dynamics_width=4, dynamics_depth=1,
        encoder_width=16, encoder_depth=1,
    )  # fmt: skip
    return rom.CROM(Diffusion(GRID, 0.1), networks, training)


def check_encoded(model, data, unseen):
    """Latents are those of the encoder, and unseen frames come back with half of what
    the mean field leaves, at most."""
    us = data.us.reshape(-1, 1, 12)
    latents = jax.vmap(model.encoder)(us)
    np.testing.assert_allclose(latents, model.latents.reshape(-1, 3), atol=1e-10)
    points = data.grid.points
    found = jax.vmap(lambda u: model.decoder(points, model.encoder(u)))(unseen)
    left = jnp.linalg.norm(found - unseen)
    assert left < 0.5 * jnp.linalg.norm(unseen - jnp.mean(us, axis=0))


def test_an_encoder_in_place_of_the_table():
    """Two waves of any heights; three trajectories to learn from, the fourth unseen."""
    waves = jnp.sin(jnp.pi * jnp.arange(1, 3)[:, None] * GRID.points[:, 0])
    us = (jr.normal(jr.key(1), (4, 16, 1, 2)) @ waves).reshape(4, 16, 1, 12)
    unseen = us[3]
    data = rom.training_data((jnp.arange(16.0), us[:3]), grid=GRID)
    method = encoding(rom.Training(300, 16, 1e-2, progress=False))
    model = rom.fit(method, data, key=jr.key(0))
    check_encoded(model, data, unseen)
    silent = eqx.tree_at(
        lambda m: m.encoder.network.layers[-1].weight, model, replace_fn=jnp.zeros_like
    )
    with pytest.raises(AssertionError):  # one that does not look
        check_encoded(silent, data, unseen)


def check_readings_stay(wrap):
    """A step with weight decay moves the encoder and leaves what it reads."""
    _, data = blobs()
    method = encoding(rom.Training(10, 2, 1e-2, 0.1, progress=False))
    model = method.networks.build(data, key=jr.key(0))
    model = eqx.tree_at(lambda m: m.latents.frames, model, wrap(model.latents.frames))
    update, samples = method._chosen_update(data), method.samples(data)
    first = jax.tree.map(lambda x: x[:2], samples)
    batch = Batch(first, jnp.ones(2), jnp.arange(2, dtype=jnp.int32))
    step = eqx.filter_jit(update)
    after = step(update.init(model), batch, step=0, key=jr.key(1))[0].model.latents
    before = model.latents
    assert np.any(after.network.layers[0].weight != before.network.layers[0].weight)
    np.testing.assert_array_equal(after.frames.value, before.frames.value)


class Loose(eqx.Module):
    """Readings as an optimiser would like them."""

    value: jax.Array


def test_what_an_encoder_reads_is_not_trained():
    check_readings_stay(lambda frames: frames)
    with pytest.raises(AssertionError):
        check_readings_stay(lambda frames: Loose(frames.value))


def test_an_encoder_has_no_rows():
    method = encoding(rom.Training(10, 2, progress=False, rows_only=True))
    with pytest.raises(ValueError, match="rows_only"):
        rom.fit(method, blobs()[1], key=jr.key(0))
    with pytest.raises(ValueError, match="encoder_width"):
        rom.Networks(3, encoder_width=-1)


@pytest.mark.parametrize("name", ["CROM", "DINo"])
def test_rows_only_leaves_other_latents_alone(name):
    """One step of a batch of two; the twin is in tests/train/test_rows.py."""
    _, data = blobs()
    networks = rom.Networks(2, width=4, depth=2, dynamics_width=4, dynamics_depth=1)
    training = rom.Training(10, 2, 1e-2, progress=False, rows_only=True)
    crom = rom.CROM(Diffusion(GRID, 0.1), networks, training)
    method = crom if name == "CROM" else rom.DINo(networks, training)
    model = networks.build(data, key=jr.key(0))
    # Not zero: weight decay would not move it then.
    model = eqx.tree_at(lambda m: m.latents, model, model.latents + 0.5)
    update, samples = method._chosen_update(data), method.samples(data)
    first = jax.tree.map(lambda x: x[:2], samples)
    batch = Batch(first, jnp.ones(2), jnp.arange(2, dtype=jnp.int32))
    step = eqx.filter_jit(update)
    state, _ = step(update.init(model), batch, step=0, key=jr.key(1))
    wanted = np.zeros((4, 16), bool)
    wanted[(0, slice(2)) if name == "CROM" else slice(2)] = True
    moved = np.any(np.asarray(state.model.latents) != 0.5, axis=-1)
    np.testing.assert_array_equal(moved, wanted)
