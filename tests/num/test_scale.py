"""Tables times coefficients in as little arithmetic as it takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from phix.num import scale
from phix.pde._semilinear import apply_symbol, like_modes


KINDS = ("real", "imaginary", "complex", "traced")
numbers = st.floats(-1e3, 1e3, width=32)


def make(kind, a, b):
    """A table of the kind named, of three rows."""
    rows = np.asarray([[a], [b], [a - b]], np.float32)
    if kind == "real":
        return rows
    if kind == "imaginary":
        return 1j * rows
    table = rows + 1j * rows[::-1]
    return jnp.asarray(table) if kind == "traced" else table


def check_product(fn, table, z):
    """fn(table, z) is the product, in double precision, to single precision."""
    found, table, z = map(np.asarray, (fn(table, z), table, z))
    assert found.dtype == np.result_type(table, z)
    exact = table.astype(complex) * z.astype(complex)
    assert np.all(np.abs(found - exact) <= 4e-7 * np.abs(table) * np.abs(z) + 1e-30)


@given(st.sampled_from(KINDS), numbers, numbers, numbers, numbers)
def test_it_is_the_product(kind, a, b, x, y):
    z = jnp.asarray([[x + 1j * y, y - 2j * x, 1.0]], jnp.complex64)
    check_product(scale, make(kind, a, b), z)
    if kind == "real":
        check_product(scale, make(kind, a, b), z.real)


def test_parts_of_the_wrong_sign_are_found():
    def conjugate(table, z):
        return scale(table, jnp.conj(z))

    z = jnp.asarray([[1 + 2j]], jnp.complex64)
    for kind in KINDS:
        with pytest.raises(AssertionError):
            check_product(conjugate, make(kind, 1.0, 2.0), z)


def check_cheap(fn, table):
    """A real or imaginary table takes two multiplications of real numbers."""
    z = jnp.ones((1, 3), jnp.complex64)
    jaxpr = jax.make_jaxpr(lambda z: fn(table, z))(z)
    kinds = [e.outvars[0].aval.dtype for e in jaxpr.eqns if e.primitive.name == "mul"]
    assert kinds == [jnp.float32, jnp.float32]


@pytest.mark.parametrize("kind", ["real", "imaginary"])
def test_nothing_is_made_complex_first(kind):
    check_cheap(scale, make(kind, 1.0, 2.0))
    with pytest.raises(AssertionError):
        check_cheap(lambda table, z: table * z, make(kind, 1.0, 2.0))


@pytest.mark.parametrize("kind", ["real", "imaginary"])
def test_symbols_are_not_made_complex_either(kind):
    symbol = make(kind, 1.0, 2.0).astype(float if kind == "real" else complex)
    check_cheap(apply_symbol, symbol)
    with pytest.raises(AssertionError):
        check_cheap(lambda symbol, z: like_modes(symbol, z) * z, symbol)
