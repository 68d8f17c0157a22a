"""The multiplicative Fourier network as an implicit neural representation."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.nn._decoder import AbstractPointDecoder, bias_of, check_decoded
from phix.nn._normalise import MinMax, Standardiser
from phix.num import cosine, sine


class FourierDecoder(AbstractPointDecoder):
    r"""A field from a latent: products of Fourier filters, shifted by the latent.

    $$
    h_0 = (b_0 + H_0\alpha) \odot g_0(\tilde x), \quad
    h_l = (W_l h_{l-1} + b_l + H_l\alpha) \odot g_l(\tilde x), \quad
    u(x; \alpha) = s\,(W h + b) + m
    $$

    with filters $g_l(\tilde x) = [\sin F_l\tilde x, \cos F_l\tilde x]$ of trainable
    frequencies, $\tilde x$ the coordinates in $[-1, 1]$, and $m, s$ the mean and
    deviation of each channel. The field is a sum of sines of x whose number grows
    exponentially with the depth. Filters depend on the points alone and shifts on the
    latent alone: under `vmap` over latents the filters are computed once for all of
    them, the shifts once for a latent, and a layer is one matrix product.

    Since the latent enters by shifts alone, the field is *affine* in it,
    $u(x; \alpha) = m(x) + V(x)\,\alpha$, see `basis`: a linear model whose modes are
    learnt and known at every point. It needs as many latents as any linear model; where
    fields travel, `SineDecoder` needs far fewer.

    **Arguments:**

    - `coordinates`, `fields`: normalisers of the points and the channels.
    - `latent_size`: r.
    - `width`: neurons of a layer, an even number, half sines and half cosines.
    - `depth`: number of filters.
    - `key`: for the initial weights.

    **Good values:** width 64 to 80, depth 3 for two space dimensions.

    **Reference:** Y. Yin et al., Continuous PDE dynamics forecasting with implicit
    neural representations (DINo), ICLR 2023; R. Fathony et al., Multiplicative filter
    networks, ICLR 2021.
    """

    frequencies: Float[Array, "depth half dim"]
    shifts: Float[Array, "depth width latent"]
    first: Float[Array, " width"]
    layers: tuple[eqx.nn.Linear, ...]
    coordinates: MinMax
    fields: Standardiser
    latent_size: int = eqx.field(static=True)

    def __init__(
        self,
        coordinates: MinMax,
        fields: Standardiser,
        *,
        latent_size: int,
        width: int = 64,
        depth: int = 3,
        key: PRNGKeyArray,
    ):
        require(
            min(latent_size, width, depth) >= 1 and width % 2 == 0,
            "FourierDecoder needs latent_size and depth of at least 1 and an even "
            f"width, got {latent_size}, {depth} and {width}.",
        )
        dim, channels = coordinates.lower.shape[0], fields.mean.shape[0]
        dtype = fields.mean.dtype
        *keys, filters, shifts, first = jr.split(key, depth + 3)
        self.frequencies = _uniform(filters, (depth, width // 2, dim), 6 / dim, dtype)
        self.shifts = _uniform(
            shifts, (depth, width, latent_size), 1 / latent_size, dtype
        )
        self.first = _uniform(first, (width,), 1 / latent_size, dtype)
        self.layers = tuple(
            _linear(width, size, dtype, key)
            for size, key in zip([width] * (depth - 1) + [channels], keys, strict=True)
        )
        self.coordinates = coordinates
        self.fields = fields
        self.latent_size = latent_size

    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " *latent"]
    ) -> Float[Array, "channels points"]:
        """The field of `latent` at `points` (in the units of the coordinates)."""
        check_decoded(self, points, latent)
        filters = self.filters(points)
        shifts = self.shifts @ latent
        *hidden, last = self.layers
        h = (self.first + shifts[0]) * filters[0]
        for layer, shift, wave in zip(hidden, shifts[1:], filters[1:], strict=True):
            h = (h @ layer.weight.T + (bias_of(layer) + shift)) * wave
        return self.fields.inverse((h @ last.weight.T + bias_of(last)).T)

    def basis(
        self, points: Float[Array, "points dim"]
    ) -> tuple[Float[Array, "channels points"], Float[Array, "channels points latent"]]:
        r"""$m$ and $V$ at the points, with which $u = m + V\alpha$ for every latent.

        The cost of one decode and one `jacobian`.
        """
        none = jnp.zeros(self.latent_size, self.fields.mean.dtype)
        return self(points, none), self.jacobian(points, none)

    def filters(
        self, points: Float[Array, "points dim"]
    ) -> Float[Array, "depth points width"]:
        """Sines and cosines at the points: all that the field needs to know of them."""
        phase = jnp.einsum("pd,lwd->lpw", self.coordinates(points), self.frequencies)
        return jnp.concatenate([sine(phase), cosine(phase)], axis=-1)


def _linear(width: int, size: int, dtype, key: PRNGKeyArray) -> eqx.nn.Linear:
    """A layer whose weights keep the variance of products with sines."""
    layer = eqx.nn.Linear(width, size, dtype=dtype, key=key)
    weight = _uniform(key, (size, width), 6 / width, dtype)
    return eqx.tree_at(lambda made: made.weight, layer, weight)


def _uniform(key: PRNGKeyArray, shape: tuple, square: float, dtype) -> Array:
    """Numbers within ±√square."""
    return square**0.5 * jr.uniform(key, shape, dtype, minval=-1.0)
