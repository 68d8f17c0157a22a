"""POD modes by every method, against the singular value decomposition."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import rom
from phix.space import Grid


COUNT, SPACE = 40, (2, 30)


def snapshots(values, seed=0):
    """Fields of two channels with these singular values, and their modes."""
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.normal(size=(COUNT, len(values))))
    right, _ = np.linalg.qr(rng.normal(size=(np.prod(SPACE), len(values))))
    return jnp.asarray((left * values @ right.T).reshape(COUNT, *SPACE)), right.T


def projector(modes):
    rows = np.asarray(modes).reshape(len(modes), -1)
    return rows.T @ rows


def check_modes(pod, rank=6):
    """Modes and values of data of this rank, on the nose."""
    values = 2.0 ** -np.arange(rank)
    fields, truth = snapshots(values)
    modes, found = pod(fields, rank)
    assert modes.shape == (rank, *SPACE)
    np.testing.assert_allclose(found[:rank], values, rtol=0, atol=1e-10)
    np.testing.assert_allclose(projector(modes), projector(truth), rtol=0, atol=1e-10)
    # Single modes too, up to their sign.
    overlap = np.abs(np.asarray(modes).reshape(rank, -1) @ truth.T)
    np.testing.assert_allclose(overlap, np.eye(rank), rtol=0, atol=1e-10)


def in_blocks(fields, rank):
    return rom.pod_modes(iter(np.split(fields, [7, 20])), rank, method="incremental")


@pytest.mark.parametrize(
    "pod",
    [
        rom.pod_modes,
        partial(rom.pod_modes, method="randomised", key=jr.key(0)),
        partial(rom.pod_modes, method="incremental", block=12),
        in_blocks,
    ],
    ids=["exact", "randomised", "incremental", "blocks"],
)
def test_modes_of_data_of_that_rank_are_exact(pod):
    check_modes(pod)


def test_a_block_left_out_is_noticed():
    with pytest.raises(AssertionError):
        check_modes(lambda fields, rank: in_blocks(fields[:20], rank))
    with pytest.raises(AssertionError):
        check_modes(lambda f, rank: rom.pod_modes(f, rank, method="exact", centre=True))


def check_randomised_bound(pod, power_iterations, draws=20):
    """Corollary 10.10 and theorem 9.3 of Halko, Martinsson and Tropp, on average."""
    k, p, q = 5, 4, power_iterations
    spectrum = 1.0 / np.arange(1, COUNT + 1)
    fields, _ = snapshots(spectrum)
    matrix = np.asarray(fields).reshape(COUNT, -1)

    def lost(key):
        modes, _ = pod(
            fields, k, key=key, oversampling=p, power_iterations=power_iterations
        )
        return modes

    made = jax.jit(jax.vmap(lost))(jr.split(jr.key(1), draws))
    errors = [np.linalg.norm(matrix - matrix @ projector(m), 2) for m in made]
    constant = 1 + np.sqrt(k / (p - 1)) + np.e * np.sqrt(k + p) / p * np.sqrt(COUNT - k)
    best = spectrum[k]
    assert min(errors) >= best * (1 - 1e-12)
    assert np.mean(errors) <= best * (1 + constant ** (1 / (2 * q + 1)))
    return np.mean(errors) / best


def test_randomised_modes_keep_the_bound_of_the_theory():
    randomised = partial(rom.pod_modes, method="randomised")
    plain = check_randomised_bound(randomised, 0)
    sharpened = check_randomised_bound(randomised, 3)
    # The very purpose of power iterations, on a spectrum that decays slowly.
    assert sharpened - 1 < 0.3 * (plain - 1)


def test_random_directions_break_the_bound():
    def directions(fields, rank, *, key, **_):
        noise = jr.normal(key, (fields[0].size, rank))
        return jnp.linalg.qr(noise)[0].T.reshape(rank, *SPACE), None

    with pytest.raises(AssertionError):
        check_randomised_bound(directions, 3)


def check_incremental_loss(pod):
    """Below the rank of the data a little more is lost than must be, not less."""
    spectrum = 0.6 ** np.arange(COUNT)
    fields, _ = snapshots(spectrum)
    matrix = np.asarray(fields).reshape(COUNT, -1)
    modes, _ = pod(fields, 6)
    lost = np.linalg.norm(matrix - matrix @ projector(modes))
    least = np.linalg.norm(spectrum[6:])
    assert least * (1 - 1e-12) <= lost <= 1.2 * least


def test_incremental_modes_lose_little_below_the_rank_of_the_data():
    check_incremental_loss(partial(rom.pod_modes, method="incremental", block=8))
    with pytest.raises(AssertionError):
        check_incremental_loss(lambda fields, rank: rom.pod_modes(fields[:8], rank))


def test_centred_modes_and_a_mean_give_back_the_fields():
    rng = np.random.default_rng(2)
    grid = Grid(SPACE[1], (0.0, 1.0))
    # A mean and three more directions: of rank 3 only with the mean apart.
    directions, weights = rng.normal(size=(3, *SPACE)), rng.normal(size=(COUNT, 3))
    fields = jnp.asarray(5 + np.tensordot(weights, directions, 1))
    modes, _ = rom.pod_modes(fields, 3, centre=True)

    def check(mean):
        decoder = rom.LinearDecoder(grid, modes, mean)
        latents = jax.vmap(decoder.project)(fields)
        back = jax.vmap(lambda a: decoder(grid.points, a))(latents)
        np.testing.assert_allclose(back, fields, rtol=0, atol=1e-10)

    check(jnp.mean(fields, axis=0))
    with pytest.raises(AssertionError):
        check(None)


def test_wrong_use_is_refused():
    fields = jnp.ones((5, 1, 8))
    with pytest.raises(ValueError, match="rank must lie between 1 and 5.*got 6"):
        rom.pod_modes(fields, 6)
    with pytest.raises(ValueError, match="mean 'randomised'"):
        rom.pod_modes(fields, 2, method="randomized")
    with pytest.raises(ValueError, match="give a key"):
        rom.pod_modes(fields, 2, method="randomised")
    with pytest.raises(ValueError, match="an iterable of blocks is taken by"):
        rom.pod_modes([fields], 2)
    with pytest.raises(ValueError, match="rank 7 asked of 5 snapshots"):
        rom.pod_modes([fields], 7, method="incremental")
    with pytest.raises(ValueError, match="do not live on a grid"):
        rom.LinearDecoder(Grid(7, (0.0, 1.0)), fields)
    with pytest.raises(ValueError, match="mean must have the shape of a mode"):
        rom.LinearDecoder(Grid(8, (0.0, 1.0)), fields, jnp.ones((1, 7)))
