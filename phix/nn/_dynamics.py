"""Networks for the right-hand side of a latent ODE."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.typing import DTypeLike

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray, RealScalar
from phix.nn._normalise import Standardiser


class AbstractConditioned(eqx.Module):
    """A network conditioned on time and on scalars or a field: `net(t, x, cond)`.

    The part that depends on `t` and `cond` alone is `features`, so that it can be
    computed once for a batch or cached over a run; `apply` does the rest.
    """

    @abc.abstractmethod
    def features(
        self, t: RealScalar, cond: Float[Array, "..."] | None
    ) -> tuple[Array, ...]:
        """What the network needs to know of `t` and `cond`."""

    @abc.abstractmethod
    def apply(
        self,
        x: Float[Array, "..."],
        features: tuple[Array, ...],
        cond: Float[Array, "..."] | None,
    ) -> Float[Array, "..."]:
        """The output at `x`, given the features."""

    def __call__(
        self,
        t: RealScalar,
        x: Float[Array, "..."],
        cond: Float[Array, "..."] | None = None,
    ) -> Float[Array, "..."]:
        """`apply(x, features(t, cond), cond)`."""
        return self.apply(x, self.features(t, cond), cond)


class SwishDynamics(AbstractConditioned):
    r"""Latent dynamics $\dot\alpha = \Psi(\alpha, \beta)$ with trainable swish.

    Time is no input. The standardised parameters become
    $p = P\tilde\beta + c \in \mathbb R^r$; the input is $[\alpha, p]$ (only $\alpha$
    when there are no parameters). Each hidden layer ends in
    $z\,\sigma(z\,\mathrm{softplus}(b)) / 1.1$ with one trainable $b$, 0.5 at the start.

    **Arguments:**

    - `latent_size`: r.
    - `parameters`: normaliser of the equation's parameters, one channel each
      (`Standardiser.of(mus[:, None], axis=1)`), or `None` for dynamics without any.
    - `width`, `depth`: neurons of a layer, number of hidden layers.
    - `key`: for the initial weights, uniform in ±1/√fan_in.
    - `dtype`: of the weights; by default that of `parameters`.

    **Good values:** width 64, depth 4 for r = 4.

    **Reference:** the "hyper-concat" dynamics of Φ-ROM, arXiv 2505.14595.
    """

    layers: tuple[eqx.nn.Linear, ...]
    sharpness: Float[Array, " depth"]
    embedding: eqx.nn.Linear | None
    parameters: Standardiser | None

    def __init__(
        self,
        latent_size: int,
        parameters: Standardiser | None = None,
        *,
        width: int = 64,
        depth: int = 4,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        require(
            min(latent_size, width, depth) >= 1,
            "SwishDynamics needs latent_size, width and depth of at least 1, got "
            f"{latent_size}, {width} and {depth}.",
        )
        if dtype is None and parameters is not None:
            dtype = parameters.mean.dtype
        key, embedding_key = jr.split(key)
        self.embedding = None
        if parameters is not None:
            self.embedding = eqx.nn.Linear(
                parameters.mean.shape[0], latent_size, dtype=dtype, key=embedding_key
            )
        inputs = latent_size if parameters is None else 2 * latent_size
        sizes = [inputs, *[width] * depth, latent_size]
        self.layers = tuple(
            eqx.nn.Linear(a, b, dtype=dtype, key=k)
            for a, b, k in zip(
                sizes[:-1], sizes[1:], jr.split(key, depth + 1), strict=True
            )
        )
        self.sharpness = jnp.full((depth,), 0.5, dtype)
        self.parameters = parameters

    def features(
        self, t: RealScalar, cond: Float[Array, " parameters"] | None
    ) -> tuple[Array, ...]:
        """The embedded parameters p (nothing without parameters); time is no input."""
        del t
        if self.embedding is None or self.parameters is None:
            require(
                cond is None, "cond was given to dynamics built without parameters."
            )
            return ()
        expected = self.parameters.mean.shape
        if cond is None or cond.shape != expected:
            given = None if cond is None else cond.shape
            raise ValueError(
                f"cond must hold the {expected[0]} parameters the dynamics were built "
                f"with, shape {expected}; got {given}."
            )
        return (self.embedding(self.parameters(cond)),)

    def apply(
        self,
        x: Float[Array, " latent"],
        features: tuple[Array, ...],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, " latent"]:
        """dα/dt at the latent `x`, per unit of the equation's time."""
        del cond
        h = jnp.concatenate([x, *features])
        for layer, b in zip(self.layers[:-1], self.sharpness, strict=True):
            z = layer(h)
            h = z * jax.nn.sigmoid(z * jax.nn.softplus(b)) / 1.1
        return self.layers[-1](h)


class DissipativeDynamics(AbstractConditioned):
    r"""Latent dynamics that turn and damp: $\lVert\alpha\rVert$ never grows.

    $$\dot\alpha = \big(S(\alpha) - R(\alpha)\big)\alpha, \qquad
    S = \frac{f\alpha^\top - \alpha f^\top}{1 + \lVert\alpha\rVert^2}, \quad
    R = \mathrm{diag}\,\log(1 + e^{g})$$

    with two networks f and g of the latent, time and parameters. S is skew and R
    positive, so that $\tfrac12\,d\lVert\alpha\rVert^2/dt = -\alpha^\top R\alpha \le 0$
    whatever the weights: a forecast cannot blow up, however long. Latents of physics
    that gains energy cannot be followed.

    **Arguments:**

    - `turn`, `damp`: f and g, networks from a latent to a vector of its length, both
      with parameters or both without.
    """

    turn: AbstractConditioned
    damp: AbstractConditioned

    def features(
        self, t: RealScalar, cond: Float[Array, " parameters"] | None
    ) -> tuple[Array, ...]:
        """Those of both networks."""
        return (*self.turn.features(t, cond), *self.damp.features(t, cond))

    def apply(
        self,
        x: Float[Array, " latent"],
        features: tuple[Array, ...],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, " latent"]:
        """dα/dt at the latent `x`, per unit of the equation's time."""
        half = len(features) // 2
        f = self.turn.apply(x, features[:half], cond)
        g = self.damp.apply(x, features[half:], cond)
        square = jnp.sum(x**2)
        turned = (f * square - x * jnp.sum(f * x)) / (1 + square)
        return turned - jax.nn.softplus(g) * x
