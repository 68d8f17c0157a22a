"""Integration under every transformation."""

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import integrate
from phix.integrate import Courant, PerStep, make_stepper, march, rollout, solve
from phix.pde import (
    Diffusion,
    KleinGordon,
    Linear,
    Vorticity,
    from_hamiltonian,
    from_symbol,
)
from phix.space import Grid
from tests.rosters.case import Case


GRID = Grid(6, (0.0, 1.0), boundary="dirichlet")
TS = np.array([0.0, 0.03, 0.1])


def _diffusion(**choices):
    """u(T) as a function of the diffusivity and the initial field."""

    def build(dtype):
        def final(nu, u0):
            trajectory = solve(Diffusion(GRID, nu=nu), u0, TS, throw=False, **choices)
            return trajectory.us

        return final, (
            jnp.asarray(0.1, dtype),
            jnp.sin(jnp.arange(1, 7, dtype=dtype))[None],
        )

    return build


def _step_bound(dtype):
    """A traced step: the masked scan."""

    def final(u0):
        step = 0.02 + 0 * u0[0]
        return solve(
            lambda t, u, args: -u, u0, TS, dt=step, max_steps=8, throw=False
        ).us

    return final, (jnp.ones(3, dtype),)


def _courant(dtype):
    """A flow whose steps are chosen anew at every output time."""

    def final(nu, u0):
        equation = Vorticity(Grid((6, 5), (0.0, 2.0)), nu, isotropic=True)
        bound = Courant(0.37)
        return solve(equation, u0, TS, dt=bound, max_steps=4, throw=False).us

    u0 = jnp.sin(jnp.arange(30, dtype=dtype)).reshape(1, 6, 5)
    return final, (jnp.asarray(0.2, dtype), u0 - jnp.mean(u0))


def _rollout(dtype):
    def final(state, cond):
        return rollout(
            lambda s, *, cond: jnp.sin(s) * cond, state, 5, cond=PerStep(cond), memory=8
        )

    return final, (jnp.ones(2, dtype), jnp.linspace(0.5, 1.5, 5, dtype=dtype))


def _march(dtype):
    def final(rate, state):
        def step(state, carry, h, key):
            # The same in both precisions and in every program, which normal is not.
            noise = jr.uniform(key, state.shape, jnp.float32).astype(dtype)
            slope = jnp.sin(rate * state)
            return state + h * (1.5 * slope - 0.5 * carry) + noise, slope

        rows = jnp.linspace(0.1, 0.2, 6, dtype=dtype)
        start = jnp.zeros_like(state)
        return march(step, state, rows, carry=start, key=jr.key(3), memory=12)

    return final, (jnp.asarray(1.3, dtype), jnp.ones(2, dtype))


def _dispersion(modes, nu):
    return (nu * modes.laplacian - 0.1 * modes.derivative(0, 3))[None]


def _transport(t, y, args, modes, nu):
    u = modes.to_nodes(y)
    return -0.5 * modes.derivative(0) * modes.to_modes(u**2) + jnp.cos(t)


def _split(name):
    """A waved field after three steps, as a function of the viscosity and the start."""

    def build(dtype):
        def final(nu, u0, dt):
            equation = from_symbol(
                _dispersion, Grid(7, (0.0, 6.0)), nonlinear=_transport, nu=nu
            )
            stepper, state = make_stepper(
                equation, u0, dt, scheme=getattr(integrate, name)()
            )
            return rollout(stepper, state, 3, observe=stepper.observe)

        return final, (
            jnp.asarray(0.3, dtype),
            jnp.sin(jnp.arange(7, dtype=dtype))[None],
            jnp.asarray(0.05, dtype),
        )

    covers = (name, "Stepper", "StepperState", "make_stepper")
    slow = "a sibling runs the same code" if name in SIBLINGS else ""
    return Case(name, build, covers, slow=slow)


SPLIT_SCHEMES = (
    "ETDRK1",
    "ETDRK2",
    "ETDRK3",
    "ETDRK4",
    "ETDAB2",
    "ETDAB3",
    "ETDAB4",
    "EGLM4",
    "EGLM5",
    "EGLM6",
    "Lawson3",
    "Lawson4",
    "Lawson5",
    "LawsonBS5",
    "CNAB2",
    "SBDF2",
    "SBDF3",
    "ARS222",
    "ARS443",
    "ARK4",
)


SIBLINGS = (
    "ETDAB3",
    "ETDAB4",
    "EGLM5",
    "EGLM6",
    "Lawson3",
    "Lawson4",
    "LawsonBS5",
    "SBDF3",
)


def _one_step_each(equation, u0, dt, *names):
    fields = []
    for name in names:
        scheme = getattr(integrate, name)()
        stepper, state = make_stepper(equation, u0, dt, scheme=scheme)
        fields.append(stepper.observe(stepper(state)))
    return fields


DRIFTS = ("StormerVerlet", "Yoshida4", "BlanesMoan4", "BlanesMoan6")
EXACT = ("Strang", "Splitting4", "Splitting6")


def _symplectic(dtype):
    """A step of each, of a pendulum and of a free field."""

    @eqx.filter_jit
    def final(k, u0, dt):
        pendulum = from_hamiltonian(
            lambda q, p, k: jnp.sum(0.5 * p**2 - k * jnp.cos(q)), u0, k=k
        )
        field = KleinGordon(Grid(4, (0.0, 4.0), "antiperiodic"), Linear(k), speed=k)
        return (
            _one_step_each(pendulum, u0, dt, *DRIFTS),
            _one_step_each(field, u0, dt, *EXACT),
        )

    u0 = jnp.sin(jnp.arange(8, dtype=dtype)).reshape(2, 4)
    return final, (jnp.asarray(1.2, dtype), u0, jnp.asarray(0.1, dtype))


CASES = [
    Case("symplectic", _symplectic, covers=DRIFTS + EXACT),
    *map(_split, SPLIT_SCHEMES),
    Case("explicit steps", _diffusion(dt=0.01), covers=("solve",)),
    Case(
        "implicit steps",
        _diffusion(dt=0.02, scheme=dfx.ImplicitEuler()),
        covers=("solve",),
    ),
    Case("bounded memory", _diffusion(dt=0.01, memory=40), covers=("solve",)),
    Case("traced step", _step_bound, covers=("solve",)),
    Case("courant steps", _courant, covers=("Courant",)),
    Case("march", _march, covers=("march", "Marched")),
    Case("rollout", _rollout, covers=("rollout", "PerStep")),
]

EXEMPT = {
    "AbstractSymplectic": "abstract; its final classes are in the roster",
    "AbstractSplitScheme": "abstract; every scheme above is one",
    "default_scheme": "chooses a solver by type; computes nothing",
}
