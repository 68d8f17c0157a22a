"""Interpolants between laws in the plane: their training and their samples."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import score
from phix._types import Array, Float, IntScalar, PRNGKeyArray, PyTree, RealScalar
from phix.recipes._interpolant_choices import Interpolant, Plane
from phix.recipes._interpolant_times import clock, times
from phix.recipes._plane_laws import PlaneLaw
from phix.recipes._score_training import Fits, perceptron
from phix.train import AbstractSource, Batch


class Timed(eqx.Module):
    """A network that is told the time of an interpolant by its clock.

    **Arguments:**

    - `net`: called with the clock, the state and the condition.
    """

    net: Callable

    def __call__(
        self, t: RealScalar, x: Float[Array, " 2"], cond: PyTree = None
    ) -> Float[Array, " 2"]:
        """The output of the network."""
        return self.net(clock(t), x, cond)


class FreshPairs(AbstractSource):
    """Pairs of independent samples of two laws, drawn anew for each batch.

    **Arguments:**

    - `start`, `target`: the laws.
    - `batch_size`: pairs.
    """

    start: PlaneLaw
    target: PlaneLaw
    batch_size: int = eqx.field(static=True)

    def draw(self, step: IntScalar, *, key: PRNGKeyArray) -> Batch:
        """The batch of a step."""
        size = self.batch_size
        one, other = jr.split(jr.fold_in(key, step))
        pairs = self.start.draw(size, one), self.target.draw(size, other)
        pairs = tuple(xs.astype(jnp.float32) for xs in pairs)
        return Batch(pairs, jnp.ones(size), jnp.arange(size, dtype=jnp.int32))


def blank(plane: Plane, choice: Interpolant, key: PRNGKeyArray):
    """Two networks, or without γ the one of the velocity."""
    one, other = jr.split(key)
    velocity = Timed(perceptron(plane.network, 2, key=one))
    noise = Timed(perceptron(plane.network, 2, key=other))
    return score.TwoSidedPredictor(
        velocity, choice.build(), None if choice.latent == "none" else noise
    )


def fitted(
    plane: Plane,
    choice: Interpolant,
    coupling: str,
    laws: tuple[PlaneLaw, PlaneLaw],
    name: str,
    key: PRNGKeyArray,
    fits: Fits,
) -> score.TwoSidedPredictor:
    """The trained model; the coupling is of each batch."""
    source = FreshPairs(*laws, plane.training.batch_size)
    if coupling == "optimal":
        source = score.PairedSource(source, score.OptimalPairs())
    weights, steps = jr.split(key)
    # Without γ both of a pair of noises are the same.
    antithetic = choice.antithetic and choice.latent != "none"
    loss = score.InterpolantLoss(antithetic=antithetic)
    return fits(
        name, plane.training, blank(plane, choice, weights), loss, source, key=steps
    )


def moved(
    predictor: score.AbstractPredictor,
    xs: Float[Array, "samples 2"],
    steps: int,
    level: float | None,
    key: PRNGKeyArray,
) -> Float[Array, "samples 2"]:
    """Samples of the start at the target, by the SDE of noise level ε or, without, by
    the ODE in half as many steps of two evaluations."""
    # An array, so that another level is no other program.
    noise = None if level is None else jnp.asarray(level, xs.dtype)
    return _moved(predictor, xs, steps, noise, key)


@eqx.filter_jit
def _moved(predictor, xs, steps, level, key):
    stochastic = level is not None
    sampler = score.EulerMaruyama(score.constant(level)) if stochastic else score.Heun()
    ts = times(steps if stochastic else steps // 2)

    def one(x, key):
        return score.sample(predictor, x, ts, sampler=sampler, key=key, throw=False).x

    return jax.vmap(one)(xs, jr.split(key, len(xs)))


def log_density(
    predictor: score.AbstractPredictor,
    xs: Float[Array, "samples 2"],
    start: score.oracles.Mixture,
) -> Float[Array, " samples"]:
    """By the flow back to the start, whose density is known."""
    return _log_density(predictor, xs, start)


@eqx.filter_jit
def _log_density(predictor, xs, start):
    def one(x):
        run = score.log_likelihood(
            predictor, x, end=start.log_prob, rtol=1e-4, atol=1e-5, throw=False
        )
        assert run.log_prob is not None
        return run.log_prob

    return jax.vmap(one)(xs)
