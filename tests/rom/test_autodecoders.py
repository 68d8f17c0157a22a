"""Trained models: what their losses and latent maps are, and what training makes."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import nn, pde, rom
from phix.rom._autodecoder import part_update, reconstruction_loss
from phix.rom._dino import latent_step_loss, sequence_loss
from phix.space import Grid
from phix.train import Batch


GRID = Grid(12, (0.0, 2 * np.pi))
NU = 0.3
TS = jnp.linspace(0.0, 0.5, 6)
RATES = jnp.array([-0.3, -1.2])


class Sines(eqx.Module):
    """u = Σ α_k sin kx: a decoder whose manifold is invariant under diffusion."""

    latent_size: int = eqx.field(static=True, default=2)

    def __call__(self, points, latent):
        waves = jnp.sin(points[:, :1] * jnp.arange(1, 3))
        return (waves @ latent)[None]


def linear(rates):
    return lambda t, latent, cond=None: rates * latent


def sequence(key):
    """A trajectory of exact latents, and its fields."""
    latents = jr.normal(key, (2,)) * jnp.exp(RATES * TS[:, None])
    fields = jax.vmap(lambda a: Sines()(GRID.points, a))(latents)
    return latents, rom.Sequence(fields, TS, jnp.zeros(0), jnp.int32(1))


def model_of(latents, dynamics):
    table = jnp.stack([jnp.zeros_like(latents), latents])
    return rom.ReducedModel(Sines(), dynamics, table)


def check_steps(loss, latents, sample, rates, taught):
    """On a linear ODE a step of order three multiplies by 1 + z + z²/2 + z³/6."""
    z = rates * (TS[1] - TS[0])
    factor = 1 + z + z**2 / 2 + z**3 / 6
    found, state = [], latents[0]
    for n in range(len(TS) - 1):
        state = factor * (latents[n] if taught else state)
        found.append(state)
    wanted = jnp.mean(jnp.abs(jnp.stack(found) - latents[1:]))
    model = model_of(latents, linear(rates))
    value, _ = loss(model, sample, step=0, key=jr.key(0))
    np.testing.assert_allclose(value, wanted, rtol=1e-10)


def test_dino_steps_from_data_or_rolls_out(getkey):
    latents, sample = sequence(getkey())
    wrong = jnp.array([-0.5, 0.4])
    taught, free = (latent_step_loss(lambda step, p=p: p) for p in (1.0, 0.0))
    check_steps(taught, latents, sample, wrong, taught=True)
    check_steps(free, latents, sample, wrong, taught=False)
    with pytest.raises(AssertionError):
        check_steps(free, latents, sample, wrong, taught=True)


def test_dino_teaching_falls_to_nothing_at_half_time(getkey):
    """From then on every step rolls out, whatever the key."""
    latents, sample = sequence(getkey())
    data = rom.training_data((TS, sample.field[None]), grid=GRID)
    method = rom.DINo(rom.Networks(2), rom.Training(100, 1))
    loss = method.update(data).updates[2].objective.loss
    model = model_of(latents, linear(jnp.array([-0.5, 0.4])))

    def values(step):
        keys = jr.split(getkey(), 8)
        return {float(loss(model, sample, step=step, key=k)[0]) for k in keys}

    assert len(values(30)) > 1
    assert len(values(50)) == 1


def test_reconstruction_is_the_mean_square(getkey):
    latents, sample = sequence(getkey())
    model = model_of(latents + 0.1, linear(RATES))
    shifted = jax.vmap(lambda a: Sines()(GRID.points, a))(latents + 0.1)
    wanted = np.mean((np.asarray(shifted) - np.asarray(sample.field)) ** 2)
    value, _ = sequence_loss(GRID)(model, sample, step=0, key=jr.key(0))
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    frame = rom.Snapshot(
        sample.field[3], TS[3], jnp.zeros(0), jnp.int32(1), jnp.int32(3)
    )
    one, _ = reconstruction_loss(GRID)(model, frame, step=0, key=jr.key(0))
    wanted = np.mean((np.asarray(shifted[3]) - np.asarray(sample.field[3])) ** 2)
    np.testing.assert_allclose(one, wanted, rtol=1e-12)


def moved_parts(update, model, batch):
    step = eqx.filter_jit(lambda s: update(s, batch, step=0, key=jr.key(0))[0])
    state = step(update.init(model))
    pairs = {n: (getattr(state.model, n), getattr(model, n)) for n in PARTS}
    return {n for n, (new, old) in pairs.items() if not eqx.tree_equal(new, old)}


PARTS = ("decoder", "dynamics", "latents")


def test_a_part_is_moved_alone(getkey):
    _, sample = sequence(getkey())
    data = rom.training_data((TS, sample.field[None]), grid=GRID)
    model = rom.Networks(2, width=4, depth=2).build(data, key=getkey())
    model = eqx.tree_at(lambda m: m.latents, model, jr.normal(getkey(), (1, 6, 2)))
    batch = Batch(rom.sequences(data), jnp.ones(1), jnp.zeros(1, jnp.int32))
    training = rom.Training(10)
    for part in PARTS:
        loss = latent_step_loss(lambda step: 0.5)
        if part != "dynamics":
            loss = sequence_loss(GRID)
        update = part_update(part, loss, training, 1.0)
        assert moved_parts(update, model, batch) == {part}


def check_crom(equation, steps):
    """On an invariant manifold an Euler step multiplies by 1 − νk²h, exactly."""
    dynamics = rom.CROMDynamics(Sines(), equation, GRID.points, 0.5 / steps)
    start = jnp.array([0.7, -1.1])
    found = dynamics(start, jnp.array([0.0, 0.25, 0.5]), None)
    factor = 1 - NU * jnp.array([1.0, 4.0]) * 0.5 / steps
    wanted = start * factor ** jnp.array([[0], [steps // 2], [steps]])
    np.testing.assert_allclose(found, wanted, rtol=1e-7)


def test_crom_steps_the_decoded_function():
    check_crom(pde.Diffusion(GRID, NU), 10)
    with pytest.raises(AssertionError):
        check_crom(pde.Diffusion(GRID, 1.01 * NU), 10)


def check_long_steps(forecast):
    """Steps of ten output intervals: the values at them are those of solving there, and
    those between are as accurate."""
    rates = jnp.array([-0.3, -1.2])
    model = rom.ReducedModel(Sines(), linear(rates), jnp.zeros((1, 1, 2)))
    ts, start = np.linspace(0.0, 2.0, 101), jnp.array([1.0, -2.0])
    found = forecast(model, start, ts, dt=0.2).latents
    there = rom.forecast(model, start, ts[::10]).latents
    np.testing.assert_allclose(found[::10], there, rtol=1e-12)
    exact = start * jnp.exp(rates * ts[:, None])
    np.testing.assert_allclose(found, exact, atol=1e-3)


def test_steps_longer_than_an_output_interval():
    check_long_steps(rom.forecast)

    def one_an_interval(model, start, ts, dt):
        return rom.forecast(model, start, ts)

    with pytest.raises(AssertionError):
        check_long_steps(one_an_interval)


def test_long_steps_say_when_they_fail():
    def burst(t, latent, cond=None):
        return 1e30 * latent**2

    model = rom.ReducedModel(Sines(), burst, jnp.zeros((1, 1, 2)))
    ts = np.linspace(0.0, 2.0, 21)
    made = rom.forecast(model, jnp.ones(2) * 1e200, ts, dt=0.5, throw=False)
    bad = ~np.all(np.isfinite(made.latents), axis=1)
    assert made.result != 0 and made.first_bad_time == ts[np.argmax(bad)]


def test_crom_says_when_it_fails():
    dynamics = rom.CROMDynamics(Sines(), pde.Diffusion(GRID, NU), GRID.points, None)
    model = rom.ReducedModel(Sines(), dynamics, jnp.zeros((1, 1, 2)))
    made = rom.forecast(model, jnp.array([1e308, 1e308]), TS, throw=False)
    assert made.result != 0 and made.first_bad_time == TS[1]


@pytest.fixture(scope="module")
def heat():
    """Decaying waves of several phases, their first half for training."""
    phases = jnp.linspace(0.0, 2 * np.pi, 9)[:-1]
    ts = jnp.linspace(0.0, 4.0, 17)

    def wave(t, phase):
        return jnp.exp(-NU * t) * jnp.sin(GRID.points[:, 0] - phase)[None]

    us = jax.vmap(lambda p: jax.vmap(lambda t: wave(t, p))(ts))(phases)
    return ts, us


NETWORKS = rom.Networks(2, "fourier", 16, 2, 16, 2)


@pytest.fixture(scope="module")
def members(heat):
    ts, us = heat
    method = rom.PhiROM(
        pde.Diffusion(GRID, NU),
        NETWORKS,
        rom.Training(600, 36, 1e-2, progress=False),
        fraction=1.0,
    )
    return rom.fit_ensemble(
        method, (ts[:9], us[:, :9]), keys=jr.split(jr.key(0), 2), grid=GRID
    )


def check_forecast(model, heat):
    """Beyond the horizon, half the error of the frozen last frame."""
    ts, us = heat

    @eqx.filter_jit
    def run(model, u):
        start = rom.invert(model, GRID.points, u, max_restarts=2).latent
        return rom.forecast(model, start, np.asarray(ts), GRID, throw=False).fields

    made = jax.vmap(lambda u: run(model, u))(us[:, 0])
    errors = jnp.linalg.norm(made - us, axis=(2, 3)) / jnp.linalg.norm(us, axis=(2, 3))
    frozen = np.mean(np.exp(NU * np.asarray(ts[9:] - ts[8])) - 1)
    assert jnp.mean(errors[:, 9:]) < frozen / 2


def test_members_forecast_and_differ(members, heat):
    for model in members:
        check_forecast(model, heat)
    assert not jnp.allclose(members[0].latents, members[1].latents)
    still = eqx.tree_at(
        lambda m: m.dynamics, members[0], rom.ConstantVelocity(jnp.zeros(2))
    )
    with pytest.raises(AssertionError):
        check_forecast(still, heat)


def test_a_fit_is_reproducible_and_needs_a_key(heat):
    method = rom.DINo(NETWORKS, rom.Training(3, 2, progress=False))
    first, again, other = (
        rom.fit(method, heat, grid=GRID, key=jr.key(k)) for k in (0, 0, 1)
    )
    assert eqx.tree_equal(first, again)
    assert not jnp.allclose(first.latents, other.latents)
    with pytest.raises(ValueError, match="give fit a key"):
        rom.fit(method, heat, grid=GRID)


def test_crom_fits_the_decoder_alone(heat):
    method = rom.CROM(
        pde.Diffusion(GRID, NU), NETWORKS, rom.Training(3, 9, progress=False), every=2
    )
    model = rom.fit(method, heat, grid=GRID, key=jr.key(0))
    assert isinstance(model.dynamics, rom.CROMDynamics)
    assert model.dynamics.points.shape == (6, 1)
    assert eqx.tree_equal(model.dynamics.decoder, model.decoder)


def test_learning_rates():
    falling = rom.Training(100, learning_rate=0.1, clip=0.0, weight_decay=0.0)
    optimiser, x = falling.optimiser(0.1), jnp.ones(())
    change, _ = optimiser.update(x, optimiser.init(x), x)
    # The first step of Adam is the rate.
    np.testing.assert_allclose(change, -0.01, rtol=1e-6)
    scheduled = rom.Training(100, learning_rate=lambda step: 0.5, clip=0.0)
    optimiser = scheduled.optimiser()
    change, _ = optimiser.update(x, optimiser.init(x), 0 * x)
    np.testing.assert_allclose(change, -0.5, rtol=1e-6)


def check_orthogonal_steps(optimiser):
    """A matrix moves along U Vᵀ of its gradient, as far as Adam usually would; the
    iteration that finds it leaves the singular values between 0.6 and 1.3."""
    gradient = jr.normal(jr.key(0), (6, 4)) * jnp.array([1.0, 0.3, 0.1, 0.03])
    model = {"weight": jnp.zeros((6, 4))}
    state = optimiser.init(model)
    change, _ = optimiser.update({"weight": gradient}, state, model)
    left, _, right = jnp.linalg.svd(gradient, full_matrices=False)
    sizes = jnp.diag(left.T @ change["weight"] @ right.T) / (-1e-2 * 0.2 * 6**0.5)
    assert jnp.min(sizes) > 0.6 and jnp.max(sizes) < 1.3


def test_muon_moves_matrices_along_the_orthogonal_factor():
    muon = rom.Training(100, learning_rate=1e-2, rule="muon", clip=0.0)
    check_orthogonal_steps(muon.optimiser())
    with pytest.raises(AssertionError):
        check_orthogonal_steps(rom.Training(100, learning_rate=1e-2).optimiser())


@pytest.mark.parametrize("rule", ["adamw", "muon"])
def test_latents_have_a_rate_of_their_own(rule, heat):
    data = rom.training_data(heat, grid=GRID)
    model = eqx.filter(NETWORKS.build(data, key=jr.key(0)), nn.trainable)
    training = rom.Training(
        100, learning_rate=1e-2, rule=rule, latent_rate=3.0, clip=0.0, weight_decay=0.0
    )
    optimiser = training.optimiser()
    ones = jax.tree.map(jnp.ones_like, model)
    change, _ = optimiser.update(ones, optimiser.init(model), model)
    # With equal gradients Adam's first steps are equal, and Nesterov's longer.
    size = change.decoder.layers[0].bias[0]
    assert -2e-2 < size < -0.99e-2
    np.testing.assert_allclose(change.latents, 3 * size, rtol=1e-5)
    np.testing.assert_allclose(change.decoder.layers[0].bias, size, rtol=1e-5)


def test_constant_channels_are_divided_by_one():
    us = jnp.stack([jnp.ones((2, 3, 12)), jnp.zeros((2, 3, 12))], axis=2)
    data = rom.training_data((jnp.arange(3.0), us), grid=GRID)
    fields = rom.Networks(2).build(data, key=jr.key(0)).decoder.fields
    np.testing.assert_array_equal(fields.std, [1, 1])


def test_bad_input():
    equation, nets = pde.Diffusion(GRID, NU), rom.Networks(2)
    with pytest.raises(ValueError, match="unknown decoder 'fourrier'.*fourier"):
        rom.Networks(2, "fourrier")
    with pytest.raises(ValueError, match="unknown rule 'moun'.*muon"):
        rom.Training(1, rule="moun")
    with pytest.raises(ValueError, match="latent_rate must be positive, got 0"):
        rom.Training(1, latent_rate=0.0)
    with pytest.raises(ValueError, match=r"warmup must lie in \[0, 1\].*got 400"):
        rom.PhiROM(equation, nets, rom.Training(1), warmup=400.0)
    with pytest.raises(ValueError, match="teaching must lie in.*got 2"):
        rom.DINo(nets, rom.Training(1), teaching=2.0)
    with pytest.raises(ValueError, match="dt must be positive or None, got 0"):
        rom.CROM(equation, nets, rom.Training(1), dt=0.0)
    with pytest.raises(ValueError, match="every must be positive, got 0"):
        rom.CROM(equation, nets, rom.Training(1), every=0)


def test_the_step_of_the_loss_is_that_of_the_forecast(getkey):
    """DINo trains the steps that `forecast` takes."""
    latents, _ = sequence(getkey())
    dynamics = nn.SwishDynamics(2, width=4, depth=1, key=getkey(), dtype=latents.dtype)
    model = model_of(latents, dynamics)
    made = rom.forecast(model, latents[0], TS[:2], scheme=dfx.Bosh3())
    sample = rom.Sequence(jnp.zeros((2, 1, 12)), TS[:2], jnp.zeros(0), jnp.int32(0))
    table = jnp.stack([latents[0], made.latents[1]])[None]
    model = eqx.tree_at(lambda m: m.latents, model, table)
    value, _ = latent_step_loss(lambda step: 0.0)(model, sample, step=0, key=getkey())
    assert value < 1e-14
