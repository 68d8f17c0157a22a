"""The data of a reduced-order model, and the networks at their initial weights."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import rom
from phix.data import Trajectory
from phix.integrate import solve
from phix.pde import Burgers
from phix.recipes.phi_rom import PhiROMRecipe


class Case(eqx.Module):
    """A recipe's equation with its trajectories, training and test apart.

    `train` covers the training horizon and its parameters; `test` has the interpolated
    parameters first, then `num_outside` extrapolated ones, over all frames.
    """

    equation: Burgers
    u0: jax.Array
    scheme: dfx.AbstractSolver
    train: Trajectory
    test: Trajectory
    num_outside: int = eqx.field(static=True, default=2)


def parameters(recipe: PhiROMRecipe) -> tuple[np.ndarray, np.ndarray]:
    """Training parameters, and the test's: mid-points, then one beyond each end."""
    low, high = recipe.split.parameters
    train = np.linspace(low, high, recipe.split.num_training)
    spacing = train[1] - train[0]
    middle = (train[1:] + train[:-1]) / 2
    return train, np.concatenate([middle, [low - spacing, high + spacing]])


def frame_times(recipe: PhiROMRecipe, num_frames: int) -> np.ndarray:
    """The times of the frames, one solver step apart."""
    return recipe.equation.dt * np.arange(num_frames)


def simulate(recipe: PhiROMRecipe, values: np.ndarray, num_frames: int) -> Trajectory:
    """One trajectory for each value of the recipe's parameter, in one batch."""
    equation, u0, scheme = recipe.equation.build()
    ts, dt = frame_times(recipe, num_frames), recipe.equation.dt

    def one(value):
        changed = equation.replace(**{recipe.equation.parameter: value})
        return solve(changed, u0, ts, dt=dt, scheme=scheme, throw=False)

    return jax.vmap(one)(jnp.asarray(values, u0.dtype)).throw()


def make_case(recipe: PhiROMRecipe) -> Case:
    """Simulates training and test trajectories."""
    equation, u0, scheme = recipe.equation.build()
    train_values, test_values = parameters(recipe)
    train = simulate(recipe, train_values, recipe.split.horizon)
    test = simulate(recipe, test_values, recipe.split.num_frames)
    return Case(equation, u0, scheme, train, test)


def training_snapshots(recipe: PhiROMRecipe, case: Case) -> rom.Snapshot:
    """Every so many-th training frame of all trajectories, as samples."""
    return rom.snapshots(_thinned(recipe, case), (recipe.equation.parameter,))


def build_model(recipe: PhiROMRecipe, case: Case) -> rom.ReducedModel:
    """The networks with their normalisers, at their initial weights."""
    name = recipe.equation.parameter
    networks = rom.Networks(
        recipe.decoder.latent_size,
        "sine",
        recipe.decoder.width,
        recipe.decoder.depth,
        recipe.dynamics.width,
        recipe.dynamics.depth,
    )
    data = rom.training_data(_thinned(recipe, case), parameters=(name,))
    return networks.build(data, key=jr.key(recipe.seed))


def _thinned(recipe: PhiROMRecipe, case: Case) -> Trajectory:
    """Every so many-th training frame of all trajectories."""
    every = recipe.split.every
    return eqx.tree_at(
        lambda t: (t.ts, t.us),
        case.train,
        (case.train.ts[:, ::every], case.train.us[:, ::every]),
    )
