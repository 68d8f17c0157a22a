"""Fields from few points of a decoder, against all of them."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import nn, rom
from phix.rom._velocity import decode_on
from phix.space import Grid


GRID = Grid((16, 12), (0.0, 2 * math.pi))
STILL = rom.ConstantVelocity(jnp.zeros(3))


class Waves(eqx.Module):
    """Two channels of waves up to 2, linear in the latent or bent."""

    bent: float = 0.0

    def __call__(self, points, latent):
        x, y = points.T
        a, b, c = latent + self.bent * latent**2
        first = a * jnp.sin(2 * x + y) + b * jnp.cos(x - 2 * y)
        return jnp.stack([first + self.bent * a * b * jnp.sin(x), c * jnp.cos(y) + a])


def model_of(bent=0.0):
    table = jr.normal(jr.key(0), (4, 5, 3))
    return rom.ReducedModel(Waves(bent), STILL, table)


LATENT = jnp.array([0.4, -0.7, 0.3])


def check_same(cheap, model):
    whole = decode_on(model.decoder, GRID, LATENT)
    np.testing.assert_allclose(
        decode_on(cheap.decoder, GRID, LATENT), whole, atol=1e-12
    )
    points = jnp.array([[0.3, 1.2]])
    here = model.decoder(points, LATENT)
    np.testing.assert_array_equal(cheap.decoder(points, LATENT), here)


def test_a_coarse_grid_that_holds_the_waves_is_exact():
    model = model_of()
    check_same(rom.coarsened(model, GRID, (6, 5)), model)
    with pytest.raises(AssertionError):  # wave 2 is the last of four nodes
        check_same(rom.coarsened(model, GRID, (4, 5)), model)


def test_a_basis_that_spans_the_fields_is_exact():
    model = model_of()
    check_same(rom.low_rank(model, GRID, 3), model)
    with pytest.raises(AssertionError):
        check_same(rom.low_rank(model, GRID, 2), model)


def fourier_model():
    box, fields = nn.MinMax.of(GRID.points), nn.Standardiser(jnp.ones(2), jnp.ones(2))
    decoder = nn.FourierDecoder(box, fields, latent_size=3, width=8, key=jr.key(1))
    return rom.ReducedModel(decoder, STILL, jnp.zeros((1, 1, 3)))


def test_a_table_of_an_affine_decoder_is_exact():
    model = fourier_model()
    table = rom.tabulated(model, GRID)
    check_same(table, model)
    bent = eqx.tree_at(lambda m: m.decoder.modes, table, table.decoder.modes[::-1])
    with pytest.raises(AssertionError):
        check_same(bent, model)


@pytest.mark.parametrize("where", [GRID, GRID.points[:5]])
def test_many_frames_of_an_affine_decoder_share_a_basis(where):
    model = fourier_model()
    latents = jr.normal(jr.key(2), (9, 3))

    def check(decode):
        one = jnp.concatenate(
            [rom.decode_frames(model, row[None], where) for row in latents]
        )
        np.testing.assert_allclose(decode(model, latents, where), one, atol=1e-12)

    check(rom.decode_frames)

    def layers_see_all_frames(frames):
        decode = jax.make_jaxpr(lambda a: rom.decode_frames(model, a, where))
        count = len(GRID.points) if where is GRID else len(where)
        return f"[{frames},{count},8]" in str(decode(latents[:frames]))

    assert layers_see_all_frames(7) and not layers_see_all_frames(9)
    with pytest.raises(AssertionError):
        check(lambda model, a, where: rom.decode_frames(model, 1.01 * a, where))


@pytest.mark.parametrize("num_nodes", [None, 7])
def test_the_error_keeps_its_bound(num_nodes):
    """‖u − ũ‖ ≤ ‖(PᵀV)†‖ ‖u − VVᵀu‖ for every latent of the table."""
    model = model_of(0.3)
    cheap = rom.low_rank(model, GRID, 4, num_nodes=num_nodes).decoder
    modes = cheap.modes.reshape(4, -1)

    def check(latent, scale):
        u = decode_on(model.decoder, GRID, latent).reshape(-1)
        missed = u - modes.T @ (modes @ u)
        bound = jnp.linalg.norm(cheap.weights, 2) * jnp.linalg.norm(missed)
        error = jnp.linalg.norm(u - scale * cheap.field(latent).reshape(-1))
        assert 0 < error <= bound * (1 + 1e-9) + 1e-12

    for latent in model.latents.reshape(-1, 3):
        check(latent, 1.0)
    with pytest.raises(AssertionError):
        check(model.latents[0, 0], 2.0)


def test_a_forecast_takes_the_short_way():
    model = model_of()
    ts = np.array([0.0, 1.0])
    whole = rom.forecast(model, LATENT, ts, GRID).fields
    short = rom.forecast(rom.low_rank(model, GRID, 3), LATENT, ts, GRID).fields
    np.testing.assert_allclose(short, whole, atol=1e-12)
    # Few at a time or all together, and jitted.
    many = jnp.tile(LATENT, (400, 1))
    fields = jax.jit(lambda a: rom.decode_frames(model, a, GRID))(many)
    np.testing.assert_allclose(fields, jnp.tile(whole[:1], (400, 1, 1, 1)), atol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="model has a Waves, which is not affine"):
        rom.tabulated(model_of(), GRID)
    with pytest.raises(ValueError, match="grid must be periodic"):
        rom.coarsened(model_of(), Grid((8, 8), (0.0, 1.0), "dirichlet"), (4, 4))
