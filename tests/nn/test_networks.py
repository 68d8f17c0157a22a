import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest

from phix import nn


POINTS = jnp.linspace(0.0, 100.0, 11)[:, None]
PARAMETERS = nn.Standardiser(jnp.array([0.02, 5.0]), jnp.array([0.004, 2.0]))


@pytest.fixture(scope="module")
def decoder():
    fields = nn.Standardiser(jnp.array([2.0, -1.0]), jnp.array([0.5, 3.0]))
    return nn.SineDecoder(
        nn.MinMax.of(POINTS), fields, latent_size=3, width=5, depth=2, key=jr.key(0)
    )


@pytest.fixture(scope="module")
def dynamics():
    return nn.SwishDynamics(3, PARAMETERS, width=6, depth=2, key=jr.key(1))


def decode_point(decoder, x, latent):
    """The formula, one point at a time, in NumPy."""
    h = np.concatenate([2 * x / 100 - 1, latent])
    for layer in decoder.layers[:-1]:
        h = np.sin(np.asarray(layer.weight) @ h + np.asarray(layer.bias))
    last = decoder.layers[-1]
    out = np.asarray(last.weight) @ h + np.asarray(last.bias)
    return out * np.array([0.5, 3.0]) + np.array([2.0, -1.0])


def check_decoder(decoder, decode):
    latent = jnp.array([0.3, -1.0, 2.0])
    field = decode(POINTS, latent)
    truth = [decode_point(decoder, np.asarray(x), np.asarray(latent)) for x in POINTS]
    np.testing.assert_allclose(field, np.stack(truth, axis=1), rtol=1e-12)


def test_decoder_is_the_formula(decoder):
    check_decoder(decoder, decoder)


def test_decoder_check_sees_a_forgotten_normaliser(decoder):
    with pytest.raises(AssertionError):
        check_decoder(decoder, lambda x, a: decoder(x / 100, a))


def check_dynamics(dynamics, velocity):
    latent, cond = np.array([0.3, -1.0, 2.0]), np.array([0.017, 8.0])
    p = np.asarray(dynamics.embedding.weight) @ ((cond - [0.02, 5.0]) / [0.004, 2.0])
    h = np.concatenate([latent, p + np.asarray(dynamics.embedding.bias)])
    for layer, b in zip(dynamics.layers[:-1], dynamics.sharpness, strict=True):
        z = np.asarray(layer.weight) @ h + np.asarray(layer.bias)
        h = z / (1 + np.exp(-z * np.log1p(np.exp(b)))) / 1.1
    last = dynamics.layers[-1]
    truth = np.asarray(last.weight) @ h + np.asarray(last.bias)
    np.testing.assert_allclose(
        velocity(jnp.asarray(latent), jnp.asarray(cond)), truth, rtol=1e-12
    )


def test_dynamics_are_the_formula(dynamics):
    check_dynamics(dynamics, lambda a, c: dynamics(0.7, a, c))
    features = dynamics.features(0.7, jnp.array([0.017, 8.0]))
    check_dynamics(dynamics, lambda a, c: dynamics.apply(a, features, c))


def test_dynamics_check_sees_raw_parameters(dynamics):
    with pytest.raises(AssertionError):
        check_dynamics(dynamics, lambda a, c: dynamics(0.7, a, c + 1e-3))


def test_dynamics_without_parameters():
    dynamics = nn.SwishDynamics(3, width=6, depth=2, key=jr.key(1))
    assert dynamics.features(0.0, None) == ()
    assert dynamics(0.0, jnp.ones(3)).shape == (3,)


def test_every_trained_array_matters(decoder, dynamics):
    def total(nets):
        decoder, dynamics = nets
        u = decoder(POINTS, jnp.array([0.3, -1.0, 2.0]))
        return jnp.sum(u**2) + jnp.sum(
            dynamics(0.0, jnp.array([0.3, -1.0, 2.0]), jnp.array([0.017, 8.0])) ** 2
        )

    nets = (decoder, dynamics)
    trained, rest = eqx.partition(nets, nn.trainable(nets))
    grads = jax.grad(lambda t: total(eqx.combine(t, rest)))(trained)
    leaves = jax.tree.leaves(grads)
    assert len(leaves) == len(jax.tree.leaves(trained)) == 6 + 9
    for path, leaf in jtu.tree_leaves_with_path(grads):
        assert jnp.all(jnp.abs(leaf) > 0), jtu.keystr(path)


def test_normalisers_are_never_trained(decoder, dynamics):
    spec = nn.trainable((decoder, dynamics))
    assert jax.tree.leaves(spec[0].coordinates) == [False, False]
    assert jax.tree.leaves(spec[0].fields) == [False, False]
    assert jax.tree.leaves(spec[1].parameters) == [False, False]
    assert all(jax.tree.leaves(spec[0].layers))


def test_float32_networks_stay_float32():
    fields = nn.Standardiser(jnp.zeros(1, jnp.float32), jnp.ones(1, jnp.float32))
    points = POINTS.astype(jnp.float32)
    decoder = nn.SineDecoder(nn.MinMax.of(points), fields, latent_size=2, key=jr.key(0))
    assert decoder(points, jnp.zeros(2, jnp.float32)).dtype == jnp.float32
    dynamics = nn.SwishDynamics(2, key=jr.key(0), dtype=jnp.float32)
    assert dynamics(0.0, jnp.zeros(2, jnp.float32)).dtype == jnp.float32


def test_errors_name_the_argument(decoder, dynamics):
    with pytest.raises(ValueError, match=r"points must have shape \(points, 1\)"):
        decoder(jnp.zeros((4, 2)), jnp.zeros(3))
    with pytest.raises(ValueError, match=r"latent must have shape \(3,\).*vmap"):
        decoder(POINTS, jnp.zeros((7, 3)))
    with pytest.raises(ValueError, match="cond must hold the 2 parameters"):
        dynamics(0.0, jnp.zeros(3))
    with pytest.raises(ValueError, match="built without parameters"):
        nn.SwishDynamics(3, key=jr.key(1))(0.0, jnp.zeros(3), jnp.zeros(1))
    with pytest.raises(ValueError, match="latent_size, width and depth"):
        nn.SwishDynamics(3, width=0, key=jr.key(1))


def check_never_grows(dynamics, latent):
    """dα/dt · α ≤ 0, to the round-off of the product."""
    rate = np.asarray(dynamics(0.0, latent))
    size = np.linalg.norm(rate) * np.linalg.norm(latent)
    assert np.dot(rate, latent) <= 1e-12 * size


def test_dissipative_dynamics_never_grow():
    """Small latents and large ones, with weights that would throw them far; the rate of
    decay is that of the damping alone."""
    turn, damp = (
        jax.tree.map(lambda x: 5 * x, nn.SwishDynamics(3, width=6, depth=2, key=key))
        for key in jr.split(jr.key(4))
    )
    dynamics = nn.DissipativeDynamics(turn, damp)
    for size in (1e-3, 1.0, 30.0):
        latent = size * jr.normal(jr.key(5), (3,))
        check_never_grows(dynamics, latent)
        decay = -jnp.sum(jax.nn.softplus(damp(0.0, latent)) * latent**2)
        rate = jnp.dot(dynamics(0.0, latent), latent)
        np.testing.assert_allclose(rate, decay, rtol=1e-9, atol=1e-12 * size)
        assert np.linalg.norm(dynamics(0.0, latent)) > 0
    with pytest.raises(AssertionError):
        for seed in range(4):
            check_never_grows(turn, jr.normal(jr.key(seed), (3,)))
