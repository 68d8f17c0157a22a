"""A prior of any optimisation: how far a denoiser moves what is being optimised."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._types import Array, Float, PRNGKeyArray, PyTree
from phix.score._guide import require_one_sided
from phix.score._losses import UniformTimes, uniform_weight
from phix.score._predict import AbstractPredictor


class DenoisingPenalty(eqx.Module):
    r"""$\tfrac12 w(t)\,|x - d(\alpha x + \sigma\epsilon)|^2$ with the denoiser d held
    fixed.

    Its gradient $w\,(x - d) = w\,(\sigma/\alpha)(E[\epsilon|x_t] - \epsilon)$ costs one
    evaluation of the network and no derivative of it. In the mean over t and ε, with
    $w = \omega'(t)\,\alpha^2/\sigma^2$, it is that of
    $\int\omega'\,\mathrm{KL}(q_t\|p_t)\,dt$ for q at x: a prior on an initial
    condition, or on a coefficient field, of any problem that Optax minimises.

    ```python
    prior = score.DenoisingPenalty(predictor)
    loss = lambda u0, key: misfit(u0) + prior(u0, key=key)
    ```

    **Arguments:**

    - `predictor`: of the prior, exact or learned, of any kind.
    - `weight`: `weight(path, t)`, as of a loss in `"data"`; `uniform_weight` is the
        weight of RED-diff.
    - `times`: draws t, as of `MatchingLoss`.

    Against a misfit $|y-A(x)|^2/2\sigma_y^2$, summed and not averaged, it needs no
    factor for the number of pixels or sensors. A prior seen through noise is smoothed:
    what varies most is shrunk too much, unless t stays near the data.

    **Raises:** `ValueError` for a predictor between two laws.

    ??? cite "Reference"
        Mardani, Song, Kautz, Vahdat, *A variational perspective on solving inverse
        problems with diffusion models*, ICLR 2024.
    """

    predictor: AbstractPredictor
    weight: Callable = uniform_weight
    times: Callable = UniformTimes()

    def __check_init__(self):
        require_one_sided(self.predictor)

    def __call__(
        self, x: Float[Array, "*shape"], *, key: PRNGKeyArray, cond: PyTree = None
    ) -> Float[Array, ""]:
        """The penalty at one time and noise, drawn with the key."""
        path = require_one_sided(self.predictor)
        when, noise = jr.split(key)
        t = self.times(path, key=when, dtype=x.dtype)
        noisy = path.mix(t, x, path.noise.sample(x, key=noise))
        data = self.predictor.predict(t, jax.lax.stop_gradient(noisy), "data", cond)
        apart = x - jax.lax.stop_gradient(data)
        return 0.5 * self.weight(path, t) * jnp.sum(apart**2)
