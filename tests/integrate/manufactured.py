"""A small semilinear problem with a known solution, and what every scheme must do.

The symbol is complex, one mode is not damped at all; N depends on t and is quadratic.
"""

import warnings

import diffrax as dfx
import equinox as eqx
import jax.lax as lax
import jax.numpy as jnp
import numpy as np

from phix.integrate import make_stepper, solve
from phix.pde import from_symbol
from phix.space import Grid


SYMBOL = np.array([-1 + 2j, -3 - 4j, 0, 5j, -0.2])
PHASE = np.array([0.3, 1.0, 2.0, 0.5, 1.5])
TS = np.array([0.0, 0.25, 0.7])


def name_of(value):
    """Of a scheme or an order, for the names of tests."""
    return type(value).__name__ if not isinstance(value, int) else str(value)


def exact(t):
    """The coefficients at time t."""
    return (jnp.sin(t + PHASE) + 0.5j * jnp.cos(2 * t))[None]


def _rate(t):
    return (jnp.cos(t + PHASE) - 1j * jnp.sin(2 * t))[None]


def _nonlinear(t, y, args, modes, scale):
    w = exact(t)
    growth = (1 + 0.5 * jnp.cos(t)) * (y**2 - w**2)
    return scale * growth + _rate(t) - SYMBOL * w


EQUATION = from_symbol(
    lambda modes, scale: jnp.asarray(SYMBOL)[None],
    Grid(5, (0.0, 1.0)),
    nonlinear=_nonlinear,
    keep=1.0,
    complex=True,
    scale=0.5,
)
U0 = EQUATION.decode(exact(0.0))


@eqx.filter_jit
def march(scheme, h, count, t0=0.0):
    """The coefficients after `count` steps; one compilation for every h and count."""
    start = EQUATION.decode(exact(t0))
    stepper, state = make_stepper(EQUATION, start, h, scheme=scheme, t0=t0)
    return lax.fori_loop(0, count, lambda _, s: stepper(s), state).y


def error(scheme, steps, t0=0.0):
    h = jnp.asarray(1.0 / steps)
    y = march(scheme, h, jnp.asarray(steps), jnp.asarray(t0))
    return float(jnp.max(jnp.abs(y - exact(t0 + 1.0))))


def check_order(scheme, order, steps=(16, 24, 32, 48)):
    """From the first step on: the start counts as much as the steps."""
    errors = [error(scheme, n) for n in steps]
    assert all(1e-13 < e < 0.5 for e in errors)
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope >= order - 0.2
    assert scheme.order(None) == order


def by_diffrax(scheme, ts, dt):
    """`diffeqsolve` over the very steps that `solve` takes."""
    counts = np.ceil(np.diff(ts) / dt - 1e-9).astype(int)
    pairs = zip(ts[:-1], ts[1:], counts, strict=True)
    steps = [np.linspace(a, b, n + 1)[:-1] for a, b, n in pairs]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Complex dtype support")
        solution = dfx.diffeqsolve(
            EQUATION.terms(),
            scheme,
            ts[0],
            ts[-1],
            None,
            EQUATION.encode(U0),
            saveat=dfx.SaveAt(t1=True),
            stepsize_controller=dfx.StepTo(np.concatenate([*steps, ts[-1:]])),
        )
    return EQUATION.decode(solution.ys[-1])


def check_same_in_diffrax(scheme, ts=TS):
    """Another step length in every interval, so that schemes of many steps restart."""
    ours = solve(EQUATION, U0, ts, dt=0.1, scheme=scheme).us[-1]
    assert float(jnp.max(jnp.abs(ours - by_diffrax(scheme, ts, 0.1)))) <= 1e-12
