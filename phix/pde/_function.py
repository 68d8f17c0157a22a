"""Equations made of a user's own functions."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix._errors import is_concrete, require
from phix._types import Array, Float, PyTree, RealScalar
from phix.pde._base import (
    AbstractDiscrete,
    AbstractMethodOfLines,
    Limits,
    as_parameter,
    in_precision_of,
)
from phix.space import AbstractSpace


class FunctionEquation(AbstractMethodOfLines):
    """The equation of a user's right-hand side; made by `from_rhs`."""

    space: AbstractSpace | None
    params: dict[str, Array]
    function: Callable
    local: Callable | None
    step_bound: Callable | None
    watched: tuple[tuple[str, Callable], ...] = eqx.field(static=True)
    bounds: tuple[tuple[str, tuple[float, float]], ...] = eqx.field(static=True)

    @property
    def limits(self) -> Limits:
        """The ranges given to `from_rhs`."""
        return dict(self.bounds)

    def rhs(self, t: RealScalar, u: PyTree, args: PyTree = None) -> PyTree:
        """The user's `rhs(t, u, args, **params)`, parameters in the precision of u."""
        return self.function(t, u, args, **cast_parameters(self.params, u))

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Array:
        """The user's `pointwise(t, x, u, args, **params)`."""
        if self.local is None:
            raise ValueError(
                "this equation has no pointwise form: from_rhs(pointwise=…)"
            )
        return self.local(t, x, u, args, **cast_parameters(self.params, x))

    def stable_step(self, u: PyTree) -> Float[Array, ""] | None:
        """The user's `stable_step(u, **params)`; None where none was given."""
        if self.step_bound is None:
            return None
        return self.step_bound(u, **cast_parameters(self.params, u))

    @property
    def invariants(self) -> dict[str, Callable]:
        """The user's named functions of u."""
        return dict(self.watched)


class FunctionStep(AbstractDiscrete):
    """The equation of a user's step; made by `from_step`."""

    space: AbstractSpace | None
    params: dict[str, Array]
    function: Callable
    dt: float = eqx.field(static=True)
    host: bool = eqx.field(static=True)
    watched: tuple[tuple[str, Callable], ...] = eqx.field(static=True)
    bounds: tuple[tuple[str, tuple[float, float]], ...] = eqx.field(static=True)

    @property
    def limits(self) -> Limits:
        """The ranges given to `from_step`."""
        return dict(self.bounds)

    def step(self, u: PyTree, t: RealScalar, args: PyTree = None) -> PyTree:
        """The user's `step(u, t, args, **params)`; on the host if so declared."""
        if self.host:
            return _on_host(self.function, u, t, args, self.params)
        return self.function(u, t, args, **cast_parameters(self.params, u))

    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Array:
        """Refused: a step has no pointwise form."""
        raise ValueError("an equation known by its step has no pointwise form")

    def encode(self, u: PyTree) -> PyTree:
        """The state itself."""
        return u

    def decode(self, y: PyTree) -> PyTree:
        """The state itself."""
        return y

    def stable_step(self, u: PyTree) -> None:
        """None: the step is the user's own."""
        del u

    @property
    def invariants(self) -> dict[str, Callable]:
        """The user's named functions of u."""
        return dict(self.watched)


def from_rhs(
    rhs: Callable,
    space: AbstractSpace | None,
    *,
    pointwise: Callable | None = None,
    invariants: Mapping[str, Callable] | None = None,
    stable_step: Callable | None = None,
    limits: Limits | None = None,
    **params: Any,
) -> FunctionEquation:
    r"""The equation of your own right-hand side, $\dot u = \mathrm{rhs}(t, u, \ldots)$.

    ```python
    equation = phix.pde.from_rhs(
        lambda t, u, args, nu: nu * phix.space.laplacian(grid, u), grid, nu=0.1
    )
    equation = equation.replace(nu=0.2)
    ```

    **Arguments:**

    - `rhs`: `rhs(t, u, args, **params)`, pure JAX, returning an array shaped as `u`. It
        may be a module with weights, which are then leaves of the equation.
    - `space`: where `u` lives, usually a `Grid`; None if it lives nowhere.
    - `pointwise`: `pointwise(t, x, u, args, **params)`, the same at one point of a
        function u, for physics-informed training.
    - `invariants`: name to a function of u that returns a scalar.
    - `stable_step`: `stable_step(u, **params)`, the largest step of forward Euler.
    - `limits`: name of a parameter to its range `(low, high)`, ends included.
    - `params`: the physical parameters, numbers or arrays: leaves of the equation,
        handed to `rhs` in the precision of the state.

    **Returns:** an equation for `solve`, training and inversion.

    **Raises:** `ValueError` for a parameter that is no number, or out of its range.
    """
    for name, function in (("rhs", rhs), ("pointwise", pointwise)):
        require(function is None or callable(function), f"{name} must be a function")
    equation = FunctionEquation(
        space=space,
        params=read_parameters(params),
        function=as_tree(rhs),
        local=as_tree(pointwise),
        step_bound=as_tree(stable_step),
        watched=tuple((invariants or {}).items()),
        bounds=read_limits(limits, params),
    )
    equation.check_parameters()
    return equation


def from_step(
    step: Callable,
    dt: float,
    space: AbstractSpace | None,
    *,
    host: bool = False,
    invariants: Mapping[str, Callable] | None = None,
    limits: Limits | None = None,
    **params: Any,
) -> FunctionStep:
    r"""The equation of your own stepper, $u(t + dt) = \mathrm{step}(u, t, \ldots)$.

    **Arguments:**

    - `step`: `step(u, t, args, **params)`, returning the state one `dt` later.
    - `dt`: the length of that step; a positive number, static.
    - `space`: where `u` lives, usually a `Grid`; None if it lives nowhere.
    - `host`: the step is NumPy, Fortran or another framework. It is called back on the
        host with NumPy arrays (one call per state under `vmap`); its result is brought
        to the dtype of the state. It has no gradient, no export and no `batch_map`.
    - `invariants`, `limits`, `params`: as for `from_rhs`.

    **Returns:** an equation that `solve` advances by its own step.

    **Raises:** `ValueError` for dt that is not a positive finite number.
    """
    require(callable(step), "step must be a function")
    require(
        is_concrete(dt) and math.isfinite(dt) and dt > 0,
        f"dt must be a positive finite number, known when called; got {dt}",
    )
    equation = FunctionStep(
        space=space,
        params=read_parameters(params),
        function=as_tree(step),
        dt=float(dt),
        host=host,
        watched=tuple((invariants or {}).items()),
        bounds=read_limits(limits, params),
    )
    equation.check_parameters()
    return equation


def as_tree(function: Any) -> Any:
    """A function as a PyTree: a module keeps its weights, a function is static."""
    if function is None or isinstance(function, eqx.Module | jtu.Partial):
        return function
    return jtu.Partial(function)


def read_parameters(params: Mapping[str, Any]) -> dict[str, Array]:
    """A user's parameters as arrays of floating type, by name."""
    read = {}
    for name, value in params.items():
        try:
            read[name] = as_parameter(name, value, shape=None)
        except TypeError as error:
            raise ValueError(
                f"parameter {name} must be a number or an array, got {value!r}; bind "
                "other things with functools.partial"
            ) from error
    return read


def read_limits(
    limits: Limits | None, params: Mapping[str, Any]
) -> tuple[tuple[str, tuple[float, float]], ...]:
    """A user's ranges, static; each must be of a known parameter."""
    unknown = set(limits or {}) - set(params)
    require(not unknown, f"limits name no parameter: {sorted(unknown)}")
    return tuple(
        (name, (float(low), float(high)))
        for name, (low, high) in (limits or {}).items()
    )


def cast_parameters(params: dict[str, Array], state: PyTree) -> dict[str, Array]:
    """Parameters in the precision of the first floating leaf of a state."""
    for leaf in jtu.tree_leaves(state):
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            return in_precision_of(params, jnp.asarray(leaf))
    return params


def _on_host(
    function: Callable, u: PyTree, t: RealScalar, args: PyTree, params: dict[str, Array]
) -> PyTree:
    shapes = jax.eval_shape(lambda: u)

    def call(u: PyTree, t: Any, args: PyTree, params: dict) -> PyTree:
        # NumPy first: a JAX operation inside a callback can deadlock the CPU client.
        u, t, args, params = jtu.tree_map(np.asarray, (u, t, args, params))
        result = function(u, t, args, **params)
        return jtu.tree_map(lambda a, like: np.asarray(a, like.dtype), result, shapes)

    @jax.custom_jvp
    def called_back(u: PyTree, t: Any, args: PyTree, params: dict) -> PyTree:
        return jax.pure_callback(
            call, shapes, u, t, args, params, vmap_method="sequential"
        )

    @called_back.defjvp
    def refuse(primals: Any, tangents: Any) -> Any:
        raise ValueError(
            "a step with host=True runs outside JAX and has no gradient: write it in "
            "JAX, or use a method that needs none"
        )

    return called_back(u, t, args, params)
