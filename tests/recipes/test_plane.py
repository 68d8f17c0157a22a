"""What the recipes in the plane share: laws, distances from them, and trainings."""

import shutil

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import score
from phix.data import RunDirectory
from phix.recipes import _plane_laws as laws
from phix.recipes._plane_choices import Checkerboard, Mixture, Moons, Ring
from phix.recipes._score_choices import Perceptron, Training
from phix.recipes._score_training import Fits, perceptron
from phix.train import ArraySource
from tests.truth.mixtures import moments_by_quadrature


CHOICES = [Mixture(), Ring(5, 0.2), Checkerboard(2, 0.5)]


def check_density(law):
    """By quadrature its density has mass 1, mean zero and unit mean square."""
    density = jax.jit(jax.vmap(jax.vmap(lambda x: jnp.exp(law.log_prob(x)))))
    mass, mean, covariance = moments_by_quadrature(
        lambda x: np.asarray(density(x)), half_width=4.5, points=91
    )
    np.testing.assert_allclose(mass, 1.0, atol=1e-4)
    np.testing.assert_allclose(mean, 0.0, atol=1e-4)
    np.testing.assert_allclose(np.trace(covariance) / 2, 1.0, atol=1e-3)


def test_laws_are_standardised():
    for choice in CHOICES:
        check_density(laws.make_law(choice).exact)
    with pytest.raises(AssertionError):
        check_density(laws.mixture_of(CHOICES[0]))


def check_moments(choice, draw):
    """Mean zero and unit mean square, to five standard errors of 4,000 samples."""
    law = laws.make_law(choice)
    xs = np.asarray(draw(law))
    square = (xs**2).sum(1) / 2
    assert np.all(np.abs(xs.mean(0)) < 5 * xs.std(0) / np.sqrt(len(xs)))
    assert abs(square.mean() - 1) < 5 * square.std() / np.sqrt(len(xs))


def test_samples_are_standardised():
    for choice in (Mixture(), Moons(0.2)):
        check_moments(choice, lambda law: law.draw(4000, jr.key(0)))
    with pytest.raises(AssertionError):
        check_moments(Moons(0.2), lambda law: 1.1 * law.draw(4000, jr.key(0)))


def check_on_moons(turn):
    """Without noise all points are on one of two half circles, as many on each."""
    xs = np.asarray(laws.make_law(Moons(1e-6)).draw(500, jr.key(1)))
    scale = np.sqrt((1 + 0.25 + 0.0625 - 1 / np.pi) / 2)
    x, y = turn * xs.T * scale + np.array([[0.5], [0.25]])
    upper = (np.abs(np.hypot(x, y) - 1) < 1e-4) & (y >= -1e-4)
    lower = (np.abs(np.hypot(x - 1, y - 0.5) - 1) < 1e-4) & (y <= 0.5 + 1e-4)
    assert np.all(upper ^ lower)
    assert abs(upper.mean() - 0.5) < 4 * 0.5 / np.sqrt(500)


def test_moons_are_two_half_circles():
    check_on_moons(np.array([[1.0], [1.0]]))
    with pytest.raises(AssertionError):  # mirrored they open to the other side
        check_on_moons(np.array([[1.0], [-1.0]]))


def check_labels(draw):
    """Narrow components: each point is at the mean of its label, at its share."""
    law = laws.mixture_of(
        Mixture((1.0, 3.0), ((0.0, 0.0), (5.0, 1.0)), ((1e-8, 0.0, 1e-8),) * 2)
    )
    xs, labels = draw(law, 400, jr.key(2))
    np.testing.assert_allclose(xs, law.means[labels], atol=1e-3)
    assert abs(float(np.mean(labels)) - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 400)


def test_labels_are_those_of_the_components():
    check_labels(laws.draw_labelled)
    with pytest.raises(AssertionError):
        check_labels(
            lambda *a: (laws.draw_labelled(*a)[0], 1 - laws.draw_labelled(*a)[1])
        )


NORMAL = laws.PlaneLaw(lambda *, key: jr.normal(key, (2,)), None)


def check_floor(floor):
    """E|x−x'| is √π for a standard Gaussian."""
    np.testing.assert_allclose(floor(300), 2 * np.sqrt(np.pi) / 300, rtol=0.01)


def test_the_floor_is_that_of_two_true_sets():
    check_floor(lambda count: NORMAL.floor(count, jr.key(3)))
    with pytest.raises(AssertionError):
        check_floor(lambda count: NORMAL.floor(2 * count, jr.key(3)))


def check_apart(draw):
    """True samples are about the floor away, over forty sets; others farther."""
    found = [NORMAL.apart(draw(jr.key(i)), jr.key(100 + i)) for i in range(10)]
    assert 0.7 < np.mean(found) / NORMAL.floor(300, jr.key(3)) < 1.3


def test_true_samples_are_at_the_floor():
    check_apart(lambda key: NORMAL.draw(300, key))
    with pytest.raises(AssertionError):
        check_apart(lambda key: 1.3 * NORMAL.draw(300, key))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture(weights=(1.0,)), "as many as there are components, got 1, 3"),
        (lambda: Mixture((1.0, -1.0, 1.0)), "weights must all be positive"),
        (lambda: Mixture((1.0,), ((0.0, 0.0),), ((1.0, 1.0, 1.0),)), "positive def"),
        (lambda: Ring(spread=0.0), "spread must be positive, got 0.0"),
        (lambda: Checkerboard(squares=0), "squares must be positive"),
        (lambda: Moons(noise=-1.0), "noise must be positive"),
        (lambda: Perceptron(width=0), "width must be positive"),
    ],
)
def test_bad_choices_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


TRAINING = Training(steps=4, batch_size=4, checkpoint_every=2)


def fitted(folder, **options):
    """A tiny model as it was and as it is after its training."""
    data = laws.make_law(Ring()).draw(16, jr.key(0)).astype(jnp.float32)
    net = perceptron(Perceptron(4, 1), 2, key=jr.key(1))
    blank = score.Predictor(net=net, path=score.Linear(), kind="velocity")
    fits = Fits(folder, folder.config, progress=False, **options)
    loss, source = score.MatchingLoss(), ArraySource(data, 4)
    return fits, blank, fits("a", TRAINING, blank, loss, source, key=jr.key(0))


def check_same(model, other):
    pairs = zip(jax.tree.leaves(model), jax.tree.leaves(other), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_a_killed_training_goes_on(tmp_path):
    """One that was cut short ends in the same bits."""
    with RunDirectory(tmp_path / "run", {"seed": 0}) as folder:
        with pytest.raises(ValueError, match="holds no checkpoint yet; let `phix run`"):
            fitted(folder, saved=True)
        fits, blank, whole = fitted(folder)
        spent = fits.seconds["a"]
        shutil.rmtree(folder.checkpoints / "a/4")
        fits, _, again = fitted(folder)
        check_same(whole, again)
        assert fits.seconds["a"] > spent > 0
        log = (folder.path / "log-a.jsonl").read_text()
        assert log.count('"step"') == TRAINING.steps
        # What was saved is what evaluation sees, and it was trained.
        check_same(whole, fitted(folder, saved=True)[2])
        with pytest.raises(AssertionError):
            check_same(whole, blank)
