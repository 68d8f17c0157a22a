"""At α = 0 all latents of a trajectory coincide; the damped pseudo-inverse must not let
the dynamics term throw the decoder about when the warm-up ends."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from phix import nn, rom
from phix.integrate import solve
from phix.pde import Burgers, burgers_shock
from phix.space import Grid
from phix.train import ArraySource, fit, per_sample


NAMES, WARMUP = ("mu",), 150


@pytest.fixture(scope="module")
def trained():
    """A small Φ-ROM at its first step and at the end of its warm-up."""
    grid = Grid(64, (0.0, 100.0), boundary=("inflow", "outflow"))
    equation = Burgers(grid, 0.02)
    mus, ts = jnp.linspace(0.015, 0.03, 3), 0.28 * np.arange(20)

    def simulate(mu):
        changed, u0 = equation.replace(mu=mu), grid.project(burgers_shock)
        return solve(changed, u0, ts, dt=0.28, scheme=dfx.Euler(), throw=False)

    train = jax.vmap(simulate)(mus)
    decoder = nn.SineDecoder(
        nn.MinMax.of(grid.points),
        nn.Standardiser.of(train.us, axis=2),
        latent_size=4,
        width=16,
        depth=3,
        key=jr.key(0),
    )
    parameters = nn.Standardiser.of(mus[:, None], axis=1)
    dynamics = nn.SwishDynamics(4, parameters, width=16, depth=2, key=jr.key(1))
    model = rom.ReducedModel.auto_decoder(decoder, dynamics, (3, 20), NAMES)
    samples = rom.snapshots(train, NAMES)
    result = fit(
        model,
        per_sample(rom.phi_loss(equation, NAMES, warmup=WARMUP)),
        ArraySource(samples),
        steps=WARMUP,
        key=jr.key(2),
        optimiser=optax.adam(5e-3),
        progress=False,
    )
    return equation, samples, model, result.model


def gradient_norm(model, equation, samples, damping):
    """Norm of the gradient of the mean dynamics term, the warm-up being over."""
    loss = rom.phi_loss(equation, NAMES, damping=damping)
    keys = jr.split(jr.key(3), samples.time.shape[0])
    trained, rest = eqx.partition(model, nn.trainable(model))

    @jax.jit
    def gradient(trained):
        def mean(trained):
            model = eqx.combine(trained, rest)
            one = lambda s, k: loss(model, s, step=0, key=k)[1]["dynamics"]  # noqa: E731
            return jnp.mean(jax.vmap(one)(samples, keys))

        return jax.grad(mean)(trained)

    return float(optax.tree.norm(gradient(trained)))


def degenerate(model):
    """The same model, two latents of which do the same: J has rank r − 1."""
    weight = model.decoder.layers[0].weight
    column = weight.shape[1] - 1
    return eqx.tree_at(
        lambda m: m.decoder.layers[0].weight,
        model,
        weight.at[:, column].set(weight[:, column - 1]),
    )


def check_gradient_at_zero(trained, damping, change=lambda m: m):
    equation, samples, start, warm = trained
    assert jnp.all(start.latents == 0)
    after = gradient_norm(warm, equation, samples, damping)
    assert gradient_norm(change(start), equation, samples, damping) <= 100 * after


@pytest.mark.slow
def test_gradient_at_zero_is_within_a_hundred_of_that_after_warmup(trained):
    check_gradient_at_zero(trained, 1e-3)
    check_gradient_at_zero(trained, 1e-3, degenerate)


def test_the_check_sees_the_undamped_pseudo_inverse(trained):
    with pytest.raises(AssertionError):
        check_gradient_at_zero(trained, 0.0, degenerate)
