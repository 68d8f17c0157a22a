"""Networks from fields to fields: convolutions, the U-Net, the transformer."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest
import scipy.ndimage

from phix import nn
from phix.space import Grid


SQUARE = Grid((8, 12), (0.0, 1.0))
CHANNEL = Grid((8, 12), (0.0, 1.0), ("periodic", "dirichlet"), "centre")


def drawn(kind, grid, **choices):
    """Weights away from their start, where the last layer is zero."""
    shapes, rest = eqx.partition(
        eqx.filter_eval_shape(kind, grid, 1, 1, key=jr.key(0), **choices),
        lambda x: isinstance(x, jax.ShapeDtypeStruct),
    )
    rng = np.random.default_rng(5)
    weights = jax.tree.map(
        lambda x: jnp.asarray(0.4 * rng.normal(size=x.shape)), shapes
    )
    return eqx.combine(weights, rest)


@functools.cache
def unet(grid, **choices):
    return drawn(nn.UNet, grid, **{"widths": (4, 8), "depth": 1, **choices})


@functools.cache
def dit(grid):
    return drawn(nn.DiT, grid, patch=2, width=8, depth=1, heads=2)


def fields():
    return jnp.asarray(np.random.default_rng(1).normal(size=(2, 1, 8, 12)))


def correlated(weight, bias, u, modes):
    """By SciPy, one channel after the other; modes of the axes need not be one."""
    reach = weight.shape[-1] // 2
    out = np.zeros((weight.shape[0], *u.shape[1:]))
    for o, kernels in enumerate(weight):
        for channel, kernel in zip(u, kernels, strict=True):
            for axis, mode in enumerate(modes):
                width = [(0, 0)] * channel.ndim
                width[axis] = (reach, reach)
                channel = np.pad(channel, width, mode=mode)
            full = scipy.ndimage.correlate(channel, kernel, mode="constant")
            out[o] += full[(slice(reach, -reach),) * channel.ndim]
    return out + bias.reshape(-1, *[1] * (u.ndim - 1))


def check_convolution(layer, shape, modes):
    u = np.random.default_rng(0).normal(size=(layer.weight.shape[1], *shape))
    truth = correlated(*map(np.asarray, (layer.weight, layer.bias)), u, modes)
    np.testing.assert_allclose(layer(jnp.asarray(u)), truth, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "shape, periodic, size",
    [
        ((7,), (True,), 5),
        ((6, 5), (True, False), 3),
        ((4, 3, 5), (False, True, True), 3),
    ],
)
def test_convolutions_are_those_of_scipy(shape, periodic, size):
    layer = nn.Convolution((2, 3), periodic, size=size, key=jr.key(0))
    modes = ["wrap" if goes else "constant" for goes in periodic]
    check_convolution(layer, shape, modes)
    with pytest.raises(AssertionError):
        check_convolution(layer, shape, ["reflect", *modes[1:]])


def check_shifts(run, shift):
    """A shifted field has the shifted output, conditions shifted too."""
    x, c = fields()
    roll = lambda u: jnp.roll(u, shift, (1, 2))  # noqa: E731
    np.testing.assert_allclose(
        run(0.3, roll(x), roll(c)), roll(run(0.3, x, c)), atol=1e-10
    )


@pytest.mark.parametrize("build", [unet, dit])
def test_networks_go_round_periodic_grids(build):
    run = eqx.filter_jit(build(SQUARE))
    check_shifts(run, (2, -4))
    with pytest.raises(AssertionError):  # patches, or the coarser nodes, are not split
        check_shifts(run, (1, 0))
    # With a wall the network commutes with shifts along it and no others.
    walled = eqx.filter_jit(build(CHANNEL))
    check_shifts(walled, (2, 0))
    with pytest.raises(AssertionError):
        check_shifts(walled, (0, 2))


def test_a_line_and_patches():
    run = eqx.filter_jit(unet(Grid(8, (0.0, 1.0)), patch=2))
    x = fields()[0, :, 0, :8]
    shifted = jnp.roll(x, 4, 1)
    y = run(0.3, x, x)
    assert y.shape == (1, 8)
    np.testing.assert_allclose(
        run(0.3, shifted, shifted), jnp.roll(y, 4, 1), atol=1e-10
    )


# Slow for the U-Net: its derivative compiles for five seconds.
@pytest.mark.parametrize("build", [pytest.param(unet, marks=pytest.mark.slow), dit])
def test_every_weight_matters(build):
    net = build(SQUARE)
    x, c = fields()
    trained, rest = eqx.partition(net, nn.trainable(net))

    @jax.jit
    def slopes(trained, t):
        probe = jnp.arange(x.size).reshape(x.shape) - 20.0
        total = lambda m, t: jnp.sum(probe * eqx.combine(m, rest)(t, x, c))  # noqa: E731
        return jax.grad(total, argnums=(0, 1))(trained, t)

    weights, time = slopes(trained, 0.3)
    assert abs(time) > 0
    for path, leaf in jtu.tree_leaves_with_path(weights):
        assert jnp.any(leaf != 0), jtu.keystr(path)


def equations(net):
    x = jnp.ones((1, 8, 12))
    return len(str(jax.make_jaxpr(net)(0.3, x, x)).splitlines())


def test_depth_costs_no_compilation():
    """Equal blocks are one scan."""
    assert equations(unet(SQUARE, depth=4)) == equations(unet(SQUARE, depth=1))


def test_networks_start_as_those_that_know_nothing():
    """The last layer is zero, and in the transformer every gate."""

    @jax.jit
    def zeros(key):
        unet = nn.UNet(SQUARE, widths=(4, 4), depth=1, key=key)
        dit = nn.DiT(SQUARE, width=8, heads=2, depth=1, key=key)
        return unet.last, dit.last, dit.modulate, dit.blocks.modulate

    assert not any(jnp.any(x) for x in jax.tree.leaves(zeros(jr.key(0))))


def test_bad_networks_are_named():
    key = jr.key(0)
    with pytest.raises(ValueError, match=r"`grid`: every axis must divide by 8"):
        nn.UNet(SQUARE, widths=(4, 4), patch=4, key=key)
    with pytest.raises(ValueError, match="`widths` must be multiples of 4"):
        nn.UNet(SQUARE, widths=(6, 8), key=key)
    with pytest.raises(ValueError, match="UNet needs"):
        nn.UNet(SQUARE, depth=0, key=key)
    with pytest.raises(ValueError, match="`grid` must be 1-D or 2-D"):
        nn.UNet(Grid((4, 4, 4), (0.0, 1.0)), key=key)
    with pytest.raises(ValueError, match="`width` must divide by 2 · heads · 2"):
        nn.DiT(SQUARE, width=12, heads=2, key=key)
    with pytest.raises(ValueError, match="DiT needs"):
        nn.DiT(SQUARE, depth=0, key=key)
    with pytest.raises(ValueError, match="`size` must be odd"):
        nn.Convolution((1, 1), (True,), size=2, key=key)
    with pytest.raises(ValueError, match="convolution of 1 channels on 1 axes"):
        nn.Convolution((1, 1), (True,), key=key)(jnp.ones((2, 4)))
    x = jnp.ones((1, 8, 12))
    with pytest.raises(ValueError, match=r"`x` must have shape \(1, 8, 12\).*vmap"):
        unet(SQUARE)(0.3, jnp.ones((1, 8, 8)), x)
    with pytest.raises(ValueError, match=r"`cond` must have shape \(1, 8, 12\)"):
        dit(SQUARE)(0.3, x)
