"""Equations and schemes under jit, vmap and grad at once: the table and the check.

A new equation is a line of `tests/rosters/equations.py`, a new scheme one of `SCHEMES`.
"""

import itertools
from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix import integrate, pde
from phix.integrate import solve
from phix.pde import AbstractDiscrete, AbstractHamiltonian, AbstractSemilinear
from phix.space import Grid, laplacian
from tests.rosters.equations import EQUATIONS


# Odd and even, square and not, in both precisions.
SETTINGS = list(
    itertools.product((jnp.float64, jnp.float32), ((10, 10), (11, 10), (13, 11)))
)


def _waves(grid, dtype):
    x = jnp.asarray(grid.coordinates, dtype)
    return (1.5 + jnp.sin(x[:1]) + 0.3 * jnp.cos(2 * x[-1:])).astype(dtype)


def _diffusion(dtype, shape):
    grid = Grid(shape, (0.0, 6.0), boundary="neumann")
    return pde.Diffusion(grid, nu=jnp.asarray(0.3, dtype)), _waves(grid, dtype), 0.05


def _burgers(dtype, shape):
    grid = Grid(shape[0], (0.0, 6.0), boundary=("inflow", "outflow"))
    return pde.Burgers(grid, jnp.asarray(0.1, dtype)), _waves(grid, dtype), 0.05


def _rhs(dtype, shape):
    grid = Grid(shape, (0.0, 6.0))
    rate = jnp.asarray(0.7, dtype)
    equation = pde.from_rhs(
        lambda t, u, args, rate: laplacian(grid, u) - rate * u**2, grid, rate=rate
    )
    return equation, _waves(grid, dtype), 0.05


def _step(dtype, shape):
    grid = Grid(shape, (0.0, 6.0))
    rate = jnp.asarray(0.7, dtype)
    equation = pde.from_step(
        lambda u, t, args, rate: jnp.sin(rate * u), 0.5, grid, rate=rate
    )
    return equation, _waves(grid, dtype), 0.5


def _hamiltonian(dtype, shape):
    u0 = jnp.sin(jnp.arange(2.0 * shape[0])).reshape(2, -1).astype(dtype)
    equation = pde.from_hamiltonian(
        lambda q, p, k: jnp.sum(0.5 * p**2 + k * q**4), u0, k=jnp.asarray(0.7, dtype)
    )
    return equation, u0, 0.05


def _symbol(dtype, shape):
    grid = Grid(shape, (0.0, 6.0))
    equation = pde.from_symbol(
        lambda modes, nu: (nu * modes.laplacian - modes.derivative(0, 3))[None],
        grid,
        nonlinear=lambda t, y, args, modes, nu: (
            -nu * modes.to_modes(modes.to_nodes(y) ** 2)
        ),
        nu=jnp.asarray(0.1, dtype),
    )
    return equation, _waves(grid, dtype), 0.05


ALL_EQUATIONS = EQUATIONS | {
    "Diffusion": _diffusion,
    "Burgers": _burgers,
    "from_rhs": _rhs,
    "from_step": _step,
    "from_symbol": _symbol,
    "from_hamiltonian": _hamiltonian,
}

SPLIT = {
    name: scheme()
    for name, scheme in vars(integrate).items()
    if isinstance(scheme, type)
    and issubclass(scheme, integrate.AbstractSplitScheme)
    and scheme is not integrate.AbstractSplitScheme
}
# The others run the same code on other tables.
SYMPLECTIC = {
    "StormerVerlet": integrate.StormerVerlet(),
    "Strang": integrate.Strang(),
}
SCHEMES = (
    SPLIT | SYMPLECTIC | {"Tsit5": dfx.Tsit5(), "ImplicitEuler": dfx.ImplicitEuler()}
)


def fits(scheme: dfx.AbstractSolver, equation: pde.AbstractEquation) -> bool:
    """Whether an equation can be stepped by a scheme.

    Split schemes want a symbol, symplectic ones an energy and those with an exact flow
    its linear part; Diffrax's implicit ones want real numbers.
    """
    if isinstance(equation, AbstractDiscrete):
        return False
    if isinstance(equation, AbstractHamiltonian):
        symplectic = isinstance(scheme, integrate.AbstractSymplectic)
        return symplectic and (not scheme.exact or equation.stiffness() is not None)
    if isinstance(scheme, integrate.AbstractSymplectic):
        return False
    if isinstance(equation, AbstractSemilinear):
        return not isinstance(scheme, dfx.AbstractImplicitSolver)
    return not isinstance(scheme, integrate.AbstractSplitScheme)


def _directions(leaves, generator):
    """Noise as large as every leaf, one draw after the other."""

    def draw(x):
        noise = generator.normal(size=(2, *x.shape))
        noise = noise[0] + 1j * noise[1] if jnp.iscomplexobj(x) else noise[0]
        size = jnp.sqrt(jnp.mean(jnp.abs(x) ** 2))
        return (size * jnp.asarray(noise)).astype(x.dtype)

    return jtu.tree_map(draw, leaves)


def check(build: Callable, scheme: dfx.AbstractSolver | None, dtype, shape) -> None:
    """Two steps: precision, and the gradient against rows of the same batch.

    Values at both ends of a short difference and the gradient in between are rows of
    one `vmap` of `value_and_grad` under `jit`, compiled once.
    """
    equation, u0, dt = build(dtype, shape)
    params, rest = eqx.partition(equation, eqx.is_inexact_array)
    leaves, generator = (params, u0), np.random.default_rng(0)
    weights = jnp.asarray(generator.normal(size=u0.shape), dtype)
    direction = _directions(leaves, generator)
    eps, tolerance = (1e-5, 1e-6) if dtype == jnp.float64 else (1e-2, 1e-2)

    def value(leaves):
        params, u0 = leaves
        given = None if isinstance(equation, AbstractDiscrete) else dt
        us = solve(
            eqx.combine(params, rest),
            u0,
            np.array([0.0, 2 * dt]),
            dt=given,
            scheme=scheme,
            throw=False,
        ).us
        return jnp.sum(weights * jnp.abs(us[-1]) ** 2)

    rows = [
        jtu.tree_map(lambda x, v, s=s: (x + s * eps * v).astype(x.dtype), leaves,
                     direction)
        for s in (0, 1, -1)
    ]  # fmt: skip
    batch = jtu.tree_map(lambda *xs: jnp.stack(xs), *rows)
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(value)))(batch)
    assert values.dtype == dtype
    pairs = zip(jtu.tree_leaves(gradients), jtu.tree_leaves(batch), strict=True)
    assert all(g.dtype == x.dtype and jnp.all(jnp.isfinite(g)) for g, x in pairs)
    slope = float(values[1] - values[2]) / (2 * eps)
    products = jtu.tree_map(
        lambda g, v: jnp.sum(jnp.real(g[0] * v)), gradients, direction
    )
    by_ad = float(sum(jtu.tree_leaves(products)))
    assert abs(by_ad - slope) <= tolerance * (abs(slope) + float(jnp.abs(values[0])))
