"""Galerkin and least-squares Petrov–Galerkin against their matrices by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from phix import pde, rom
from phix.space import Grid


N, RANK = 14, 3
RNG = np.random.default_rng(0)
D1, D2, CUBE = RNG.normal(size=(N, N)), RNG.normal(size=(N, N)), RNG.normal(size=N)
SOURCE = RNG.normal(size=N)
GRID = Grid(N, (0.0, 1.0))
TS = jnp.linspace(0.0, 0.3, 6)


def _dot(a, b):
    return jnp.matmul(a, b, precision="highest")


def equation(cubic=0.0, wave=0.0, power=1):
    r"""$\dot u = s + \nu^q D_2 u - \mu\,u\,D_1u$, and what spoils it."""

    def rhs(t, u, args, nu, mu):
        bent = u * _dot(u, D1.T)
        rate = SOURCE + nu**power * _dot(u, D2.T) - mu * bent
        return rate + cubic * CUBE * u**3 + wave * jnp.sin(t)

    return pde.from_rhs(rhs, GRID, nu=0.5, mu=2.0)


def training(parameters=True):
    us = jnp.asarray(np.random.default_rng(5).normal(size=(3, 6, 1, N)))
    cond = (jnp.asarray([[0.2, 1.0], [0.5, 3.0], [0.4, 2.0]]),) if parameters else ()
    return TS, us, *cond


def fitted(eq, *, parameters=("nu", "mu"), **options):
    method = rom.PODGalerkin(eq, RANK, **options)
    data = training(bool(parameters))
    return rom.fit(method, data, parameters=parameters, grid=GRID)


def operators_by_hand(decoder, nu, mu):
    V = np.asarray(decoder.modes).reshape(RANK, N).T
    m = np.zeros(N) if decoder.mean is None else np.asarray(decoder.mean)[0]
    constant = V.T @ (SOURCE + nu * D2 @ m - mu * m * (D1 @ m))
    linear = V.T @ (nu * D2 @ V - mu * (m[:, None] * (D1 @ V) + V * (D1 @ m)[:, None]))
    both = -mu * np.einsum("nk,ni,nj->kij", V, V, D1 @ V)
    i, j = np.triu_indices(RANK)
    quadratic = (both + both.transpose(0, 2, 1))[:, i, j]
    quadratic[:, i == j] /= 2
    return constant, linear, quadratic


def check_operators(model, nu, mu, asked=None):
    found = model.dynamics.at(jnp.asarray(asked or (nu, mu)))
    constant, linear, quadratic = operators_by_hand(model.decoder, nu, mu)
    for a, b in (
        (found.constant, constant),
        (found.linear, linear),
        (found.quadratic, quadratic),
    ):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("centre", [False, True])
def test_precomputed_operators_are_the_projected_ones(centre):
    model = fitted(equation(), centre=centre)
    # Also far outside the parameters of the data.
    for nu, mu in ((0.3, 1.5), (7.0, -4.0)):
        check_operators(model, nu, mu)
    with pytest.raises(AssertionError):
        check_operators(model, 0.3, 1.5, asked=(0.3 + 1e-8, 1.5))
    wrong = eqx.tree_at(lambda m: m.dynamics.quadratic, model, replace_fn=lambda h: -h)
    with pytest.raises(AssertionError):
        check_operators(wrong, 0.3, 1.5)


def test_operators_without_parameters_and_of_a_linear_equation():
    grid = Grid(N, (0.0, 1.0), "dirichlet")
    model = rom.fit(
        rom.PODGalerkin(pde.Diffusion(grid, 0.7), RANK), training(False), grid=grid
    )
    V = np.asarray(model.decoder.modes).reshape(RANK, N).T
    second = np.diag(np.full(N, -2.0)) + np.eye(N, k=1) + np.eye(N, k=-1)
    size = grid.spacing[0] ** -2

    def check(nu):
        truth = nu * V.T @ second @ V
        np.testing.assert_allclose(
            model.dynamics.linear / size, truth, rtol=0, atol=1e-10
        )

    check(0.7)
    np.testing.assert_allclose(model.dynamics.quadratic / size, 0, atol=1e-12)
    with pytest.raises(AssertionError):
        check(0.7 + 1e-8)


@pytest.mark.parametrize(
    "spoilt", [{"cubic": 1e-6}, {"wave": 1e-6}, {"power": 2}], ids=str
)
def test_other_equations_are_left_whole(spoilt):
    assert isinstance(fitted(equation()).dynamics, rom.AffineDynamics)
    model = fitted(equation(**spoilt))
    assert isinstance(model.dynamics, rom.GalerkinDynamics)
    with pytest.raises(ValueError, match="no polynomial of degree 2 affine in"):
        fitted(equation(**spoilt), operators="precomputed")


def check_same_forecast(a, b):
    start, cond = a.latents[0, 0], jnp.asarray([0.1, 0.2])
    first, second = (
        rom.forecast(m, start, TS, GRID, cond=cond, dt=0.01).fields for m in (a, b)
    )
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-10)


def test_both_dynamics_forecast_alike():
    fast, whole = fitted(equation()), fitted(equation(), operators="rhs")
    assert isinstance(whole.dynamics, rom.GalerkinDynamics)
    check_same_forecast(fast, whole)
    wrong = eqx.tree_at(
        lambda m: m.dynamics.linear, fast, replace_fn=lambda a: a + 1e-6
    )
    with pytest.raises(AssertionError):
        check_same_forecast(wrong, whole)


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="do not live on the equation's grid"):
        rom.fit(rom.PODGalerkin(equation(), 2), (TS, jnp.ones((1, 6, 1, N + 1))))
    with pytest.raises(ValueError, match="mean 'precomputed'"):
        rom.PODGalerkin(equation(), 2, operators="precompute")
    with pytest.raises(ValueError, match=r"cond must hold the values of 2 parameter"):
        fitted(equation()).dynamics(0.0, jnp.zeros(RANK))
    with pytest.raises(ValueError, match="quadratic must have shape"):
        rom.QuadraticDynamics(jnp.ones(2), jnp.eye(2), jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        rom.LSPG(equation(), 2, 0.1, order=3)
    with pytest.raises(ValueError, match="num_nodes must be at least the rank"):
        rom.LSPG(equation(), 4, 0.1, num_nodes=3)


# Least-squares Petrov–Galerkin for du/dt = −Ku with K symmetric and positive.

NU, T = 0.02, 0.8


class Setting:
    """Diffusion between walls, a basis of modes or of eigenvectors, and K by hand."""

    def __init__(self, invariant=False):
        self.grid = Grid(N, (0.0, 1.0), "dirichlet")
        second = np.diag(np.full(N, 2.0)) - np.eye(N, k=1) - np.eye(N, k=-1)
        self.K = NU * second / self.grid.spacing[0] ** 2
        rng = np.random.default_rng(1)
        smooth = np.linalg.eigh(self.K)[1][:, :RANK]
        noise = 0.0 if invariant else 0.1 * rng.normal(size=(N, RANK))
        self.V, _ = np.linalg.qr(smooth + noise)
        self.decoder = rom.LinearDecoder(self.grid, jnp.asarray(self.V.T[:, None]))
        self.start = np.asarray([1.0, -0.7, 0.4])

    def run(self, dt, ts=(0.0, T), start=None, **options):
        dynamics = rom.LSPGDynamics(
            self.decoder,
            pde.Diffusion(self.grid, 1.0),
            dt,
            ("nu",),
            rtol=1e-15,
            **options,
        )
        model = rom.ReducedModel(self.decoder, dynamics, jnp.zeros((1, 1, RANK)))
        cond = jnp.full(1, NU)
        start = jnp.asarray(self.start if start is None else start)
        return np.asarray(rom.forecast(model, start, np.asarray(ts), cond=cond).latents)

    def galerkin(self, steps):
        """Backward Euler of the projected equation."""
        step = np.eye(RANK) + T / steps * self.V.T @ self.K @ self.V
        return np.linalg.matrix_power(np.linalg.inv(step), steps) @ self.start

    def lspg(self, steps):
        """The normal equations of JVα = Vα_n."""
        moved = (np.eye(N) + T / steps * self.K) @ self.V
        step = np.linalg.solve(moved.T @ moved, moved.T @ self.V)
        return np.linalg.matrix_power(step, steps) @ self.start


def check_equal(given, wanted):
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-10)


def test_lspg_steps_solve_the_normal_equations():
    setting = Setting()
    given = setting.run(T / 8)[-1]
    check_equal(given, setting.lspg(8))
    with pytest.raises(AssertionError):
        check_equal(given, setting.galerkin(8))
    with pytest.raises(AssertionError):
        check_equal(given, setting.lspg(9))


def test_lspg_in_the_norm_of_the_inverse_jacobian_is_galerkin():
    setting = Setting()
    J = np.eye(N) + T / 8 * setting.K
    root = jnp.asarray(np.real(scipy.linalg.sqrtm(np.linalg.inv(J))))
    given = setting.run(T / 8, weight=lambda r: _dot(r, root.T))[-1]
    check_equal(given, setting.galerkin(8))
    with pytest.raises(AssertionError):
        check_equal(given, setting.lspg(8))


def test_lspg_of_eigenvectors_is_galerkin():
    setting = Setting(invariant=True)
    check_equal(setting.run(T / 8)[-1], setting.galerkin(8))
    with pytest.raises(AssertionError):
        check_equal(Setting().run(T / 8)[-1], Setting().galerkin(8))


def check_order(order, run, truth):
    """Halving the step divides what is left by 2^order."""
    errors = [np.linalg.norm(run(T / n) - truth(n)) for n in (64, 128)]
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.15


def test_lspg_and_galerkin_differ_at_first_order():
    setting = Setting()

    def run(dt):
        return setting.run(dt)[-1]

    check_order(1, run, setting.galerkin)
    with pytest.raises(AssertionError):
        check_order(2, run, setting.galerkin)


def test_bdf2_is_of_second_order_with_unequal_steps():
    setting = Setting(invariant=True)
    rates = np.linalg.eigvalsh(setting.V.T @ setting.K @ setting.V)
    vectors = np.linalg.eigh(setting.V.T @ setting.K @ setting.V)[1]
    truth = vectors @ (np.exp(-rates * T) * (vectors.T @ setting.start))
    # The middle time is no multiple of the step: steps shrink and grow to land on it.
    ts = (0.0, 0.41 * T, T)

    def check(order):
        def run(dt):
            return setting.run(dt, ts, order=order)[-1]

        check_order(2, run, lambda n: truth)

    check(2)
    with pytest.raises(AssertionError):
        check(1)


def test_a_sampled_residual_that_can_vanish_gives_the_same_steps():
    """At as many nodes as modes of an invariant space, all residuals are zero."""
    exact, other = Setting(invariant=True), Setting()
    nodes = rom.qdeim(exact.decoder.modes)
    check_equal(exact.run(T / 8, nodes=nodes)[-1], exact.galerkin(8))
    with pytest.raises(AssertionError):
        check_equal(other.run(T / 8, nodes=nodes)[-1], other.lspg(8))
    check_equal(other.run(T / 8, nodes=jnp.arange(N)[::-1])[-1], other.lspg(8))


class Wave(eqx.Module):
    """sin(x − α), a manifold that advection moves along."""

    def __call__(self, points, latent):
        return jnp.sin(points[:, 0] - latent[0])[None]


def check_wave(speed, h, wanted):
    grid = Grid(16, (0.0, 2 * np.pi))
    dynamics = rom.LSPGDynamics(Wave(), pde.Advection(grid, speed), h, rtol=1e-14)
    found = dynamics(jnp.full(1, 0.3), jnp.asarray([0.0, 4 * h]), None)
    np.testing.assert_allclose(found[-1, 0] - 0.3, 4 * wanted, rtol=0, atol=1e-9)


def test_manifold_lspg_moves_a_wave_by_the_phase_of_backward_euler():
    """‖e^{−iδ}(1 + ihc) − 1‖ is least at δ = arctan(hc)."""
    check_wave(0.7, 0.2, np.arctan(0.14))
    with pytest.raises(AssertionError):
        check_wave(0.7, 0.2, 0.14)


def test_a_search_that_fails_is_reported_with_its_time():
    setting = Setting()
    dynamics = rom.LSPGDynamics(
        setting.decoder,
        pde.Diffusion(setting.grid, NU),
        0.1,
        rtol=0.0,
        max_iterations=1,
    )
    model = rom.ReducedModel(setting.decoder, dynamics, jnp.zeros((1, 1, RANK)))
    made = rom.forecast(
        model, jnp.asarray(setting.start), np.asarray([0.0, 0.1, 0.2]), throw=False
    )
    assert made.result == 1 and made.first_bad_time == 0.1
    with pytest.raises(ValueError, match="ts is traced.*close over ts"):
        jax.jit(lambda ts: dynamics(jnp.zeros(RANK), ts, None))(jnp.arange(3.0))
