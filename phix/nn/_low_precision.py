"""Networks computed in fewer digits than their weights are kept in."""

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from jax.typing import DTypeLike

from phix._types import Array, Float, PyTree, RealScalar
from phix.nn._dynamics import AbstractConditioned


class LowPrecision(AbstractConditioned):
    """A network whose products run in bfloat16, its weights staying as they are.

    Weights, input and features are rounded when they are used, so that an optimiser
    moves the weights in their own precision, and the gradient comes back in it. Time
    embeddings, means and deviations of normalisations and softmax keep float32, and the
    output has the dtype of x. What is outside of the network (losses, transforms,
    solvers) is not touched.

    **Arguments:**

    - `net`: such as `UNet` or `DiT`.
    - `dtype`: of the products.

    **Good values:** bfloat16 on TPUs and recent GPUs, where it halves the memory of
    activations; CPUs emulate it and are slower. An error of a percent is to be
    expected, so not for networks inside of solvers or conservation laws.

    ??? cite "Reference"
        Micikevicius et al., *Mixed precision training*, ICLR 2018; Kalamkar et al., *A
        study of bfloat16 for deep learning training*, arXiv:1905.12322.
    """

    net: AbstractConditioned
    dtype: DTypeLike = eqx.field(static=True, default=jnp.bfloat16)

    def features(
        self, t: RealScalar, cond: Float[Array, "..."] | None
    ) -> tuple[Array, ...]:
        """Those of the network, unrounded."""
        return self.net.features(t, cond)

    def apply(
        self,
        x: Float[Array, "..."],
        features: tuple[Array, ...],
        cond: Float[Array, "..."] | None,
    ) -> Float[Array, "..."]:
        """The output at `x`, in its dtype."""
        net, *given = _rounded((self.net, x, features, cond), self.dtype)
        return net.apply(*given).astype(x.dtype)


def at_least_float32(x: Array) -> Array:
    """For sums and exponentials, which bfloat16 would spoil."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _rounded(tree: PyTree, dtype: DTypeLike) -> PyTree:
    return jtu.tree_map(
        lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, tree
    )
