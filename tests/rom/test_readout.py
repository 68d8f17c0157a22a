"""Fields by features of the latent, against the decoder they were fitted to."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import rom
from phix.rom._velocity import decode_on
from tests.rom.test_cheap import GRID, STILL, Waves, model_of


LATENTS = 0.7 * jr.normal(jr.key(1), (1500, 3))
SENSORS = jnp.array([[0.3, 1.2], [4.0, 2.0], [2.5, 5.5]])


@pytest.fixture(scope="module")
def fitted():
    """On the grid: the fields, bent, span five modes."""
    return rom.readout(
        model_of(0.3), GRID, 5, sines=200, latents=LATENTS, key=jr.key(2)
    )


def check_near(made, scale=1.0):
    """Fresh latents of the same law are read with the error that was reported."""
    latents = 0.7 * jr.normal(jr.key(3), (200, 3))
    whole = jax.vmap(lambda a: decode_on(Waves(0.3), GRID, a))(latents)
    apart = scale * jax.vmap(made)(latents) - whole
    error = jnp.linalg.norm(apart) / jnp.linalg.norm(whole)
    assert error < 2 * made.error
    assert made.error < 0.02


def test_the_error_is_that_of_fresh_latents(fitted):
    check_near(fitted)
    with pytest.raises(AssertionError):
        check_near(fitted, 1.1)
    with pytest.raises(AssertionError):  # a mode too few
        check_near(
            rom.readout(
                model_of(0.3), GRID, 3, sines=200, latents=LATENTS, key=jr.key(2)
            )
        )


def check_affine(made, model):
    whole = model.decoder(SENSORS, jnp.array([0.4, -0.7, 0.3]))
    np.testing.assert_allclose(made(jnp.array([0.4, -0.7, 0.3])), whole, atol=1e-8)


def test_what_is_affine_in_the_latent_is_exact_at_sensors():
    """Up to the ridge; with latents drawn around the table."""
    made = rom.readout(model_of(), SENSORS, 3, sines=1, key=jr.key(4))
    check_affine(made, model_of())
    bent = eqx.tree_at(lambda m: m.weights, made, made.weights[:, ::-1])
    with pytest.raises(AssertionError):
        check_affine(bent, model_of())


def test_forecasts_take_it_in_place_of_points(fitted):
    model = rom.ReducedModel(Waves(0.3), STILL, jnp.zeros((1, 1, 3)))
    ts, start = np.array([0.0, 1.0]), jnp.array([0.4, -0.7, 0.3])
    made = rom.forecast(model, start, ts, fitted)
    np.testing.assert_allclose(made.fields, [fitted(start)] * 2, rtol=1e-12)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"rank": 2, "sines": 0}, "sines must be at least 1, got 0"),
        ({"rank": 2, "latents": LATENTS[:9]}, "latents must be at least ten, got 9"),
        ({"rank": 0}, "rank"),
        ({"rank": 7}, "rank"),
    ],
)
def test_bad_input(choices, message):
    given = {"latents": LATENTS[:20], "key": jr.key(0), **choices}
    with pytest.raises(ValueError, match=message):
        rom.readout(model_of(), SENSORS, **given)
