"""The check of initial conditions: right ones pass, each kind of wrong one is named."""

import math
import re

import jax.numpy as jnp
import numpy as np
import pytest

from phix import pde
from phix.pde import KleinGordon, check_initial_condition
from phix.recipes import amangkurat_published as published
from phix.space import Grid


MASS = 2 * math.sqrt(2) / 3  # of the φ⁴ kink
BREATHER = 16 * math.sqrt(0.75)
GAMMA = 1 / math.sqrt(1 - 0.3**2)


def _on(potential, num_points, half_width, boundary="periodic"):
    grid = Grid(num_points, (-half_width, half_width), boundary)
    return KleinGordon(grid, potential), grid.axes[0]


def _published(potential, start, num_points, half_width):
    """What the package computes with: its nodes, and the period N Δx these have."""
    x = published.grid(num_points, half_width)
    end = -half_width + num_points * (x[1] - x[0])
    grid = Grid(num_points, (-half_width, end))
    return KleinGordon(grid, potential), jnp.asarray(np.stack(start(x)))


def _passes(equation, u, **claims):
    assert check_initial_condition(equation, u, **claims) == {}


def test_kinks_breathers_and_pairs_are_what_they_are_said_to_be():
    equation, x = _on(pde.Phi4(), 128, 24.0, "antiperiodic")
    phi4 = equation.potential
    _passes(equation, pde.kink(phi4, x), speed=0.0, energy=MASS, rigid=True)
    moving = pde.kink(phi4, x, speed=0.3)
    _passes(equation, moving, speed=0.3, energy=GAMMA * MASS, rigid=True)
    equation, x = _on(pde.SineGordon(), 128, 24.0)
    _passes(equation, pde.breather(x), speed=0.0, energy=BREATHER)
    boosted = pde.breather(x, 0.7, speed=0.3)
    _passes(equation, boosted, speed=0.3, energy=GAMMA * BREATHER)
    equation, x = _on(phi4, 128, 24.0)
    pair = pde.kink_antikink(phi4, x, speed=0.3, separation=16.0)
    _passes(equation, pair, speed=0.0, energy=2 * GAMMA * MASS)


@pytest.mark.parametrize(
    ("potential", "start", "num_points", "half_width", "claims", "found"),
    [
        (
            pde.Phi4,
            published.kink,
            1024,
            50.0,
            {"speed": 0.0, "energy": MASS, "rigid": True},
            {"seam": "jumps by 2", "residual": "keep its form", "energy": "29.3"},
        ),
        (
            pde.SineGordon,
            published.breather,
            512,
            40.0,
            {"speed": 0.0, "energy": BREATHER},
            {"speed": "moves at -0.28", "energy": "the energy 12.3017, not 13.8564"},
        ),
        (
            pde.Phi4,
            published.collision,
            1024,
            50.0,
            {"speed": 0.0, "energy": 2 * GAMMA * MASS},
            {"vacuum": "no minimum.*V'' = -1", "speed": "moves", "energy": "58.9"},
        ),
    ],
    ids=["kink", "breather", "collision"],
)
def test_the_published_ones_are_flagged(
    potential, start, num_points, half_width, claims, found
):
    equation, u = _published(potential(), start, num_points, half_width)
    messages = check_initial_condition(equation, u, **claims)
    assert set(messages) == set(found)
    for name, words in found.items():
        assert re.search(words, messages[name]), messages[name]


def test_a_pair_in_a_vacuum_whose_antikink_runs_away_is_flagged():
    """The sign of the published rates alone: both kinks move to the right."""
    equation, x = _on(pde.Phi4(), 128, 24.0)
    pair = pde.kink_antikink(equation.potential, x, speed=0.3, separation=16.0)
    turned = pair.at[1].multiply(jnp.where(x > 0, -1.0, 1.0))
    assert set(check_initial_condition(equation, turned, speed=0.0)) == {"speed"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda u: u.at[0].multiply(1.01), {"residual", "energy", "vacuum"}),
        (lambda u: -u.at[1].set(u[1] + 0.01 * (u[0] ** 2 - 1)), {"residual", "speed"}),
    ],
)
def test_a_kink_slightly_off_is_flagged(change, found):
    equation, x = _on(pde.Phi4(), 128, 24.0, "antiperiodic")
    off = change(pde.kink(equation.potential, x))
    claims = {"speed": 0.0, "energy": MASS, "rigid": True}
    assert found <= set(check_initial_condition(equation, off, **claims))


def test_bad_input_is_named():
    equation, x = _on(pde.Phi4(), 16, 4.0, "neumann")
    u = pde.kink(equation.potential, x)
    with pytest.raises(ValueError, match="sides are glued"):
        check_initial_condition(equation, u)
    equation, x = _on(pde.Phi4(), 16, 4.0, "antiperiodic")
    with pytest.raises(ValueError, match="rigid needs the speed"):
        check_initial_condition(equation, u, rigid=True)
