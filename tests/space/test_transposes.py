"""The transposes of the transforms, written down, against what they must be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.space import Grid, _fft


P, N = "periodic", "neumann"


def check_transpose(modes, to_modes, seed=0):
    """⟨Au, c⟩ = ⟨u, Aᵀc⟩ both ways, for any cotangent, and (Aᵀ)ᵀ = A."""
    rng = np.random.default_rng(seed)
    fields = [jnp.asarray(rng.normal(size=(3, *modes.grid.shape))) for _ in range(2)]
    parts = [rng.normal(size=(3, *modes.shape)) for _ in range(2)]
    any_modes = jnp.asarray(parts[0] + 1j * parts[1])
    there, back = jax.vjp(to_modes, fields[0])
    (pulled,) = back(any_modes)
    left, right = jnp.sum(there * any_modes).real, jnp.sum(fields[0] * pulled)
    np.testing.assert_allclose(left, right, rtol=1e-12)
    state = modes.to_modes(fields[0])
    nodes, forth = jax.vjp(modes.to_nodes, state)
    (pushed,) = forth(fields[1])
    left, right = jnp.sum(nodes * fields[1]), jnp.sum(state * pushed).real
    np.testing.assert_allclose(left, right, rtol=1e-12)
    twice = jax.vjp(lambda ct: back(ct)[0], any_modes)[1](fields[1])[0]
    np.testing.assert_allclose(twice, to_modes(fields[1]), atol=1e-13)
    twice = jax.vjp(lambda ct: forth(ct)[0], fields[1])[1](state)[0]
    np.testing.assert_allclose(twice, nodes, atol=1e-13)


TRANSPOSED = [
    ((9, 6), 2 / 3, (P, P)),
    ((8, 9), 1.0, (P, P)),
    ((6, 5), None, (P, P)),
    ((6, 8), 1.0, (P, N)),
    ((5, 6, 7), 2 / 3, (P, P, P)),
]


@pytest.mark.parametrize("shape, keep, sides", TRANSPOSED)
def test_transposes_are_those_of_the_transforms(shape, keep, sides):
    modes = Grid(shape, (0.0, 1.0), sides).modes(keep)
    check_transpose(modes, modes.to_modes)


def test_large_fields_take_real_transforms(monkeypatch):
    modes = Grid((10, 7), (0.0, 1.0)).modes(2 / 3)
    u = np.random.default_rng(0).normal(size=(3, 10, 7))
    in_pairs = modes.to_modes(jnp.asarray(u))
    monkeypatch.setattr(_fft, "_LARGE", {8: 0})
    monkeypatch.setattr(_fft, "_sums_of_two", None)
    jax.clear_caches()
    alone = modes.to_modes(jnp.asarray(u))
    np.testing.assert_allclose(alone, in_pairs, atol=1e-15)
    full = np.fft.rfft2(u, norm="forward")
    np.testing.assert_allclose(alone[:, 3:, :], full[:, :4, :3], atol=1e-15)
    check_transpose(modes, modes.to_modes)


def test_huge_fields_have_an_fft_each(monkeypatch):
    modes = Grid((6, 8, 7), (0.0, 1.0)).modes(2 / 3)
    u = np.random.default_rng(0).normal(size=(3, 6, 8, 7))
    c = modes.to_modes(jnp.asarray(u))
    in_pairs = modes.to_nodes(c)
    monkeypatch.setattr(_fft, "_HUGE", 0)
    monkeypatch.setattr(_fft, "_fields_of_pair", None)
    jax.clear_caches()
    np.testing.assert_allclose(modes.to_nodes(c), in_pairs, atol=1e-14)
    check_transpose(modes, modes.to_modes)


# nodes, precision, channels; FFTs on the way to the nodes, and back
FFTS = [
    ((48, 48, 48), jnp.float32, 2, 1, 2),
    ((48, 48, 48), jnp.float32, 3, 3, 3),
    ((48, 48, 48), jnp.float32, 6, 3, 6),
    ((32, 32, 32), jnp.float32, 3, 2, 1),
    ((128, 128), jnp.float32, 2, 1, 1),
    ((128, 128), jnp.float64, 2, 1, 2),
    ((256, 256), jnp.float32, 3, 2, 3),
]


def check_ffts(shape, dtype, channels, to_nodes, to_modes):
    """So many FFTs are in the programs, which are not run."""
    modes = Grid(shape, (0.0, 1.0)).modes(2 / 3)
    c = jax.eval_shape(lambda: modes.zeros(channels, dtype))
    u = jax.ShapeDtypeStruct((channels, *shape), dtype)
    for transform, x, count in (
        (modes.to_nodes, c, to_nodes),
        (modes.to_modes, u, to_modes),
    ):
        program = jax.jit(lambda x, f=transform: f(x)).lower(x).as_text()
        assert program.count("call @fft") == count


@pytest.mark.parametrize("case", FFTS)
def test_fields_share_ffts_where_that_is_faster(case):
    check_ffts(*case)


def test_one_limit_for_all_is_found(monkeypatch):
    monkeypatch.setattr(_fft, "_HUGE", 2**40)
    monkeypatch.setattr(_fft, "_LARGE", {4: 2**40, 8: 2**40})
    for case in (FFTS[1], FFTS[2], FFTS[5], FFTS[6]):
        with pytest.raises(AssertionError):
            check_ffts(*case)


def test_check_sees_a_transpose_of_something_else():
    modes = Grid((9, 6), (0.0, 1.0)).modes(2 / 3)

    @jax.custom_jvp
    def doubled(u):
        return modes.to_modes(u)

    doubled.defjvp(lambda u, du: (modes.to_modes(*u), 2 * modes.to_modes(*du)))
    with pytest.raises(AssertionError):
        check_transpose(modes, doubled)
