"""The learned prior of vorticity fields: its network, its training, its samples."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import nn, score
from phix._types import Array, Float, IntScalar, PRNGKeyArray, PyTree, RealScalar
from phix.recipes import _score_training
from phix.recipes._field_choices import Choices, UNet
from phix.recipes._field_data import Fields
from phix.space import Grid
from phix.train import ArraySource


PATH = score.Linear()
# Beyond these the state is noise, or the field to a fiftieth of its deviation; nearer
# to the noise the derivative of a network says nothing of the covariance.
LOG_SNR = (-3.5, 4.0)


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


class OnGaussian(eqx.Module):
    r"""A network of velocities on `Linear`, beside what is exact for Gaussian fields.

    $$v = \mathcal F^{-1}\frac{\sigma - \alpha S}{\alpha^2S + \sigma^2}\mathcal F x
    + \text{net}(\lambda, x)$$

    Untrained it is the prior of optimal interpolation; what it learns is what is not
    Gaussian.

    **Arguments:**

    - `net`: called with the log signal-to-noise ratio and x of unit variance.
    - `spectrum`: S, the mean of |FFT|² over the number of nodes, of the data; not
        trained.
    """

    net: Callable
    spectrum: Float[Array, "x waves"]

    def __call__(
        self, log_snr: RealScalar, x: Float[Array, "1 x y"], cond: PyTree = None
    ) -> Float[Array, "1 x y"]:
        """The velocity at x, which `Predictor` has scaled to unit variance."""
        alpha, sigma = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
        power = jax.lax.stop_gradient(self.spectrum)
        gain = (sigma - alpha * power) / (alpha**2 * power + sigma**2)
        waves = gain * jnp.fft.rfft2(x) * jnp.hypot(alpha, sigma)
        return jnp.fft.irfft2(waves, x.shape[1:]) + self.net(log_snr, x, cond)


def spectrum_of(us: Float[Array, "fields 1 x y"]) -> Float[Array, "x waves"]:
    """The spectrum of `OnGaussian`, the same under all symmetries of the square."""
    power = jnp.mean(jnp.abs(jnp.fft.fft2(us[:, 0])) ** 2, axis=0) / us[0].size
    power = (power + power.T) / 2
    power = (power + jnp.roll(power[::-1], 1, 0)) / 2
    return power[:, : us.shape[-1] // 2 + 1]


def network(recipe: Choices, grid: Grid, key: PRNGKeyArray) -> nn.AbstractConditioned:
    """The network that the recipe chooses, in the precision of the fields."""
    choice = recipe.network
    if isinstance(choice, UNet):
        return nn.UNet(
            grid,
            widths=choice.widths,
            depth=choice.depth,
            patch=choice.patch,
            key=key,
            dtype=jnp.float32,
        )
    return nn.DiT(
        grid,
        patch=choice.patch,
        width=choice.width,
        depth=choice.depth,
        heads=choice.heads,
        key=key,
        dtype=jnp.float32,
    )


def blank(recipe: Choices, fields: Fields) -> score.Predictor:
    """The predictor before training."""
    net = network(recipe, fields.grid, jr.fold_in(jr.key(recipe.seed), 10))
    net = OnGaussian(net, spectrum_of(fields.train))
    return score.Predictor(net=net, path=PATH, kind="velocity")


def train(recipe: Choices, fields: Fields, **options) -> score.Predictor:
    """The prior: flow matching of the training fields."""
    return _score_training.train(
        recipe.training,
        blank(recipe, fields),
        Imaged(score.MatchingLoss()),
        ArraySource(fields.train, recipe.training.batch_size),
        key=jr.fold_in(jr.key(recipe.seed), 11),
        **options,
    )


def draw_prior(
    predictor: score.Predictor, grid: Grid, count: int, key: PRNGKeyArray
) -> Array:
    """Fields of the prior, "count 1 x y"."""
    ts = score.times(PATH, 40, "log_snr", log_snr_range=LOG_SNR)
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
