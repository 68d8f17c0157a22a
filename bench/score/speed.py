"""What samplers and likelihoods cost beside the fields that they evaluate.

    python -m bench.score.speed

Float32, compile time on neither side, medians of interleaved pairs with their 95 %
bootstrap interval; ratios are time of phix over time of the other.

1. Euler–Maruyama on the closed-form field of a mixture in the plane, 1,000 chains of
   200 steps: beside a scan by hand with the same field and a key a step and chain;
   beside one whose noise is drawn before it; beside `diffrax.diffeqsolve` with
   `VirtualBrownianTree`. At most 1.1 times the first.
2. Samplers at 32² with the smallest network of the recipes on fields, beside the same
   number of its evaluations in one scan. At most 5 % more.
3. The likelihood by Hutchinson's estimate, one probe, beside sampling by the same
   scheme, for each evaluation of the field. At most 2.5 times.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from bench.timing import bootstrap, paired_times
from phix import nn, score
from phix.recipes import load_config
from phix.recipes._field_choices import UNet
from phix.space import Grid


CHAINS, STEPS, LEVEL = 1000, 200, 0.5
PAIRS = 25
LINEAR = score.Linear()


def main() -> None:
    print("| what | beside | phix | other | ratio [95 %] | wanted |")
    print("|---|---|---|---|---|---|")
    for name, call in BY_HAND.items():
        wanted = "≤ 1.1" if name == "a scan by hand" else ""
        row("Euler–Maruyama", name, shared_scan(), call(), wanted)
    net = smallest()
    print(f"| network of {weights_of(net)} weights at 32² | | | | | |")
    for name, sampler, calls in SAMPLERS:
        row(name, f"{calls} evaluations", *overhead(net, sampler, calls), "≤ 1.05")
    row("log_likelihood, 1 probe", "sampling by Heun", *likelihood(net), "≤ 2.5")


def row(name, other, first: Callable, second: Callable, wanted: str) -> None:
    """One line: both times in ms and their ratio."""
    seconds = paired_times(first, second, PAIRS)
    ratios = seconds[:, 0] / seconds[:, 1]
    low, high = bootstrap(ratios)
    mine, theirs = 1e3 * np.median(seconds, axis=0)
    ratio = f"{np.median(ratios):.3f} [{low:.3f}, {high:.3f}]"
    print(
        f"| {name} | {other} | {mine:.2f} ms | {theirs:.2f} ms | {ratio} | {wanted} |"
    )


# The field of a mixture: weights, means and variances along the axes.
WEIGHTS = np.array([0.3, 0.4, 0.3])
MEANS = np.array([[-2.5, 0.0], [1.9, 1.8], [1.2, -2.2]])
VARIANCES = np.array([[0.6, 0.5], [0.1, 0.6], [0.1, 0.1]])
TIMES = np.linspace(0.98, 0.01, STEPS + 1)


def _arrays():
    return tuple(jnp.asarray(v, jnp.float32) for v in (WEIGHTS, MEANS, VARIANCES))


def shared_scan() -> Callable:
    """Chains by `score.sample`."""
    weights, means, variances = _arrays()
    exact = score.oracles.Mixture(weights, means, jax.vmap(jnp.diag)(variances))
    exact = exact.along(LINEAR)
    ts = jnp.asarray(TIMES, jnp.float32)
    sampler = score.EulerMaruyama(score.constant(LEVEL))

    @jax.jit
    def draw(key):
        def one(key):
            noise, steps = jr.split(key)
            x = jr.normal(noise, (2,), jnp.float32)
            run = score.sample(exact, x, ts, sampler=sampler, key=steps, throw=False)
            return run.x

        return jax.vmap(one)(jr.split(key, CHAINS))

    return lambda: draw(jr.key(0))


def by_hand(before: bool = False) -> Callable:
    """The same chains with the formula written into a scan: a key a step, or all noise
    in one call `before` the scan, which states of few numbers allow."""
    times = jnp.asarray(TIMES, jnp.float32)

    @jax.jit
    def draw(key):
        def one(key):
            noise, steps = jr.split(key)
            x = jr.normal(noise, (2,), jnp.float32)

            def step(x, row):
                t, h, own = row
                xi = own if before else jr.normal(own, (2,), jnp.float32)
                return _moved(x, t, h, xi), None

            xis = jr.normal(steps, (STEPS, 2), jnp.float32)
            owns = xis if before else jr.split(steps, STEPS)
            return jax.lax.scan(step, x, (times[:-1], jnp.diff(times), owns))[0]

        return jax.vmap(one)(jr.split(key, CHAINS))

    return lambda: draw(jr.key(0))


def _moved(x, t, h, xi):
    velocity, slope = _field(t, x)
    noise = jnp.sqrt(2 * LEVEL * jnp.abs(h)) * xi
    return x + h * (velocity - LEVEL * slope) + noise


def _field(t, x):
    """Velocity and score on the linear path."""
    weights, means, variances = _arrays()
    spread = (1 - t) ** 2 * variances + t**2
    apart = x - (1 - t) * means
    logits = jnp.log(weights) - 0.5 * jnp.sum(jnp.log(spread) + apart**2 / spread, 1)
    shares = jax.nn.softmax(logits)
    slope = -shares @ (apart / spread)
    data = shares @ (means + (1 - t) * variances * apart / spread)
    return -data - t * slope, slope


def by_diffrax() -> Callable:
    """The same equation by `diffeqsolve` with `VirtualBrownianTree`."""

    def drift(s, x, _):
        velocity, slope = _field(1 - s, x)
        return LEVEL * slope - velocity

    amplitude = np.float32(np.sqrt(2 * LEVEL))
    first, last = float(1 - TIMES[0]), float(1 - TIMES[-1])

    @jax.jit
    def draw(key):
        def one(key):
            noise, steps = jr.split(key)
            shape = jax.ShapeDtypeStruct((2,), jnp.float32)
            motion = dfx.VirtualBrownianTree(first, last, 1e-3, shape, steps)
            diffusion = dfx.ControlTerm(
                lambda s, x, _: amplitude * jnp.eye(2, dtype=jnp.float32), motion
            )
            terms = dfx.MultiTerm(dfx.ODETerm(drift), diffusion)
            return dfx.diffeqsolve(
                terms,
                dfx.Euler(),
                first,
                last,
                (last - first) / STEPS,
                jr.normal(noise, (2,), jnp.float32),
                adjoint=dfx.DirectAdjoint(),
            ).ys[0]

        return jax.vmap(one)(jr.split(key, CHAINS))

    return lambda: draw(jr.key(0))


BY_HAND = {
    "a scan by hand": by_hand,
    "the same, noise drawn before": functools.partial(by_hand, before=True),
    "diffeqsolve, VirtualBrownianTree": by_diffrax,
}


CONFIGS = Path(__file__).parents[2] / "configs/score"


def smallest() -> eqx.Module:
    """The network of the recipes on fields that has the fewest weights, for one field
    without conditions."""
    grid = Grid(FIELD[1:], (0.0, 1.0))
    recipes = [load_config(path) for path in sorted(CONFIGS.glob("*.toml"))]
    chosen = [getattr(getattr(r, "problem", r), "network", None) for r in recipes]
    nets = [
        nn.UNet(
            grid,
            widths=choice.widths,
            depth=choice.depth,
            patch=choice.patch,
            key=jr.key(0),
            dtype=jnp.float32,
        )
        for choice in chosen
        if isinstance(choice, UNet)
    ]
    return min(nets, key=weights_of)


def weights_of(net: eqx.Module) -> int:
    """How many numbers are trained."""
    return sum(x.size for x in jax.tree.leaves(eqx.filter(net, eqx.is_inexact_array)))


FIELD = (1, 32, 32)
SAMPLERS = [
    ("Euler", score.Euler(), 100),
    ("Heun", score.Heun(), 200),
    ("DDIM", score.DDIM(), 100),
    ("DPMpp2M", score.DPMpp2M(), 100),
    ("ExponentialAB(3)", score.ExponentialAB(3), 100),
    ("EulerMaruyama", score.EulerMaruyama(), 100),
]


def overhead(net, sampler, calls: int) -> tuple[Callable, Callable]:
    """100 steps of a sampler, and as many evaluations of the network as it makes."""
    predictor = score.Predictor(net, LINEAR, "velocity")
    ts = score.times(LINEAR, 100, "log_snr").astype(jnp.float32)
    x = jr.normal(jr.key(1), FIELD, jnp.float32)

    @eqx.filter_jit
    def draw(predictor, x):
        run = score.sample(
            predictor, x, ts, sampler=sampler, key=jr.key(2), throw=False
        )
        return run.x

    levels = jax.vmap(LINEAR.log_snr)(jnp.repeat(ts[:-1], calls // 100))

    @eqx.filter_jit
    def evaluate(net, x):
        def step(x, level):
            return x + 1e-3 * net(level, x, None), None

        return jax.lax.scan(step, x, levels)[0]

    return lambda: draw(predictor, x), lambda: evaluate(net, x)


def likelihood(net) -> tuple[Callable, Callable]:
    """100 steps of Heun, with the divergence and without."""
    predictor = score.Predictor(net, LINEAR, "velocity")
    ts = score.times(LINEAR, 100).astype(jnp.float32)
    x = jr.normal(jr.key(1), FIELD, jnp.float32)

    @eqx.filter_jit
    def density(predictor, x):
        return score.log_likelihood(
            predictor,
            x,
            probes=1,
            key=jr.key(2),
            dt=0.01,
            scheme=dfx.Heun(),
            throw=False,
        ).log_prob

    @eqx.filter_jit
    def draw(predictor, x):
        return score.sample(predictor, x, ts, sampler=score.Heun(), throw=False).x

    return lambda: density(predictor, x), lambda: draw(predictor, x)


if __name__ == "__main__":
    main()
