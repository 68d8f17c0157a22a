import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from phix import nn, rom
from phix.pde import Burgers, burgers_shock
from phix.space import Grid
from tests.rosters.case import cast


NAMES = ("mu",)


@pytest.fixture(scope="module")
def equation():
    return Burgers(Grid(24, (0.0, 100.0), boundary=("inflow", "outflow")), 0.02)


@pytest.fixture(scope="module")
def model(equation):
    grid = equation.space
    field = burgers_shock(grid.points[:, 0])[None]
    decoder = nn.SineDecoder(
        nn.MinMax.of(grid.points),
        nn.Standardiser.of(field, axis=0),
        latent_size=3,
        width=8,
        depth=2,
        key=jr.key(0),
    )
    conditions = nn.Standardiser(jnp.array([0.02]), jnp.array([0.004]))
    dynamics = nn.SwishDynamics(3, conditions, width=8, depth=2, key=jr.key(1))
    made = rom.ReducedModel.auto_decoder(decoder, dynamics, (2, 3), NAMES)
    table = jr.normal(jr.key(2), made.latents.shape)
    return eqx.tree_at(lambda m: m.latents, made, table)


@pytest.fixture(scope="module")
def sample(equation):
    field = burgers_shock(equation.space.points[:, 0])[None]
    return rom.Snapshot(
        field, jnp.zeros(()), jnp.array([0.017]), jnp.int32(1), jnp.int32(2)
    )


def solver_rate(field, model, points):
    """Engquist–Osher upwinding of Burgers' flux, with the source, first node frozen."""
    dx, x, mu = 100 / 23, np.asarray(points)[:, 0], 0.017
    s = np.zeros_like(field)
    # Positive or not, by the Engquist-Osher flux.
    right, left = np.maximum(field, 0) ** 2 / 2, np.minimum(field, 0) ** 2 / 2
    flux = right[:-1] + left[1:]
    s[1:-1] = -(flux[1:] - flux[:-1]) / dx
    s[-1] = -(right[-1] + left[-1] - flux[-1]) / dx
    s[1:] += 0.02 * np.exp(mu * x[1:])
    return s


def pointwise_rate(field, model, points):
    """−u u_x + 0.02 exp(μx) of the decoded function, by differences in x."""
    h, latent = 1e-4, model.latents[1, 2]
    ahead, behind = (model.decoder(points + d, latent)[0] for d in (h, -h))
    source = 0.02 * np.exp(0.017 * np.asarray(points)[:, 0])
    return np.asarray(-field * (ahead - behind) / (2 * h)) + source


def terms_by_hand(model, equation, sample, rate):
    """The sheet's two terms in NumPy: central differences for J, lstsq for J†."""
    points, latent = equation.space.points, model.latents[1, 2]
    field = np.asarray(model.decoder(points, latent))[0]
    truth = np.asarray(sample.field)[0]
    reconstruction = np.linalg.norm(field - truth) / np.linalg.norm(truth)
    s, eps = rate(field, model, points), 1e-6
    columns = [
        np.asarray(
            model.decoder(points, latent + eps * e)
            - model.decoder(points, latent - eps * e)
        )[0]
        / (2 * eps)
        for e in np.eye(3)
    ]
    target = np.linalg.lstsq(np.stack(columns, axis=1), s, rcond=None)[0]
    predicted = np.asarray(model.dynamics(0.0, latent, jnp.array([0.017])))
    return reconstruction, np.linalg.norm(predicted - target) / np.linalg.norm(target)


def check_terms(model, equation, sample, loss, rate=solver_rate):
    _, metrics = loss(model, sample, step=5, key=jr.key(0))
    reconstruction, dynamics = terms_by_hand(model, equation, sample, rate)
    np.testing.assert_allclose(metrics["reconstruction"], reconstruction, rtol=1e-10)
    np.testing.assert_allclose(metrics["dynamics"], dynamics, rtol=1e-6)


def test_terms_are_those_of_the_paper(model, equation, sample):
    loss = rom.phi_loss(equation, NAMES, fraction=1.0, damping=0.0)
    check_terms(model, equation, sample, loss)


def test_pinn_terms_are_those_of_the_decoded_function(model, equation, sample):
    loss = rom.phi_loss(equation, NAMES, teacher="pointwise", fraction=1.0, damping=0.0)
    check_terms(model, equation, sample, loss, pointwise_rate)
    with pytest.raises(AssertionError):
        check_terms(model, equation, sample, loss, solver_rate)


def test_terms_check_sees_a_wrong_parameter(model, equation, sample):
    loss = rom.phi_loss(equation, (), fraction=1.0, damping=0.0)
    with pytest.raises(AssertionError):
        # Without names the solver keeps μ = 0.02; Ψ is then asked without cond too.
        check_terms(
            model,
            equation,
            sample,
            lambda m, s, **k: loss(
                eqx.tree_at(lambda m: m.dynamics, m, _At(m.dynamics)), s, **k
            ),
        )


class _At(eqx.Module):
    dynamics: nn.SwishDynamics

    def __call__(self, t, latent, cond=None):
        return self.dynamics(t, latent, jnp.array([0.017]))


def gradient_of(term, model, sample, loss, step):
    def value(model):
        return loss(model, sample, step=step, key=jr.key(3))[1][term]

    return eqx.filter_jit(eqx.filter_grad(value))(model)


def test_before_the_warmup_ends_the_dynamics_reach_psi_alone(model, equation, sample):
    loss = rom.phi_loss(equation, NAMES, warmup=10)
    early = gradient_of("dynamics", model, sample, loss, 9)
    late = gradient_of("dynamics", model, sample, loss, 10)
    for part in ("decoder", "latents"):
        zeros = jax.tree.leaves(eqx.filter(getattr(early, part), eqx.is_inexact_array))
        assert all(jnp.all(g == 0) for g in zeros)
        moved = jax.tree.leaves(eqx.filter(getattr(late, part), eqx.is_inexact_array))
        assert any(jnp.any(g != 0) for g in moved)
    jax.tree.map(np.testing.assert_array_equal, early.dynamics, late.dynamics)


@pytest.mark.slow
def test_one_backward_pass_is_the_weighted_sum_of_two(model, equation, sample):
    for step in (0, 99):
        loss = rom.phi_loss(equation, NAMES, warmup=10, reconstruction_weight=0.3)
        whole = eqx.filter_grad(
            lambda m, loss=loss, step=step: loss(m, sample, step=step, key=jr.key(3))[0]
        )(model)
        parts = [gradient_of(t, model, sample, loss, step)
                 for t in ("reconstruction", "dynamics")]  # fmt: skip
        jax.tree.map(
            lambda w, r, d: np.testing.assert_allclose(
                w, 0.3 * r + 0.7 * d, rtol=1e-9, atol=1e-12
            ),
            whole,
            *parts,
        )


def check_gradient(model, equation, sample, frozen):
    """Central differences of the loss, the scale of its target held as the paper has it
    (sg), along a random direction of every trained array."""
    loss = rom.phi_loss(equation, NAMES, fraction=1.0)
    trained, rest = eqx.partition(model, nn.trainable(model))

    @jax.jit
    def parts(trained):
        model = eqx.combine(trained, rest)
        value, metrics = loss(model, sample, step=0, key=jr.key(0))
        latent, solver = model.latents[1, 2], equation.replace(mu=sample.cond[0])
        field = model.decoder(equation.space.points, latent)
        target = rom.latent_velocity(
            model.decoder, latent, solver.rhs(0.0, field), equation.space.points
        )
        return value, metrics["reconstruction"], metrics["dynamics"], target

    scale = jnp.linalg.norm(parts(trained)[3])

    def value(trained):
        _, reconstruction, dynamics, target = parts(trained)
        ratio = jnp.linalg.norm(target) / scale if frozen else 1.0
        return 0.5 * reconstruction + 0.5 * dynamics * ratio

    leaves, tree = jax.tree.flatten(trained)
    keys = jr.split(jr.key(4), len(leaves))
    directions = [
        jr.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)
    ]

    def along(h):
        moved = [x + h * d for x, d in zip(leaves, directions, strict=True)]
        return value(jax.tree.unflatten(tree, moved))

    h = 1e-4
    numeric = (along(-2 * h) - 8 * along(-h) + 8 * along(h) - along(2 * h)) / (12 * h)
    gradient = jax.grad(lambda t: parts(t)[0])(trained)
    pairs = zip(jax.tree.leaves(gradient), directions, strict=True)
    exact = sum(jnp.sum(g * d) for g, d in pairs)
    np.testing.assert_allclose(exact, numeric, rtol=1e-6)


def test_gradient_of_the_loss(model, equation, sample):
    check_gradient(model, equation, sample, frozen=True)


def test_gradient_check_sees_a_scale_that_moves(model, equation, sample):
    with pytest.raises(AssertionError):
        check_gradient(model, equation, sample, frozen=False)


def test_gradient_at_latent_zero_is_finite(model, equation, sample):
    """All latents of a trajectory start at zero; J may lose rank there."""
    zero = eqx.tree_at(lambda m: m.latents, model, jnp.zeros_like(model.latents))
    # Two equal columns of the latent weights: J has rank r − 1 exactly.
    weight = zero.decoder.layers[0].weight
    singular = eqx.tree_at(
        lambda m: m.decoder.layers[0].weight, zero, weight.at[:, 2].set(weight[:, 1])
    )
    loss = rom.phi_loss(equation, NAMES)
    for candidate in (zero, singular):
        grads = gradient_of("dynamics", candidate, sample, loss, 0)
        assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(grads))


def test_data_at_sensors_leave_the_dynamics_term_alone(model, equation, sample):
    points = jnp.array([[3.0], [50.0], [77.0]])
    seen = eqx.tree_at(lambda s: s.field, sample, jnp.array([[1.0, 2.0, 3.0]]))
    loss = rom.phi_loss(equation, NAMES, points=points)
    _, metrics = loss(model, seen, step=0, key=jr.key(0))
    field = np.asarray(model.decoder(points, model.latents[1, 2]))
    truth = np.linalg.norm(field - [[1, 2, 3]]) / np.linalg.norm([1, 2, 3])
    np.testing.assert_allclose(metrics["reconstruction"], truth, rtol=1e-12)
    _, full = rom.phi_loss(equation, NAMES)(model, sample, step=0, key=jr.key(0))
    np.testing.assert_allclose(metrics["dynamics"], full["dynamics"], rtol=1e-12)


def test_single_precision_stays_single_ahead_of_the_snapshots(model, equation, sample):
    model, equation, sample = cast((model, equation, sample), jnp.float32)
    loss = rom.phi_loss(equation, NAMES, ahead=0.5)
    value, _ = loss(model, sample, step=0, key=jr.key(0))
    assert value.dtype == jnp.float32


@settings(deadline=None, max_examples=30)
@given(size=st.integers(1, 60), share=st.floats(0.01, 1.0), seed=st.integers(0, 99))
def test_a_stratified_subset_has_distinct_indices(size, share, seed):
    count = max(1, int(share * size))
    chosen = np.asarray(rom.stratified_subset(size, count, key=jr.key(seed)))
    assert chosen.shape == (count,)
    assert len(set(chosen.tolist())) == count
    assert chosen.min() >= 0 and chosen.max() < size


def check_uniform(draw):
    size, count, draws = 11, 4, 4000
    keys = jr.split(jr.key(0), draws)
    chosen = np.asarray(jax.vmap(lambda k: draw(size, count, key=k))(keys))
    share = np.bincount(chosen.ravel(), minlength=size) / draws
    expected = count / size
    # Five standard errors of a binomial share.
    assert np.all(np.abs(share - expected) < 5 * np.sqrt(expected / draws))


def test_every_index_is_equally_likely():
    check_uniform(rom.stratified_subset)


def test_uniformity_check_sees_unequal_stretches():
    def unturned(size, count, *, key):
        starts = np.arange(count + 1) * size // count
        return starts[:-1] + jr.randint(key, (count,), 0, jnp.asarray(np.diff(starts)))

    with pytest.raises(AssertionError):
        check_uniform(unturned)


def test_bad_choices_are_named(equation):
    with pytest.raises(ValueError, match="unknown teacher 'data'"):
        rom.phi_loss(equation, teacher="data")
    with pytest.raises(ValueError, match=r"reconstruction_weight must lie in \[0, 1\]"):
        rom.phi_loss(equation, reconstruction_weight=1.5)
    with pytest.raises(ValueError, match=r"fraction must lie in \(0, 1\], got 0"):
        rom.phi_loss(equation, fraction=0.0)
    with pytest.raises(ValueError, match="ahead must not be negative"):
        rom.phi_loss(equation, ahead=-1.0)
    with pytest.raises(ValueError, match="count must lie between 1 and size = 3"):
        rom.stratified_subset(3, 4, key=jr.key(0))
