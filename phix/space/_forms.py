"""Linear maps in two forms: which is faster depends on who asks."""

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

    def shape(x: Any, **form: Any) -> Any:
        out = jax.eval_shape(
            ft.partial(run, **form), jax.ShapeDtypeStruct(x.shape, x.dtype)
        )
        return x.update(shape=out.shape, dtype=out.dtype)

    def transpose(ct: Any, x: Any, **form: Any) -> list:
        aval = jax.ShapeDtypeStruct(x.aval.shape, x.aval.dtype)
        return list(jax.linear_transpose(ft.partial(run, **form), aval)(ct))

    def batched(args: tuple, axes: tuple, *, static: Any, batch: bool) -> tuple:
        x = jnp.moveaxis(args[0], axes[0], 0)
        return primitive.bind(x, static=static, batch=True), 0

    primitive.def_impl(jax.jit(run, static_argnames=("static", "batch")))
    primitive.def_abstract_eval(shape)
    ad.deflinear2(primitive, transpose)
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, mlir.lower_fun(run, multiple_results=False))
    return lambda static, x: primitive.bind(x, static=static, batch=False)


def by_derivative(
    one: Callable[[Any, Array], Array], other: Callable[[Any, Array], Array]
) -> Callable[[Any, Array], Array]:
    """The linear map `one(static, x)`, whose derivatives are those of `other`.

    Both compute the same function; `static` is hashable.
    """

    @ft.partial(jax.custom_jvp, nondiff_argnums=(0,))
    def run(static: Any, x: Array) -> Array:
        return one(static, x)

    @run.defjvp
    def _(static: Any, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
        return run(static, *primals), other(static, *tangents)

    return run
