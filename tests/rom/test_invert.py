from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import nn, rom
from phix.space import Grid


STILL = rom.ConstantVelocity(jnp.zeros(2))
GRID = Grid(40, (0.0, 1.0), boundary=("neumann", "neumann"))


class Bump(eqx.Module):
    """A narrow bump (1 + b)·exp(−((x − a − 0.2)/0.05)²): from far away its place has no
    slope, so the search needs another start."""

    latent_size: int = eqx.field(static=True, default=2)

    def __call__(self, points, latent):
        away = (points[:, 0] - 0.2 - latent[0]) / 0.05
        return (1 + latent[1]) * jnp.exp(-(away**2))[None]


def bump_model():
    places = jnp.linspace(0.0, 0.7, 8)
    table = jnp.stack([places, jnp.zeros(8)], axis=1)[None]
    return rom.ReducedModel(Bump(), STILL, table)


@pytest.fixture(scope="module")
def inverted():
    """Twelve bumps, near and far from the start, in one call."""
    model = bump_model()
    truth = jnp.stack([jnp.linspace(0.0, 0.65, 12), jnp.linspace(-0.2, 0.2, 12)], 1)
    fields = jax.vmap(lambda a: model.decoder(GRID.points, a))(truth)
    one = lambda u: rom.invert(model, GRID.points, u)  # noqa: E731
    return truth, jax.jit(jax.vmap(one))(fields)


def check_recovered(truth, latents):
    np.testing.assert_allclose(latents, truth, atol=1e-4)


def test_bumps_near_and_far_are_found(inverted):
    truth, found = inverted
    check_recovered(truth, found.latent)
    assert np.all(np.asarray(found.error) < 1e-4)
    assert np.all(np.asarray(found.result) == 0)


def test_without_restarts_far_bumps_are_missed(inverted):
    truth, _ = inverted
    model = bump_model()
    fields = jax.vmap(lambda a: model.decoder(GRID.points, a))(truth)
    once = jax.vmap(lambda u: rom.invert(model, GRID.points, u, max_restarts=0))(fields)
    with pytest.raises(AssertionError):
        check_recovered(truth, once.latent)


def test_only_the_frames_that_need_it_restart(inverted):
    _, found = inverted
    restarts = np.asarray(found.restarts)
    assert restarts[0] == 0
    assert np.any(restarts > 0)
    # More searches, more work; a residual costs 1 and a Jacobian 1 + r.
    assert found.work[0] < found.work[int(np.argmax(restarts))]


def test_any_points_will_do():
    """Sensors off the grid, as few as there are latents."""
    model = bump_model()
    truth = jnp.array([0.15, 0.1])
    points = jnp.array([[0.33], [0.36], [0.9]])
    found = rom.invert(model, points, model.decoder(points, truth))
    np.testing.assert_allclose(found.latent, truth, atol=1e-4)


def test_the_derivative_is_that_of_the_minimum():
    """dα/du at a fit with a residual, against central differences of the search."""
    model = bump_model()
    field = model.decoder(GRID.points, jnp.array([0.03, 0.05]))
    field = field + 0.1 * jnp.sin(9 * GRID.points[:, 0])
    direction = jnp.cos(5 * GRID.points[:, 0])[None]

    @jax.jit
    def latent(shift):
        values = field + shift * direction
        return rom.invert(model, GRID.points, values, max_iterations=200).latent

    h = 1e-3
    f = [latent(k * h) for k in (-2, -1, 1, 2)]
    numeric = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
    np.testing.assert_allclose(jax.jacrev(latent)(0.0), numeric, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(jax.jacfwd(latent)(0.0), numeric, rtol=1e-5, atol=1e-7)


def test_values_must_match_the_points():
    with pytest.raises(ValueError, match=r"values must have shape \(channels, 40\)"):
        rom.invert(bump_model(), GRID.points, jnp.zeros((1, 39)))


def test_a_trained_size_network_in_float32(getkey):
    """Round trip through a sine decoder: the field is found again to float32."""
    points = jnp.linspace(0, 1, 64, dtype=jnp.float32)[:, None]
    fields = nn.Standardiser(jnp.zeros(1, jnp.float32), jnp.ones(1, jnp.float32))
    decoder = nn.SineDecoder(nn.MinMax.of(points), fields, latent_size=3, key=getkey())
    table = jr.normal(getkey(), (2, 5, 3), jnp.float32)
    model = rom.ReducedModel(decoder, STILL, table)
    found = rom.invert(model, points, decoder(points, table[0, 0]), accept=1e-3)
    assert found.latent.dtype == jnp.float32
    assert float(found.error) < 1e-3


def linear_case():
    """Ten latents of a linear decoder, six readings, a law of unequal directions."""
    rng = np.random.default_rng(0)
    modes = jnp.asarray(rng.normal(size=(10, 1, 40)))
    table = rng.normal(size=(1, 50, 10)) * np.linspace(0.1, 2.0, 10) + 0.3
    decoder = rom.LinearDecoder(GRID, modes)
    model = rom.ReducedModel(decoder, STILL, jnp.asarray(table))
    nodes = np.array([2, 9, 15, 22, 30, 37])
    seen = jnp.asarray(rng.normal(size=(1, 6)))
    return model, GRID.points[nodes], seen, np.asarray(modes)[:, 0, nodes].T


def check_most_probable(found, model, seen, rows, noise):
    """m + C Vᵀ(V C Vᵀ + R)⁻¹(u − V m), the answer in closed form."""
    table, u = np.asarray(model.latents)[0], np.asarray(seen)[0]
    mean, C = table.mean(axis=0), np.cov(table.T)
    R = noise**2 * np.sum(u**2) / u.size * np.eye(u.size)
    gain = C @ rows.T @ np.linalg.inv(rows @ C @ rows.T + R)
    truth = mean + gain @ (u - rows @ mean)
    # The search stops within 1.5e-8 of the least square, hence 1e-4 of the latent.
    np.testing.assert_allclose(found.latent, truth, rtol=1e-4, atol=1e-4)
    error = np.linalg.norm(rows @ truth - u) / np.linalg.norm(u)
    np.testing.assert_allclose(found.error, error, rtol=1e-4)


def test_with_a_prior_the_most_probable_latent_is_found():
    model, points, seen, rows = linear_case()

    @jax.jit
    def one(table, noise):
        law = rom.latent_law(rom.ReducedModel(model.decoder, STILL, table))
        return rom.invert(model, points, seen, prior=law, noise=noise, max_restarts=0)

    for noise in (0.05, 0.5):
        found = one(model.latents, noise)
        check_most_probable(found, model, seen, rows, noise)
    with pytest.raises(AssertionError):
        check_most_probable(found, model, seen, rows, 0.05)
    # A direction in which training latents never vary is fixed.
    flat = model.latents.at[..., 3].set(0.7)
    found = one(flat, 0.05)
    law = rom.latent_law(rom.ReducedModel(model.decoder, STILL, flat))
    np.testing.assert_allclose(found.latent[3], 0.7, atol=1e-12)
    np.testing.assert_allclose(law.latent(law.whiten(flat[0, 0])), flat[0, 0])


def tail_model():
    """Two latents that were always alike in training, and a field that tells them apart
    only faintly."""
    table = jr.normal(jr.key(5), (40, 1)) * jnp.array([1.0, 1.0])
    table = table + 0.01 * jr.normal(jr.key(6), (40, 2))

    def decoder(points, latent):
        x = points[:, 0]
        both = latent[0] + latent[1]
        return (both * jnp.cos(x) + 1e-3 * (latent[0] - latent[1]) * x)[None]

    return rom.ReducedModel(decoder, STILL, table[:, None])


def check_likely(invert_frames):
    """A field with a tenth of its size in what the latents hardly reach: the least
    misfit takes them far apart, the most probable latent leaves them together."""
    model, grid = tail_model(), Grid(40, (0.0, 1.0))
    x = grid.points[:, 0]
    us = (2 * jnp.cos(x) + 0.2 * x)[None, None, None]
    found = invert_frames(model, us, grid, accept=0.2).latent[0, 0]
    assert abs(found[0] - found[1]) < 1
    np.testing.assert_allclose(found[0] + found[1], 2.1, atol=0.15)


def test_the_most_probable_latent_of_few_nodes():
    check_likely(partial(rom.invert_frames, likely=True, nodes=10))
    with pytest.raises(AssertionError):
        check_likely(rom.invert_frames)
    with pytest.raises(ValueError, match="nodes"):
        check_likely(partial(rom.invert_frames, nodes=0))


def affine_case():
    """A field of forty points from a decoder that is affine in six latents."""
    x = GRID.points[:, 0][:, None]
    fields = nn.Standardiser(jnp.zeros(1), jnp.ones(1))
    sizes = {"latent_size": 6, "width": 16, "depth": 2, "key": jr.key(7)}
    decoder = nn.FourierDecoder(nn.MinMax.of(x), fields, **sizes)
    decoder = jax.tree.map(lambda a: jnp.asarray(a, x.dtype), decoder)
    model = rom.ReducedModel(decoder, STILL, jr.normal(jr.key(8), (1, 5, 6)))
    return model, x, decoder(x, jr.normal(jr.key(9), (6,))) + jnp.sin(20 * x.T)


def check_straight_to_the_minimum():
    """That of linear least squares; two Jacobians find it and see it."""
    model, x, seen = affine_case()
    zero = jnp.zeros(6)
    rows = jax.jacfwd(lambda a: model.decoder(x, a)[0])(zero)
    truth = np.linalg.lstsq(rows, (seen - model.decoder(x, zero))[0], rcond=None)[0]
    found = rom.invert(model, x, seen, max_restarts=0)
    np.testing.assert_allclose(found.latent, truth, rtol=1e-8)
    assert int(found.work) <= 2 * (1 + 6) + 3


def test_affine_decoders_are_inverted_in_one_step(monkeypatch):
    check_straight_to_the_minimum()
    least_squares = rom._invert.least_squares

    def careful(*args, **choices):
        return least_squares(*args, **{**choices, "damping": 1.0})

    monkeypatch.setattr(rom._invert, "least_squares", careful)
    with pytest.raises(AssertionError):
        check_straight_to_the_minimum()


def test_of_latents_that_nothing_tells_apart_the_nearest_is_found():
    """Three readings, six latents: the answer of least norm."""
    model, x, seen = affine_case()
    nodes, zero = jnp.array([3, 17, 31]), jnp.zeros(6)
    rows = jax.jacfwd(lambda a: model.decoder(x[nodes], a)[0])(zero)
    rest = (seen[:, nodes] - model.decoder(x[nodes], zero))[0]
    truth = np.linalg.lstsq(rows, rest, rcond=None)[0]
    found = rom.invert(model, x[nodes], seen[:, nodes], max_restarts=0)
    np.testing.assert_allclose(found.latent, truth, rtol=1e-5, atol=1e-7)
