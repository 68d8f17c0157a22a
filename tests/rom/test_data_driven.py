"""DMD, operator inference and interpolation against systems that are known."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate
import scipy.linalg

from phix import rom
from phix.rom._opinf import _ridge, _ridges, differences
from phix.rom._quadratic import products_of
from phix.space import Grid


N, RANK = 10, 3
GRID = Grid(N, (0.0, 1.0))
RNG = np.random.default_rng(0)
MODES = np.linalg.qr(RNG.normal(size=(N, RANK)))[0].T
STEP = np.array([[0.9, 0.3, 0.0], [-0.3, 0.9, 0.1], [0.0, 0.0, 0.7]])
CONTROL = np.array([[0.2, 0.0], [0.0, -0.1], [0.5, 0.3]])
H = 0.1


def lifted(latents):
    """Fields "trajectories time channels space" of latents."""
    return jnp.asarray(np.asarray(latents) @ MODES)[:, :, None]


def inputs(t, cond):
    return jnp.stack([jnp.sin(3 * t), jnp.cos(5 * t) ** 2])


def linear_system(controlled, frames=12):
    ts = H * np.arange(frames)
    rows = []
    for start in (np.array([1.0, 0.0, 0.5]), np.array([-0.2, 1.0, 1.0])):
        states = [start]
        for t in ts[:-1]:
            drive = CONTROL @ np.asarray(inputs(t, None)) if controlled else 0.0
            states.append(STEP @ states[-1] + drive)
        rows.append(states)
    return ts, np.asarray(rows)


def in_modes(model):
    """The turn from the latents here to those of the model."""
    return np.asarray(model.decoder.modes)[:, 0] @ MODES.T


def test_dmd_finds_the_eigenvalues():
    ts, latents = linear_system(False)

    def check(fields):
        model = rom.fit(rom.DMD(RANK), (ts, fields), grid=GRID)
        found = np.sort_complex(np.linalg.eigvals(model.dynamics.matrix))
        wanted = np.sort_complex(np.linalg.eigvals(STEP))
        np.testing.assert_allclose(found, wanted, atol=1e-8)
        start = model.decoder.project(fields[0, 0])
        # At times that are no multiples of the step: by the matrix logarithm.
        made = rom.forecast(model, start, np.array([0.0, 0.13, 1.1]), GRID)
        for t, field in zip((0.13, 1.1), made.fields[1:], strict=True):
            power = np.real(scipy.linalg.expm(t / H * scipy.linalg.logm(STEP)))
            exact = (power @ latents[0, 0]) @ MODES
            np.testing.assert_allclose(field[0], exact, atol=1e-8)

    check(lifted(latents))
    with pytest.raises(AssertionError):
        check(lifted(latents).at[0, 5].multiply(1.001))


def test_dmd_of_a_dying_direction():
    dynamics = rom.DMDDynamics(jnp.diag(jnp.array([0.5, 0.0])), jnp.asarray(1.0))
    found = dynamics(jnp.array([4.0, 3.0]), jnp.array([0.0, 1.0, 2.0]), None)
    np.testing.assert_allclose(found, [[4, 3], [2, 0], [1, 0]], atol=1e-12)


def test_dmd_with_inputs_finds_both_matrices():
    ts, latents = linear_system(True)
    model = rom.fit(rom.DMD(RANK, inputs), (ts, lifted(latents)), grid=GRID)

    def check(matrix, control):
        turn = in_modes(model)
        np.testing.assert_allclose(matrix, turn @ STEP @ turn.T, atol=1e-8)
        np.testing.assert_allclose(control, turn @ CONTROL, atol=1e-8)

    check(model.dynamics.matrix, model.dynamics.control)
    with pytest.raises(AssertionError):
        # Without the inputs the matrix answers for them.
        blind = rom.fit(rom.DMD(RANK), (ts, lifted(latents)), grid=GRID)
        check(blind.dynamics.matrix, model.dynamics.control)
    start = model.decoder.project(lifted(latents)[1, 0])
    made = rom.forecast(model, start, ts[::3], GRID)
    np.testing.assert_allclose(made.fields, lifted(latents)[1, ::3], atol=1e-10)
    still = eqx.tree_at(
        lambda m: m.dynamics.inputs, model, lambda t, cond: jnp.zeros(2)
    )
    free = rom.forecast(still, start, ts, GRID).latents[1]
    np.testing.assert_allclose(free, model.dynamics.matrix @ start, atol=1e-12)


CONSTANT = np.array([0.1, -0.2, 0.0])
LINEAR = np.array([[-1.0, 2.0, 0.0], [-2.0, -1.0, 0.0], [0.0, 0.5, -0.5]])
QUADRATIC = 0.5 * RNG.normal(size=(RANK, RANK * (RANK + 1) // 2))
# How the operators change with the parameter.
CHANGE = 0.3 * RNG.normal(size=(RANK, RANK))


def rate_of(latent, beta=0.0):
    quadratic = QUADRATIC @ np.asarray(products_of(jnp.asarray(latent)))
    return CONSTANT + (LINEAR + beta * CHANGE) @ latent + quadratic


def quadratic_states(parameters):
    """Scattered states as "trajectories", with their exact rates."""
    rng = np.random.default_rng(3)
    latents = 0.5 * rng.normal(size=(len(parameters), 12, RANK))
    rates = np.asarray(
        [
            [rate_of(a, beta) for a in row]
            for row, beta in zip(latents, parameters, strict=True)
        ]
    )
    return latents, rates


def check_operators(model, parameters):
    """The inferred velocity is the system's, at states it has not seen."""
    turn = in_modes(model)
    for state in np.random.default_rng(9).normal(size=(4, RANK)):
        for beta in parameters:
            cond = None if beta is None else jnp.array([beta])
            found = model.dynamics(0.0, jnp.asarray(turn @ state), cond)
            wanted = turn @ rate_of(state, 0.0 if beta is None else beta)
            np.testing.assert_allclose(found, wanted, atol=1e-8)


def inferred(rates, latents, cond=None, **options):
    method = rom.OperatorInference(
        RANK, rates=lifted(rates), regularisation=(0.0,), **options
    )
    data = (jnp.arange(12.0), lifted(latents)) + (() if cond is None else (cond,))
    names = () if cond is None else ("beta",)
    return rom.fit(method, data, parameters=names, grid=GRID)


def test_operators_of_exact_rates_are_exact():
    latents, rates = quadratic_states([0.0, 0.0])
    check_operators(inferred(rates, latents), [None])
    with pytest.raises(AssertionError):
        check_operators(inferred(rates, latents, degree=1), [None])
    with pytest.raises(AssertionError):
        check_operators(inferred(1.001 * rates, latents), [None])


def test_operators_affine_in_a_parameter_are_exact():
    betas = [0.0, 0.5, 1.0]
    latents, rates = quadratic_states(betas)
    model = inferred(rates, latents, jnp.asarray(betas)[:, None])
    check_operators(model, [0.2, 2.0])


def test_reprojected_rates_are_those_of_galerkin():
    """Data of a larger system, re-projected: rates of the projected right-hand side at
    the projected states give the Galerkin operators exactly."""
    rng = np.random.default_rng(5)
    full = -np.eye(N) + 0.3 * rng.normal(size=(N, N))
    states = rng.normal(size=(2, 12, N))
    method = rom.OperatorInference(RANK, degree=1, regularisation=(0.0,))
    ts = jnp.arange(12.0)
    modes, _ = rom.pod_modes(jnp.asarray(states).reshape(24, 1, N), RANK)
    V = np.asarray(modes)[:, 0].T
    projected = states @ V @ V.T
    fields, rates = projected[:, :, None], (projected @ full.T)[:, :, None]
    method = rom.OperatorInference(
        RANK, degree=1, regularisation=(0.0,), rates=jnp.asarray(rates)
    )
    model = rom.fit(method, (ts, jnp.asarray(fields)), grid=GRID)
    W = np.asarray(model.decoder.modes)[:, 0].T
    np.testing.assert_allclose(model.dynamics.linear, W.T @ full @ W, atol=1e-8)
    np.testing.assert_allclose(model.dynamics.constant, 0, atol=1e-8)


def check_order(rule):
    """Exact for polynomials of degree four, on uneven times and at the ends."""
    ts = jnp.asarray(np.sort(np.random.default_rng(1).random(9)))
    powers = ts[:, None] ** jnp.arange(5)
    slopes = jnp.arange(5) * ts[:, None] ** jnp.maximum(jnp.arange(5) - 1, 0)
    np.testing.assert_allclose(rule(powers, ts), slopes, atol=1e-9)


def test_differences_are_of_fourth_order():
    check_order(differences)
    with pytest.raises(AssertionError):
        check_order(lambda values, ts: jnp.gradient(values, ts, axis=0))


def test_the_search_takes_what_rolls_out():
    """Noise in the rates: without regularisation the rollout is worse."""
    rng = np.random.default_rng(2)
    ts = np.linspace(0.0, 3.0, 40)
    system = np.array([[-0.1, 2.0, 0.0], [-2.0, -0.1, 0.0], [0.0, 0.0, -1.0]])
    starts = rng.normal(size=(2, RANK))
    latents = np.asarray(
        [[scipy.linalg.expm(t * system) @ s for t in ts] for s in starts]
    )
    noisy = lifted(latents + 0.02 * rng.normal(size=latents.shape))

    def error(**options):
        model = rom.fit(rom.OperatorInference(RANK, **options), (ts, noisy), grid=GRID)
        made = [
            rom.forecast(model, a[0], ts, throw=False).latents for a in model.latents
        ]
        return float(jnp.linalg.norm(jnp.stack(made) - model.latents))

    tried = [0.0, 1e-4, 1e-2, 1e-1]
    alone = [error(regularisation=(weight,)) for weight in tried]
    assert error(regularisation=tuple(tried)) == pytest.approx(np.nanmin(alone))
    assert np.nanmin(alone) < alone[0]


def check_ridges(ridges, shape):
    """One decomposition for every weight, and a QR for each, find the same."""
    rows = np.random.default_rng(1).normal(size=shape) * np.arange(1, shape[1] + 1)
    targets = jnp.asarray(np.random.default_rng(2).normal(size=(shape[0], 2)))
    rows = jnp.asarray(rows)
    for weight in (1e-6, 1e-2, 1.0):
        weight = jnp.asarray(weight)
        wanted = _ridge(rows, targets, weight)
        np.testing.assert_allclose(
            ridges(rows, targets)(weight), wanted, rtol=1e-7, atol=1e-9
        )


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)], ids=["tall", "wide"])
def test_weights_are_tried_by_one_decomposition(shape):
    check_ridges(_ridges, shape)


def test_a_weight_of_other_units_is_noticed():
    with pytest.raises(AssertionError):
        check_ridges(lambda rows, y: lambda w: _ridges(rows, y)(2 * w), (9, 4))


def interpolation_data():
    rng = np.random.default_rng(4)
    ts, cond = np.linspace(0.0, 1.0, 5), np.array([[0.0], [0.4], [1.0]])
    latents = rng.normal(size=(3, 5, RANK))
    return ts, cond, latents


def tabled(latents, ts, cond, *options, **more):
    method = rom.PODInterpolation(RANK, *options, **more)
    data = jnp.asarray(ts), lifted(latents), jnp.asarray(cond)
    return rom.fit(method, data, parameters=("beta",), grid=GRID)


def at(model, ts, beta):
    start = jnp.full(RANK, 99.0)
    return rom.forecast(model, start, np.asarray(ts), GRID, cond=jnp.array([beta]))


def check_nodes(model, latents, ts, cond):
    for row, beta in zip(latents, cond[:, 0], strict=True):
        fields = at(model, ts, beta).fields
        np.testing.assert_allclose(fields, lifted(row[None])[0], atol=1e-6)


@pytest.mark.parametrize("options", [("rbf",), ("gp", 0.0, (0.4, 0.5))])
def test_the_nodes_are_reproduced(options):
    ts, cond, latents = interpolation_data()
    model = tabled(latents, ts, cond, *options)
    check_nodes(model, latents, ts, cond)
    with pytest.raises(AssertionError):
        check_nodes(model, latents, ts + 0.01, cond)


def test_radial_functions_are_those_of_scipy():
    ts, cond, latents = interpolation_data()
    model = tabled(latents, ts, cond)
    nodes = np.asarray([[t, c] for c in cond[:, 0] for t in ts])
    peer = scipy.interpolate.RBFInterpolator(
        nodes, latents.reshape(-1, RANK) @ MODES, kernel="cubic", degree=1
    )
    places = np.array([[0.0, 0.7], [0.33, 0.7], [1.2, 0.7]])
    found = at(model, places[:, 0], 0.7).fields[:, 0]
    np.testing.assert_allclose(found, peer(places), atol=1e-8)


def test_linear_functions_are_exact():
    ts, cond, _ = interpolation_data()
    planes = np.random.default_rng(6).normal(size=(3, RANK))

    def exact(t, beta):
        return np.array([1.0, t, beta]) @ planes

    latents = np.asarray([[exact(t, c) for t in ts] for c in cond[:, 0]])
    found = at(tabled(latents, ts, cond), [0.1, 1.7], -0.5).fields
    wanted = np.asarray([exact(0.1, -0.5), exact(1.7, -0.5)])
    np.testing.assert_allclose(found, lifted(wanted[None])[0], atol=1e-9)


def kriging(z, nodes, values, lengths, noise):
    """The textbook predictor of a process of unknown variance about the mean."""

    def k(a, b):
        return np.exp(-np.sum(((a[:, None] - b) / lengths) ** 2, axis=-1) / 2)

    mean = values.mean(axis=0)
    weights = np.linalg.solve(
        k(nodes, nodes) + noise**2 * np.eye(len(nodes)), values - mean
    )
    return mean + k(z, nodes) @ weights


def test_the_process_is_kriging():
    ts, cond, latents = interpolation_data()
    lengths, noise = (0.4, 0.5), 0.1
    model = tabled(latents, ts, cond, "gp", noise, lengths)
    nodes = np.asarray([[t, c] for c in cond[:, 0] for t in ts])
    places = np.array([[0.0, 0.7], [0.33, 0.7]])
    found = at(model, places[:, 0], 0.7).fields[:, 0]

    def check(noise):
        wanted = kriging(places, nodes, latents.reshape(-1, RANK), lengths, noise)
        np.testing.assert_allclose(found, wanted @ MODES, atol=1e-9)

    check(noise)
    with pytest.raises(AssertionError):
        check(0.0)


@pytest.mark.slow
def test_lengths_of_maximum_likelihood():
    """Smooth in time and constant in the parameter: long there, and a better guess
    between the nodes than radial functions without any shape."""
    ts, cond = np.linspace(0.0, 1.0, 9), np.array([[0.0], [0.5], [1.0]])

    def wave(t):
        return np.stack([np.sin(6 * t), np.cos(5 * t), t**2], axis=-1)

    latents = np.tile(wave(ts), (3, 1, 1))
    model = tabled(latents, ts, cond, "gp")
    lengths = np.asarray(model.dynamics.lengths)
    assert np.all(lengths[1] > 3 * lengths[0])
    between = (ts[1:] + ts[:-1]) / 2
    truth = lifted(wave(between)[None])[0]

    def error(model):
        return float(jnp.max(jnp.abs(at(model, between, 0.3).fields - truth)))

    assert error(model) < 0.2 * error(tabled(latents, ts, cond))


def test_wrong_use_is_refused():
    ts, latents = linear_system(False)
    fields = lifted(latents)
    uneven = np.sort(np.random.default_rng(0).random(12))
    with pytest.raises(ValueError, match="frames must be evenly spaced"):
        rom.fit(rom.DMD(2), (uneven, fields), grid=GRID)
    model = rom.fit(rom.DMD(2, inputs), (ts, fields), grid=GRID)
    with pytest.raises(ValueError, match="whole steps of 0.1"):
        rom.forecast(model, jnp.zeros(2), np.array([0.0, 0.15]))
    with pytest.raises(ValueError, match="degree must be 1 or 2, got 3"):
        rom.OperatorInference(2, degree=3)
    with pytest.raises(ValueError, match="regularisation must hold numbers"):
        rom.OperatorInference(2, regularisation=(-1.0,))
    with pytest.raises(ValueError, match="need 5 frames, got 3"):
        rom.fit(rom.OperatorInference(2), (ts[:3], fields[:, :3]), grid=GRID)
    with pytest.raises(ValueError, match="rates of shape"):
        rom.fit(rom.OperatorInference(2, rates=fields[:, :5]), (ts, fields), grid=GRID)
    with pytest.raises(ValueError, match="unknown kind 'rfb'.*rbf"):
        rom.PODInterpolation(2, "rfb")
    with pytest.raises(ValueError, match="noise must be ≥ 0, got -1"):
        rom.PODInterpolation(2, "gp", -1.0)
    with pytest.raises(ValueError, match="lengths belong to kind='gp'"):
        rom.PODInterpolation(2, lengths=(1.0,))
    with pytest.raises(ValueError, match="lengths must be 1 numbers"):
        rom.fit(
            rom.PODInterpolation(2, "gp", lengths=(1.0, 2.0)), (ts, fields), grid=GRID
        )
    table = rom.fit(rom.PODInterpolation(2), (ts, fields), grid=GRID)
    with pytest.raises(ValueError, match=r"values of 0 parameter\(s\), got \(1,\)"):
        rom.forecast(table, jnp.zeros(2), ts, cond=jnp.ones(1))
