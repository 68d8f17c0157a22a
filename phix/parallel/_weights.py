"""Weights that lie in parts on the devices of a mesh."""

from typing import TypeGuard

import equinox as eqx
import jax
import jax.tree_util as jtu
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from phix._errors import is_concrete
from phix._types import Array, PyTree
from phix.parallel._mesh import WEIGHT_AXIS


# Numbers below which an array is kept whole: to gather it costs more than it saves.
_SMALL = 1024


def keeps_weight_parts(mesh: Mesh | None) -> TypeGuard[Mesh]:
    """Whether a mesh asks for weights in parts."""
    return mesh is not None and WEIGHT_AXIS in mesh.axis_names


def weight_specs(mesh: Mesh, tree: PyTree) -> PyTree:
    """How each array of a pytree lies on a mesh: cut along the longest axis that its
    parts divide, or whole where there is none, or it is small.

    It depends on shapes alone, so that an optimiser's memory lies as the weights do.
    """
    parts = mesh.shape.get(WEIGHT_AXIS, 1)

    def one(x: Array) -> PartitionSpec:
        cuts = [n if n % parts == 0 else 0 for n in x.shape]
        if parts == 1 or x.size < _SMALL or not any(cuts):
            return PartitionSpec()
        axis = cuts.index(max(cuts))
        return PartitionSpec(*[None] * axis, WEIGHT_AXIS)

    return jtu.tree_map(one, tree)


def place_weights(mesh: Mesh, tree: PyTree) -> PyTree:
    """The arrays of a pytree where `weight_specs` says; inside a program too."""
    arrays, static = eqx.partition(tree, eqx.is_array)
    specs = weight_specs(mesh, arrays)
    shardings = jtu.tree_map(lambda spec: NamedSharding(mesh, spec), specs)
    put = jax.device_put if is_concrete(arrays) else lax.with_sharding_constraint
    return eqx.combine(put(arrays, shardings), static)


def whole_weights(parts: PyTree, specs: PyTree) -> PyTree:
    """Arrays from their parts, inside a `shard_map`: one all-gather for each."""

    def one(x: Array, spec: PartitionSpec) -> Array:
        axis = _axis(spec)
        return (
            x if axis is None else lax.all_gather(x, WEIGHT_AXIS, axis=axis, tiled=True)
        )

    return jtu.tree_map(one, parts, specs)


def scatter_sum(tree: PyTree, specs: PyTree) -> PyTree:
    """Sums over the devices of one set of parts, of which each keeps its own part,
    inside a `shard_map`: one reduce-scatter for each array that is cut. The others are
    left alone."""

    def one(x: Array, spec: PartitionSpec) -> Array:
        axis = _axis(spec)
        if axis is None:
            return x
        return lax.psum_scatter(x, WEIGHT_AXIS, scatter_dimension=axis, tiled=True)

    return jtu.tree_map(one, tree, specs)


def _axis(spec: PartitionSpec) -> int | None:
    return len(spec) - 1 if len(spec) else None
