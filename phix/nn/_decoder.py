"""The sine multilayer perceptron as an implicit neural representation of a field."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.nn._normalise import MinMax, Standardiser


class SineDecoder(eqx.Module):
    r"""A field from a latent vector, at any points: a plain sine MLP.

    $$
    h_0 = \sin(W_x \tilde x + W_\alpha \alpha + b), \quad
    h_{l+1} = \sin(W_l h_l + b_l), \quad
    u(x; \alpha) = s\,(W h + b) + m
    $$

    with $\tilde x$ the coordinates in $[-1, 1]$ and $m, s$ the mean and deviation of
    each channel. $W_\alpha \alpha + b$ is formed once per latent and every layer is one
    matrix product over all the points.

    **Arguments:**

    - `coordinates`: normaliser of the points (`MinMax.of(grid.points)`).
    - `fields`: normaliser of the channels (`Standardiser.of(us, axis=…)`).
    - `latent_size`: r, the length of the latent vector.
    - `width`, `depth`: neurons of a layer, number of sine layers.
    - `key`: for the initial weights, uniform in ±1/√fan_in.

    **Good values:** width 32, depth 4 for one space dimension and r = 4.

    **Reference:** the MLP decoder of Φ-ROM, arXiv 2505.14595.
    """

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
        width: int = 32,
        depth: int = 4,
        key: PRNGKeyArray,
    ):
        require(
            min(latent_size, width, depth) >= 1,
            "SineDecoder needs latent_size, width and depth of at least 1, got "
            f"{latent_size}, {width} and {depth}.",
        )
        dim, channels = coordinates.lower.shape[0], fields.mean.shape[0]
        sizes = [dim + latent_size, *[width] * depth, channels]
        self.layers = tuple(
            eqx.nn.Linear(a, b, dtype=fields.mean.dtype, key=k)
            for a, b, k in zip(
                sizes[:-1], sizes[1:], jr.split(key, depth + 1), strict=True
            )
        )
        self.coordinates = coordinates
        self.fields = fields
        self.latent_size = latent_size

    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " *latent"]
    ) -> Float[Array, "channels points"]:
        """The field of `latent` at `points` (in the units of the coordinates)."""
        dim = self.coordinates.lower.shape[0]
        require(
            points.shape[1:] == (dim,),
            f"points must have shape (points, {dim}), got {points.shape}.",
        )
        require(
            latent.shape == (self.latent_size,),
            f"latent must have shape ({self.latent_size},), got {latent.shape}; vmap "
            "over many latents.",
        )
        first, *hidden, last = self.layers
        offset = first.weight[:, dim:] @ latent + _bias(first)
        h = jnp.sin(self.coordinates(points) @ first.weight[:, :dim].T + offset)
        for layer in hidden:
            h = jnp.sin(h @ layer.weight.T + _bias(layer))
        return self.fields.inverse((h @ last.weight.T + _bias(last)).T)


def _bias(layer: eqx.nn.Linear) -> Array:
    assert layer.bias is not None
    return layer.bias
