"""Posteriors, penalties and tables of the roster of scores."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score


def _law(weights, means, covariances):
    return score.oracles.Mixture(weights, means, covariances)


def _mixture(dtype):
    weights = jnp.array([0.4, 0.6], dtype)
    means = jnp.array([[-1.0, 0.2], [0.8, 0.5]], dtype)
    covariances = jnp.array([[[0.5, 0.1], [0.1, 0.3]], [[0.2, 0.0], [0.0, 0.6]]], dtype)
    return weights, means, covariances


class _Rounded(score.AbstractNoise):
    """White noise, drawn in float32 whatever the precision."""

    def sample(self, like, *, key):
        return jr.normal(key, like.shape, jnp.float32).astype(like.dtype)

    def covariance(self, x):
        return x

    def shifted(self, weight, x):
        del weight
        return x

    def project(self, x):
        return x

    def log_prob(self, x):
        return -0.5 * jnp.sum(x**2)

    def size(self, x):
        return x.size


def _net(log_snr, x, cond):
    del cond
    return jnp.tanh(x[::-1]) * jax.nn.sigmoid(log_snr) * x


def _table(dtype):
    ts = np.linspace(0.0, 1.0, 6)
    table = score.Tabulated(
        ts, np.sin(1.5 * ts), np.cos(np.pi / 2 * ts), noise=_Rounded()
    )

    def fn(xs, t):
        predictor = score.Predictor(_net, table, "data")
        energy = score.kinetic_energy(
            predictor, xs, jnp.array([0.2, 0.5, 0.7], dtype), key=jr.key(0)
        )
        return table.at(t), energy

    xs = jnp.array([[0.3, -1.0], [0.5, 0.2]], dtype)
    return fn, (xs, jnp.asarray(0.33, dtype))


def _operator(x):
    return jnp.stack([x[0] * x[1], x[0] + 0.5 * x[1]])


def _guided(dtype):
    def fn(means, x, readings, noise):
        weights, _, covariances = _mixture(dtype)
        exact = _law(weights, means, covariances).along(score.VP())
        seen = score.Measurement(_operator, readings, noise)
        energy = lambda t, x, data: jnp.sum(data**2) * t + x[0]  # noqa: E731
        guides = (score.MMPS(seen), score.Energy(energy, noise))
        held = score.Constrained(exact, lambda data: data.at[0].set(readings[0]))
        return (
            [score.Guided(exact, guide).denoise(0.4, x) for guide in guides],
            score.ClassifierFree(exact, noise).denoise(0.4, x),
            held.denoise(0.4, x),
            score.fit_readings(seen, x, level=0.1, iterations=3),
        )

    readings = jnp.array([0.3, -0.6], dtype)
    x = jnp.array([0.5, -1.0], dtype)
    return fn, (_mixture(dtype)[1], x, readings, jnp.asarray(0.7, dtype))


_LOOPS = (
    score.red_diff(0.2),
    score.flair(score.min_snr(0.5)),
)


def _reconstructed(dtype):
    def net(log_snr, x, cond):
        return cond * jnp.tanh(x) * jax.nn.sigmoid(log_snr)

    def fn(weight, x, readings):
        predictor = score.Predictor(net, score.VP(noise=_Rounded()), "data")
        seen = score.Measurement(_operator, readings, 0.5)
        ts = jnp.array([0.9, 0.6, 0.4, 0.1], dtype)
        call = dict(key=jr.key(0), cond=weight, throw=False)
        error = score.velocity_error(
            predictor, jnp.stack([x, 2 * x]), ts[1:3], key=jr.key(0), cond=weight
        )
        table = score.CalibratedWeight(jnp.array([0.1, 0.9], dtype), readings)
        return (
            [
                score.reconstruct(predictor, seen, x, ts, method=method, **call).x
                for method in _LOOPS
            ],
            error,
            table(score.VP(), ts[1]),
        )

    readings = jnp.array([0.3, -0.6], dtype)
    return fn, (jnp.asarray(1.2, dtype), jnp.array([0.5, -1.0], dtype), readings)


def _penalty(dtype):
    def fn(scale, x):
        net = lambda log_snr, x, cond: scale * _net(log_snr, x, cond)  # noqa: E731
        predictor = score.Predictor(net, score.VP(noise=_Rounded()), "noise")
        fixed = lambda path, *, key, dtype: jnp.asarray(0.4, dtype)  # noqa: E731
        return score.DenoisingPenalty(predictor, times=fixed)(x, key=jr.key(1))

    return fn, (jnp.asarray(0.7, dtype), jnp.array([0.5, -1.0], dtype))


def _bent(t, s, x, cond):
    del cond
    return jnp.tanh(x[::-1]) * jnp.sin(t + 2 * s) * x


def _maps(dtype):
    """Jumps of a network, steps of a sampler, and all three defects."""

    def fn(scale, x):
        path = score.Linear()
        flow_map = score.FlowMap(
            lambda t, s, x, cond: scale * _bent(t, s, x, cond), path
        )
        predictor = score.Predictor(_net, path, "data", scale=scale)
        steps = score.StepMap(predictor, score.DDIM())
        speed = lambda s, y: scale * jnp.cos(s * y)  # noqa: E731
        ts = jnp.array([0.9, 0.5, 0.1], dtype)
        return (
            score.jump(flow_map, x, ts, throw=False).x,
            (steps(0.8, 0.3, x), steps.average(0.8, 0.3, x)),
            score.eulerian_defect(flow_map, x, 0.8, 0.3, x),
            score.lagrangian_defect(flow_map, speed, 0.8, 0.3, x),
            score.semigroup_defect(flow_map, 0.8, 0.5, 0.3, x),
        )

    return fn, (jnp.asarray(0.7, dtype), jnp.array([0.5, -1.0], dtype))


def _map_losses(dtype):
    fixed = lambda path, *, key, dtype: (  # noqa: E731
        jnp.asarray(0.8, dtype),
        jnp.asarray(0.3, dtype),
    )

    def fn(scale, x):
        path = score.Linear(noise=_Rounded())
        net = lambda t, s, x, cond: scale * _bent(t, s, x, cond)  # noqa: E731
        flow_map = score.FlowMap(net, path)
        losses = (
            score.MeanFlowLoss(fixed),
            score.LagrangianLoss(fixed),
            score.ProgressiveLoss(fixed),
            score.ConsistencyLoss(jnp.array([0.9, 0.2], dtype)),
        )
        return [loss(flow_map, x, step=0, key=jr.key(1))[0] for loss in losses]

    return fn, (jnp.asarray(0.7, dtype), jnp.array([0.5, -1.0], dtype))


def _two_sided(dtype):
    """Of a network of its own noise; the loss draws it in the precision of the sample,
    so that no two precisions agree."""

    def fn(scale, x):
        path = score.LinearInterpolant()
        net = lambda t, x, cond: scale * _net(t, x, cond)  # noqa: E731
        return score.TwoSidedPredictor(net, path, net).denoise(0.4, x)

    return fn, (jnp.asarray(0.7, dtype), jnp.array([0.5, -1.0], dtype))
