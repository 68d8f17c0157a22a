"""A perceptron conditioned on a time: the network of small scores and flows."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.typing import DTypeLike

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray, RealScalar
from phix.nn._dynamics import AbstractConditioned
from phix.nn._waves import WAVES, time_waves


class TimeMLP(AbstractConditioned):
    r"""A perceptron that every layer tells the time: $v(t, x)$, or $v(t, x, \beta)$.

    $$h_1 = \mathrm{silu}(Wx + e_1),\quad
    h_{l+1} = h_l + \mathrm{silu}(W_l h_l + e_{l+1}),\quad v = W' h + b'$$

    with $e_l$ linear in sines and cosines of t and in β.

    **Arguments:**

    - `size`: length of x and of v.
    - `cond_size`: length of β, 0 for none.
    - `width`, `depth`: neurons of a layer, number of hidden layers.
    - `key`: for the initial weights, uniform in ±1/√fan_in; the last layer starts at
      zero, as a predictor that knows nothing.
    - `dtype`: of the weights.

    **Good values:** width 128, depth 3 for densities in the plane.
    """

    layers: tuple[eqx.nn.Linear, ...]
    times: tuple[eqx.nn.Linear, ...]
    last: eqx.nn.Linear
    size: int = eqx.field(static=True)
    cond_size: int = eqx.field(static=True)

    def __init__(
        self,
        size: int,
        cond_size: int = 0,
        *,
        width: int = 128,
        depth: int = 3,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        require(
            min(size, width, depth) >= 1 and cond_size >= 0,
            "TimeMLP needs size, width and depth of at least 1 and cond_size of at "
            f"least 0, got {size}, {width}, {depth} and {cond_size}.",
        )
        keys = jr.split(key, 2 * depth + 1)
        sizes = [size, *[width] * depth]
        self.layers = tuple(
            eqx.nn.Linear(a, b, dtype=dtype, key=k)
            for a, b, k in zip(sizes[:-1], sizes[1:], keys[:depth], strict=True)
        )
        known = 2 * WAVES + cond_size
        self.times = tuple(
            eqx.nn.Linear(known, width, use_bias=False, dtype=dtype, key=k)
            for k in keys[depth:-1]
        )
        last = eqx.nn.Linear(width, size, dtype=dtype, key=keys[-1])
        self.last = jax.tree.map(jnp.zeros_like, last)
        self.size, self.cond_size = size, cond_size

    def features(
        self, t: RealScalar, cond: Float[Array, " parameters"] | None
    ) -> tuple[Array, ...]:
        """What every layer adds for the time and the parameters."""
        given = 0 if cond is None else cond.size
        require(
            given == self.cond_size,
            f"cond must hold {self.cond_size} numbers, as the network was built for; "
            f"got {given}.",
        )
        known = [time_waves(t, self.last.weight.dtype)]
        known += [] if cond is None else [jnp.ravel(cond)]
        return tuple(layer(jnp.concatenate(known)) for layer in self.times)

    def apply(
        self,
        x: Float[Array, " size"],
        features: tuple[Array, ...],
        cond: Float[Array, " parameters"] | None,
    ) -> Float[Array, " size"]:
        """The output at `x`, given the features."""
        del cond
        first, *others = zip(self.layers, features, strict=True)
        h = jax.nn.silu(first[0](x) + first[1])
        for layer, feature in others:
            h = h + jax.nn.silu(layer(h) + feature)
        return self.last(h)
