import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix import nn
from phix.space import Grid
from tests.rosters.case import Case, cast


def _unit(low, high):
    return nn.MinMax(jnp.full(1, low, jnp.float32), jnp.full(1, high, jnp.float32))


def _standard():
    return nn.Standardiser(jnp.zeros(1, jnp.float32), jnp.ones(1, jnp.float32))


def _decoder(dtype):
    points = jnp.linspace(0.0, 2.0, 5, dtype=dtype)[:, None]
    # Drawn in float32 whatever dtype is, so that both precisions see one network.
    drawn = nn.SineDecoder(
        _unit(0.0, 2.0), _standard(), latent_size=2, width=4, depth=2, key=jr.key(0)
    )

    def decode(mean, std, latent, points):
        decoder = eqx.tree_at(
            lambda d: d.fields, cast(drawn, dtype), nn.Standardiser(mean, std)
        )
        return decoder(points, latent)

    args = (jnp.ones(1, dtype), jnp.full(1, 0.5, dtype), jnp.ones(2, dtype), points)
    return decode, args


def _fourier(dtype):
    points = jnp.linspace(0.0, 2.0, 5, dtype=dtype)[:, None]
    drawn = nn.FourierDecoder(
        _unit(0.0, 2.0), _standard(), latent_size=2, width=4, depth=2, key=jr.key(0)
    )

    def decode(mean, std, latent, points):
        decoder = eqx.tree_at(
            lambda d: d.fields, cast(drawn, dtype), nn.Standardiser(mean, std)
        )
        return decoder(points, latent), decoder.jacobian(points, latent)

    args = (jnp.ones(1, dtype), jnp.full(1, 0.5, dtype), jnp.ones(2, dtype), points)
    return decode, args


def _dynamics(dtype):
    drawn = nn.SwishDynamics(2, _standard(), width=4, depth=2, key=jr.key(0))

    def velocity(mean, std, latent, cond):
        dynamics = eqx.tree_at(
            lambda d: d.parameters, cast(drawn, dtype), nn.Standardiser(mean, std)
        )
        damped = nn.DissipativeDynamics(dynamics, dynamics)
        return dynamics(0.0, latent, cond), damped(0.0, latent, cond)

    args = (
        jnp.full(1, 0.02, dtype),
        jnp.full(1, 0.01, dtype),
        jnp.array([0.3, -0.5], dtype),
        jnp.array([0.03], dtype),
    )
    return velocity, args


def _time_mlp(dtype):
    drawn = nn.TimeMLP(2, 1, width=4, depth=2, key=jr.key(0), dtype=jnp.float32)
    drawn = eqx.tree_at(lambda m: m.last.weight, drawn, jnp.ones((2, 4), jnp.float32))

    def velocity(t, x, cond):
        return cast(drawn, dtype)(t, x, cond)

    args = (jnp.asarray(0.7, dtype), jnp.array([0.3, -0.5], dtype))
    return velocity, (*args, jnp.array([0.4], dtype))


def _fields(dtype):
    line = Grid(4, (0.0, 1.0))
    call = dict(key=jr.key(0), dtype=jnp.float32)
    unet = nn.UNet(line, widths=(4, 4), depth=1, **call)
    dit = nn.DiT(line, patch=2, width=4, depth=1, heads=1, **call)
    # The last layers start at zero.
    unet, dit = jax.tree.map(
        lambda x: x + 0.1 if eqx.is_inexact_array(x) else x, (unet, dit)
    )

    def both(t, x):
        return [cast(net, dtype)(t, x, None) for net in (unet, dit)]

    return both, (jnp.asarray(0.7, dtype), jnp.array([[0.3, -0.5, 0.2, 0.9]], dtype))


def _convolution(dtype):
    layer = nn.Convolution((1, 1), (True,), key=jr.key(0), dtype=jnp.float32)

    def convolve(weight, bias, x):
        moved = eqx.tree_at(lambda c: (c.weight, c.bias), layer, (weight, bias))
        return moved(x)

    args = (jnp.array([[[0.5, 1.0, -0.3]]], dtype), jnp.ones(1, dtype))
    return convolve, (*args, jnp.array([[0.3, -0.5, 0.2, 0.9]], dtype))


def _normalisers(dtype):
    def both(lower, upper, x):
        boxed = nn.MinMax(lower, upper)(x)
        data = jnp.stack([x.ravel(), 2 * x.ravel() ** 2])
        standardised = nn.Standardiser.of(data, axis=0)(data)
        return boxed, standardised

    x = jnp.array([[0.2, 0.9], [0.4, 0.1], [0.7, 0.3]], dtype)
    return both, (jnp.zeros(2, dtype), jnp.ones(2, dtype), x)


CASES = [
    Case(
        "sine decoder",
        _decoder,
        ("SineDecoder", "MinMax", "Standardiser"),
        networks="their weights",
    ),
    Case(
        "Fourier decoder",
        _fourier,
        ("FourierDecoder", "AbstractPointDecoder"),
        networks="their weights",
    ),
    Case(
        "swish dynamics",
        _dynamics,
        ("SwishDynamics", "DissipativeDynamics"),
        networks="their weights",
    ),
    Case("time MLP", _time_mlp, ("TimeMLP",), networks="their weights"),
    Case(
        "networks on fields",
        _fields,
        ("UNet", "DiT"),
        slow="run eagerly they compile for ten seconds; tests/nn has their truths",
        networks="their weights",
    ),
    Case("convolution", _convolution, ("Convolution",), networks="their weights"),
    Case("normalisers", _normalisers, ("MinMax", "Standardiser")),
]
EXEMPT = {
    "AbstractConditioned": "abstract; its final classes are in the roster",
    "AbstractNormaliser": "abstract; its final classes are in the roster",
    "Fixed": "computes nothing; tests/rom/test_options.py trains around it",
    "LowPrecision": "too coarse for differences; tests/nn/test_low_precision.py",
    "trainable": "marks leaves with Booleans; computes nothing",
}
