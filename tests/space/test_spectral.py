"""Evaluation anywhere and resampling, against closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.space import Grid, spectral_evaluate, spectral_resample


P, D, N = "periodic", "dirichlet", "neumann"
PI = np.pi
BOX = ((-0.5, 1.0), (2.0, 5.0), (0.0, 2 * PI))


# Factors of one axis that its boundary allows: three of the lowest modes, at a share s
# of its length, one of them with a phase where that is free.
FACTORS = {
    P: lambda s: 0.5 + np.sin(2 * PI * s + 0.4),
    D: lambda s: np.sin(PI * s) - 0.3 * np.sin(3 * PI * s),
    N: lambda s: 0.5 + np.cos(PI * s) + 0.2 * np.cos(2 * PI * s),
    (D, N): lambda s: np.sin(0.5 * PI * s) - 0.3 * np.sin(2.5 * PI * s),
    (N, D): lambda s: np.cos(0.5 * PI * s) + 0.2 * np.cos(1.5 * PI * s),
}


def exact(boundary, x, complex):
    """Two channels at the points x, band-limited to wave 1 or three modes."""
    shares = [
        (x[:, a] - BOX[a][0]) / (BOX[a][1] - BOX[a][0]) for a in range(len(boundary))
    ]
    values = [FACTORS[side](s) for side, s in zip(boundary, shares, strict=True)]
    product, total = np.prod(values, axis=0), np.ones(len(x))
    for value in values:
        total = total * (value - 0.1 * (1 + 1j) * complex * value)
    return np.stack([product, total if complex else total.real])


def modes_of(shape, boundary, node="vertex", keep=None, complex=False):
    sides = boundary if len(shape) > 1 else boundary[0]
    return Grid(shape, BOX[: len(shape)], sides, node).modes(keep, complex)


def field(modes, boundary, dtype=float):
    u = exact(boundary, np.asarray(modes.grid.points), modes.complex)
    kind = np.result_type(dtype, np.complex64) if modes.complex else dtype
    return jnp.asarray(u.reshape(2, *modes.grid.shape), kind)


def some_points(ndim, count=7):
    low, high = np.array(BOX[:ndim]).T
    share = np.random.default_rng(0).uniform(size=(count, ndim))
    return low + share * (high - low)


# shape, boundary, node, another shape, keep, complex
CASES = [
    ((5,), (P,), "vertex", (8,), None, False),
    ((4,), (P,), "centre", (7,), None, True),
    ((6,), (D,), "centre", (9,), 2 / 3, False),
    ((4,), ((N, D),), "vertex", (5,), None, True),
    ((5, 8), (P, P), "vertex", (8, 5), 2 / 3, False),
    ((4, 5), (P, P), "centre", (6, 8), None, False),
    ((6, 4), (N, P), "centre", (4, 6), None, False),
    ((5, 4), (P, (D, N)), "vertex", (4, 7), 1.0, True),
    ((4, 5, 6), (P, N, P), "vertex", (7, 4, 5), None, False),
]
EVERY_CASE = pytest.mark.parametrize(
    "shape, boundary, node, other, keep, complex", CASES
)


def check_evaluation(evaluate, modes, boundary, tolerance=1e-13, dtype=float):
    x, u = some_points(modes.grid.ndim), field(modes, boundary, dtype)
    values = jax.jit(lambda u, x: evaluate(modes, modes.to_modes(u), x))(u, x)
    wanted = exact(boundary, x, modes.complex)
    assert values.dtype == u.dtype
    np.testing.assert_allclose(values, wanted, rtol=0, atol=tolerance)


@EVERY_CASE
def test_band_limited_fields_are_exact_anywhere(
    shape, boundary, node, other, keep, complex
):
    del other
    modes = modes_of(shape, boundary, node, keep, complex)
    check_evaluation(spectral_evaluate, modes, boundary)


def test_single_precision():
    modes = modes_of((5, 8), (P, P))
    check_evaluation(spectral_evaluate, modes, (P, P), 3e-6, np.float32)


def from_the_low_end(modes, c, x):
    """Forgets that phases count from the first node."""
    return spectral_evaluate(modes, c, x + 0.5 * jnp.array(modes.grid.spacing))


def test_check_of_evaluation_sees_a_shift_by_half_a_cell():
    with pytest.raises(AssertionError):
        check_evaluation(from_the_low_end, modes_of((5,), (P,), "centre"), (P,))


def check_resampling(resample, modes, onto, boundary):
    """Onto other modes that hold the field, and back."""

    @jax.jit
    def there_and_back(u, v):
        c = modes.to_modes(u)
        finer = resample(modes, c, onto)
        return finer, onto.to_modes(v), resample(onto, finer, modes), c

    finer, wanted, back, c = there_and_back(
        field(modes, boundary), field(onto, boundary)
    )
    assert finer.dtype == c.dtype
    np.testing.assert_allclose(finer, wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(back, c, rtol=0, atol=1e-14)


@EVERY_CASE
def test_band_limited_fields_are_resampled_exactly(
    shape, boundary, node, other, keep, complex
):
    modes = modes_of(shape, boundary, node, None, complex)
    onto = modes_of(other, boundary, "vertex", keep, complex)
    check_resampling(spectral_resample, modes, onto, boundary)


def without_phases(modes, c, onto):
    """Copies coefficients though the first nodes lie elsewhere."""
    alike = modes_of(modes.grid.shape, (P,), "vertex")
    return spectral_resample(alike, c, onto)


def test_check_of_resampling_sees_missing_phases():
    modes, onto = modes_of((4,), (P,), "centre"), modes_of((7,), (P,))
    with pytest.raises(AssertionError):
        check_resampling(without_phases, modes, onto, (P,))


def check_highest_wave(resample, ndim, complex):
    """Noise on even numbers of nodes: the finer field passes through all the values,
    every other node, and the way back gives them again."""
    modes = modes_of((4, 6)[:ndim], (P,) * ndim, complex=complex)
    fine = modes_of((8, 12)[:ndim], (P,) * ndim, complex=complex)
    u = np.random.default_rng(0).normal(size=(2, 1, *modes.grid.shape))
    u = u[0] + 1j * u[1] if complex else u[0]

    @jax.jit
    def there_and_back(u, x):
        c = modes.to_modes(u)
        finer = resample(modes, c, fine)
        values = spectral_evaluate(modes, c, x).reshape(1, *fine.grid.shape)
        return fine.to_nodes(finer), values, resample(fine, finer, modes), c

    finer, values, back, c = there_and_back(u, fine.grid.points)
    every_other = finer[(slice(None), *[slice(None, None, 2)] * ndim)]
    np.testing.assert_allclose(every_other, u, rtol=0, atol=1e-14)
    np.testing.assert_allclose(values, finer, rtol=0, atol=1e-13)
    np.testing.assert_allclose(back, c, rtol=0, atol=1e-14)


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("complex", [False, True])
def test_the_highest_wave_is_shared_between_both_signs(ndim, complex):
    check_highest_wave(spectral_resample, ndim, complex)


def test_check_of_the_highest_wave_sees_plain_padding():
    def padded(modes, c, onto):
        width = onto.shape[0] - modes.shape[0]
        return jnp.pad(c, [(0, 0), (0, width)]) if width > 0 else c[:, :width]

    with pytest.raises(AssertionError):
        check_highest_wave(padded, 1, False)


def test_gradient_with_respect_to_points_is_the_derivative():
    modes = modes_of((5, 6), (P, P))

    @jax.jit
    def both(u, x):
        c = modes.to_modes(u)
        slope = jax.grad(lambda x: jnp.sum(spectral_evaluate(modes, c, x)[0]))(x)
        symbols = [jnp.asarray(modes.derivative(axis)) for axis in range(2)]
        bent = jnp.concatenate([c[:1] * symbol for symbol in symbols])
        # Far outside the box too.
        return slope, spectral_evaluate(modes, bent, x + 4096 * jnp.array([1.5, 3.0]))

    slope, wanted = both(field(modes, (P, P)), some_points(2))
    np.testing.assert_allclose(slope.T, wanted, rtol=0, atol=1e-10)


def test_bad_input_is_refused():
    modes = modes_of((5, 6), (P, N))
    c = modes.zeros()
    with pytest.raises(ValueError, match=r"x must be points of shape \(points, 2\)"):
        spectral_evaluate(modes, c, jnp.zeros((3, 1)))
    with pytest.raises(ValueError, match="does not hold coefficients of these modes"):
        spectral_evaluate(modes, c[:, 1:], jnp.zeros((3, 2)))
    outside = jnp.array([[0.0, 3.0], [9.0, 1.9]])
    with pytest.raises(ValueError, match=r"1 of 2 points lie outside \[2.0, 5.0\]"):
        spectral_evaluate(modes, c, outside)
    traced = jax.jit(functools.partial(spectral_evaluate, modes))(c, outside)
    np.testing.assert_array_equal(np.isnan(traced), [[False, True]])
    others = {
        "extent": Grid((5, 6), (0.0, 1.0), (P, N)).modes(),
        "boundary": modes_of((5, 6), (P, D)),
        "complex": modes_of((5, 6), (P, N), complex=True),
    }
    for name, other in others.items():
        with pytest.raises(ValueError, match=f"onto must have the same {name}"):
            spectral_resample(modes, c, other)
