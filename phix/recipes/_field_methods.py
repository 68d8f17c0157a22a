"""The learned prior of fields, and the posteriors that are drawn with it."""

import functools
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from phix import nn, score
from phix._types import Array, IntScalar, PRNGKeyArray
from phix.recipes._field_choices import Choices, Posterior, UNet
from phix.recipes._field_data import Fields, Problem
from phix.space import Grid
from phix.train import ArraySource, Checkpoints, fit, per_sample


PATH = score.Linear()
# Beyond these the state is the noise, or the field to a hundredth of its deviation.
_LOG_SNR = (-5.0, 4.5)


class Imaged(eqx.Module):
    """A loss of a random image of the sample under the symmetries of the periodic
    square: shifts, quarter turns, and reflections, in which vorticity changes sign.

    **Arguments:**

    - `loss`: of one sample, a field `"1 x y"`.
    """

    loss: Callable

    def __call__(
        self, model: eqx.Module, sample: Array, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict]:
        """The loss of the image."""
        image, key = jr.split(key)
        return self.loss(model, random_image(sample, key=image), step=step, key=key)


def random_image(u: Array, *, key: PRNGKeyArray) -> Array:
    """A field `"1 x y"` under a random symmetry of the periodic square."""
    shift, coins = jr.split(key)
    u = jnp.roll(u, jr.randint(shift, (2,), 0, u.shape[1]), (1, 2))
    first, second, turned = jr.bernoulli(coins, 0.5, (3,))
    u = jnp.where(first, -u[:, ::-1], u)
    u = jnp.where(second, -u[:, :, ::-1], u)
    return jnp.where(turned, -u.swapaxes(1, 2), u)


def network(recipe: Choices, grid: Grid, key: PRNGKeyArray) -> nn.AbstractConditioned:
    """The network that the recipe chooses."""
    choice = recipe.network
    if isinstance(choice, UNet):
        return nn.UNet(
            grid,
            widths=choice.widths,
            depth=choice.depth,
            patch=choice.patch,
            key=key,
        )
    return nn.DiT(
        grid,
        patch=choice.patch,
        width=choice.width,
        depth=choice.depth,
        heads=choice.heads,
        key=key,
    )


def blank(recipe: Choices, grid: Grid) -> score.Predictor:
    """The predictor before training."""
    net = network(recipe, grid, jr.fold_in(jr.key(recipe.seed), 10))
    return score.Predictor(net=net, path=PATH, kind="velocity")


def train(recipe: Choices, fields: Fields, **options) -> score.Predictor:
    """The prior: flow matching of the training fields."""
    training = recipe.training
    schedule = optax.cosine_decay_schedule(training.rate, training.steps)
    result = fit(
        blank(recipe, fields.grid),
        per_sample(Imaged(score.MatchingLoss())),
        ArraySource(fields.train, training.batch_size),
        steps=training.steps,
        key=jr.fold_in(jr.key(recipe.seed), 11),
        optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
        ema=training.ema,
        **options,
    )
    return result.ema


def checkpoints(recipe: Choices, folder, config: dict) -> Checkpoints:
    """Where the run saves its weights."""
    every = recipe.training.checkpoint_every
    return Checkpoints(folder.checkpoints, config=config, every=every)


def draw_prior(
    predictor: score.Predictor, grid: Grid, count: int, key: PRNGKeyArray
) -> Array:
    """Fields of the prior, "count 1 x y"."""
    ts = score.times(PATH, 40, "log_snr", log_snr_range=_LOG_SNR)
    like = jnp.zeros((1, *grid.shape), jnp.float32)

    @jax.jit
    def all_of(keys):
        def one(key):
            x = score.start(PATH, like, ts[0], key=key)
            return score.sample(
                predictor, x, ts, sampler=score.DPMpp2M(), throw=False
            ).x

        return jax.vmap(one)(keys)

    return all_of(jr.split(key, count))


def methods(
    recipe: Choices, predictor: score.Predictor, fields: Fields
) -> dict[str, tuple[Callable, str]]:
    """Each draws a field from a measurement and a key; with what it cost."""
    choices = recipe.posterior
    weight = score.calibrated_weight(
        predictor,
        fields.validation,
        key=jr.fold_in(jr.key(recipe.seed), 12),
        rate=choices.flair_rate,
    )
    keep = score.straight_share if choices.flair_keep else score.fresh
    return {
        "RED-diff": (
            functools.partial(
                _swept,
                predictor,
                score.red_diff(choices.red_diff_rate),
                score.times(PATH, choices.red_diff_steps),
            ),
            f"{choices.red_diff_steps}",
        ),
        "FLAIR": (
            functools.partial(
                _swept, predictor, score.flair(weight, keep), _flair_times(choices)
            ),
            f"{choices.flair_steps}",
        ),
        "DPS": (
            functools.partial(
                _guided,
                predictor,
                score.DPS,
                # Even in t but for the ends, where a guide cannot start.
                score.times(PATH, choices.dps_steps, log_snr_range=_LOG_SNR),
            ),
            f"{choices.dps_steps}, 1 derivative each",
        ),
        "MMPS": (
            functools.partial(
                _guided,
                predictor,
                functools.partial(score.MMPS, iterations=choices.mmps_iterations),
                score.times(
                    PATH, choices.mmps_steps, "log_snr", log_snr_range=_LOG_SNR
                ),
            ),
            f"{choices.mmps_steps}, {choices.mmps_iterations + 1} derivatives each",
        ),
    }


def _flair_times(choices: Posterior) -> Array:
    inner = jnp.linspace(1.0, 0.18, choices.flair_steps + 2)[1:-1]
    return jnp.append(inner, 0.0)


def _swept(predictor, method, ts, seen: score.Measurement, like: Array, key) -> Array:
    start = score.fit_readings(seen, jnp.zeros_like(like))
    return score.reconstruct(
        predictor, seen, start, ts, method=method, key=key, throw=False
    ).x


def _guided(predictor, guide, ts, seen: score.Measurement, like: Array, key) -> Array:
    noise, steps = jr.split(key)
    x = score.start(PATH, like, ts[0], key=noise)
    posterior = score.Guided(predictor, guide(seen))  # pyright: ignore[reportCallIssue]
    return score.sample(
        posterior, x, ts, sampler=score.EulerMaruyama(), key=steps, throw=False
    ).x


def draw(
    method: Callable, problem: Problem, members: int, key: PRNGKeyArray
) -> tuple[np.ndarray, float]:
    """Members for each field, "members fields nodes", and the seconds that it took,
    compilation included."""

    @jax.jit
    def all_of(rows):
        def one(row):
            truth, nodes, readings, key = row
            seen = problem.measurement(nodes, readings)
            return jax.vmap(lambda k: method(seen, truth * 0, k))(
                jr.split(key, members)
            )

        return jax.lax.map(one, rows)

    start = time.perf_counter()
    keys = jr.split(key, len(problem.nodes))
    nodes = jnp.asarray(problem.nodes)
    drawn = np.asarray(all_of((problem.truth, nodes, problem.readings, keys)))
    drawn = drawn.reshape(*drawn.shape[:2], -1).swapaxes(0, 1)
    return drawn, time.perf_counter() - start
