"""Networks in bfloat16, and with blocks computed twice."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from phix import nn
from phix.space import Grid


GRID = Grid((8, 8), (0.0, 1.0))
KINDS = {
    "U-Net": (nn.UNet, {"widths": (8, 16), "depth": 4}),
    "transformer": (nn.DiT, {"patch": 2, "width": 16, "depth": 4, "heads": 2}),
}
# What bfloat16 would spoil: sums of many numbers, exponentials, angles.
FRAGILE = {"reduce_sum", "exp", "sin", "cos", "rsqrt", "sqrt", "fft"}
PRODUCTS = {"dot_general", "conv_general_dilated"}


def network(kind, **more):
    """With weights away from their start, where the last layer is zero."""
    make, choices = KINDS[kind]
    net = make(GRID, **choices, **more, key=jr.key(0), dtype=jnp.float32)
    arrays, static = eqx.partition(net, eqx.is_array)
    leaves, tree = jax.tree.flatten(arrays)
    keys = jr.split(jr.key(1), len(leaves))
    pairs = zip(leaves, keys, strict=True)
    moved = [x + 0.2 * jr.normal(k, x.shape, x.dtype) for x, k in pairs]
    return eqx.combine(tree.unflatten(moved), static)


def field():
    return jr.normal(jr.key(2), (1, 8, 8), jnp.float32)


def operations(jaxpr):
    """Every operation with the dtypes of its floating inputs, inner programs too."""
    for equation in jaxpr.eqns:
        for inner in jaxprs_in_params(equation.params):
            yield from operations(inner)
        kinds = {v.aval.dtype for v in equation.invars if hasattr(v.aval, "dtype")}
        floats = {d.name for d in kinds if jnp.issubdtype(d, jnp.inexact)}
        yield equation.primitive.name, floats


def check_precisions(apply, x):
    """Products of fields in bfloat16, what is fragile not."""
    found = list(operations(jax.make_jaxpr(apply)(x).jaxpr))
    products = [floats for name, floats in found if name in PRODUCTS]
    assert products and all(floats == {"bfloat16"} for floats in products)
    fragile = [floats for name, floats in found if name in FRAGILE]
    assert fragile and all("bfloat16" not in floats for floats in fragile)


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_in_bfloat16_and_sums_are_not(kind):
    net = network(kind)
    features = net.features(jnp.float32(0.3), None)
    low = nn.LowPrecision(net)
    check_precisions(lambda x: low.apply(x, features, None), field())
    with pytest.raises(AssertionError):  # as it is
        check_precisions(lambda x: net.apply(x, features, None), field())

    def naive(x):
        x = x.astype(jnp.bfloat16)
        return jax.nn.softmax(x @ x.swapaxes(1, 2))

    with pytest.raises(AssertionError):
        check_precisions(naive, field())


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_out_is_near_and_in_the_dtype_of_what_goes_in(kind):
    net, u = network(kind), field()
    exact, rounded = net(0.3, u), nn.LowPrecision(net)(0.3, u)
    assert rounded.dtype == jnp.float32
    # A hundred roundings of 2⁻⁹, as a random walk.
    gap = jnp.linalg.norm(rounded - exact) / jnp.linalg.norm(exact)
    assert 1e-4 < gap < 10 * 2**-9


def test_gradients_keep_the_precision_of_the_weights():
    net, u = network("transformer"), field()

    def loss(net):
        return jnp.sum(net(0.3, u) ** 2)

    slope = eqx.filter_grad(loss)
    exact, rounded = slope(net), slope(nn.LowPrecision(net))
    pairs = zip(jax.tree.leaves(exact), jax.tree.leaves(rounded), strict=True)
    for a, b in pairs:
        assert a.dtype == b.dtype
    flat = [np.concatenate([np.ravel(x) for x in jax.tree.leaves(g)])
            for g in (exact, rounded)]  # fmt: skip
    assert np.linalg.norm(flat[0] - flat[1]) < 0.05 * np.linalg.norm(flat[0])


def kept(net, u):
    """Bytes that a gradient keeps from its way there, and the gradient."""

    def loss(net):
        return jnp.sum(net(0.3, u) ** 2)

    arrays, static = eqx.partition(net, eqx.is_array)
    grad = jax.jit(jax.grad(lambda a: loss(eqx.combine(a, static))))
    compiled = grad.lower(arrays).compile()
    memory = compiled.memory_analysis()
    assert memory is not None
    return memory.temp_size_in_bytes, compiled(arrays)


def check_lighter(plain, other):
    """The same gradient in three quarters of the memory at most."""
    (most, exact), (less, found) = plain, other
    pairs = zip(jax.tree.leaves(exact), jax.tree.leaves(found), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * float(jnp.abs(a).max()))
    assert less < 0.75 * most


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_computed_anew_keep_less(kind):
    u = field()
    plain = kept(network(kind), u)
    check_lighter(plain, kept(network(kind, remat=True), u))
    with pytest.raises(AssertionError):
        check_lighter(plain, plain)
