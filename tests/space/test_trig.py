"""Sine and cosine transforms against SciPy's and against the functions themselves."""

import functools
import itertools

import hypothesis as hp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from phix.space import Grid
from phix.space._trig import Basis, trig_basis


SIDES, NODES = ("dirichlet", "neumann"), ("vertex", "centre")
CHOICES = list(itertools.product(SIDES, SIDES, NODES))
# From nodes to modes: SciPy's transform, its type, and what it multiplies a mode with:
# one number for all of them, and the factor for the first and the last.
SCIPY = {
    ("dirichlet", "dirichlet", "vertex"): (scipy.fft.dst, 1, 1, 1),
    ("dirichlet", "dirichlet", "centre"): (scipy.fft.dst, 2, 1, 2),
    ("neumann", "neumann", "vertex"): (scipy.fft.dct, 1, 2, 2),
    ("neumann", "neumann", "centre"): (scipy.fft.dct, 2, 2, 1),
    ("dirichlet", "neumann", "vertex"): (scipy.fft.dst, 3, 1, 1),
    ("neumann", "dirichlet", "vertex"): (scipy.fft.dct, 3, 1, 1),
    ("dirichlet", "neumann", "centre"): (scipy.fft.dst, 4, 1, 1),
    ("neumann", "dirichlet", "centre"): (scipy.fft.dct, 4, 1, 1),
}


def intervals(choice, n):
    *sides, node = choice
    return n if node == "centre" else n - 1 + sides.count("dirichlet")


@functools.lru_cache(maxsize=1)
def compiled(n):
    """All eight transforms of n nodes, both ways, in one program."""

    def both(u):
        bases = [trig_basis(*choice) for choice in CHOICES]
        coefficients = [basis.analyse(u, axis=1) for basis in bases]
        return coefficients, [basis.synthesise(u, n, axis=1) for basis in bases]

    return jax.jit(both)


@st.composite
def fields(draw):
    n = draw(st.integers(2, 17))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, n, 3)) + 1j * rng.normal(size=(2, n, 3))


def by_scipy(choice, u):
    transform, kind, first, last = SCIPY[choice]
    factor = np.full(u.shape[1], 1.0 * intervals(choice, u.shape[1]))
    factor[0] *= first
    factor[-1] *= last
    return transform(u, type=kind, axis=1) / factor[:, None]


def by_definition(choice, c):
    """The sum of the modes at the nodes that the grid says."""
    left, right, node = choice
    sides = left if left == right else (left, right)
    grid, n = Grid(c.shape[1], (1.0, 3.5), sides, node), c.shape[1]
    m = np.arange(n) + (0.5 if left != right else left == "dirichlet")
    angle = np.asarray(grid.axes[0] - 1.0)[:, None] * m * np.pi / 2.5
    modes = np.sin(angle) if left == "dirichlet" else np.cos(angle)
    return np.einsum("jm,amb->ajb", modes, c)


def check_transforms(transforms, u):
    """`transforms(u)`: what each of the eight makes of u as nodes, and as modes."""
    for choice, c, nodes in zip(CHOICES, *transforms(u), strict=True):
        np.testing.assert_allclose(c, by_scipy(choice, u), rtol=0, atol=1e-13)
        np.testing.assert_allclose(nodes, by_definition(choice, u), rtol=0, atol=2e-13)


@hp.settings(max_examples=8, deadline=None, derandomize=True)
@hp.given(fields())
@hp.example(np.array([[[1.0, 2j, -1.0], [0.5, 1.0, 3.0]]] * 2))
@hp.example(np.ones((2, 3, 3)) + 0j)
def test_transforms_equal_those_of_scipy_and_the_sums(u):
    check_transforms(compiled(u.shape[1]), u)


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_check_sees_a_mode_of_wrong_weight(choice):
    u = np.random.default_rng(0).normal(size=(2, 4, 3)) + 0j

    def careless(u):
        """One transform forgets that its last mode is the odd one out, or thinks so."""
        coefficients = [by_scipy(choice, u) for choice in CHOICES]
        coefficients[CHOICES.index(choice)][:, -1] *= 2
        return coefficients, [by_definition(choice, u) for choice in CHOICES]

    with pytest.raises(AssertionError):
        check_transforms(careless, u)


def check_roundtrip(basis, n, dtype, tolerance):
    u = np.random.default_rng(n).normal(size=(3, n))

    @jax.jit
    def there_and_back(u):
        return basis.synthesise(basis.analyse(u, -1), n, -1)

    back = there_and_back(jnp.asarray(u, dtype))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, u, rtol=0, atol=tolerance)


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_roundtrip(choice):
    check_roundtrip(trig_basis(*choice), 65, jnp.float64, 1e-13)
    check_roundtrip(trig_basis(*choice), 64, jnp.float32, 2e-6)


class OneNodeOff:
    """Takes the field for one of the other kind of nodes on its way back."""

    def __init__(self, basis):
        self.analyse = basis.analyse
        self.synthesise = Basis(basis.odd, not basis.centre).synthesise


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_check_of_the_roundtrip_sees_other_nodes(choice):
    with pytest.raises(AssertionError):
        check_roundtrip(OneNodeOff(trig_basis(*choice)), 9, jnp.float64, 1e-13)


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_fewer_coefficients_stand_for_zeros(choice):
    basis, c = trig_basis(*choice), np.arange(1.0, 4.0)
    padded = np.concatenate([c, np.zeros(3)])
    np.testing.assert_allclose(
        basis.synthesise(jnp.asarray(c), 6),
        by_definition(choice, padded[None, :, None])[0, :, 0],
        atol=1e-13,
    )


def test_ends_without_sines_or_cosines_are_refused():
    with pytest.raises(ValueError, match="need Dirichlet or Neumann ends, got"):
        trig_basis("inflow", "neumann", "vertex")
