"""Symplectic schemes: orders, tangent maps, reversal, drivers, long times."""

import functools

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix.integrate import (
    AbstractSymplectic,
    BlanesMoan4,
    BlanesMoan6,
    Splitting4,
    Splitting6,
    StormerVerlet,
    Strang,
    Yoshida4,
    default_scheme,
    make_stepper,
    solve,
)
from phix.integrate._symplectic import Composition
from phix.pde import KleinGordon, SineGordon, from_hamiltonian
from phix.space import Grid
from tests.integrate.manufactured import name_of


DRIFTS = [(StormerVerlet(), 2), (Yoshida4(), 4), (BlanesMoan4(), 4), (BlanesMoan6(), 6)]
EXACT = [(Strang(), 2), (Splitting4(), 4), (Splitting6(), 6)]
RING = Grid(12, (0.0, 6.0))
# Damped and driven, so that times and friction count.
FORCED = KleinGordon(
    RING, SineGordon(), damping=0.3, drive=lambda t, x: 0.4 * jnp.cos(1.7 * t + x[0])
)
FREE = KleinGordon(RING, SineGordon(), speed=0.8)
X = np.asarray(RING.axes[0])
U0 = jnp.asarray(np.stack([1.5 + np.sin(np.pi / 3 * X), np.cos(np.pi / 3 * X)]))


@eqx.filter_jit
def march(scheme, equation, u0, h, count):
    stepper, state = make_stepper(equation, u0, h, scheme=scheme)
    state = jax.lax.fori_loop(0, count, lambda _, s: stepper(s), state)
    return stepper.observe(state)


@functools.cache
def reference():
    return march(dfx.Dopri8(scan_kind="bounded"), FORCED, U0, jnp.asarray(0.01), 200)


class Lopsided(AbstractSymplectic):
    """Yoshida's coefficients in another order: no palindrome, no order 4."""

    composition = Composition(
        4,
        moves=(*Yoshida4.composition.moves[1:], Yoshida4.composition.moves[0]),
        kicks=Yoshida4.composition.kicks,
        limit=1.5,
    )
    exact = False


def check_order(scheme, order):
    errors = []
    counts = (16, 24, 36) if order < 6 else (6, 8, 12)
    for n in counts:
        u = march(scheme, FORCED, U0, jnp.asarray(2.0 / n), jnp.asarray(n))
        errors.append(float(jnp.abs(u - reference()).max()))
    assert all(e < 0.1 for e in errors)
    assert -np.polyfit(np.log(counts), np.log(errors), 1)[0] >= order - 0.2
    assert scheme.order(None) == order


@pytest.mark.parametrize(("scheme", "order"), DRIFTS + EXACT, ids=name_of)
def test_order_with_damping_and_drive(scheme, order):
    check_order(scheme, order)


def test_another_order_of_the_coefficients_is_caught():
    with pytest.raises(AssertionError):
        check_order(Lopsided(), 4)


def check_symplectic(scheme, equation=FREE):
    """The tangent map M keeps the symplectic form, MᵀJM = J, and is area 1 in all."""
    n = RING.shape[0]
    tangent = jax.jit(
        jax.jacfwd(lambda u: march(scheme, equation, u, jnp.asarray(0.11), 3))
    )(U0)
    m = np.asarray(tangent).reshape(2 * n, 2 * n)
    form = np.kron([[0, 1], [-1, 0]], np.eye(n))
    np.testing.assert_allclose(m.T @ form @ m, form, atol=1e-12)


@pytest.mark.parametrize("scheme", [s for s, _ in DRIFTS + EXACT], ids=name_of)
def test_the_tangent_map_is_symplectic(scheme):
    check_symplectic(scheme)


def test_what_is_not_symplectic_is_caught():
    with pytest.raises(AssertionError):
        check_symplectic(dfx.Heun(scan_kind="bounded"))
    with pytest.raises(AssertionError):
        check_symplectic(StormerVerlet(), FORCED)


def check_reversal(scheme, equation=FREE):
    """Forwards, the rate turned round, and forwards again is the way back."""
    turn = jnp.asarray([[1.0], [-1.0]])
    go = lambda u: march(scheme, equation, u, jnp.asarray(0.1), 500)  # noqa: E731
    back = turn * go(turn * go(U0))
    assert float(jnp.abs(back - U0).max()) < 1e-9


@pytest.mark.parametrize("scheme", [BlanesMoan6(), Splitting4()], ids=name_of)
def test_time_runs_backwards(scheme):
    check_reversal(scheme)


def test_what_does_not_run_backwards_is_caught():
    with pytest.raises(AssertionError):
        check_reversal(dfx.Bosh3(scan_kind="bounded"))
    with pytest.raises(AssertionError):
        check_reversal(Splitting4(), FORCED)


def by_diffrax(scheme, ts, dt):
    """`diffeqsolve` over the very steps that `solve` takes."""
    counts = np.ceil(np.diff(ts) / dt - 1e-9).astype(int)
    pairs = zip(ts[:-1], ts[1:], counts, strict=True)
    steps = [np.linspace(a, b, n + 1)[:-1] for a, b, n in pairs]
    solution = dfx.diffeqsolve(
        FORCED.terms(),
        scheme,
        ts[0],
        ts[-1],
        None,
        FORCED.encode(U0),
        stepsize_controller=dfx.StepTo(np.concatenate([*steps, ts[-1:]])),
        adjoint=dfx.ForwardMode(),
    )
    return FORCED.decode(tuple(y[-1] for y in solution.ys))


@pytest.mark.filterwarnings("ignore:Complex dtype support")
@pytest.mark.parametrize("scheme", [StormerVerlet(), Splitting4()], ids=name_of)
def test_solve_equals_diffeqsolve(scheme):
    ts = np.array([0.0, 0.25, 0.7])
    ours = solve(FORCED, U0, ts, dt=0.1, scheme=scheme).us[-1]
    assert float(jnp.abs(ours - by_diffrax(scheme, ts, 0.1)).max()) <= 1e-12


PENDULUM = from_hamiltonian(
    lambda q, p: jnp.sum(0.5 * p**2 - jnp.cos(q)), jnp.zeros((2, 1))
)
SWING = jnp.asarray([[2.0], [0.0]])


@pytest.mark.parametrize("scheme", [StormerVerlet(), BlanesMoan4()], ids=name_of)
def test_adaptive_steps_keep_their_order(scheme):
    """Errors fall with the number of steps as they do with fixed ones."""
    ts, errors, counts = np.array([0.0, 10.0]), [], []
    true = march(BlanesMoan6(), PENDULUM, SWING, jnp.asarray(0.01), 1000)
    for rtol in (1e-5, 1e-8):
        run = solve(PENDULUM, SWING, ts, scheme=scheme, rtol=jnp.asarray(rtol),
                    atol=jnp.asarray(rtol))  # fmt: skip
        errors.append(float(jnp.abs(run.us[-1] - true).max()))
        counts.append(int(run.stats["num_steps"]))
    assert np.log(errors[0] / errors[1]) / np.log(counts[1] / counts[0]) > (
        scheme.order(None) - 0.4
    )


def check_energy(run):
    """The error of the energy over a thousand swings is no larger than over fifty."""
    energy = PENDULUM.invariants["energy"]
    drift = np.abs(jax.vmap(energy)(run.us) - energy(SWING))
    assert drift.max() <= 1.5 * drift[: drift.size // 20].max()


LONG = np.linspace(0.0, 2000.0, 401)


def test_energy_does_not_drift():
    check_energy(solve(PENDULUM, SWING, LONG, dt=0.1, scheme=StormerVerlet()))


def test_adaptive_verlet_drifts():
    """Its energy error grows with time: symplecticity is given up."""
    run = solve(PENDULUM, SWING, LONG, scheme=StormerVerlet(), rtol=1e-4, atol=1e-4,
                max_steps=1000)  # fmt: skip
    with pytest.raises(AssertionError):
        check_energy(run)


def growth(scheme, h):
    """Of an oscillator of frequency 1 after many steps."""
    oscillator = from_hamiltonian(
        lambda q, p: 0.5 * jnp.sum(p**2 + q**2), jnp.zeros((2, 1))
    )
    u = march(scheme, oscillator, SWING, jnp.asarray(h), 2000)
    return float(jnp.abs(u).max())


@pytest.mark.parametrize("scheme", [s for s, _ in DRIFTS], ids=name_of)
def test_limits_of_stability(scheme):
    limit = scheme.composition.limit
    assert growth(scheme, 0.999 * limit) < 100
    # The first band of growth about π is narrow, and its growth slow.
    assert not growth(scheme, 1.004 * limit) < 100


def test_defaults_and_refusals():
    assert isinstance(default_scheme(FREE), BlanesMoan4)
    with pytest.raises(ValueError, match="has none that is diagonal"):
        solve(PENDULUM, SWING, [0.0, 1.0], dt=0.1, scheme=Strang())
