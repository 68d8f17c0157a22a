"""From the loss of one sample to the objective of a batch, and its gradient."""

import functools
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from phix._errors import require
from phix._types import Array, IntScalar, PRNGKeyArray, PyTree
from phix.parallel import (
    BATCH_AXIS,
    batch_axes,
    scatter_sum,
    weight_specs,
    whole_weights,
)
from phix.train._batch import Batch, fused_psum


Metrics = dict[str, Array]


class PerSample(eqx.Module):
    """The weighted mean over a batch of a loss of one sample; see `per_sample`."""

    loss: Callable
    chunk: int | None = eqx.field(static=True, default=None)

    def __call__(
        self, model: PyTree, batch: Batch, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, Metrics]:
        """The objective of the whole batch, over all devices that share it."""
        sums = batch.reduce(self.sums(model, batch, step=step, key=key))
        value, (weight, metrics) = sums
        return value / weight, jtu.tree_map(lambda m: m / weight, metrics)

    def sums(
        self, model: PyTree, batch: Batch, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, tuple[Array, Metrics]]:
        """Weighted sums over this device's samples: `(loss, (weight, metrics))`."""

        def one(sample, position):
            own_key = jr.fold_in(key, position)
            value, metrics = self.loss(model, sample, step=step, key=own_key)
            check_scalars(value, metrics)
            return value, metrics

        value, metrics = jax.vmap(one)(_stand_ins(batch), batch.position)
        weight = batch.weight.astype(value.dtype)
        value, metrics = jtu.tree_map(
            lambda v: jnp.sum(weight * v.astype(weight.dtype)), (value, metrics)
        )
        return value, (jnp.sum(weight), metrics)


def per_sample(loss: Callable, *, chunk: int | None = None) -> PerSample:
    r"""The objective $\sum_i w_i \ell_i / \sum_i w_i$ of a loss of one sample.

    Sample number $i$ of a batch gets the key `fold_in(key, i)`, whichever device it
    is on. Over devices the sums are reduced, never means of means, so padding and
    masks (weight zero) leave the mean and its gradient alone, even where they are NaN.

    **Arguments:**

    - `loss`: `loss(model, sample, *, step, key) -> (value, metrics)`, where `value`
        and each of the dict `metrics` are scalars.
    - `chunk`: samples differentiated at a time, one chunk after the other: memory for
        `chunk` samples instead of a whole batch, the same gradient to round-off.

    **Returns:** `objective(model, batch, *, step, key) -> (value, metrics)`.

    **Raises:** `ValueError` for a chunk that is not positive.
    """
    require(
        chunk is None or chunk > 0,
        f"chunk must be positive, or None for all samples at once; got {chunk}",
    )
    return PerSample(loss, chunk)


def _usable(batch: Batch) -> Array:
    """Whether each sample may be given to the loss: what weighs nothing may be missing,
    and zero times the gradient of the loss of a NaN is NaN."""

    def finite(x):
        return jnp.all(jnp.isfinite(x), axis=tuple(range(1, x.ndim)))

    numbers = jtu.tree_leaves(eqx.filter(batch.samples, eqx.is_inexact_array))
    whole = jnp.ones(batch.weight.shape, bool)
    return (batch.weight != 0) | functools.reduce(
        jnp.logical_and, map(finite, numbers), whole
    )


def _stand_ins(batch: Batch) -> PyTree:
    """The samples, with a usable one in place of each that is not."""
    usable = _usable(batch)
    stand_in = jnp.argmax(usable)

    def chosen(x):
        keep = usable.reshape(-1, *[1] * (x.ndim - 1))
        return jnp.where(keep, x, x[stand_in])

    return jtu.tree_map(chosen, batch.samples)


def check_scalars(value: Any, metrics: Any) -> None:
    """Refuses losses and metrics that are not scalars."""
    require(
        isinstance(metrics, dict),
        f"loss: wanted (value, metrics) with metrics a dict; got {type(metrics)}.",
    )
    for name, x in {"value": value, **metrics}.items():
        require(
            jnp.shape(x) == (),
            f"loss: {name} has shape {jnp.shape(x)}; wanted a scalar. Batch axes are "
            "added by per_sample.",
        )


def value_and_gradient(
    objective: Callable,
    trained: PyTree,
    rest: PyTree,
    batch: Batch | None,
    *,
    step: IntScalar,
    key: PRNGKeyArray,
    mesh: Mesh | None = None,
) -> tuple[Array, Metrics, PyTree]:
    """Value, metrics and gradient with respect to `trained`; one reduction in all.

    On a mesh that keeps weights in parts, `trained` is gathered once and the gradient
    comes back in parts.
    """
    if not isinstance(objective, PerSample):

        def whole(trained):
            model = eqx.combine(trained, rest)
            value, metrics = objective(model, batch, step=step, key=key)
            check_scalars(value, metrics)
            return value, metrics

        (value, metrics), gradient = jax.value_and_grad(whole, has_aux=True)(trained)
        return value, metrics, _ascent(gradient)

    require(
        batch is not None,
        "source: an objective made by per_sample needs one, e.g. ArraySource.",
    )
    sums = functools.partial(_sums_and_gradient, objective)
    if mesh is None:
        shared = cast(Batch, batch)
        total = shared.reduce(sums(trained, rest, shared, step, key))
    else:
        total = _over_parts(mesh, sums, (trained, rest, batch, step, key))
    (value, (weight, metrics)), gradient = total
    return jtu.tree_map(
        lambda x: x / weight.astype(jnp.finfo(x.dtype).dtype),
        (value, metrics, _ascent(gradient)),
    )


def _sums_and_gradient(
    objective: PerSample, trained: PyTree, rest: PyTree, batch: Batch, step, key
) -> PyTree:
    """Weighted sums over this device's samples, and their gradient."""

    def sums(samples: Batch):
        def part(trained):
            model = eqx.combine(trained, rest)
            return objective.sums(model, samples, step=step, key=key)

        found = jax.value_and_grad(part, has_aux=True)(trained)
        some = jnp.any(_usable(samples))  # else none could stand in
        return jtu.tree_map(lambda x: jnp.where(some, x, jnp.zeros_like(x)), found)

    return _in_chunks(sums, batch, objective.chunk)


def _over_parts(mesh: Mesh, sums: Callable, args: tuple) -> PyTree:
    """`sums` over all devices of a mesh that keeps the trained weights in parts."""
    arrays, static = eqx.partition(args, eqx.is_array)
    trained, _, batch, *_ = arrays
    specs, axes = weight_specs(mesh, trained), batch_axes(mesh)
    everywhere, shared = PartitionSpec(), PartitionSpec(axes)

    def own(arrays):
        trained, rest, batch, step, key = eqx.combine(arrays, static)
        mine = Batch(batch.samples, batch.weight, batch.position, axes)
        whole = whole_weights(trained, specs)
        found, gradient = sums(whole, rest, mine, step, key)
        cut = jtu.tree_map(lambda spec: len(spec) > 0, specs)
        parts, small = eqx.partition(scatter_sum(gradient, specs), cut)
        found, small = mine.reduce((found, small))
        if mesh.shape[BATCH_AXIS] > 1:
            parts = fused_psum(parts, BATCH_AXIS)
        return found, eqx.combine(parts, small)

    places = (specs, everywhere, shared, everywhere, everywhere)
    return jax.shard_map(
        own,
        mesh=mesh,
        in_specs=(places,),
        out_specs=(everywhere, specs),
        check_vma=False,
    )(arrays)


def _in_chunks(sums: Callable, batch: Batch, chunk: int | None) -> PyTree:
    """The sums over a batch, added up over chunks of it."""
    if chunk is None or chunk >= batch.weight.shape[0]:
        return sums(batch)
    padded = batch.pad(chunk)
    count = padded.weight.shape[0] // chunk
    # Not -1: samples may have parts of size zero.
    chunks = jtu.tree_map(lambda x: x.reshape(count, chunk, *x.shape[1:]), padded)

    def add(total, samples):
        return jtu.tree_map(jnp.add, total, sums(samples)), None

    first = jtu.tree_map(lambda x: x[0], chunks)
    zero = jtu.tree_map(
        lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(sums, first)
    )
    return lax.scan(add, zero, chunks)[0]


def _ascent(gradient: PyTree) -> PyTree:
    """The direction of steepest ascent: for complex numbers, the conjugate."""
    return jtu.tree_map(jnp.conj, gradient)
