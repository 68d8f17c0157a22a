"""Linear maps in forms of their own: for one and for many, and for the transpose."""

import functools as ft
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from phix._types import Array


# What is fastest for one field need not be so for many, and only the rule of `vmap`
# knows which it is. `jax.custom_batching.custom_vmap` has no transpose, so reverse mode
# would be lost; a linear primitive of JAX has both.


def by_batch(
    name: str,
    one: Callable[[Any, Array], Array],
    many: Callable[[Any, Array], Array],
) -> Callable[[Any, Array], Array]:
    """The map `one(static, x)` of rows x, which under `vmap` becomes `many`.

    Both compute the same linear function of the rows (rows, n), each row for itself;
    `static` is hashable. Reverse mode inside of `vmap` has the form of a single field,
    `vmap` inside of reverse mode that of many.
    """
    primitive = Primitive(name)

    def run(x: Array, *, static: Any, batch: bool) -> Array:
        if not batch:
            return one(static, x)
        out = many(static, x.reshape(-1, x.shape[-1]))
        return out.reshape(*x.shape[:-1], out.shape[-1])

    def transpose(ct: Any, x: Any, **form: Any) -> list:
        aval = jax.ShapeDtypeStruct(x.aval.shape, x.aval.dtype)
        return list(jax.linear_transpose(ft.partial(run, **form), aval)(ct))

    def batched(args: tuple, axes: tuple, *, static: Any, batch: bool) -> tuple:
        x = jnp.moveaxis(args[0], axes[0], 0)
        return primitive.bind(x, static=static, batch=True), 0

    _register(primitive, run, transpose, batched)
    return lambda static, x: primitive.bind(x, static=static, batch=False)


def linear(
    name: str,
    run: Callable[[Any, Array], Array],
    transposed: Callable[[Any, Array], Array],
) -> Callable[[Any, Array], Array]:
    """The linear map `run(static, x)`, whose transpose is `transposed(static, ct)`.

    For maps whose transpose, as JAX derives it, takes more passes than one written down
    (the transpose of cutting an array in blocks is a sum of padded ones). `static` is
    hashable.
    """
    primitive = Primitive(name)

    def over_batch(fn: Callable, static: Any, batch: int) -> Callable:
        fn = ft.partial(fn, static)
        for _ in range(batch):
            fn = jax.vmap(fn)
        return fn

    def all_rows(x: Array, *, static: Any, batch: int) -> Array:
        return over_batch(run, static, batch)(x)

    def transpose(ct: Any, x: Any, *, static: Any, batch: int) -> list:
        del x
        return [over_batch(transposed, static, batch)(ct)]

    def batched(args: tuple, axes: tuple, *, static: Any, batch: int) -> tuple:
        x = jnp.moveaxis(args[0], axes[0], 0)
        return primitive.bind(x, static=static, batch=batch + 1), 0

    _register(primitive, all_rows, transpose, batched)
    return lambda static, x: primitive.bind(x, static=static, batch=0)


def _register(
    primitive: Primitive, run: Callable, transpose: Callable, batched: Callable
) -> None:
    """The rules of a linear primitive of one array and static parameters."""

    def shape(x: Any, **form: Any) -> Any:
        out = jax.eval_shape(
            ft.partial(run, **form), jax.ShapeDtypeStruct(x.shape, x.dtype)
        )
        return x.update(shape=out.shape, dtype=out.dtype)

    primitive.def_impl(jax.jit(run, static_argnames=("static", "batch")))
    primitive.def_abstract_eval(shape)
    ad.deflinear2(primitive, transpose)
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, mlir.lower_fun(run, multiple_results=False))
