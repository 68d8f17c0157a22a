"""solve: truths, landing, precision, result codes, sweeps, compile counts."""

import diffrax as dfx
import hypothesis as hp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix._errors import PhixError, Result
from phix.integrate import solve
from phix.integrate._plan import make_plan
from phix.pde import Burgers, Diffusion, from_rhs, from_step
from phix.space import Grid


GRID = Grid(8, (0.0, 1.0), boundary="dirichlet")
WAVE = np.sin(np.pi * np.asarray(GRID.axes[0]))[None]


def decay(t, u, args):
    return -u


def blowup(t, u, args):
    return u**2


def check_landing(counts, ts, dt):
    """As many steps as needed, and not one more."""
    gaps = np.diff(ts)
    assert np.all(gaps / counts <= dt * (1 + 1e-8))
    assert np.all((counts == 1) | (gaps / np.maximum(counts - 1, 1) > dt))


def counts_of(ts, dt):
    return np.asarray(make_plan(jnp.asarray(ts), dt, None, given=ts).counts)


@hp.given(
    start=st.floats(-1e3, 1e3),
    gaps=st.lists(st.floats(1e-3, 1e2), min_size=1, max_size=5),
    dt=st.floats(1e-3, 10.0),
)
@hp.settings(max_examples=50, deadline=None)
def test_every_interval_takes_the_fewest_steps(start, gaps, dt):
    ts = start + np.concatenate([[0.0], np.cumsum(gaps)])
    check_landing(counts_of(ts, dt), ts, dt)


def test_a_wasted_step_is_noticed():
    with pytest.raises(AssertionError):
        check_landing(np.array([101]), np.array([0.0, 7.0]), 0.07)


@hp.given(steps=st.integers(1, 5000), dt=st.floats(1e-4, 10), frames=st.integers(1, 50))
@hp.settings(max_examples=50, deadline=None)
def test_whole_multiples_are_not_rounded_up(steps, dt, frames):
    for ts in (
        np.arange(frames + 1) * (steps * dt),
        np.arange(frames + 1) * steps * dt,
    ):
        assert np.all(counts_of(ts, dt) == steps)


def test_the_same_in_float32():
    ts = jnp.arange(201, dtype=jnp.float32) * jnp.float32(0.07)
    trajectory = solve(decay, jnp.ones(1, jnp.float32), ts, dt=0.07)
    assert int(trajectory.stats["num_steps"]) == 200


def test_frames_that_are_far_and_near_in_one_call():
    ts = [0.0, 0.05, 1.0, 1.01]
    trajectory = solve(decay, jnp.ones(2), ts, dt=0.1)
    assert np.allclose(trajectory.us[:, 0], np.exp(-np.array(ts)), rtol=1e-8)
    assert int(trajectory.stats["num_steps"]) == 1 + 10 + 1
    assert trajectory.us[0, 0] == 1.0
    assert int(trajectory.result) == 0 and trajectory.first_bad_time == np.inf


def test_steps_are_not_skipped_wrongly():
    """Frames of a masked scan equal those of one solve per interval, bit for bit."""
    ts = np.array([0.0, 0.05, 1.0, 1.01])
    together = solve(decay, jnp.ones(1), ts, dt=0.1, scheme=dfx.Heun()).us
    u = jnp.ones(1)
    for i in range(3):
        u = solve(decay, u, ts[i : i + 2], dt=0.1, scheme=dfx.Heun()).us[-1]
        assert np.allclose(u, together[i + 1], rtol=1e-15, atol=0)


def test_infinite_dt_is_one_step_per_interval():
    trajectory = solve(
        decay, jnp.ones(1), [0.0, 0.5, 2.0], dt=np.inf, scheme=dfx.Euler()
    )
    assert np.allclose(trajectory.us[:, 0], [1.0, 0.5, -0.25], rtol=1e-15)


def test_adaptive_meets_its_tolerance_and_lands():
    def logistic(t, u, args):
        return u * (1 - u)

    ts = np.linspace(0.0, 5.0, 11)
    trajectory = solve(logistic, jnp.array([0.1]), ts, rtol=1e-8, atol=1e-10)
    exact = 1 / (1 + 9 * np.exp(-ts))
    assert np.allclose(trajectory.us[:, 0], exact, rtol=1e-6)
    loose = solve(lambda t, u, args: 1e-3 * u, jnp.ones(1), ts)
    assert int(loose.stats["num_steps"]) >= 10  # interpolation would need three


def test_both_drivers_agree():
    fixed = solve(decay, jnp.ones(1), [0.0, 1.0, 2.0], dt=1e-2).us
    adaptive = solve(decay, jnp.ones(1), [0.0, 1.0, 2.0], rtol=1e-12, atol=1e-14).us
    assert np.allclose(fixed, adaptive, rtol=1e-10)


@pytest.mark.parametrize("dt", [0.1, None])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_precision_follows_the_state(dtype, dt):
    def leaky(t, u, args):
        return -u * jnp.asarray(1.0, jnp.float64)

    ts = np.array([0.0, 0.5, 1.0])
    trajectory = solve(leaky, jnp.ones(2, dtype), ts, dt=dt)
    assert trajectory.us.dtype == dtype
    assert trajectory.ts.dtype == jnp.float32
    assert np.allclose(trajectory.us[:, 0], np.exp(-ts), rtol=1e-4)


def test_complex_rotation():
    trajectory = solve(lambda t, u, args: 1j * u, jnp.ones(1) + 0j, [0.0, 1.0], dt=0.01)
    assert np.allclose(trajectory.us[-1, 0], np.exp(1j), rtol=1e-10)


@pytest.mark.parametrize("dt", [5e-3, None])
def test_diffusion_of_a_sine_in_closed_form(dt):
    """The discrete sine decays by the eigenvalue of the stencil."""
    equation = Diffusion(GRID, nu=0.1)
    trajectory = solve(equation, jnp.asarray(WAVE), [0.0, 0.5, 1.0], dt=dt)
    h = GRID.spacing[0]
    rate = 0.1 * (2 / h) ** 2 * np.sin(np.pi * h / 2) ** 2
    exact = np.exp(-rate * np.array([0.0, 0.5, 1.0]))[:, None, None] * WAVE
    assert np.allclose(trajectory.us, exact, atol=1e-7)
    assert trajectory.space == GRID
    assert float(trajectory.params["nu"]) == 0.1


def test_sweep_over_a_parameter_is_a_vmap_and_marks_the_bad_point():
    equation, u0 = Diffusion(GRID, nu=0.1), jnp.asarray(WAVE)

    def final(nu):
        return solve(equation.replace(nu=nu), u0, [0.0, 0.2], dt=1e-2)

    batch = jax.vmap(final)(jnp.array([0.1, -0.1, 0.2]))
    assert list(batch.result) == [0, Result.invalid_parameter, 0]
    assert batch.first_bad_time[1] == 0.0
    assert np.all(np.isnan(batch.us[1]))
    for i, nu in ((0, 0.1), (2, 0.2)):
        assert np.allclose(batch.us[i], final(nu).us, rtol=1e-13)
    with pytest.raises(PhixError, match="1 of 3 failed, first number 1"):
        batch.throw()


def test_sweep_over_dt():
    u0 = jnp.ones(1)
    ts = np.array([0.0, 1.0, 3.0])

    def run(dt):
        return solve(
            decay, u0, ts, dt=dt, max_steps=20, scheme=dfx.Euler(), throw=False
        )

    batch = jax.vmap(run)(jnp.array([0.1, 0.5, 0.01, -1.0]))
    assert list(batch.result) == [
        0,
        0,
        Result.max_steps_reached,
        Result.invalid_parameter,
    ]
    for i, dt in enumerate([0.1, 0.5]):
        alone = solve(decay, u0, ts, dt=dt, scheme=dfx.Euler())
        assert np.allclose(batch.us[i], alone.us, rtol=1e-13)
        assert batch.stats["num_steps"][i] == alone.stats["num_steps"]


def first_overflow(u, dt):
    """Forward Euler for u' = u² by a plain loop: the first time it is not finite."""
    t = 0.0
    while np.isfinite(u):
        u, t = u + dt * (u * u), t + dt
    return t


def check_first_bad_time(trajectory, dt):
    assert int(trajectory.result) == Result.non_finite
    assert abs(float(trajectory.first_bad_time) - first_overflow(1.0, dt)) < 1e-9


def test_blow_up_is_reported_with_its_first_bad_time():
    ts, dt = [0.0, 0.5, 2.0, 3.0], 0.02
    trajectory = solve(blowup, jnp.ones(1), ts, dt=dt, scheme=dfx.Euler(), throw=False)
    check_first_bad_time(trajectory, dt)
    with pytest.raises(AssertionError):
        check_first_bad_time(trajectory, dt / 2)
    with pytest.raises(PhixError, match=r"non_finite.*smaller step") as caught:
        solve(blowup, jnp.ones(1), ts, dt=dt, scheme=dfx.Euler())
    assert caught.value.result is Result.non_finite


def test_a_state_that_recovers_was_bad_all_the_same():
    def step(u, t, args):
        return jnp.where(t == 1.0, jnp.where(jnp.arange(3) == 1, jnp.nan, u), 1.0)

    equation = from_step(step, 1.0, None)
    ts = [0.0, 3.0, 5.0]
    trajectory = solve(equation, jnp.ones(3), ts, throw=False)
    assert np.all(np.isfinite(trajectory.us))
    assert int(trajectory.result) == Result.non_finite
    assert float(trajectory.first_bad_time) == 2.0


def test_blow_up_of_one_point_leaves_the_others_right():
    def run(u0):
        return solve(blowup, u0, [0.0, 0.5, 2.0], dt=0.02)

    batch = jax.jit(jax.vmap(run))(jnp.array([[0.1], [1.0]]))
    assert list(batch.result) == [0, Result.non_finite]
    assert np.allclose(batch.us[0, -1], 0.1 / (1 - 0.2), rtol=1e-8)


def test_step_too_large_for_the_scheme_names_the_stable_one():
    equation = Diffusion(GRID, nu=1.0)
    u0 = jnp.asarray(WAVE) + 1e-3 * jnp.cos(jnp.arange(8.0))
    step = float(equation.stable_step(u0))
    with pytest.raises(PhixError, match=f"First bad time.*Stable step.*{step:.6g}"):
        solve(equation, u0, [0.0, 4e3 * step], dt=4 * step, scheme=dfx.Euler())


def test_adaptive_run_that_cannot_go_on_says_where():
    trajectory = solve(blowup, jnp.ones(1), [0.0, 0.5, 2.0], max_steps=200, throw=False)
    assert int(trajectory.result) == Result.max_steps_reached
    assert abs(float(trajectory.first_bad_time) - 1.0) < 1e-3
    assert np.allclose(trajectory.us[1], 2.0, rtol=1e-5)


def test_non_finite_start():
    bad = jnp.array([1.0, jnp.nan])
    with pytest.raises(ValueError, match="`u0` is not finite"):
        solve(decay, bad, [0.0, 1.0], dt=0.1)
    batch = jax.vmap(lambda u: solve(decay, u[None], [0.0, 1.0], dt=0.1))(bad)
    assert list(batch.result) == [0, Result.invalid_parameter]


def doubling(u, t, args, gain):
    return gain * u


def test_native_stepper_is_iterated():
    equation = from_step(doubling, 0.25, None, gain=2.0)
    trajectory = solve(equation, jnp.ones((1, 3)), [0.0, 0.5, 1.5])
    assert np.array_equal(trajectory.us[:, 0, 0], [1.0, 4.0, 64.0])
    with pytest.raises(ValueError, match="`scheme` cannot be chosen"):
        solve(equation, jnp.ones((1, 3)), [0.0, 0.5], scheme=dfx.Tsit5())
    with pytest.raises(ValueError, match="`dt` cannot be chosen"):
        solve(equation, jnp.ones((1, 3)), [0.0, 0.5], dt=0.25)
    with pytest.raises(ValueError, match="whole multiples"):
        solve(equation, jnp.ones((1, 3)), [0.0, 0.6])


def test_stepper_on_the_host():
    def step(u, t, args, gain):
        assert isinstance(u, np.ndarray)
        return gain * u + t

    equation = from_step(step, 1.0, None, host=True, gain=2.0)
    trajectory = solve(equation, jnp.ones(2), [0.0, 1.0, 2.0])
    assert np.array_equal(trajectory.us[:, 0], [1.0, 2.0, 5.0])


def test_own_right_hand_side():
    equation = from_rhs(lambda t, u, args, rate: rate * u * args, None, rate=-1.0)
    trajectory = solve(equation, jnp.ones(2), [0.0, 1.0], dt=0.1, args=2.0)
    assert np.allclose(trajectory.us[-1], np.exp(-2.0), rtol=1e-6)


@pytest.mark.parametrize("ts", [[0.0, 1.2], [0.0, 0.1, 0.2, 0.3], [0.0, 0.1, 1.2]])
def test_memory_changes_no_gradient(ts):
    def loss(u, memory):
        trajectory = solve(
            lambda t, u, args: jnp.sin(u), u, ts, dt=0.05, scheme=dfx.Heun(),
            memory=memory,
        )  # fmt: skip
        return jnp.sum(trajectory.us**2)

    u = jnp.array([0.3, -1.0])
    plain, lean = (jax.grad(loss)(u, memory) for memory in (None, 30))
    assert np.allclose(plain, lean, rtol=1e-13, atol=0)


def test_gradients_of_burgers_equal_central_differences():
    grid = Grid(8, (0.0, 10.0), boundary=("inflow", "outflow"))
    equation = Burgers(grid, mu=0.02, viscosity=0.1)
    u0 = 2 + jnp.cos(grid.axes[0])[None]

    @jax.jit
    def loss(mu, u0):
        moved = equation.replace(mu=mu)
        return jnp.sum(solve(moved, u0, [0.0, 0.5, 1.0], dt=0.1).us[-1] ** 3)

    mu, h = jnp.array(0.02), 1e-5
    slope = (loss(mu + h, u0) - loss(mu - h, u0)) / (2 * h)
    gradient, by_u0 = jax.grad(loss, argnums=(0, 1))(mu, u0)
    assert np.allclose(gradient, slope, rtol=1e-6)
    assert np.allclose(jax.jacfwd(loss)(mu, u0), gradient, rtol=1e-12)
    direction = jnp.sin(jnp.arange(8.0))[None]
    slope = (loss(mu, u0 + h * direction) - loss(mu, u0 - h * direction)) / (2 * h)
    assert np.allclose(jnp.sum(by_u0 * direction), slope, rtol=1e-6)


@pytest.mark.parametrize("dt", [0.1, None])
def test_new_numbers_are_not_compiled_again(dt):
    traces = []

    def rhs(t, u, args, rate):
        traces.append(1)
        return rate * u

    equation = from_rhs(rhs, None, rate=-1.0)
    solve(equation, jnp.ones(2), [0.0, 1.0], dt=dt)
    count = len(traces)
    solve(equation.replace(rate=-2.0), jnp.zeros(2), [1.0, 2.0], dt=dt)
    if dt is not None:
        solve(equation, jnp.ones(2), [0.0, 1.0], dt=0.1000000001)
    assert len(traces) == count


BAD = [
    ({"ts": [0.0, 0.0]}, "must be finite and increase"),
    ({"ts": [0.0, 1.0, 0.5]}, r"increase .* \[1.0, 0.5\] in succession"),
    ({"ts": [0.0, np.nan]}, "must be finite and increase"),
    ({"ts": [0.0]}, "at least two output times"),
    ({"ts": [[0.0, 1.0]]}, "at least two output times"),
    ({"dt": 0.0}, "`dt` must be a positive step"),
    ({"dt": np.nan}, "`dt` must be a positive step"),
    ({"dt": 0.1, "max_steps": 5}, "below the 10 steps"),
    ({"max_steps": 0}, "`max_steps` must be at least 1"),
    ({"memory": 0}, "`memory` counts states"),
    ({"rtol": -1.0}, "`rtol` must not be negative"),
    ({"u0": jnp.arange(3)}, "floating or complex"),
    ({"u0": ()}, "holds no array"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input(change, message):
    good = {"u0": jnp.ones(3), "ts": [0.0, 1.0]}
    with pytest.raises(ValueError, match=message):
        solve(decay, **(good | change))


@pytest.mark.parametrize("dt", [0.1, None])
@pytest.mark.parametrize(
    ("field", "message"),
    [
        (lambda t, u, args: u[0], "the shape of the state"),
        (lambda t, u, args: (u,), "a PyTree like the state"),
        (lambda t, u, args: 1j * u, "complex numbers for a real state"),
    ],
)
def test_vector_field_must_match_its_state(field, message, dt):
    with pytest.raises(ValueError, match=message):
        solve(field, jnp.ones(3), [0.0, 1.0], dt=dt)


def test_field_of_the_wrong_shape_for_its_grid():
    with pytest.raises(ValueError, match=r"u0 of shape \(1, 9\)"):
        solve(Diffusion(GRID, nu=0.1), jnp.ones((1, 9)), [0.0, 1.0])


def test_traced_dt_asks_for_a_bound():
    with pytest.raises(ValueError, match="pass the most there can be"):
        jax.vmap(lambda dt: solve(decay, jnp.ones(1), [0.0, 1.0], dt=dt))(jnp.ones(2))
