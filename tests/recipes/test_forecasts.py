"""Forecasts of Kolmogorov flow: data, baselines and networks, without training."""

import functools
import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import score
from phix.recipes import (
    _forecast_baselines as base,
    _forecast_data as data,
    _forecast_model as model,
    _forecast_report as report,
)
from phix.recipes.stochastic_interpolants import Interpolant, Members
from phix.space import Grid
from tests.recipes.kolmogorov import FLOW, WAVENUMBER, fields, pairs


FORCE = data.equation(FLOW)


def all_images(u):
    """Of one field, with all shifts along x, by the program of the training."""
    symmetries = itertools.product(range(8), range(2 * WAVENUMBER), (False, True))
    return [
        np.asarray(_image(u, along, halves, turned))
        for along, halves, turned in symmetries
    ]


@functools.partial(jax.jit)
def _image(u, along, halves, turned):
    return data.image(u, along, halves, turned, WAVENUMBER)


def check_symmetries(image):
    """Images of a flow are flows: the forced equation commutes with them."""
    u = fields(1)[0]
    rate = jax.jit(lambda u: FORCE.rhs(0.0, u, None))
    for along, halves, turned in itertools.product((0, 3), range(4), (False, True)):
        np.testing.assert_allclose(
            rate(image(u, along, halves, turned)),
            image(rate(u), along, halves, turned),
            atol=1e-5,
        )


def test_images_of_a_forced_flow_are_flows():
    check_symmetries(_image)
    with pytest.raises(AssertionError):  # half a wave of the force without reflection
        check_symmetries(lambda u, along, halves, turned: jnp.roll(u, 2 * halves, 2))


def check_view(seen):
    """As many waves as are kept, of the field itself; the rest is not there."""
    grid, u = Grid((8, 8), (0.0, 2 * np.pi)), fields(1)[0]
    found, whole = (np.fft.fft2(np.asarray(v)[0]) for v in (seen(u, grid, 2), u))
    low = np.abs(np.fft.fftfreq(8, 1 / 8)) <= 2
    kept = low[:, None] & low
    np.testing.assert_allclose(found[kept], whole[kept], atol=1e-10)
    np.testing.assert_allclose(found[~kept], 0, atol=1e-10)


def test_the_view_is_the_low_waves():
    check_view(data.seen)
    with pytest.raises(AssertionError):
        check_view(lambda u, grid, waves: data.seen(u, grid, 1))


def check_climatology(profiles):
    """Moments of all images of all states, one by one."""
    train = pairs(3)
    images = np.array([all_images(u) for u in train.later])[:, :, 0]
    mean, std = profiles(train)
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)), atol=1e-10)
    np.testing.assert_allclose(std, images.std((0, 1, 2)), atol=1e-10)


def test_climatology_is_of_all_images():
    check_climatology(lambda train: base.profiles(train, WAVENUMBER))
    with pytest.raises(AssertionError):  # of the states as they are
        check_climatology(
            lambda train: (
                np.asarray(train.later).mean((0, 1, 2)),
                np.asarray(train.later).std((0, 1, 2)),
            )
        )


def check_regression(forecast):
    """Least squares from all numbers to all numbers, over all images, one by one."""
    train, asked = pairs(6), fields(2, 9)
    rows = [
        [np.ravel(v) for u in us for v in all_images(u)]
        for us in (train.now, train.later)
    ]
    now, later = map(np.array, rows)
    design = np.column_stack([now, np.ones(len(now))])
    matrix = np.linalg.lstsq(design, later, rcond=None)[0]
    truth = np.column_stack([asked.reshape(2, -1), np.ones(2)]) @ matrix
    np.testing.assert_allclose(forecast(train)(asked), truth, atol=1e-5)


def test_regression_is_that_of_all_images():
    check_regression(lambda train: base.LinearForecast(train, WAVENUMBER, 1e-9))
    with pytest.raises(AssertionError):
        check_regression(lambda train: base.LinearForecast(train, WAVENUMBER, 1.0))


def check_analogues(nearest):
    """By trying all images of all pairs."""
    train, asked = pairs(5), fields(3, 7)
    views = [np.array(all_images(u)) for u in train.now]
    after = [np.array(all_images(u)) for u in train.later]
    for i, u in enumerate(asked):
        far = [np.sum((v - u) ** 2, (1, 2, 3)) for v in views]
        order = np.argsort([f.min() for f in far])[:2]
        truth = [after[j][far[j].argmin()].ravel() for j in order]
        np.testing.assert_allclose(nearest(train, asked)[:, i], truth, atol=1e-5)


def test_analogues_are_nearest_in_all_images():
    check_analogues(lambda train, us: base.nearest_futures(train, us, WAVENUMBER, 2))
    with pytest.raises(AssertionError):  # the farthest
        check_analogues(
            lambda train, us: base.nearest_futures(train, -us, WAVENUMBER, 2)
        )


def still(t, x, cond):
    return jnp.zeros_like(x)


def gaussian_predictor(path, spectrum, net=still):
    halves = [
        model.OnGaussian(net, path, spectrum, jnp.zeros((1, 8, 8)), kind)
        for kind in ("velocity", "noise")
    ]
    return score.TwoSidedPredictor(halves[0], path, halves[1])


def check_gaussian(predictor_of):
    """Without a network the fields are the conditional means of (x₁, z) given x, by
    dense covariances; the future is Gaussian, with the spectrum of some fields."""
    path = Interpolant(scale=0.7).build()
    us = fields(30, 3) + jnp.roll(fields(30, 3), 1, 3)
    predictor = predictor_of(path, model.spectrum_of(us))
    row = np.fft.ifft2(np.mean(np.abs(np.fft.fft2(us[:, 0])) ** 2, 0) / 64).real
    places = np.stack(np.unravel_index(np.arange(64), (8, 8)))
    covariance = row[tuple((places[:, :, None] - places[:, None]) % 8)]
    now, mean, x = fields(3, 5)
    cond = jnp.concatenate([now, mean])
    for t in (0.1, 0.6):
        c = path.at(t)
        whole = c.beta**2 * covariance + c.gamma**2 * np.eye(64)
        pulled = np.linalg.solve(whole, np.ravel(x - c.alpha * now - c.beta * mean))
        noise, data_ = c.gamma * pulled, np.ravel(mean) + c.beta * covariance @ pulled
        velocity = c.d_alpha * np.ravel(now) + c.d_beta * data_ + c.d_gamma * noise
        for kind, truth in (("velocity", velocity), ("noise", noise), ("data", data_)):
            found = predictor.predict(t, x, kind, cond)
            np.testing.assert_allclose(found.ravel(), truth, atol=1e-8)


def test_untrained_it_is_the_exact_forecast_of_gaussian_fields():
    check_gaussian(gaussian_predictor)
    with pytest.raises(AssertionError):  # the sum over the nodes, not their mean
        check_gaussian(lambda path, spectrum: gaussian_predictor(path, 64 * spectrum))


def check_members(level, size):
    """Of a Gaussian future the members have its mean and its deviation, to 5 standard
    errors and the 3 % that 32 steps may cost."""
    path, count = Interpolant(scale=0.5).build(), 40
    predictor = gaussian_predictor(path, jnp.full((8, 5), size**2, jnp.float32))
    now = fields(4).astype(jnp.float32)
    found = model.drawn(
        lambda u: u + 2.0, predictor, now, Members(count, 32), level, jr.key(0)
    )
    apart = found - (np.asarray(now).reshape(4, -1) + 2.0)
    number = apart.size
    assert abs(apart.mean()) < 5 * 0.6 / np.sqrt(number)
    assert abs(apart.std() / 0.6 - 1) < 5 / np.sqrt(2 * number) + 0.03


def check_gaussian_members(size):
    """Those that need no steps have the same law."""
    predictor = gaussian_predictor(
        Interpolant().build(), jnp.full((8, 5), size**2, jnp.float32)
    )
    now = fields(4).astype(jnp.float32)
    found = model.gaussian_members(lambda u: u + 2.0, predictor, now, 40, jr.key(0))
    apart = found - (np.asarray(now).reshape(4, -1) + 2.0)
    assert abs(apart.mean()) < 5 * 0.6 / np.sqrt(apart.size)
    assert abs(apart.std() / 0.6 - 1) < 5 / np.sqrt(2 * apart.size)


def test_gaussian_members_have_the_law_of_a_gaussian_future():
    check_gaussian_members(0.6)
    with pytest.raises(AssertionError):
        check_gaussian_members(0.36)


def test_members_have_the_law_of_a_gaussian_future():
    for level in (None, 0.25, 0.5):
        check_members(level, 0.6)
    with pytest.raises(AssertionError):
        check_members(0.25, 0.5)


def check_small_scales(shares):
    """Fields of half the amplitude have a quarter of the variance, at all waves."""
    grid, us = Grid((8, 8), (0.0, 2 * np.pi)), fields(3)
    part = data.Pairs(us, us)
    flow = data.Flow(grid, jnp.zeros((1, 8, 8)), part, part, part, 1.0, 0.0)
    found = shares(flow, np.asarray(us).reshape(3, -1))
    np.testing.assert_allclose(found, 0.25, rtol=1e-4)


def test_small_scales_are_variances():
    def shares(flow, us, factor=0.5):
        found = report.small_scales(flow, {"half": factor * us}, {})
        return found["shares"]["half, mean"]

    check_small_scales(shares)
    with pytest.raises(AssertionError):
        check_small_scales(functools.partial(shares, factor=0.25))


def test_too_few_analogues_are_named():
    few = pairs(5)
    flow = data.Flow(
        Grid((8, 8), (0.0, 2 * np.pi)), jnp.zeros((1, 8, 8)), few, few, few, 1.0, 0.0
    )
    with pytest.raises(ValueError, match="5 training pairs are fewer than the 19"):
        base.analogues(FLOW, flow)
