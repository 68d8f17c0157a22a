"""Keeping XLA from computing the stages of a scheme more than once."""

import functools as ft

import jax
import jax.lax as lax
import jax.numpy as jnp
import jax.tree_util as jtu

from phix._types import PyTree, RealScalar


_LARGE = 1024


def unfused(tree: PyTree, t: RealScalar) -> PyTree:
    """The same arrays, kept apart from what reads them; on CPUs only.

    XLA fuses the stages of a stencil and computes each again for every neighbour that
    reads it, 3 to 13 times the time on grids from 32 x 32; and the last operations of a
    spectral stage for every combination of stages, 1.2 times. The one barrier it keeps
    is a conditional on what it cannot know (`optimization_barrier` goes before fusion).
    Small states are faster fused; on GPUs a conditional would wait for the host.
    """
    large = any(leaf.size >= _LARGE for leaf in jtu.tree_leaves(tree))
    if not large or jax.default_backend() != "cpu":
        return tree
    zeros = ft.partial(jtu.tree_map, jnp.zeros_like)
    return lax.cond(t > -jnp.inf, lambda tree: tree, zeros, tree)
