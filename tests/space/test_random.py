"""Random fields: their moments, densities and symmetries."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats

from phix.space import (
    GaussianRandomField,
    Grid,
    random_velocity,
    random_vorticity,
    spectral_resample,
)
from tests.truth import modes as truth


P, D, N = "periodic", "dirichlet", "neumann"
BOX = ((0.0, 2.0), (1.0, 4.0), (0.0, 5.0))
KEY = jr.key(0)


def smooth(k):
    """Two channels; the longest waves have none."""
    shape = jnp.where(k > 2.5, jnp.exp(-(k**2) / 30), 0.0)
    return jnp.stack([shape, 4 * shape])


def field_on(shape, boundary, keep=None, complex=False, spectrum=smooth):
    grid = Grid(shape, BOX[: len(shape)], boundary)
    return GaussianRandomField(grid.modes(keep, complex), spectrum)


# A layout of every kind, with the wave n/2 and without.
FIELDS = {
    "plane": field_on((6, 5), (P, P)),
    "the other way round": field_on((5, 6), (P, P)),
    "complex": field_on((6, 6), (P, P), 1.0, True),
    "mixed": field_on((4, 5), (P, D)),
    "sines and cosines": field_on((5, 4), (N, D)),
}
EVERY_FIELD = pytest.mark.parametrize("name", FIELDS)
NUMBER = 4000


@functools.cache
def computed(name):
    """All that the tests look at, in one program."""
    field = FIELDS[name]

    @jax.jit
    def everything(keys):
        c, u = field.sample_modes(key=KEY), field.sample(key=KEY)
        return {
            "samples": jax.vmap(lambda key: field.sample(key=key))(keys),
            "c": c,
            "u": u,
            "log_prob": field.log_prob(u),
            "kl": field.kl(rival(field)),
            "kl to itself": field.kl(field),
        }

    return {k: np.asarray(v) for k, v in everything(jr.split(KEY, NUMBER)).items()}


def rival(field):
    """Of other variances, in the same modes."""
    variance = field.variance * (2 + jnp.cos(field.variance))
    return GaussianRandomField(field.modes, variance)


def check_moments(u, field):
    """Mean and covariance of the values at all nodes, within five standard errors.

    Node values are Gaussian: the error of a covariance of u_i and u_j estimated from n
    fields is sqrt((C_ii C_jj + |C_ij|²) / n), that of a mean sqrt(C_ii / n).
    """
    modes = field.modes
    matrices = []
    for n, sides, x, (low, high) in zip(
        modes.grid.shape,
        modes.grid.boundary,
        modes.grid.axes,
        modes.grid.extent,
        strict=True,
    ):
        kinds = (sides[0].kind, sides[1].kind)
        k = truth.waves(n, modes.keep, kinds)
        matrices.append(truth.synthesis(np.asarray(x), low, high - low, k, kinds))
    every = functools.reduce(np.kron, matrices)
    variance = np.asarray(field.variance)
    # The waves left out of a real field have the variance of their conjugates.
    if modes.half_axis is not None:
        axis, n = modes.half_axis + 1, modes.grid.shape[modes.half_axis]
        k = np.abs(truth.waves(n, modes.keep, (P, P)))
        variance = np.take(variance, k, axis)
    for channel in range(2):
        flat = u[:, channel].reshape(NUMBER, -1)
        weighted = every * variance[channel].ravel()
        exact = weighted @ every.conj().T
        size = np.diag(exact).real
        given = flat.T @ flat.conj() / NUMBER
        error = np.sqrt((np.outer(size, size) + np.abs(exact) ** 2) / NUMBER)
        assert np.all(np.abs(given - exact) < 5 * error)
        assert np.all(np.abs(flat.mean(0)) < 5 * np.sqrt(size / NUMBER))
        if modes.complex:
            assert np.all(np.abs(flat.T @ flat / NUMBER) < 5 * error)


@EVERY_FIELD
def test_moments(name):
    check_moments(computed(name)["samples"], FIELDS[name])


def test_check_of_moments_sees_a_variance_off_by_a_tenth():
    with pytest.raises(AssertionError):
        check_moments(1.05 * computed("plane")["samples"], FIELDS["plane"])


def test_check_of_moments_sees_channels_swapped():
    with pytest.raises(AssertionError):
        check_moments(computed("plane")["samples"][:, ::-1], FIELDS["plane"])


def test_channels_and_waves_are_independent():
    field = field_on((6, 5), (P, P), spectrum=lambda k: jnp.ones((2, *k.shape)))
    draw = jax.jit(jax.vmap(lambda key: field.sample_modes(key=key)))
    c = np.asarray(draw(jr.split(KEY, NUMBER)))
    # One wave of each pair.
    c = c[:, :, :, 1:].reshape(NUMBER, -1)
    for product in (c.T @ c.conj(), c.T @ c):
        off = np.abs(product / NUMBER - np.diag(np.diag(product)) / NUMBER)
        assert off.max() < 5 / np.sqrt(NUMBER)


@EVERY_FIELD
def test_modes_without_variance_are_zero(name):
    c = computed(name)["c"]
    none = np.asarray(FIELDS[name].variance) == 0
    assert none.any()
    np.testing.assert_array_equal(c[none], 0)
    assert np.iscomplexobj(computed(name)["u"]) == (name == "complex")


def test_coefficients_are_conjugate_to_the_last_bit():
    c = computed("plane")["c"]
    np.testing.assert_array_equal(c[:, 1:, 0], c[:, :0:-1, 0].conj())
    np.testing.assert_array_equal(c[:, 0, 0].imag, 0)
    assert np.count_nonzero(c[:, 1:, 0].imag) == 8  # of two channels


def check_one_key_one_field(sample):
    """The shared modes of two resolutions and two precisions."""

    def single_precision(k):
        return smooth(k).astype(jnp.float32)

    coarse = field_on((6, 5), (P, D), keep=1.0)
    fine = field_on((9, 12), (P, D), keep=1.0)
    single = field_on((9, 12), (P, D), 1.0, spectrum=single_precision)

    @jax.jit
    def everything():
        c = sample(fine)
        shared = spectral_resample(fine.modes, c, coarse.modes)
        return c, shared, sample(coarse), sample(single)

    c, shared, few, rounded = everything()
    np.testing.assert_allclose(shared, few, rtol=1e-15)
    assert rounded.dtype == jnp.complex64
    np.testing.assert_allclose(rounded, c, rtol=0, atol=1e-6)


def test_one_key_gives_one_field():
    check_one_key_one_field(lambda field: field.sample_modes(key=KEY))


def test_check_of_one_field_sees_numbers_drawn_by_place():
    def by_place(field):
        noise = jr.normal(KEY, field.variance.shape, field.variance.dtype)
        return jnp.sqrt(field.variance) * jax.lax.complex(noise, noise)

    with pytest.raises(AssertionError):
        check_one_key_one_field(by_place)


def real_numbers(field, c):
    """The independent real numbers among coefficients, and their variances."""
    values, variances = [], []
    c, spread = np.asarray(c), np.asarray(field.variance)
    for index in np.ndindex(c.shape):
        if spread[index] == 0:
            continue
        periodic = [
            (int(field.modes.waves[a][index[a + 1]]), field.modes.grid.shape[a])
            for a in field.modes.periodic_axes
        ]
        signs = [0 if 2 * abs(k) == n else int(np.sign(k)) for k, n in periodic]
        if field.modes.complex or next((s for s in signs[::-1] if s), 0) > 0:
            values += [c[index].real, c[index].imag]
            variances += [spread[index] / 2] * 2
        elif not any(signs):
            values.append(c[index].real)
            variances.append(spread[index])
    return np.array(values), np.array(variances)


def check_density(log_prob, name):
    values, variances = real_numbers(FIELDS[name], computed(name)["c"])
    wanted = scipy.stats.norm(0, np.sqrt(variances)).logpdf(values).sum()
    np.testing.assert_allclose(log_prob, wanted, rtol=1e-12)


@EVERY_FIELD
def test_density_is_the_product_of_normal_ones(name):
    check_density(computed(name)["log_prob"], name)


def test_check_of_the_density_sees_variances_of_the_parts_of_a_complex_number():
    """Real and imaginary part of variance S instead of S/2."""
    field = FIELDS["plane"]
    wider = GaussianRandomField(field.modes, 2 * field.variance)
    with pytest.raises(AssertionError):
        check_density(wider.log_prob(jnp.asarray(computed("plane")["u"])), "plane")


def check_kl(kl, name):
    field = FIELDS[name]
    p, q = (real_numbers(f, f.variance)[1] for f in (field, rival(field)))
    wanted = 0.5 * np.sum(p / q - 1 - np.log(p / q))
    np.testing.assert_allclose(kl, wanted, rtol=1e-12)


@EVERY_FIELD
def test_kl_is_the_sum_over_independent_numbers(name):
    check_kl(computed(name)["kl"], name)
    assert computed(name)["kl to itself"] == 0


def test_check_of_kl_sees_the_other_direction():
    field = FIELDS["plane"]
    with pytest.raises(AssertionError):
        check_kl(rival(field).kl(field), "plane")


def test_kl_is_infinite_where_one_of_them_is_silent():
    field = FIELDS["plane"]
    wider = GaussianRandomField(field.modes, field.variance + 1)
    assert field.kl(wider) == np.inf and wider.kl(field) == np.inf


FLOWS = [Grid((12, 9), BOX[:2]), Grid((6, 5, 8), BOX)]


def check_flow(flow, grid):
    modes = grid.modes(1.0)

    @jax.jit
    def everything():
        u = flow(grid, peak=4.0, rms_velocity=1.7, key=KEY)
        c = modes.to_modes(u)
        divergence = sum(modes.derivative(a) * c[a] for a in range(grid.ndim))
        return u, modes.to_nodes(c), divergence

    u, back, divergence = everything()
    assert u.shape == (grid.ndim, *grid.shape)
    np.testing.assert_allclose(np.sqrt(np.mean(np.sum(u**2, 0))), 1.7, rtol=1e-13)
    np.testing.assert_allclose(back, u, rtol=0, atol=1e-13)
    np.testing.assert_allclose(divergence, 0, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.mean(u, axis=(*range(1, u.ndim),)), 0, atol=1e-13)


@pytest.mark.parametrize("grid", FLOWS, ids=["plane", "box"])
def test_flows_have_no_divergence_and_the_given_speed(grid):
    check_flow(random_velocity, grid)


@pytest.mark.parametrize("grid", FLOWS, ids=["plane", "box"])
def test_check_of_flows_sees_divergence(grid):
    def unprojected(grid, *, peak, rms_velocity, key):
        return random_velocity(grid, peak=peak, rms_velocity=rms_velocity, key=key)[
            ::-1
        ]

    with pytest.raises(AssertionError):
        check_flow(unprojected, grid)


def test_vorticity_is_the_curl_of_the_velocity():
    grid = FLOWS[0]
    choices = {"peak": 4.0, "rms_velocity": 1.7, "key": KEY}
    modes = grid.modes(1.0)

    @jax.jit
    def both():
        c = modes.to_modes(random_velocity(grid, **choices))
        curl = modes.derivative(0) * c[1:] - modes.derivative(1) * c[:1]
        return random_vorticity(grid, **choices), modes.to_nodes(curl)

    np.testing.assert_allclose(*both(), rtol=0, atol=1e-12)


def check_spectrum(draw, grid, peak):
    """Energy of many flows per wave against E(k)/k^(dim-1): their ratio is one number.

    An energy summed over m modes of complex Gaussian components and n flows has the
    relative error 1/sqrt(mn) or less; normalising each flow shifts it by about the
    inverse of the number of modes that carry the energy.
    """
    modes, number = grid.modes(1.0), 400
    u = jax.jit(jax.vmap(lambda key: modes.to_modes(draw(key))))(jr.split(KEY, number))
    energy = np.mean(np.sum(np.abs(np.asarray(u)) ** 2, 1), 0)
    k = np.sqrt(-modes.laplacian)
    density = k ** (5 - grid.ndim) * np.exp(-2 * (k / peak) ** 2)
    density /= np.sum(modes.weights * density)
    shells = np.round(k)
    for shell in range(1, 6):
        here = shells == shell
        share = energy[here].sum() / density[here].sum()
        tolerance = 4 / np.sqrt(here.sum() * number)
        assert abs(share - 1) < tolerance + 0.05


@pytest.mark.parametrize("ndim, n", [(2, 16), (3, 13)])
def test_spectrum_of_flows(ndim, n):
    grid = Grid((n,) * ndim, (0.0, 2 * np.pi))
    check_spectrum(lambda key: random_velocity(grid, peak=3.0, key=key), grid, 3.0)


def test_check_of_the_spectrum_sees_one_power_of_the_wavenumber():
    grid = Grid((16, 16), (0.0, 2 * np.pi))

    def curl(key):
        omega = random_vorticity(grid, peak=3.0, key=key)
        return omega / jnp.sqrt(jnp.mean(omega**2))

    with pytest.raises(AssertionError):
        check_spectrum(curl, grid, 3.0)


def test_bad_spectra_are_refused():
    modes = Grid((4, 6), (0.0, 1.0)).modes()
    with pytest.raises(ValueError, match=r"spectrum must have the shape of the modes"):
        GaussianRandomField(modes, jnp.ones((4, 6)))
    with pytest.raises(ValueError, match="finite variances of at least 0; lowest -1"):
        GaussianRandomField(modes, -jnp.ones(modes.shape))
    with pytest.raises(ValueError, match="finite variances"):
        GaussianRandomField(modes, lambda k: k**-2.0)
    lopsided = np.ones(modes.shape)
    lopsided[1, 0] = 2.0
    with pytest.raises(ValueError, match="the same for the waves k and -k"):
        GaussianRandomField(modes, lopsided)
    field = GaussianRandomField(modes, jnp.ones(modes.shape))
    with pytest.raises(ValueError, match="has not the 1 channels"):
        field.log_prob(jnp.zeros((2, 4, 6)))
    with pytest.raises(ValueError, match="other must have the same modes"):
        field.kl(field_on((6, 5), (P, P)))


def test_bad_flows_are_refused():
    grid = FLOWS[0]
    refused = [
        (FLOWS[1], 3.0, 1.0, "grid must be two-dimensional"),
        (Grid((8, 8), (0.0, 1.0), (P, D)), 3.0, 1.0, "periodic along every axis"),
        (grid, 0.0, 1.0, "peak must be positive and at most"),
        (grid, 1e3, 1.0, "take more nodes for a higher one"),
        (grid, 3.0, -1.0, "rms_velocity must be finite and not negative"),
    ]
    for where, peak, speed, message in refused:
        with pytest.raises(ValueError, match=message):
            random_vorticity(where, peak=peak, rms_velocity=speed, key=KEY)
    with pytest.raises(ValueError, match="grid must be 2-D or 3-D"):
        random_velocity(Grid(8, (0.0, 1.0)), peak=3.0, key=KEY)
