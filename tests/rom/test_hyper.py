"""Interpolation from chosen entries: exactness, its bound, and models that use it."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from phix import pde, rom
from phix.space import Grid


SPACE, RANK = (2, 25), 6
GRID = Grid(32, (0.0, 20.0))


def basis(seed=0, rank=RANK):
    rng = np.random.default_rng(seed)
    U, _ = np.linalg.qr(rng.normal(size=(np.prod(SPACE), rank)))
    return U, jnp.asarray(U.T.reshape(rank, *SPACE))


def deim_by_the_book(U):
    """Algorithm 1 of Chaturantabut and Sorensen, line by line."""
    nodes = [int(np.argmax(np.abs(U[:, 0])))]
    for k in range(1, U.shape[1]):
        c = np.linalg.solve(U[nodes, :k], U[nodes, k])
        nodes.append(int(np.argmax(np.abs(U[:, k] - U[:, :k] @ c))))
    return nodes


def qdeim_by_scipy(U):
    from scipy.linalg import qr

    return qr(U.T, pivoting=True)[2][: U.shape[1]].tolist()


@pytest.mark.parametrize(
    ("select", "by_hand", "other"),
    [
        (rom.deim, deim_by_the_book, rom.qdeim),
        (rom.qdeim, qdeim_by_scipy, rom.deim),
    ],
)
def test_entries_are_those_of_the_algorithm(select, by_hand, other):
    for seed in range(3):
        U, modes = basis(seed)
        assert select(modes).tolist() == by_hand(U)
        assert other(modes).tolist() != by_hand(U)


def check_interpolant(select, seed=3):
    U, modes = basis(seed)
    nodes = np.asarray(select(modes))
    assert len(set(nodes.tolist())) == len(nodes)
    inverse = np.linalg.pinv(U[nodes])
    rng = np.random.default_rng(seed)
    size = np.linalg.norm(inverse, 2)
    for distance in (0.0, 1e-3, 1.0):
        f = U @ rng.normal(size=RANK) + distance * rng.normal(size=U.shape[0])
        given = U @ (inverse @ f[nodes])
        best = np.linalg.norm(f - U @ (U.T @ f))
        assert np.linalg.norm(f - given) <= size * best * (1 + 1e-9) + 1e-12
        if len(nodes) == RANK:
            np.testing.assert_allclose(given[nodes], f[nodes], rtol=0, atol=1e-12)
    return size


def test_interpolants_are_exact_at_their_entries_and_keep_their_bound():
    sizes = [
        check_interpolant(select)
        for select in (rom.deim, rom.qdeim, partial(rom.qdeim, num_nodes=12))
    ]
    # More entries, and well chosen ones: nearer to the bound of all of them, 1.
    rng = np.random.default_rng(0)
    lots = [
        np.linalg.norm(np.linalg.pinv(basis(3)[0][rng.permutation(50)[:12]]), 2)
        for _ in range(20)
    ]
    assert 1 < sizes[2] < min(sizes[0], sizes[1], *lots)
    # Negative twins: an entry twice, and an interpolant with another basis.
    with pytest.raises(AssertionError):
        check_interpolant(lambda modes: rom.qdeim(modes).at[1].set(rom.qdeim(modes)[0]))
    with pytest.raises(AssertionError):
        check_interpolant(lambda modes: rom.qdeim(modes)[: RANK - 1])


def test_qdeim_depends_on_the_span_alone():
    U, modes = basis()
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(RANK, RANK)))
    turned = jnp.asarray((U @ turn).T.reshape(RANK, *SPACE))
    assert sorted(rom.qdeim(modes).tolist()) == sorted(rom.qdeim(turned).tolist())
    assert sorted(rom.deim(modes).tolist()) != sorted(rom.deim(turned).tolist())


# Models: a front of Fisher and its kin, from fields that no trajectory is needed for.


def training(channels=1, grid=GRID, rate=1.0):
    x, t = np.asarray(grid.points[:, 0]), np.linspace(0.0, 1.0, 12)
    waves = [np.sin(2 * np.pi * k * x / 20 + k) for k in (1, 2, 3, 4)]
    weights = np.stack([0.7**k * np.cos((k + 1) * rate * t) for k in range(4)], 1)
    one = 0.4 + 0.3 * weights @ np.stack(waves)
    fields = np.stack([one - 0.5 * c * (one - 0.1) for c in range(channels)], 1)
    return t, jnp.asarray(fields[None])


def velocities(model, cond=None):
    return jax.vmap(lambda a: model.dynamics(0.0, a, cond))(model.latents[0])


def projected(model, equation):
    """Vᵀ times the right-hand side of the decoded fields."""
    fields = jax.vmap(model.decoder.field)(model.latents[0])
    rates = jax.vmap(lambda u: equation.rhs(0.0, u))(fields)
    modes = np.asarray(model.decoder.modes).reshape(len(model.decoder.modes), -1)
    return np.asarray(rates).reshape(len(fields), -1) @ modes.T


def check_deim_is_galerkin(equation, wrong=lambda model: model):
    """As many modes of the nonlinear part as it has: interpolation loses nothing."""
    data = training(2 if isinstance(equation, pde.GrayScott) else 1)
    # A mean and four waves; twelve frames, hence twelve nonlinear modes at most.
    model = rom.fit(rom.DEIMGalerkin(equation, 5, 12), data, grid=GRID)
    truth = projected(model, equation)
    error = np.linalg.norm(velocities(wrong(model)) - truth)
    assert error < 1e-9 * np.linalg.norm(truth)
    return model.dynamics


def source(t, u, args, rate):
    return rate * u * (1 - u**2) + jnp.roll(u, 1, -1)


@pytest.mark.parametrize(
    ("equation", "local"),
    [
        (pde.AllenCahn(GRID, 0.5), True),
        (pde.FisherKPP(GRID, 0.5, dealias=2 / 3), True),
        (pde.GrayScott(GRID, 0.03, 0.06, (0.2, 0.1)), True),
        (pde.ViscousBurgers(GRID, 0.1), False),
        (pde.from_rhs(source, GRID, rate=0.3), False),
    ],
    ids=lambda x: type(x).__name__,
)
def test_deim_with_all_modes_of_the_nonlinear_part_is_galerkin(equation, local):
    dynamics = check_deim_is_galerkin(equation)
    assert (dynamics.sampled is not None) == local


def test_a_wrong_entry_or_weight_is_noticed():
    equation = pde.AllenCahn(GRID, 0.5)
    for part in (lambda m: m.dynamics.weights, lambda m: m.dynamics.sampled.modes):

        def wrong(model, part=part):
            return eqx.tree_at(
                part, model, replace_fn=lambda a: a.at[0].multiply(1 + 1e-6)
            )

        with pytest.raises(AssertionError):
            check_deim_is_galerkin(equation, wrong)


def check_decay():
    """The error falls with the entries, within the bound of the modes left out."""
    equation, data = pde.AllenCahn(GRID, 0.5), training()
    seen = equation.reaction(data[1][0])
    errors = []
    for rank in (2, 4, 8):
        method = rom.DEIMGalerkin(equation, 4, rank)
        model = rom.fit(method, data, grid=GRID)
        U = np.asarray(rom.pod_modes(seen, rank)[0]).reshape(rank, -1).T
        fields = jax.vmap(model.decoder.field)(model.latents[0])
        reactions = np.asarray(equation.reaction(fields))[:, 0]
        left = np.linalg.norm(reactions - reactions @ U @ U.T, axis=1)
        size = np.linalg.norm(np.linalg.inv(U[np.asarray(model.dynamics.nodes)]), 2)
        lost = np.linalg.norm(velocities(model) - projected(model, equation), axis=1)
        assert np.all(lost <= size * left * (1 + 1e-6) + 1e-12)
        errors.append(np.max(lost))
    assert errors[1] < 0.5 * errors[0] and errors[2] < 0.1 * errors[1]


def test_the_error_of_deim_keeps_its_bound(monkeypatch):
    check_decay()
    # Negative twin: entries beside the chosen ones, with the weights of these.
    from phix.rom import _hyper

    honest = _hyper._sampled
    monkeypatch.setattr(_hyper, "_sampled", lambda d, e, n: honest(d, e, (n + 3) % 32))
    with pytest.raises(AssertionError):
        check_decay()


def test_parameters_reach_both_parts():
    t, us = training()
    us = jnp.concatenate([us, training(rate=1.5)[1]])
    cond = jnp.asarray([[0.2, 1.0], [0.6, 2.0]])
    names = ("diffusivity", "rate")
    equation = pde.FisherKPP(GRID, 0.5)
    # Fifteen products of a mean and four waves.
    model = rom.fit(
        rom.DEIMGalerkin(equation, 5, 15, select="deim"),
        (t, us, cond),
        parameters=names,
        grid=GRID,
    )
    truth = projected(model, equation.replace(diffusivity=0.4, rate=1.7))

    def check(asked):
        found = velocities(model, jnp.asarray(asked))
        np.testing.assert_allclose(found, truth, rtol=0, atol=1e-9)

    assert isinstance(model.dynamics.linear, rom.AffineDynamics)
    check([0.4, 1.7])
    for wrong in ([0.41, 1.7], [0.4, 1.71]):
        with pytest.raises(AssertionError):
            check(wrong)


def test_wrong_use_is_refused():
    _, modes = basis()
    with pytest.raises(ValueError, match="num_nodes must lie between .* 6.* 50; got 5"):
        rom.qdeim(modes, 5)
    with pytest.raises(ValueError, match="more than their unknowns"):
        rom.deim(jnp.ones((5, 1, 4)))
    with pytest.raises(ValueError, match="mean 'qdeim'"):
        rom.DEIMGalerkin(pde.FisherKPP(GRID, 0.5), 4, 4, select="q-deim")
