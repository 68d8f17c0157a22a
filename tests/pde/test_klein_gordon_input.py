"""What a Klein–Gordon equation refuses, and how it says so."""

import math
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import pde
from phix._errors import Result
from phix.integrate import StormerVerlet, Strang, solve
from phix.pde import KleinGordon, Linear, Phi4, SineGordon, kink
from phix.space import Grid, Twisted


GRID = Grid(64, (-20.0, 20.0))
X = GRID.axes[0]


@pytest.mark.parametrize(
    ("potential", "message"),
    [
        (np.tanh, "pure JAX function of phi alone"),
        (lambda phi, x: phi + x, "pure JAX function of phi alone"),
        (lambda phi: jnp.sum(phi**2), "one real number per point"),
        (lambda phi: random.random() * phi, "not a pure function"),
        (lambda phi: jnp.cumsum(phi), "not a pure function"),
        (lambda phi: jnp.sqrt(-1 - phi**2), "no finite force"),
    ],
)
def test_a_potential_that_is_none(potential, message):
    with pytest.raises(ValueError, match=message):
        KleinGordon(GRID, potential)


def test_a_force_that_is_not_finite_on_the_field():
    equation = KleinGordon(GRID, lambda phi: jnp.sqrt(jnp.maximum(phi, -0.5)))
    with pytest.raises(ValueError, match="no finite force at some values"):
        solve(equation, jnp.zeros((2, 64)), [0.0, 1.0], dt=0.1)


@pytest.mark.parametrize(
    ("potential", "given", "fits"),
    [
        (Phi4(), "periodic", "boundary='antiperiodic'"),
        (SineGordon(), "periodic", r"boundary=Twisted\(2 \* math.pi\)"),
        (Phi4(), "antiperiodic", "boundary='periodic'"),
    ],
)
def test_a_kink_on_sides_that_do_not_fit(potential, given, fits):
    grid = Grid(64, (-20.0, 20.0), given)
    u0 = kink(potential, X)
    if given == "antiperiodic":
        u0 = pde.kink_antikink(potential, X, speed=0.1, separation=20.0)
    with pytest.raises(ValueError, match=f"phi jumps by .* at the seam.*{fits}"):
        solve(KleinGordon(grid, potential), u0, [0.0, 1.0], dt=0.1)
    # Under a trace it is a result code.
    run = jax.vmap(
        lambda s: solve(KleinGordon(grid, potential), s * u0, [0.0, 0.1], dt=0.1)
    )(jnp.asarray([0.0, 1.0]))
    assert run.result.tolist() == [Result.successful, Result.invalid_parameter]


def test_a_potential_on_sides_that_do_not_suit_it():
    with pytest.raises(ValueError, match="V must be even"):
        KleinGordon(Grid(64, (0.0, 1.0), "antiperiodic"), lambda phi: phi**3)
    with pytest.raises(ValueError, match="V must repeat"):
        KleinGordon(Grid(64, (0.0, 1.0), Twisted(3.0)), SineGordon())


def test_steps_beyond_the_limit():
    equation = KleinGordon(GRID, SineGordon())
    u0 = pde.breather(X)
    limit = 2 / math.sqrt((math.pi / GRID.spacing[0]) ** 2 + 1)
    np.testing.assert_allclose(equation.stable_step(u0), limit, rtol=1e-3)
    with pytest.raises(ValueError, match="beyond the limit .* of StormerVerlet"):
        solve(equation, u0, [0.0, 12 * limit], dt=1.2 * limit, scheme=StormerVerlet())
    refused = solve(equation, u0, [0.0, 12 * limit], dt=1.2 * limit,
                    scheme=StormerVerlet(), throw=False)  # fmt: skip
    assert int(refused.result) == Result.invalid_parameter
    solve(equation, u0, [0.0, 12 * limit], dt=1.2 * limit, scheme=Strang())


def test_complex_fields():
    with pytest.raises(ValueError, match="u is complex, and KleinGordon moves a real"):
        solve(KleinGordon(GRID, SineGordon()), pde.breather(X) + 0j, [0.0, 1.0], dt=0.1)


def test_what_is_not_separable():
    with pytest.raises(ValueError, match="energy is not separable"):
        pde.from_hamiltonian(lambda q, p: jnp.sum((1 + q**2) * p**2), jnp.zeros((2, 1)))
    with pytest.raises(ValueError, match="real scalar"):
        pde.from_hamiltonian(lambda q, p: p**2, jnp.zeros((2, 1)))
    with pytest.raises(ValueError, match="two halves"):
        pde.from_hamiltonian(lambda q, p: jnp.sum(p**2), jnp.zeros((3, 1)))
    with pytest.raises(ValueError, match="separable Hamiltonian"):
        solve(lambda t, u, args: -u, jnp.ones(3), [0.0, 1.0], dt=0.1, scheme=Strang())


def test_other_wrong_arguments():
    with pytest.raises(ValueError, match="grid must be periodic or"):
        KleinGordon(Grid(8, (0.0, 1.0), ("inflow", "outflow")), Phi4())
    with pytest.raises(ValueError, match="even number of nodes"):
        KleinGordon(Grid(9, (0.0, 1.0), "antiperiodic"), Phi4())
    with pytest.raises(ValueError, match="damping must be a scalar or a field"):
        KleinGordon(GRID, Phi4(), damping=jnp.ones((1, 63)))
    with pytest.raises(ValueError, match="damping must be finite and within"):
        KleinGordon(GRID, Phi4(), damping=-0.1)
    with pytest.raises(ValueError, match="m must be finite"):
        KleinGordon(GRID, Linear(1.0)).replace(m=-1.0)
    with pytest.raises(ValueError, match="speed: a field needs periodic"):
        KleinGordon(Grid(8, (0.0, 1.0), "neumann"), Phi4(), speed=jnp.ones((1, 8)))
    with pytest.raises(ValueError, match="2 channel"):
        solve(KleinGordon(GRID, Phi4()), jnp.zeros((1, 64)), [0.0, 1.0], dt=0.1)
    with pytest.raises(ValueError, match="speed must be below"):
        kink(Phi4(), X, speed=1.0)
    with pytest.raises(ValueError, match="omega must be between"):
        pde.breather(X, omega=1.0)
    with pytest.raises(ValueError, match="no kink is known"):
        kink(Linear(1.0), X)
    with pytest.raises(ValueError, match="width must be positive"):
        pde.sponge(GRID, 20.0)
    with pytest.raises(ValueError, match="twisted sides"):
        KleinGordon(
            Grid(8, (0.0, 1.0), Twisted(2 * math.pi)), SineGordon()
        ).semilinear()
    with pytest.raises(ValueError, match="wants a scalar|want a scalar"):
        KleinGordon(GRID, Phi4(), speed=jnp.ones((1, 64))).semilinear()
