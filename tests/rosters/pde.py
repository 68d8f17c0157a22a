import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import pde, space
from tests.rosters.case import Case
from tests.rosters.equations import EQUATIONS


LINE = space.Grid(6, (0.0, 1.0), ("inflow", "outflow"))
RING = space.Grid(9, (0.0, 1.0))
PLANE = space.Grid((4, 3), (0.0, 1.0), ("dirichlet", ("neumann", "dirichlet")))


def _burgers(dtype):
    def run(mu, amplitude, viscosity, u, x):
        inviscid = pde.Burgers(LINE, mu, amplitude)
        viscous = pde.Burgers(LINE, mu, amplitude, viscosity)
        return [
            (
                equation.rhs(0.0, u),
                equation.stable_step(u),
                equation.pointwise(0.0, x, jnp.sin),
                {name: f(u) for name, f in equation.invariants.items()},
                equation.valid(),
            )
            for equation in (inviscid, viscous)
        ]

    u = jnp.array([[0.3, 1.2, -0.4, 0.8, -0.9, 0.5]], dtype)
    parameters = (jnp.asarray(value, dtype) for value in (0.4, 0.2, 0.1))
    return run, (*parameters, u, jnp.array([0.3], dtype))


def _shock(dtype):
    return pde.burgers_shock, (jnp.array([[0.0, 11.3], [11.7, 90.0]], dtype),)


def _diffusion(dtype):
    def run(nu, value, edge, u, x):
        equation = pde.Diffusion(PLANE, nu, ((value, edge), 0.5))
        return (
            equation.rhs(0.0, u),
            equation.stable_step(u),
            equation.pointwise(0.0, x, lambda x: jnp.sin(x) * x[::-1]),
            {name: f(u) for name, f in equation.invariants.items()},
            equation.valid(),
        )

    u = jnp.sin(jnp.arange(24.0, dtype=dtype)).reshape(2, 4, 3)
    edge = jnp.array([[[0.1, 0.2, 0.3]]], dtype)
    numbers = (jnp.asarray(value, dtype) for value in (0.4, 0.2))
    return run, (*numbers, edge, u, jnp.array([0.3, 0.6], dtype))


def _from_rhs(dtype):
    def run(nu, u):
        equation = pde.from_rhs(
            lambda t, u, args, nu: nu * space.laplacian(LINE, u), LINE, nu=nu
        )
        return equation.rhs(0.0, u), equation.replace(nu=2 * nu).rhs(0.0, u)

    u = jnp.array([[0.3, 1.2, -0.4, 0.8, -0.9, 0.5]], dtype)
    return run, (jnp.asarray(0.3, dtype), u)


def _from_step(dtype):
    def run(gain, u):
        equation = pde.from_step(
            lambda u, t, args, gain: u + 0.1 * gain * jnp.sin(u), 0.1, LINE, gain=gain
        )
        return equation.step(u, 0.0), equation.rhs(0.0, u)

    u = jnp.array([[0.3, 1.2, -0.4, 0.8, -0.9, 0.5]], dtype)
    return run, (jnp.asarray(0.3, dtype), u)


def _host_step(dtype):
    def run(gain, u):
        equation = pde.from_step(
            lambda u, t, args, gain: u + gain * np.sin(u),
            0.1,
            LINE,
            host=True,
            gain=gain,
        )
        return equation.step(u, 0.0)

    u = jnp.array([[0.3, 1.2, -0.4, 0.8, -0.9, 0.5]], dtype)
    return run, (jnp.asarray(0.3, dtype), u)


# Their right-hand sides are known on the whole box only.
NOT_LOCAL = {"NavierStokes", "SpectralDiffusion field", "Vorticity with scalar"}
# Other forms of these are in the product of equations and transformations.
SEMILINEAR = [
    name
    for name in EQUATIONS
    if " " not in name and name != "Vorticity" or name in NOT_LOCAL
]


def _semilinear(name):
    """All an equation of `tests/rosters/equations.py` computes."""

    def build(dtype):
        def run(equation, u, x):
            out = {
                "rhs": equation.rhs(0.0, u),
                "stable_step": equation.stable_step(u),
                "invariants": {k: f(u) for k, f in equation.invariants.items()},
                "valid": equation.valid(),
            }
            if name not in NOT_LOCAL:
                out["pointwise"] = equation.pointwise(0.0, x, wave)
            return out

        def wave(x):
            phases = jnp.arange(channels) + jnp.sum(x)
            return jnp.sin(phases.astype(x.dtype)).astype(u.dtype)

        equation, u, _ = EQUATIONS[name](dtype, (10, 11))
        channels = u.shape[0]
        x = jnp.linspace(0.3, 0.6, equation.space.ndim, dtype=dtype)
        return run, (equation, u, x)

    return build


def _from_symbol(dtype):
    def run(speed, u):
        equation = pde.from_symbol(
            lambda modes, speed: -speed * modes.derivative(0, 3)[None],
            RING,
            nonlinear=lambda t, y, args, modes, speed: -speed * y,
            speed=speed,
        )
        return equation.rhs(0.0, u), equation.replace(speed=2 * speed).rhs(0.0, u)

    u = jnp.sin(jnp.arange(9.0, dtype=dtype))[None]
    return run, (jnp.asarray(0.3, dtype), u)


def _forces(dtype):
    def run(k, amplitude, x, t, nu):
        force = pde.kolmogorov(k, amplitude)
        return (
            force(t, x),
            pde.curl(force)(t, x),
            pde.taylor_green(x, t, nu),
            pde.taylor_green(jnp.append(x, t)),
        )

    numbers = [jnp.asarray(value, dtype) for value in (4.0, 0.7)]
    times = [jnp.asarray(value, dtype) for value in (0.3, 0.1)]
    return run, (*numbers, jnp.array([0.4, 0.9], dtype), *times)


def _solitons(dtype):
    def run(x, t, speeds, centres):
        a, v = speeds
        return (
            pde.kdv_soliton(x, t, speeds, centres),
            pde.kdv_soliton(x, t, a, v),
            pde.schrodinger_soliton(x, t, a, v, centres[0]),
        )

    numbers = jnp.array([1.0, 2.5], dtype), jnp.array([-1.0, 0.5], dtype)
    x = jnp.linspace(-2.0, 2.0, 5, dtype=dtype)
    return run, (x, jnp.asarray(0.2, dtype), *numbers)


def _potentials(dtype):
    def run(numbers, phi):
        a, b = numbers
        potentials = (
            pde.Linear(a),
            pde.Phi4(a, b),
            pde.SineGordon(),
            pde.DoubleSineGordon(a),
            pde.Phi6(a, b),
            pde.KleinGordon(RING, jnp.cosh).potential,
        )
        return [(v(phi), v.slope(phi), v.curvature(phi)) for v in potentials]

    return run, (jnp.array([0.7, 1.1], dtype), jnp.linspace(-2.0, 3.0, 7, dtype=dtype))


def _kinks(dtype):
    @eqx.filter_jit
    def run(x, t, numbers):
        a, b, speed = numbers
        return (
            [pde.kink(v, x, t, speed=speed, centre=b)
             for v in (pde.Phi4(a, b), pde.Phi6(a, b), pde.DoubleSineGordon(a))],
            pde.kink_antikink(pde.SineGordon(), x, t, speed=speed, separation=5 * b),
            pde.breather(x, t, omega=a, speed=speed, centre=b),
            pde.kink_profile(pde.Phi4(a, b), x),
        )  # fmt: skip

    numbers = jnp.array([0.6, 1.1, 0.3], dtype)
    return run, (jnp.linspace(-4.0, 4.0, 7, dtype=dtype), jnp.asarray(0.2, dtype),
                 numbers)  # fmt: skip


def _kink_fits(dtype):
    grid = space.Grid(12, (-6.0, 6.0))
    x = grid.axes[0].astype(dtype)

    @eqx.filter_jit
    def run(noise, numbers):
        speed, centre = numbers
        alone = pde.kink(pde.Phi4(), x, speed=speed, centre=centre) + noise
        return pde.locate_kink(pde.Phi4(), grid, alone)

    noise = 0.02 * jnp.sin(jnp.arange(24.0, dtype=dtype)).reshape(2, 12)
    return run, (noise, jnp.array([0.3, 0.4], dtype))


def _sponge(dtype):
    grid = space.Grid((6, 5), (0.0, 1.0))
    return lambda s: pde.sponge(grid, 0.3, s), (jnp.asarray(0.7, dtype),)


def _from_hamiltonian(dtype):
    def run(k, u):
        equation = pde.from_hamiltonian(
            lambda q, p, k: jnp.sum(0.5 * p**2 + k * q**4), u, k=k
        )
        return equation.rhs(0.0, u), equation.invariants["energy"](u)

    u = jnp.array([[0.3, 1.2], [-0.4, 0.8]], dtype)
    return run, (jnp.asarray(0.3, dtype), u)


CASES = [
    Case(
        "potentials",
        _potentials,
        (
            "Linear",
            "Phi4",
            "SineGordon",
            "DoubleSineGordon",
            "Phi6",
            "FunctionPotential",
        ),
    ),  # fmt: skip
    Case("kinks", _kinks, ("kink", "kink_antikink", "kink_profile", "breather")),
    Case("kink fits", _kink_fits, ("KinkFit", "locate_kink")),
    Case("sponge", _sponge, ("sponge",)),
    Case(
        "from_hamiltonian",
        _from_hamiltonian,
        ("from_hamiltonian", "FunctionHamiltonian"),
    ),
    *[Case(name, _semilinear(name), (name.split()[0],)) for name in SEMILINEAR],
    Case("from_symbol", _from_symbol, ("from_symbol", "FunctionSemilinear")),
    Case("forces", _forces, ("kolmogorov", "curl", "taylor_green")),
    Case("solitons", _solitons, ("kdv_soliton", "schrodinger_soliton")),
    Case("Burgers", _burgers, ("Burgers",)),
    Case("Burgers shock", _shock, ("burgers_shock",)),
    Case("diffusion", _diffusion, ("Diffusion",)),
    Case("from_rhs", _from_rhs, ("from_rhs", "FunctionEquation")),
    Case("from_step", _from_step, ("from_step", "FunctionStep")),
    Case(
        "step on the host",
        _host_step,
        ("from_step", "FunctionStep"),
        no_grad="a step on the host has no gradient and says so",
        no_lowering="a step on the host is a call back to the host",
    ),
]
EXEMPT = {
    "check_initial_condition": "gives words; tested on right and wrong fields",
    "AbstractDiscrete": "abstract; its final classes are in the roster",
    "AbstractEquation": "abstract; its final classes are in the roster",
    "locate_pair": "the fit of locate_kink with another template; tested beside it",
    "AbstractHamiltonian": "abstract; its final classes are in the roster",
    "AbstractPotential": "abstract; its final classes are in the roster",
    "AbstractMethodOfLines": "abstract; its final classes are in the roster",
    "AbstractReaction": "abstract; its final classes are in the roster",
    "AbstractSemilinear": "abstract; its final classes are in the roster",
}
