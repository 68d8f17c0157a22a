"""A tiny Kolmogorov flow, and fields as many as its nodes."""

import jax.numpy as jnp
import numpy as np

from phix.recipes._forecast_data import Pairs
from phix.recipes.stochastic_interpolants import KolmogorovFlow


WAVENUMBER = 2
FLOW = KolmogorovFlow(
    num_points=8,
    solver_points=8,
    viscosity=0.05,
    wavenumber=WAVENUMBER,
    dt=0.25,
    spin_up=0.5,
    waves=2,
    lag=0.5,
    num_pairs=10,
    num_training=2,
    num_validation=2,
    num_test=2,
)


def fields(count, seed=0):
    us = np.random.default_rng(seed).normal(size=(count, 1, 8, 8))
    return jnp.asarray(us - us.mean((2, 3), keepdims=True))


def pairs(count, seed=0):
    us = fields(count, seed)
    later = jnp.roll(us, 1, 2) + 0.5 * us**2 + 0.1 * fields(count, seed + 1)
    return Pairs(us, later)
