"""What was measured of a field, and the test that an adjoint is one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from phix._errors import is_concrete, require
from phix._types import Array, Float, Inexact, PRNGKeyArray, Real, RealScalar


_PROBES = 4


class Linearised(NamedTuple):
    r"""A measurement near a field, in units of its noise.

    - `misfit`: $\Sigma^{-1/2}(y - A(x))$.
    - `push`: $u\mapsto\Sigma^{-1/2}A'u$.
    - `pull`: its adjoint.
    """

    misfit: Array
    push: Callable
    pull: Callable


class Measurement(eqx.Module):
    r"""Readings $y = A(x) + \Sigma^{1/2}N(0, I)$ of a field, Σ diagonal.

    ```python
    sensors = phix.space.random_sensors(grid, 200, key=key)
    seen = score.Measurement(sensors, readings, 0.05)
    ```

    **Arguments:**

    - `operator`: A, a function of a field, linear or not: sensors of `phix.space`, a
        blur, a mean over cells, a solve.
    - `readings`: y, real, of the shape that A gives.
    - `noise`: standard deviation, one number or one for each reading.
    - `adjoint`: of a *linear* A that JAX cannot differentiate; else None.

    **Raises:** `ValueError` for no reading, noise that is not positive or of another
    shape, and an adjoint that fails the test of `check_adjoint`.
    """

    operator: Callable
    readings: Inexact[Array, "*readings"]
    noise: RealScalar | Real[Array, "..."]
    adjoint: Callable | None = None

    def __check_init__(self):
        y, noise = self.readings, jnp.asarray(self.noise)
        require(
            y.size > 0,
            "`readings`: there is none; a mask without a sensor says nothing of the "
            "field (draw from the prior instead)",
        )
        require(
            jnp.issubdtype(y.dtype, jnp.floating),
            f"`readings` must be real and floating; got {y.dtype} (stack real and "
            "imaginary parts)",
        )
        require(
            noise.shape in ((), y.shape),
            f"`noise` must be one number or of shape {y.shape}; got {noise.shape}",
        )
        require(
            not is_concrete(noise) or bool(jnp.all(noise > 0)),
            f"`noise` must be positive; got {noise}; for exact readings take a "
            "thousandth of their spread, or `Constrained` with `fit_readings`",
        )
        if self.adjoint is not None and is_concrete(self.adjoint, y):
            check_adjoint(self.operator, self.adjoint(y), self.adjoint)

    def linearise(self, x: Float[Array, "*shape"]) -> Linearised:
        """Misfit and derivatives at a field; the noise is 1 in their units."""
        if self.adjoint is None:
            value, push = jax.linearize(self.operator, x)
            pull = jax.linear_transpose(push, x)
        else:
            adjoint = self.adjoint
            value, push = self.operator(x), self.operator

            def pull(v):
                return (adjoint(v),)

        require(
            value.shape == self.readings.shape,
            f"`operator` gives shape {value.shape}, `readings` has "
            f"{self.readings.shape}",
        )
        noise = jnp.asarray(self.noise, x.dtype)
        # Known only here, under a trace: NaN, which the run reports.
        noise = jnp.where(noise > 0, noise, jnp.nan)
        return Linearised(
            (self.readings - value) / noise,
            lambda u: push(u) / noise,
            lambda v: pull(v / noise)[0],
        )


def check_adjoint(
    operator: Callable,
    like: Float[Array, "*shape"],
    adjoint: Callable | None = None,
    *,
    key: PRNGKeyArray | None = None,
    rtol: float | None = None,
) -> None:
    r"""The dot-product test: $\langle A'u, v\rangle = \langle u, A'^*v\rangle$.

    For random u and v; $A'u$ by central differences, so that derivative rules written
    by hand are tested too.

    **Arguments:**

    - `operator`: A, linear or not.
    - `like`: where; an array of the shape and dtype of its argument.
    - `adjoint`: of a linear A; by default that of reverse mode.
    - `key`: for the probes.
    - `rtol`: of $|A'u||v|+|u||A'^*v|$; by default what differences allow.

    **Raises:** `ValueError` with both products when they differ, and for an adjoint of
    the wrong shape.
    """
    like = jnp.asarray(like)
    eps = float(jnp.finfo(like.dtype).eps)
    slack = 300 * eps ** (2 / 3) if rtol is None else rtol
    step = eps ** (1 / 3)
    name = getattr(operator, "__name__", type(operator).__name__)
    keys = jr.split(jr.key(0) if key is None else key, (_PROBES, 2))
    for one, other in keys:
        u = jr.normal(one, like.shape, like.dtype)
        pushed = (operator(like + step * u) - operator(like - step * u)) / (2 * step)
        v = jr.normal(other, pushed.shape, pushed.dtype)
        pulled = jax.vjp(operator, like)[1](v)[0] if adjoint is None else adjoint(v)
        require(
            pulled.shape == like.shape,
            f"`adjoint` of {name} gives shape {pulled.shape}; the argument of the "
            f"operator has {like.shape}",
        )
        _compare(name, (u, pushed), (v, pulled), slack)


def _compare(name: str, forward: Any, backward: Any, rtol: float) -> None:
    (u, pushed), (v, pulled) = forward, backward
    there, back = jnp.sum(pushed * v), jnp.sum(u * pulled)
    norm = jnp.linalg.norm
    scale = norm(pushed) * norm(v) + norm(u) * norm(pulled)
    if not is_concrete(there, back):
        return
    require(
        bool(jnp.abs(there - back) <= rtol * scale),
        f"`adjoint` of {name} is wrong: <A u, v> = {float(there):.6g} but <u, A* v> = "
        f"{float(back):.6g}; leave it out where JAX can differentiate the operator",
    )
