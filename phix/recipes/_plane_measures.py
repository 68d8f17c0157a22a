"""How near a predictor is to a law of which everything is known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import score
from phix._types import Array, Float, PRNGKeyArray, PyTree, RealScalar
from phix.num import divergence


@eqx.filter_jit
def carried(
    predictor: score.AbstractPredictor,
    noise: Float[Array, " samples *shape"],
    ts: Float[Array, " times"],
    sampler: score.AbstractSampler,
    cond: PyTree = None,
) -> Float[Array, " samples *shape"]:
    """Samples from states at the first time, by a sampler without noise of its own."""

    def one(x):
        run = score.sample(predictor, x, ts, sampler=sampler, cond=cond, throw=False)
        return run.x

    return jax.vmap(one)(noise)


def starts(
    path: score.AbstractPath, t: RealScalar, count: int, size: int, key: PRNGKeyArray
) -> Float[Array, "count size"]:
    """Noise at a time."""
    return path.sigma(jnp.asarray(t, float)) * jr.normal(key, (count, size))


def states(
    path: score.AbstractPath,
    t: RealScalar,
    data: Float[Array, " samples *shape"],
    key: PRNGKeyArray,
) -> Float[Array, " samples *shape"]:
    """Data and noise at a time, a noise for each."""
    return path.mix(t, data, jr.normal(key, data.shape, data.dtype))


def noise_error(
    predictor: score.AbstractPredictor,
    exact: score.AbstractPredictor,
    data: Float[Array, "samples dim"],
    ts: Float[Array, " times"],
    key: PRNGKeyArray,
) -> Float[Array, " times"]:
    r"""$\sigma^2E|s - \nabla\log p_t|^2/d$, the mean-square error of the noise."""
    return _noise_error(predictor, exact, data, ts, key)


@eqx.filter_jit
def _noise_error(predictor, exact, data, ts, key):
    path = exact.path

    def at(t):
        def one(x):
            apart = predictor.predict(t, x, "noise") - exact.predict(t, x, "noise")
            return jnp.mean(apart**2)

        return jnp.mean(jax.vmap(one)(states(path, t, data, key)))

    return jax.lax.map(at, ts)


def likelihoods(
    predictor: score.AbstractPredictor,
    exact: score.oracles.Exact,
    data: Float[Array, "samples dim"],
    span: tuple[RealScalar, RealScalar],
) -> tuple[Float[Array, " samples"], Float[Array, " samples"]]:
    r"""Logarithms of the density of $\alpha x$ at the first of two times, by the flow
    of the predictor to the other and in closed form."""
    start = exact.path.alpha(jnp.asarray(span[0], data.dtype)) * data
    found = _likelihoods(predictor, start, span)
    return found, jax.jit(jax.vmap(lambda x: exact.log_prob(span[0], x)))(start)


@eqx.filter_jit
def _likelihoods(predictor, start, span):
    def one(x):
        run = score.log_likelihood(
            predictor, x, span=span, rtol=1e-4, atol=1e-5, throw=False
        )
        assert run.log_prob is not None
        return run.log_prob

    return jax.vmap(one)(start)


def fokker_planck(
    predictor: score.AbstractPredictor,
    xs: Float[Array, "samples dim"],
    t: RealScalar,
) -> Float[Array, ""]:
    r"""$E|\partial_ts + \nabla(\nabla\cdot v + v\cdot s)|^2/E|\partial_ts|^2$, its
    root: zero for the score and the velocity of one density.

    **Arguments:**

    - `predictor`: any; s and v are two names of what it says.
    - `xs`: states at time t. Cost: `dim`² second derivatives.
    """
    return _fokker_planck(predictor, xs, jnp.asarray(t, xs.dtype))


@eqx.filter_jit
def _fokker_planck(predictor, xs, t):
    def source(x):
        def velocity(x):
            return predictor.velocity(t, x)

        moved = jnp.dot(velocity(x), predictor.score(t, x))
        return divergence(velocity)(x) + moved

    def one(x):
        _, rate = jax.jvp(lambda t: predictor.score(t, x), (t,), (jnp.ones_like(t),))
        return jnp.sum((rate + jax.grad(source)(x)) ** 2), jnp.sum(rate**2)

    left, rate = jax.vmap(one)(xs)
    return jnp.sqrt(jnp.mean(left) / jnp.mean(rate))
