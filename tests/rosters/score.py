"""Paths, predictions and samplers under every transformation."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import score
from phix.space import GaussianRandomField, Grid
from tests.rosters.case import Case
from tests.rosters.posteriors import (
    _guided,
    _law,
    _map_losses,
    _maps,
    _mixture,
    _net,
    _penalty,
    _reconstructed,
    _Rounded,
    _table,
    _two_sided,
)


PATHS = {
    "Linear": score.Linear,
    "FlowMatching": lambda rate: score.FlowMatching(0.01 * rate),
    "Trigonometric": score.Trigonometric,
    "Cosine": lambda rate: score.Cosine(0.01 * rate),
    "VP": lambda rate: score.VP(rate, 10 * rate),
    "VE": lambda rate: score.VE(0.01 * rate, 5 * rate),
    "EDM": lambda rate: score.EDM(0.01, 10.0),
    "Foellmer": score.Foellmer,
    "Reversed": lambda rate: score.Reversed(score.VP(rate, 10 * rate)),
}
FREE = {"Linear", "Trigonometric", "Foellmer"}


def _path(name, rate):
    return PATHS[name]() if name in FREE else PATHS[name](rate)


def _paths(dtype):
    def fn(rate, t, x, value):
        out = []
        for name in PATHS:
            path = _path(name, rate)
            given = score.Prediction(value, "velocity")
            out.append((path.at(t), path.convert(given, t, x, "data")))
        return out, score.VP(rate).time_at(t)

    x, value = jnp.array([0.3, -1.2], dtype), jnp.array([1.1, 0.4], dtype)
    return fn, (jnp.asarray(1.0, dtype), jnp.asarray(0.4, dtype), x, value)


def _noises(dtype):
    modes = Grid((4,), ((0.0, 1.0),)).modes(1.0)

    def fn(variance, mean, x):
        field = GaussianRandomField(modes, variance)
        laws = (
            score.FieldNoise(field),
            score.Projected(lambda x: x - jnp.mean(x), 3),
            score.Centred(score.White(), mean),
        )
        return [(law.covariance(x), law.log_prob(x), law.precision(x)) for law in laws]

    variance = jnp.array([1.0, 0.5], dtype)
    x = jnp.array([[0.3, -1.2, 0.5, 0.1]], dtype)
    return fn, (variance, jnp.ones((1, 4), dtype), x)


def _drawn(*samplers):
    """A short run of each, of an exact predictor."""

    def build(dtype):
        weights, _, covariances = _mixture(dtype)

        def fn(means, x):
            exact = _law(weights, means, covariances).along(score.VP())
            ts = jnp.array([0.9, 0.6, 0.4, 0.1], dtype)
            return [
                score.sample(
                    exact, x, ts, sampler=sampler, key=jr.key(0), throw=False
                ).x
                for sampler in samplers
            ]

        return fn, (_mixture(dtype)[1], jnp.array([0.5, -1.0], dtype))

    return build


_STOCHASTIC = (
    score.EulerMaruyama(),
    score.StochasticHeun(score.constant(0.3)),
    score.PredictorCorrector(score.DDIM()),
)


def _stochastic(dtype):
    def net(log_snr, x, cond):
        return cond * jnp.tanh(x) * jax.nn.sigmoid(log_snr)

    def fn(weight, x):
        predictor = score.Predictor(net, score.VP(noise=_Rounded()), "data")
        ts = jnp.array([0.9, 0.6, 0.4, 0.1], dtype)
        return [
            score.sample(
                predictor,
                x,
                ts,
                sampler=sampler,
                key=jr.key(0),
                cond=weight,
                throw=False,
            ).x
            for sampler in _STOCHASTIC
        ]

    return fn, (jnp.asarray(1.2, dtype), jnp.array([0.5, -1.0], dtype))


def _predictors(dtype):
    def net(log_snr, x, cond):
        return cond * jnp.tanh(x) * jax.nn.sigmoid(log_snr)

    def fn(weight, x):
        trained = score.Predictor(net, score.VP(), "v_diffusion")
        swapped = score.OnPath(trained, score.Linear())
        return trained.denoise(0.3, x, weight), swapped.score(0.3, x, weight)

    return fn, (jnp.asarray(1.2, dtype), jnp.array([0.5, -1.0], dtype))


INTERPOLANTS = {
    "LinearInterpolant": score.LinearInterpolant,
    "TrigonometricInterpolant": lambda: score.TrigonometricInterpolant(
        latent=score.Quadratic()
    ),
    "EncodingDecoding": score.EncodingDecoding,
    "Mirror": lambda: score.Mirror(latent=score.Brownian(0.5)),
    "SchroedingerBridge": lambda: score.SchroedingerBridge(0.5),
    "NoLatent": lambda: score.LinearInterpolant(latent=score.NoLatent()),
}


def _interpolants(dtype):
    def fn(means, x, t):
        weights, _, covariances = _mixture(dtype)
        law = _law(weights, means, covariances)
        out = [
            score.oracles.Bridge(law, law, make()).denoise(t, x)
            for make in INTERPOLANTS.values()
        ]
        return out, score.LinearInterpolant().at(t)

    means = _mixture(dtype)[1]
    return fn, (means, jnp.array([0.5, -1.0], dtype), jnp.asarray(0.3, dtype))


def _losses(dtype):
    def fn(scale, x):
        path = score.VP(noise=_Rounded())
        net = score.Conservative(lambda t, x, cond: scale * _net(t, x, cond))
        model = score.Predictor(net, path, "noise")
        fixed = lambda path, *, key, dtype: jnp.asarray(0.4, dtype)  # noqa: E731
        call = dict(step=0, key=jr.key(1))
        field = lambda x: scale * _net(0.3, x, None)  # noqa: E731
        weights = (
            score.uniform_weight,
            score.sigma_squared,
            score.min_snr(),
            score.edm_weight(),
        )
        matching = [
            score.MatchingLoss(times=fixed, weight=w, antithetic=True)(model, x, **call)
            for w in weights
        ]
        return (
            [value for value, _ in matching],
            score.explicit_score_loss(field, x, **call)[0],
            score.sliced_score_loss(field, x, **call)[0],
            score.curl_penalty(field, x, key=jr.key(2)),
        )

    return fn, (jnp.asarray(0.7, dtype), jnp.array([0.5, -1.0], dtype))


def _flow(dtype):
    def fn(means, x):
        weights, _, covariances = _mixture(dtype)
        exact = _law(weights, means, covariances).along(score.Linear())
        fixed = dict(dt=0.25, scheme=dfx.Heun(), throw=False)
        there = score.flow(exact, x, (0.0, 1.0), **fixed)
        density = score.log_likelihood(exact, x, probes=2, key=jr.key(0), **fixed)
        ts = np.array([0.0, 0.5, 1.0], dtype)
        return (
            there.x,
            score.bits_per_dim(density.log_prob, 2),
            score.flow_jacobian(exact, x, ts, **fixed),
        )

    return fn, (_mixture(dtype)[1], jnp.array([0.5, -1.0], dtype))


def _dimension(dtype):
    path = score.VE(1e-3, 5.0)

    def fn(x):
        law = score.oracles.gaussian(jnp.zeros(2, dtype), jnp.diag(x**2))
        exact = law.along(path)
        return score.intrinsic_dimension(exact, x, (0.02, 0.005))

    return fn, (jnp.array([1.0, 2e-4], dtype),)


def _gauges(dtype):
    def fn(xs, rate):
        potential = lambda x: -0.5 * rate * jnp.sum(x**2)  # noqa: E731
        field = lambda x: -rate * x + x[::-1] ** 2  # noqa: E731
        loss = score.GaugeLoss(field)(potential, xs[0], step=0, key=jr.key(0))[0]
        turned = score.gauge_residual(lambda x: x[::-1] ** 2, field, xs[0])
        return score.gauge_decomposition(field, potential, xs), loss, turned

    xs = jnp.array([[0.3, -1.0], [0.5, 0.2]], dtype)
    return fn, (xs, jnp.asarray(1.3, dtype))


_ONE_STAGE = (score.Heun(), score.DDIM(), score.DPM2(), score.DPMpp2M())

CASES = [
    Case("paths", _paths, (*PATHS, "Coefficients", "Prediction")),
    Case("noise laws", _noises, ("White", "FieldNoise", "Projected", "Centred")),
    Case(
        "samplers",
        _drawn(*_ONE_STAGE, score.ExponentialAB(3)),
        ("RungeKutta", "Heun", "DDIM", "DPM2", "DPMpp2M", "Multistep", "ExponentialAB"),
    ),
    Case(
        "stochastic samplers",
        _stochastic,
        (
            "EulerMaruyama",
            "StochasticHeun",
            "PredictorCorrector",
            "reverse_diffusion",
            "constant",
            "sample",
            "Sample",
        ),
    ),
    Case(
        "interpolants",
        _interpolants,
        (*INTERPOLANTS, "Brownian", "Quadratic", "SineSquared", "TwoSidedCoefficients"),
    ),
    Case(
        "losses",
        _losses,
        (
            "MatchingLoss",
            "Conservative",
            "curl_penalty",
            "edm_weight",
            "explicit_score_loss",
            "min_snr",
            "sigma_squared",
            "sliced_score_loss",
            "uniform_weight",
        ),
    ),
    Case(
        "flow",
        _flow,
        ("flow", "Flowed", "log_likelihood", "bits_per_dim", "flow_jacobian"),
    ),
    Case(
        "dimension",
        _dimension,
        ("intrinsic_dimension", "Dimension"),
        no_grad="a count, and singular values that differ by 1e4",
        float32_rtol=0.1,
        slow="compiles the adaptive driver once more",
        no_lowering="adaptive steps: Diffrax checks saved times by a call back",
    ),
    Case(
        "gauges",
        _gauges,
        ("Gauge", "GaugeLoss", "gauge_decomposition", "gauge_residual"),
    ),
    Case(
        "guided",
        _guided,
        (
            "Guided",
            "Measurement",
            "Likelihood",
            "MMPS",
            "Energy",
            "ClassifierFree",
            "Constrained",
            "fit_readings",
        ),
    ),
    Case(
        "reconstructed",
        _reconstructed,
        (
            "reconstruct",
            "Variational",
            "red_diff",
            "flair",
            "straight_share",
            "velocity_error",
            "CalibratedWeight",
        ),
    ),
    Case(
        "penalty",
        _penalty,
        ("DenoisingPenalty",),
        no_grad="by intent it has no derivative through the denoiser",
    ),
    Case(
        "flow maps",
        _maps,
        (
            "FlowMap",
            "StepMap",
            "eulerian_defect",
            "jump",
            "lagrangian_defect",
            "semigroup_defect",
        ),
    ),
    Case(
        "losses of flow maps",
        _map_losses,
        ("MeanFlowLoss", "LagrangianLoss", "ProgressiveLoss", "ConsistencyLoss"),
        no_grad="by intent there is no derivative through their targets",
        slow="their values are tested in tests/score/test_flow_maps.py",
    ),
    Case("two-sided", _two_sided, ("TwoSidedPredictor",)),
    Case("table", _table, ("Tabulated", "kinetic_energy")),
    Case("predictors", _predictors, ("Predictor", "OnPath", "Denoised")),
]

EXEMPT = {
    "AbstractCoupling": "abstract; its final classes are described here",
    "AbstractFlowMap": "abstract; its final classes are in the roster",
    "InterpolantLoss": "draws noise of the precision of its sample",
    "OpenTimes": "draws times of the precision asked for",
    "OptimalPairs": "gives whole numbers, found on the host",
    "PairedSource": "draws batches that another source holds",
    "SinkhornPairs": "gives whole numbers, drawn from sinkhorn_plan",
    "SpansToData": "draws times of the precision asked for",
    "UniformSpans": "draws times of the precision asked for",
    "sinkhorn_plan": "needs an optional extra; tests/score/test_couplings.py",
    "DPS": "a setting of Likelihood, which is in the roster",
    "PiGDM": "a setting of Likelihood, which is in the roster",
    "fresh": "gives zero at all times",
    "AbstractGuide": "abstract; its final classes are in the roster",
    "Denoiser": "what guides are handed by Guided, which is in the roster",
    "Linearised": "what Measurement gives, which is in the roster",
    "calibrated_weight": "a velocity_error and its mean, which is in the roster",
    "check_adjoint": "a test that gives nothing",
    "AbstractInterpolant": "abstract; its final classes are in the roster",
    "AbstractLatent": "abstract; its final classes are in the roster",
    "AbstractTwoSided": "abstract; its final classes are in the roster",
    "DenoisingScoreLoss": "draws noise of the precision of its sample",
    "KineticOptimal": "a path, which is in the roster, and a number",
    "LogNormalTimes": "draws times of the precision asked for",
    "LogitNormalTimes": "draws times of the precision asked for",
    "PowerTimes": "draws times of the precision asked for",
    "UniformTimes": "draws times of the precision asked for",
    "denoising_error": "makes a table on the host",
    "gaussian_denoising_error": "a formula on the host, in NumPy",
    "kinetic_optimal": "makes a table on the host, in NumPy",
    "AbstractNoise": "abstract; its final classes are in the roster",
    "AbstractPath": "abstract; its final classes are in the roster",
    "AbstractPredictor": "abstract; its final classes are in the roster",
    "AbstractSampler": "abstract; its final classes are in the roster",
    "Euler": "a tableau of RungeKutta, which is in the roster",
    "RK4": "a tableau of RungeKutta, which is in the roster",
    "Tableau": "numbers of a scheme; computes nothing",
    "oracles": "a module; tests/score/test_oracles.py looks at its members",
    "start": "draws noise of the precision asked for",
    "times": "a grid in the default precision, tested through the orders",
}
