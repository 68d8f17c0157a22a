"""With a linear decoder and a linear equation everything has a closed form."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from phix import rom
from phix.num import minimise
from phix.pde import Diffusion
from phix.space import Grid


RANK, NU = 4, 0.7
SNAPSHOTS = 24


class LinearDynamics(eqx.Module):
    matrix: jax.Array

    def __call__(self, t, latent, cond=None):
        return self.matrix @ latent


class Setting(eqx.Module):
    """Diffusion with walls, an orthonormal basis V, and the operator by hand."""

    equation: Diffusion
    decoder: rom.LinearDecoder
    galerkin: np.ndarray
    latents: jax.Array


@pytest.fixture(scope="module")
def setting():
    n, dx = 12, 1.0
    grid = Grid(n, (0.0, (n + 1) * dx), boundary="dirichlet")
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(n, RANK)))
    second = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1)
    second = (second + np.diag(np.ones(n - 1), -1)) / dx**2
    decoder = rom.LinearDecoder(grid, jnp.asarray(basis.T[:, None]))
    galerkin = NU * basis.T @ second @ basis
    latents = jnp.asarray(rng.normal(size=(1, SNAPSHOTS, RANK)))
    return Setting(Diffusion(grid, NU), decoder, galerkin, latents)


def check_target(setting, damping, equation=None):
    """J†s of the code is VᵀΔV α / (1 + d²): the Tikhonov form, μ = d as ‖V‖_F = √r."""
    equation = equation or setting.equation
    model = rom.ReducedModel(
        setting.decoder, LinearDynamics(jnp.eye(RANK)), setting.latents
    )
    for latent in model.latents[0, :3]:
        field = rom.decode_frames(model, latent[None], equation.space)[0]
        target = rom.latent_velocity(
            setting.decoder,
            latent,
            equation.rhs(0.0, field, None),
            equation.space.points,
            damping=damping,
        )
        truth = setting.galerkin @ np.asarray(latent) / (1 + damping**2)
        np.testing.assert_allclose(target, truth, rtol=0, atol=1e-10)


@pytest.mark.parametrize("damping", [0.0, 1e-3])
def test_target_is_the_galerkin_velocity(setting, damping):
    check_target(setting, damping)


def test_target_check_sees_a_missing_solver(setting):
    nothing = eqx.tree_at(lambda e: e.nu, setting.equation, jnp.zeros(()))
    with pytest.raises(AssertionError):
        check_target(setting, 0.0, nothing)


def check_learnt_operator(setting, equation):
    """Minimising the dynamics loss alone finds the POD-Galerkin operator."""
    fields = jnp.zeros((SNAPSHOTS, 1, *setting.equation.space.shape)) + 1.0
    rows = jnp.arange(SNAPSHOTS, dtype=jnp.int32)
    data = rom.Snapshot(
        fields, jnp.zeros(SNAPSHOTS), jnp.zeros((SNAPSHOTS, 0)), 0 * rows, rows
    )
    loss = rom.phi_loss(equation, reconstruction_weight=0.0, fraction=1.0, damping=0.0)

    def total(matrix, _):
        model = rom.ReducedModel(
            setting.decoder, LinearDynamics(matrix), setting.latents
        )
        each = jax.vmap(lambda s: loss(model, s, step=0, key=jr.key(0))[0])
        # The square of the norm of the loss: smooth at the minimum.
        return jnp.mean(each(data) ** 2)

    import optax

    found = minimise(
        total, jnp.zeros((RANK, RANK)), optimiser=optax.lbfgs(), max_steps=500
    )
    error = np.linalg.norm(found.x - setting.galerkin)
    assert error / np.linalg.norm(setting.galerkin) < 1e-4


def test_the_dynamics_loss_recovers_the_galerkin_operator(setting):
    check_learnt_operator(setting, setting.equation)


def test_without_the_right_solver_term_the_operator_is_not_found(setting):
    with pytest.raises(AssertionError):
        check_learnt_operator(setting, setting.equation.replace(nu=0.5 * NU))


def test_galerkin_dynamics_are_the_matrix_exponential(setting):
    model = rom.ReducedModel(
        setting.decoder,
        rom.GalerkinDynamics(setting.decoder, setting.equation),
        setting.latents,
    )
    start, ts = setting.latents[0, 0], np.linspace(0.0, 1.0, 5)
    result = rom.forecast(
        model, start, ts, setting.equation.space, dt=0.02, scheme=dfx.Dopri5()
    )
    values, vectors = np.linalg.eigh(setting.galerkin)
    for t, latent, field in zip(ts, result.latents, result.fields, strict=True):
        truth = vectors @ (np.exp(values * t) * (vectors.T @ np.asarray(start)))
        np.testing.assert_allclose(latent, truth, atol=1e-9)
        expected = np.tensordot(truth, np.asarray(setting.decoder.modes), 1)
        np.testing.assert_allclose(field, expected, atol=1e-8)


def test_pod_projection_is_the_best_of_its_rank(setting):
    rng = np.random.default_rng(1)
    fields = rng.normal(size=(2, 10, 1, 12)) * 2.0 ** -np.arange(12)
    grid = setting.equation.space
    data = jnp.linspace(0.0, 1.0, 10), jnp.asarray(fields)
    model = rom.fit(rom.PODGalerkin(setting.equation, rank=3), data, grid=grid)
    inversion = jax.vmap(lambda u: rom.invert(model, grid.points, u, max_restarts=1))(
        jnp.asarray(fields.reshape(20, 1, 12))
    )
    matrix = fields.reshape(20, 12)
    singular = np.linalg.svd(matrix, compute_uv=False)
    norms = np.linalg.norm(matrix, axis=1)
    lost = np.sqrt(np.sum((np.asarray(inversion.error) * norms) ** 2))
    # Eckart–Young: what any subspace of rank 3 must lose.
    np.testing.assert_allclose(lost, np.linalg.norm(singular[3:]), rtol=1e-9)
    np.testing.assert_allclose(
        inversion.latent.reshape(2, 10, 3), model.latents, atol=1e-8
    )


def test_pod_rank_beyond_the_data_is_refused(setting):
    with pytest.raises(ValueError, match="rank must lie between 1 and 5.*got 6"):
        rom.pod_modes(jnp.ones((5, 1, 12)), 6)


def spans(ahead, warmup, draws=400):
    """How far from the snapshot the dynamics were judged, told from the loss alone.

    Two modes of diffusion, Galerkin's rates λ; the dynamics −α₁ and 0 shrink the first
    mode, and with it the loss, by a known law.
    """
    n, nu = 12, 0.7
    grid = Grid(n, (0.0, n + 1.0), boundary="dirichlet")
    modes = np.sin(np.pi * np.outer((1, 6), np.arange(1, n + 1)) / (n + 1))
    decoder = rom.LinearDecoder(
        grid, jnp.asarray(modes[:, None]) * (2 / (n + 1)) ** 0.5
    )
    model = rom.ReducedModel(
        decoder, LinearDynamics(jnp.diag(jnp.array([-1.0, 0.0]))), jnp.ones((1, 1, 2))
    )
    sample = rom.Snapshot(
        jnp.ones((1, n)), jnp.zeros(()), jnp.zeros(0), jnp.int32(0), jnp.int32(0)
    )
    loss = rom.phi_loss(
        Diffusion(grid, nu), warmup=warmup, fraction=1.0, damping=0.0, ahead=ahead
    )

    def one(key):
        return loss(model, sample, step=5, key=key)[1]["dynamics"]

    squares = np.asarray(jax.vmap(one)(jr.split(jr.key(0), draws))) ** 2
    first, second = -4 * nu * np.sin(np.pi * np.array([1, 6]) / (2 * n + 2)) ** 2
    shrunk = second**2 * (squares - 1) / ((1 + first) ** 2 - squares * first**2)
    return -np.log(shrunk) / 2


def check_spans(ahead):
    """Even between 0 and `ahead`: in range, and five standard errors of the mean."""
    found = spans(ahead, 0)
    assert np.min(found) > -1e-9 and np.max(found) < 1.5 + 1e-3
    assert abs(np.mean(found) - 0.75) < 5 * 1.5 / np.sqrt(12 * len(found))


def test_dynamics_are_judged_ahead_of_the_snapshots():
    check_spans(1.5)
    with pytest.raises(AssertionError):
        check_spans(0.0)
    np.testing.assert_allclose(spans(1.5, 10, draws=3), 0.0, atol=1e-9)
