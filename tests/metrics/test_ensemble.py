"""Scores of probabilistic forecasts, against quadrature and exchangeability."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from phix.metrics import crps, gaussian_crps, interval_coverage


def by_definition(cdf, y, ends):
    r"""$\int (F(x) - 1\{x \ge y\})^2 dx$, by quadrature on both sides of y."""
    left = scipy.integrate.quad(lambda x: cdf(x) ** 2, ends[0], y, limit=400)[0]
    right = scipy.integrate.quad(lambda x: (1 - cdf(x)) ** 2, y, ends[1], limit=400)[0]
    return left + right


def check_ensemble(score):
    samples = np.random.default_rng(0).normal(size=7)
    for y in (-3.0, 0.1, 2.0):
        # A staircase, integrated step by step.
        knots = np.sort(np.append(samples, y))
        middle = (knots[1:] + knots[:-1]) / 2
        steps = (samples <= middle[:, None]).mean(1) - (middle > y)
        truth = np.sum(steps**2 * np.diff(knots))
        assert score(samples, y) == pytest.approx(truth, rel=1e-12)


def test_crps_is_the_integral_of_its_definition():
    check_ensemble(lambda xs, y: float(crps(jnp.asarray(xs), jnp.asarray(y))))
    with pytest.raises(AssertionError):  # no reward for spread
        check_ensemble(lambda xs, y: np.abs(xs - y).mean())


def check_gaussian(score):
    for y in (-2.0, 0.4):
        law = scipy.stats.norm(0.3, 0.7)
        truth = by_definition(law.cdf, y, (-8.0, 8.0))
        assert score(0.3, 0.7, y) == pytest.approx(truth, rel=1e-7)


def test_gaussian_crps_is_the_integral_of_its_definition():
    check_gaussian(lambda *given: float(gaussian_crps(*map(jnp.asarray, given))))
    with pytest.raises(AssertionError):  # the variance for the deviation
        check_gaussian(
            lambda m, s, y: float(gaussian_crps(*map(jnp.asarray, (m, s**2, y))))
        )


def check_covered(coverage, members):
    """Truth and members of one law: `level` in the mean, to four standard errors."""
    drawn = np.random.default_rng(1).exponential(size=(members + 1, 4000))
    share = coverage(jnp.asarray(drawn[1:]), jnp.asarray(drawn[0]))
    assert abs(share - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 4000)


@pytest.mark.parametrize("members", [19, 30])
def test_coverage_of_exchangeable_members_is_the_level(members):
    check_covered(interval_coverage, members)

    def naive(samples, truth):
        low, high = jnp.quantile(samples, jnp.array([0.05, 0.95]), axis=0)
        return jnp.mean((low <= truth) & (truth <= high))

    with pytest.raises(AssertionError):  # quantiles of the members themselves
        check_covered(naive, members)


def test_bad_ensembles_are_named():
    with pytest.raises(ValueError, match=r"`samples` must be \(members, \*shape\)"):
        crps(jnp.ones((3, 4)), jnp.ones(5))
    with pytest.raises(ValueError, match="intervals of level 0.9 need 19 members"):
        interval_coverage(jnp.ones((18, 4)), jnp.ones(4))
    with pytest.raises(ValueError, match=r"`level` must be in \(0, 1\)"):
        interval_coverage(jnp.ones((19, 4)), jnp.ones(4), level=90.0)
