"""Implicit neural representations of a field: what they share, and the sine MLP."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._errors import require
from phix._types import Array, Float, PRNGKeyArray
from phix.nn._normalise import MinMax, Standardiser
from phix.num import sine


class AbstractPointDecoder(eqx.Module):
    """A network whose value at one point depends on that point and the latent alone.

    - `coordinates`, `fields`: normalisers of the points and of the channels.
    - `latent_size`: r, the length of the latent vector.
    """

    coordinates: eqx.AbstractVar[MinMax]
    fields: eqx.AbstractVar[Standardiser]
    latent_size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def __call__(
        self, points: Float[Array, "points dim"], latent: Float[Array, " *latent"]
    ) -> Float[Array, "channels points"]:
        """The field of `latent` at `points` (in the units of the coordinates)."""

    def jacobian(
        self, points: Float[Array, "points dim"], latent: Float[Array, " latent"]
    ) -> Float[Array, "channels points latent"]:
        r"""$\partial u_c(x_i; \alpha)/\partial\alpha_k$ at every point.

        By forward mode it costs r evaluations of the points, by reverse mode, point by
        point, about three for each channel: the cheaper one is taken. What depends on
        the latent alone is still computed once.
        """
        channels = self.fields.mean.shape[0]
        if channels >= latent.shape[0]:
            return jax.jacfwd(lambda a: self(points, a))(latent)

        def at(point):
            value, pull = jax.vjp(lambda a: self(point[None], a)[:, 0], latent)
            # One by one, not by vmap: derivatives of this are sums over the channels,
            # which XLA takes slowly on CPUs as reductions over a short axis.
            rows = [pull(row)[0] for row in jnp.eye(channels, dtype=value.dtype)]
            return jnp.stack(rows)

        return jax.vmap(at, out_axes=1)(points)


class SineDecoder(AbstractPointDecoder):
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
        check_decoded(self, points, latent)
        dim = self.coordinates.lower.shape[0]
        first, *hidden, last = self.layers
        offset = first.weight[:, dim:] @ latent + bias_of(first)
        # As the weight of one more coordinate, since derivatives of a broadcast sum
        # are slow on CPUs where those of a matrix product are not.
        weight = jnp.concatenate([first.weight[:, :dim], offset[:, None]], axis=1)
        ones = jnp.ones((points.shape[0], 1), weight.dtype)
        h = sine(jnp.concatenate([self.coordinates(points), ones], axis=1) @ weight.T)
        for layer in hidden:
            h = sine(h @ layer.weight.T + bias_of(layer))
        return self.fields.inverse((h @ last.weight.T + bias_of(last)).T)


def bias_of(layer: eqx.nn.Linear) -> Array:
    """The bias of a layer that has one."""
    assert layer.bias is not None
    return layer.bias


def check_decoded(decoder: AbstractPointDecoder, points: Array, latent: Array) -> None:
    """Refuses points of another dimension, and latents of another length."""
    dim, size = decoder.coordinates.lower.shape[0], decoder.latent_size
    require(
        points.shape[1:] == (dim,),
        f"points must have shape (points, {dim}), got {points.shape}.",
    )
    require(
        latent.shape == (size,),
        f"latent must have shape ({size},), got {latent.shape}; vmap over many "
        "latents.",
    )
