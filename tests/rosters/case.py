"""One line per public object: what the roster test needs to know of it."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax


@dataclasses.dataclass(frozen=True)
class Case:
    """`build(dtype)` returns `(fn, args)`: a function of floating arrays of `dtype`.

    The roster checks on `fn(*args)`: jit equals eager; vmap over scaled copies of
    every argument equals a loop; the gradient of a weighted sum of its floating outputs
    equals
    central differences to 1e-6 relative in float64; float32 in, float32 out and near
    the float64 answer to `float32_rtol`. `covers` names the public objects exercised.
    It lowers for GPUs and TPUs, and all its products but those of `networks`, which
    says whose they are, ask for the highest precision. `no_grad`, `no_vmap`, `no_tpu`
    and `no_lowering` give the reason, in words, why a line does not apply, `slow` why
    the default suite does without the case (but for its lowering).
    """

    name: str
    build: Callable
    covers: tuple[str, ...]
    no_grad: str = ""
    no_vmap: str = ""
    no_tpu: str = ""
    no_lowering: str = ""
    networks: str = ""
    float32_rtol: float = 1e-3
    slow: str = ""


def cast(tree, dtype):
    """The tree with its floating arrays in `dtype`."""
    return jax.tree.map(
        lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, tree
    )
