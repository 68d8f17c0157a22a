"""The multiplicative Fourier decoder, against plain loops, and its Jacobian."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import nn


LATENTS = 5


def make(kind, channels, key):
    box = nn.MinMax(jnp.array([-1.0, 0.0]), jnp.array([3.0, 2.0]))
    fields = nn.Standardiser(
        jnp.arange(1.0, channels + 1), jnp.linspace(0.5, 2.0, channels)
    )
    return kind(box, fields, latent_size=LATENTS, width=6, depth=3, key=key)


@pytest.fixture
def given(getkey):
    points = jnp.array([-1.0, 0.0]) + jr.uniform(getkey(), (7, 2)) * jnp.array([4, 2])
    return points, jr.normal(getkey(), (LATENTS,))


def by_loops(decoder, point, latent):
    """The recurrence at one point in NumPy, matrix by matrix."""
    x = 2 * (np.asarray(point) - [-1.0, 0.0]) / [4.0, 2.0] - 1
    waves = [
        np.concatenate([np.sin(f @ x), np.cos(f @ x)])
        for f in np.asarray(decoder.frequencies)
    ]
    h = (decoder.first + decoder.shifts[0] @ latent) * waves[0]
    for i, layer in enumerate(decoder.layers[:-1]):
        shift = decoder.shifts[i + 1] @ latent
        h = (layer.weight @ h + layer.bias + shift) * waves[i + 1]
    last = decoder.layers[-1]
    out = last.weight @ h + last.bias
    return out * decoder.fields.std + decoder.fields.mean


def check_recurrence(decoder, points, latent):
    wanted = np.stack([by_loops(decoder, p, latent) for p in points], axis=1)
    np.testing.assert_allclose(decoder(points, latent), wanted, rtol=1e-12)


class Unshifted(eqx.Module):
    """Takes the latent into account in the first layer only."""

    decoder: nn.FourierDecoder

    def __call__(self, points, latent):
        shifts = self.decoder.shifts.at[1:].set(0)
        return eqx.tree_at(lambda d: d.shifts, self.decoder, shifts)(points, latent)

    def __getattr__(self, name):
        return getattr(self.decoder, name)


def test_the_field_is_that_of_the_recurrence(given, getkey):
    decoder = make(nn.FourierDecoder, 2, getkey())
    check_recurrence(decoder, *given)
    with pytest.raises(AssertionError):
        check_recurrence(Unshifted(decoder), *given)


def check_jacobian(jacobian, decoder, points, latent):
    """Central differences in every latent."""
    h = 1e-5
    columns = [
        (decoder(points, latent + h * e) - decoder(points, latent - h * e)) / (2 * h)
        for e in jnp.eye(LATENTS)
    ]
    np.testing.assert_allclose(jacobian, jnp.stack(columns, -1), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("kind", [nn.FourierDecoder, nn.SineDecoder])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_jacobian_is_that_of_differences(kind, channels, given, getkey):
    """Fewer channels than latents, and more: reverse and forward mode."""
    decoder = make(kind, channels, getkey())
    jacobian = decoder.jacobian(*given)
    check_jacobian(jacobian, decoder, *given)
    with pytest.raises(AssertionError):
        check_jacobian(jacobian[:, ::-1], decoder, *given)


def test_filters_are_formed_once_for_all_latents(given, getkey):
    """Under vmap over latents no sine or cosine carries the axis of latents."""
    decoder, (points, latent) = make(nn.FourierDecoder, 1, getkey()), given
    latents = jnp.stack([latent] * 11)
    traced = jax.make_jaxpr(jax.vmap(lambda a: decoder(points, a)))(latents)
    waves = [e for e in traced.eqns if e.primitive.name in ("sin", "cos")]
    assert waves and all(11 not in e.outvars[0].aval.shape for e in waves)


def test_bad_input(given, getkey):
    decoder = make(nn.FourierDecoder, 1, getkey())
    points, latent = given
    with pytest.raises(ValueError, match=r"points must have shape \(points, 2\)"):
        decoder(points[:, :1], latent)
    with pytest.raises(ValueError, match=r"latent must have shape \(5,\), got \(3,\)"):
        decoder(points, latent[:3])
    with pytest.raises(ValueError, match="even width, got 5, 3 and 7"):
        nn.FourierDecoder(
            decoder.coordinates, decoder.fields, latent_size=5, width=7, key=getkey()
        )
