"""What in a field moves the density, and what only stirs it; dimensions from flows."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from phix._errors import eagerly, require
from phix._types import Array, Float, Int, IntScalar, PRNGKeyArray, PyTree, RealScalar
from phix.num import divergence, matmul
from phix.score._likelihood import flow_jacobian
from phix.score._path import AbstractPath
from phix.score._predict import AbstractPredictor


def gauge_residual(
    remainder: Callable, score: Callable, x: Float[Array, " dim"]
) -> Float[Array, ""]:
    r"""$\nabla\cdot r + r\cdot\nabla\log p = \nabla\cdot(pr)/p$: zero for a gauge.

    A field r added to a score with $\nabla\cdot(pr) = 0$ leaves the law of the flow
    alone, and so its density; not the Jacobian of the flow, nor its discretisation.

    **Arguments:**

    - `remainder`: r, a function of x.
    - `score`: $\nabla\log p$, exact or the conservative part of the field.
    - `x`: where. Cost: `dim` derivatives.
    """
    return divergence(remainder)(x) + matmul(remainder(x), score(x))


class Gauge(eqx.Module):
    r"""A field split into $\nabla\phi + r$ over samples of p.

    - `conservative`: $E|\nabla\phi|^2$.
    - `remainder`: $E|r|^2$.
    - `field`: $E|s|^2$; the sum of both when ∇φ is the projection (Pythagoras).
    - `fraction`: $E|r|^2/E|s|^2$.
    - `residual`: $E[(\nabla\cdot r + r\cdot\nabla\phi)^2]$, 0 for a pure gauge.
    """

    conservative: Float[Array, ""]
    remainder: Float[Array, ""]
    field: Float[Array, ""]
    fraction: Float[Array, ""]
    residual: Float[Array, ""]


def gauge_decomposition(
    field: Callable, potential: Callable, xs: Float[Array, "samples dim"]
) -> Gauge:
    r"""How much of a learned field is the gradient of a potential, and what is left.

    **Arguments:**

    - `field`: s(x), such as a learned score at one time.
    - `potential`: φ(x), from training `GaugeLoss(field)`.
    - `xs`: samples of the law of that time.
    """

    def gradient(x):
        return jax.grad(potential)(x)

    def rest(x):
        return field(x) - gradient(x)

    def one(x):
        s, g, r = field(x), gradient(x), rest(x)
        residual = gauge_residual(rest, gradient, x) ** 2
        return jnp.sum(g**2), jnp.sum(r**2), jnp.sum(s**2), residual

    conservative, remainder, whole, residual = (jnp.mean(v) for v in jax.vmap(one)(xs))
    return Gauge(conservative, remainder, whole, remainder / whole, residual)


class GaugeLoss(eqx.Module):
    r"""$|s(x) - \nabla\phi(x)|^2$ of a potential: its least is the conservative part of
    s in $L^2(p)$, from samples of p alone.

    **Arguments:**

    - `field`: s; no part of what is trained.
    """

    field: Callable

    def __call__(
        self, model: Callable, sample: Array, *, step: IntScalar, key: PRNGKeyArray
    ) -> tuple[Array, dict]:
        """The loss of one sample, for `per_sample`."""
        del step, key
        return jnp.sum((self.field(sample) - jax.grad(model)(sample)) ** 2), {}


class Dimension(eqx.Module):
    r"""The local dimension of the data, and what it is read from.

    - `dimension`: how many slopes are below ½.
    - `slopes`: $d\log\sigma_i/d\log(\sigma/\alpha)$, 0 along the data and 1 across.
    - `singular_values`: of the map from noise to data at the lower level, descending.
    """

    dimension: Int[Array, ""]
    slopes: Float[Array, " dim"]
    singular_values: Float[Array, " dim"]


def intrinsic_dimension(
    predictor: AbstractPredictor,
    x: Float[Array, " dim"],
    levels: tuple[RealScalar, RealScalar],
    *,
    t_end: RealScalar | None = None,
    cond: PyTree = None,
    rtol: RealScalar = 1e-8,
    atol: RealScalar = 1e-11,
) -> Dimension:
    r"""The dimension of the data near x, from the Jacobian of the probability flow.

    As noise vanishes, the map from the noise keeps its singular values along the data,
    and loses the others in proportion to $\sigma/\alpha$. That holds for conservative
    scores: a gauge that shears leaves every density alone and spoils the count.

    **Arguments:**

    - `predictor`: exact or learned; best a `Conservative` network.
    - `x`: a point of the data.
    - `levels`: two values of σ/α, the higher first; far below the curvature of the
        data, within what the network has learned.
    - `t_end`: where the noise begins; the noisy end of the path if None.
    - `cond`: handed to the predictor.
    - `rtol`, `atol`: of the adaptive steps.

    **Returns:** a `Dimension`, of NaN where the run failed. Cost: `dim` derivatives per
    evaluation.

    **Raises:** `ValueError` for a path that is not one-sided, levels that do not fall.

    **Good values:** a factor of 3 to 10 between the levels; float64.

    ??? cite "Reference"
        Horvat, Pfister, *On gauge freedom, conservativity and intrinsic dimensionality
        estimation in diffusion models*, ICLR 2024.
    """
    path = predictor.path
    require(
        isinstance(path, AbstractPath), "`predictor`: must live on a one-sided path"
    )
    assert isinstance(path, AbstractPath)
    high, low = levels
    require(bool(0 < low < high), f"`levels` must fall and be positive; got {levels}")
    end = path.t_noise if t_end is None else t_end
    # Known times are checked now, and not by a callback while the program runs.
    with eagerly(path, levels, end):
        ratios = [jnp.asarray(level, x.dtype) for level in (low, high)]
        inner = [path.time_at(-jnp.log(ratio)) for ratio in ratios]
        ts = jnp.stack([*inner, jnp.asarray(end, x.dtype)])
    start = x * path.alpha(ts[0])
    _, jacobians = flow_jacobian(
        predictor, start, ts, cond=cond, rtol=rtol, atol=atol, throw=False
    )
    decode = jnp.linalg.inv(jacobians[2])
    fine = jnp.linalg.svd(decode, compute_uv=False)
    coarse = jnp.linalg.svd(matmul(jacobians[1], decode), compute_uv=False)
    slopes = jnp.log(fine / coarse) / jnp.log(low / high)
    return Dimension(jnp.sum(slopes < 0.5), slopes, fine)
