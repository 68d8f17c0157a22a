import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.pde import Diffusion, from_rhs, from_step
from phix.space import Grid, laplacian


GRID = Grid(8, (0.0, 1.0))


def heat(t, u, args, nu, factor=1.0):
    del t
    return factor * nu * laplacian(GRID, u) + (0.0 if args is None else args)


def test_from_rhs_equals_the_equation_it_writes():
    equation = from_rhs(heat, GRID, nu=0.3)
    u = GRID.project(lambda x: jnp.sin(2 * jnp.pi * x))
    want = Diffusion(GRID, 0.3).rhs(0.0, u)
    np.testing.assert_array_equal(equation.rhs(0.0, u), want)
    np.testing.assert_array_equal(equation.rhs(0.0, u, 1.0), want + 1)
    np.testing.assert_allclose(equation.replace(nu=0.6).rhs(0.0, u), 2 * want)
    assert equation.parameters == {"nu": 0.3} and equation.space == GRID
    assert equation.encode(u) is u and equation.decode(u) is u


def test_equations_pass_through_transformations():
    equation = from_rhs(heat, GRID, nu=0.3, factor=2.0)
    u = GRID.project(lambda x: jnp.sin(2 * jnp.pi * x))
    nus = jnp.array([0.1, 0.2])
    traces = 0

    @jax.jit
    def rate(equation, u):
        nonlocal traces
        traces += 1
        return equation.rhs(0.0, u)

    first = rate(equation, u)
    np.testing.assert_allclose(rate(equation.replace(nu=0.6), u), 2 * first)
    assert traces == 1
    swept = jax.vmap(lambda nu: equation.replace(nu=nu).rhs(0.0, u))(nus)
    np.testing.assert_allclose(swept, first * (nus / 0.3)[:, None, None])
    batch = jax.vmap(lambda nu: equation.replace(nu=nu))(nus)
    np.testing.assert_allclose(jax.vmap(rate, (0, None))(batch, u), swept)
    slope = jax.grad(lambda e: (e.rhs(0.0, u) ** 2).sum())(equation)
    np.testing.assert_allclose(slope.params["nu"], 2 * (first**2).sum() / 0.3)


def test_terms_drive_diffrax():
    equation = from_rhs(heat, GRID, nu=0.05)
    u = GRID.project(lambda x: jnp.sin(2 * jnp.pi * x))
    solution = dfx.diffeqsolve(
        equation.terms(), dfx.Tsit5(), 0.0, 0.5, 0.01, u, adjoint=dfx.DirectAdjoint()
    )
    decay = 4 * np.sin(np.pi / 8) ** 2 * 64
    np.testing.assert_allclose(
        solution.ys[0], u * np.exp(-0.05 * decay * 0.5), atol=1e-9
    )


def test_a_module_keeps_its_weights(getkey):
    net = eqx.nn.Linear(8, 8, key=getkey())

    class Rate(eqx.Module):
        net: eqx.nn.Linear

        def __call__(self, t, u, args, gain):
            del t, args
            return gain * jax.vmap(self.net)(u)

    equation = from_rhs(Rate(net), GRID, gain=2.0)
    assert list(equation.parameters) == ["gain"]
    u = GRID.zeros() + 1
    slopes = jax.grad(lambda e: e.rhs(0.0, u).sum())(equation)
    np.testing.assert_allclose(slopes.function.net.bias, 2.0)


def test_optional_parts_of_from_rhs():
    equation = from_rhs(
        heat,
        GRID,
        pointwise=lambda t, x, u, args, nu: nu * u(x),
        invariants={"mass": lambda u: GRID.integrate(u).sum()},
        stable_step=lambda u, nu: 1 / nu,
        limits={"nu": (0, 1)},
        nu=0.5,
    )
    x = jnp.array([0.2])
    np.testing.assert_allclose(equation.pointwise(0.0, x, lambda x: 3 * x), 0.3)
    assert equation.stable_step(GRID.zeros()) == 2
    assert equation.invariants["mass"](GRID.zeros() + 1) == 1
    with pytest.raises(ValueError, match=r"nu must be finite and within \[0.0, 1.0\]"):
        equation.replace(nu=1.5)
    swept = jax.vmap(lambda nu: equation.replace(nu=nu).valid())
    np.testing.assert_array_equal(swept(jnp.array([0.5, 2.0])), [True, False])

    bare = from_rhs(lambda t, u, args: -u, None)
    assert bare.stable_step(x) is None and bare.invariants == {} and bare.valid()
    with pytest.raises(ValueError, match="no pointwise form"):
        bare.pointwise(0.0, x, jnp.sin)
    with pytest.raises(ValueError, match="no parameter 'nu'"):
        bare.replace(nu=1.0)


def test_parameters_come_in_the_precision_of_the_state():
    equation = from_rhs(heat, GRID, nu=0.3)
    assert equation.params["nu"].dtype == jnp.float64
    assert equation.rhs(0.0, GRID.zeros(1, jnp.float32)).dtype == jnp.float32


def euler(u, t, args, nu):
    del t, args
    return u + 0.01 * nu * laplacian(GRID, u)


def euler_on_host(u, t, args, nu):
    assert all(isinstance(value, np.ndarray) for value in (u, t, nu))
    bend = np.roll(u, 1, -1) + np.roll(u, -1, -1) - 2 * u
    return u.astype(np.float64) + 0.01 * nu * bend * 64


def test_a_step_gives_its_rate():
    equation = from_step(euler, 0.01, GRID, nu=0.3)
    u = GRID.project(lambda x: jnp.sin(2 * jnp.pi * x))
    np.testing.assert_array_equal(equation.step(u, 0.0), euler(u, 0.0, None, 0.3))
    want = Diffusion(GRID, 0.3).rhs(0.0, u)
    np.testing.assert_allclose(equation.rhs(0.0, u), want, rtol=1e-11, atol=1e-12)
    assert equation.dt == 0.01 and not equation.host
    assert equation.stable_step(u) is None
    with pytest.raises(ValueError, match="no terms for a scheme"):
        equation.terms()
    with pytest.raises(ValueError, match="no pointwise form"):
        equation.pointwise(0.0, jnp.zeros(1), jnp.sin)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_a_step_on_the_host(dtype):
    equation = from_step(euler_on_host, 0.01, GRID, host=True, nu=0.3)
    u = GRID.project(lambda x: jnp.sin(2 * jnp.pi * x)).astype(dtype)
    got = jax.jit(lambda e, u: e.step(u, 0.0))(equation, u)
    assert equation.host and got.dtype == dtype and got.shape == u.shape
    tolerance = 1e-12 if dtype == jnp.float64 else 1e-5
    np.testing.assert_allclose(got, euler(u, 0.0, None, 0.3), rtol=0, atol=tolerance)
    batch = jax.vmap(lambda u: equation.step(u, 0.0))(jnp.stack([u, 2 * u]))
    np.testing.assert_allclose(batch, jnp.stack([got, 2 * got]), atol=tolerance)


def test_a_step_on_the_host_has_no_gradient():
    equation = from_step(euler_on_host, 0.01, GRID, host=True, nu=0.3)
    u = GRID.zeros()
    for loss, argument in (
        (lambda u: equation.step(u, 0.0).sum(), u),
        (lambda nu: equation.replace(nu=nu).rhs(0.0, u).sum(), 0.3),
    ):
        with pytest.raises(ValueError, match="host=True.*no gradient"):
            jax.grad(loss)(argument)


def test_bad_input():
    for dt in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="dt must be a positive finite number"):
            from_step(euler, dt, GRID, nu=0.3)
    with pytest.raises(ValueError, match="parameter nu must be a number or an array"):
        from_rhs(heat, GRID, nu="large")
    with pytest.raises(ValueError, match=r"limits name no parameter: \['mu'\]"):
        from_rhs(heat, GRID, limits={"mu": (0, 1)}, nu=0.3)
    with pytest.raises(ValueError, match="nu must be finite"):
        from_rhs(heat, GRID, nu=jnp.array([0.1, jnp.nan]))
