"""Couplings of two sets of samples: exact and entropic optimal transport."""

import abc
import importlib
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.optimize import linear_sum_assignment

from phix._errors import is_concrete, require
from phix._types import Array, Float, Int, IntScalar, PRNGKeyArray, RealScalar
from phix.num import matmul
from phix.score._base import AbstractNoise
from phix.train import AbstractSource, Batch


_OTT = ("ott.geometry.pointcloud", "ott.solvers.linear")


class AbstractCoupling(eqx.Module):
    """Which sample of one set belongs to which of another."""

    @abc.abstractmethod
    def __call__(
        self,
        x0s: Float[Array, " samples *shape"],
        x1s: Float[Array, " samples *shape"],
        *,
        key: PRNGKeyArray,
    ) -> Int[Array, " samples"]:
        """For every x0 the number of its x1."""


class OptimalPairs(AbstractCoupling):
    r"""The permutation of least $\sum_i|x_0^i - x_1^{j(i)}|^2$: exact minibatch OT.

    On the host, by SciPy, also under `jit`: O(n³) at worst, some 5 ms for 256
    pairs. Draws no random number.

    ??? cite "Reference"
        Tong et al., *Improving and generalizing flow-based generative models with
        minibatch optimal transport*, TMLR 2024; Pooladian et al., ICML 2023.
    """

    def __call__(
        self,
        x0s: Float[Array, " samples *shape"],
        x1s: Float[Array, " others *shape"],
        *,
        key: PRNGKeyArray,
    ) -> Int[Array, " samples"]:
        del key
        cost = _cost(x0s, x1s)
        out = jax.ShapeDtypeStruct((cost.shape[0],), jnp.int32)
        return jax.pure_callback(_assigned, out, cost, vmap_method="sequential")


class SinkhornPairs(AbstractCoupling):
    r"""For every $x_0$ an $x_1$ drawn from the entropic plan of `sinkhorn_plan`.

    The law of $x_0$ is kept exactly, that of $x_1$ in the mean.

    **Arguments:**

    - `epsilon`: ε > 0, that of `SchroedingerBridge`.

    **Raises:** `ImportError` without the extra `ot`; a run-time error where the plan
    does not converge.
    """

    epsilon: RealScalar

    def __check_init__(self):
        _check_epsilon(self.epsilon)

    def __call__(
        self,
        x0s: Float[Array, " samples *shape"],
        x1s: Float[Array, " samples *shape"],
        *,
        key: PRNGKeyArray,
    ) -> Int[Array, " samples"]:
        plan = sinkhorn_plan(x0s, x1s, self.epsilon)
        plan = eqx.error_if(
            plan,
            jnp.any(jnp.isnan(plan)),
            "the plan did not converge; take a larger `epsilon`, or `OptimalPairs`",
        )
        return jr.categorical(key, jnp.log(plan), axis=1).astype(jnp.int32)


def sinkhorn_plan(
    x0s: Float[Array, " samples *shape"],
    x1s: Float[Array, " others *shape"],
    epsilon: RealScalar,
    *,
    threshold: float = 1e-3,
    iterations: int = 2000,
) -> Float[Array, "samples others"]:
    r"""The plan of least $\sum P_{ij}\big(\tfrac12|x_0^i-x_1^j|^2 + 2\epsilon\log
    P_{ij}\big)$ between two even sets, by `ott-jax`.

    With $x_0$ and $x_1$ drawn from it, `SchroedingerBridge(epsilon)` is the bridge of
    $\sqrt{2\epsilon}\,W$; between Gaussians its limit is `oracles.entropic_plan`.

    **Arguments:**

    - `x0s`, `x1s`: the samples.
    - `epsilon`: ε > 0; a plan of small ε takes many iterations.
    - `threshold`: of the error in the marginals, summed.
    - `iterations`: at most.

    **Returns:** P, whose sum is 1; NaN where the iterations did not suffice.

    **Raises:** `ImportError` without the extra `ot`.
    """
    _check_epsilon(epsilon)
    geometry, linear = _ott()
    flat = (x.reshape(x.shape[0], -1) for x in (x0s, x1s))
    cloud = geometry.PointCloud(*flat, epsilon=4 * epsilon)
    found = linear.solve(cloud, threshold=threshold, max_iterations=iterations)
    return jnp.where(found.converged, found.matrix, jnp.nan)


class PairedSource(AbstractSource):
    r"""A source whose batches are pairs, put together anew by a coupling.

    ```python
    source = score.PairedSource(ArraySource(data, 256), score.OptimalPairs(), noise)
    fit(model, per_sample(score.InterpolantLoss()), source, …)
    ```

    **Arguments:**

    - `source`: of pairs $(x_0, x_1)$, or of data $x_1$ alone where `noise` is given.
    - `coupling`: of each batch as a whole, before devices share it.
    - `noise`: the law that $x_0$ is drawn from, such as `White()`.

    Pairs of a batch follow its first parts: weights belong to $x_0$.
    """

    source: AbstractSource
    coupling: AbstractCoupling
    noise: AbstractNoise | None = None

    def draw(self, step: IntScalar, *, key: PRNGKeyArray) -> Batch:
        """The batch of a step, paired."""
        batch = self.source.draw(step, key=key)
        noise_key, own = jr.split(jr.fold_in(jr.fold_in(key, step), 1))
        x0s, x1s = self._both(batch.samples, noise_key)
        x1s = x1s[self.coupling(x0s, x1s, key=own)]
        return Batch((x0s, x1s), batch.weight, batch.position, batch.axis)

    def _both(self, samples: Any, key: PRNGKeyArray) -> tuple[Array, Array]:
        if self.noise is not None:
            keys = jr.split(key, samples.shape[0])
            draw = self.noise.sample
            return jax.vmap(lambda x, k: draw(x, key=k))(samples, keys), samples
        require(
            isinstance(samples, tuple) and len(samples) == 2,
            "`source` must give pairs (x0, x1), or data with `noise` to pair them with",
        )
        return samples


def _cost(x0s: Array, x1s: Array) -> Array:
    """−x₀·x₁: half the squares, less what no permutation changes."""
    require(
        x0s.shape == x1s.shape,
        f"`x0s` and `x1s` must have one shape; got {x0s.shape} and {x1s.shape}",
    )
    one, other = (x.reshape(x.shape[0], -1) for x in (x0s, x1s))
    return -matmul(one, other.T)


def _assigned(cost: Any) -> np.ndarray:
    return linear_sum_assignment(np.asarray(cost))[1].astype(np.int32)


def _check_epsilon(epsilon: RealScalar) -> None:
    require(
        not is_concrete(epsilon) or float(epsilon) > 0,
        f"`epsilon` must be positive; got {epsilon} (`OptimalPairs` for zero)",
    )


def _ott() -> tuple[Any, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of jaxopt, which it imports
            return tuple(map(importlib.import_module, _OTT))
    except ImportError as error:
        raise ImportError(
            'entropic plans of samples need ott-jax: pip install "phix-jax[ot]"; '
            "between Gaussians `oracles.entropic_plan`, without entropy `OptimalPairs`"
        ) from error
