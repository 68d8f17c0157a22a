"""What every equation can do."""

import abc
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from phix._errors import is_concrete, nearest, require
from phix._types import Array, Bool, Float, Inexact, PyTree, RealScalar
from phix.space import AbstractSpace


Limits = Mapping[str, tuple[float | int, float | int]]
# `typing.Self` is not understood by beartype, which checks the types in tests.
_Equation = TypeVar("_Equation", bound="AbstractEquation")


class AbstractPart(eqx.Module):
    """A part of an equation whose own fields count as parameters of the equation."""


class AbstractEquation(eqx.Module):
    r"""What moves a state: $\dot u = \mathrm{rhs}(t, u, \mathrm{args})$ on a space.

    A user sees fields u; a scheme integrates `y = encode(u)`, any PyTree, by `terms()`.
    Physical parameters are array leaves, so `vmap`, `grad` and sharding reach them;
    `args` holds only what varies during a run. One protocol serves data generation,
    physics-informed training, inversion and evaluation.

    A batch over a parameter is a vmap over the equation:
    `jax.vmap(lambda nu: solve(equation.replace(nu=nu), ...))(nus)`.
    """

    space: eqx.AbstractVar[AbstractSpace | None]

    @property
    @abc.abstractmethod
    def limits(self) -> Limits:
        """Name of a parameter to its allowed range `(low, high)`, ends included."""

    @abc.abstractmethod
    def rhs(self, t: RealScalar, u: Array, args: PyTree = None) -> Array:
        """The rate of change of the field `u` at time `t`, shaped as `u`."""

    @abc.abstractmethod
    def pointwise(
        self, t: RealScalar, x: Float[Array, " dim"], u: Callable, args: PyTree = None
    ) -> Inexact[Array, " channels"]:
        """The same right-hand side at one point, of a *function* `u(x) -> "channels"`.

        Exact derivatives by AD, no grid and no boundaries.

        **Raises:** `ValueError` where the physics is not local.
        """

    @abc.abstractmethod
    def encode(self, u: Array) -> PyTree:
        """What a scheme integrates, from the field a user sees."""

    @abc.abstractmethod
    def decode(self, y: PyTree) -> Array:
        """The field a user sees, from what a scheme integrates."""

    @abc.abstractmethod
    def terms(self) -> dfx.AbstractTerm:
        """The Diffrax terms that move the encoded state."""

    @abc.abstractmethod
    def stable_step(self, u: Array) -> Float[Array, ""] | None:
        """The largest step of forward Euler at `u`: infinite where nothing bounds it,
        None where it is unknown."""

    @property
    @abc.abstractmethod
    def invariants(self) -> dict[str, Callable]:
        """Quantities worth watching: name to a function of u that returns a scalar."""

    @property
    def parameters(self) -> dict[str, Array]:
        """The physical parameters: name to array leaf.

        A field of the equation that is one array goes by its name; of a dictionary
        each entry counts by its own name; of a tuple each array by its place,
        `values[0][1]`.
        """
        return {
            name + jtu.keystr(path): leaf
            for name, value in _declared(self)
            for path, leaf in jtu.tree_leaves_with_path(value)
        }

    def valid(self) -> Bool[Array, ""]:
        """Whether every parameter is finite and within its limits.

        The answer is an array and may be traced: under `vmap` each point of a sweep has
        its own. Where parameters are concrete, construction and `replace` have already
        raised.
        """
        inside = [
            _within(jnp, leaf, self.limits.get(name))
            for name, leaf in self.parameters.items()
        ]
        return jnp.all(jnp.stack(inside)) if inside else jnp.asarray(True)

    def replace(self: _Equation, **changes: Any) -> _Equation:
        """The same equation with other parameters, `equation.replace(nu=0.1)`.

        **Raises:** `ValueError` for a name that is no parameter (names the nearest
        one), another shape than the present one, or a concrete value out of range.
        """
        known = dict(_declared(self))
        equation = self
        for name, value in changes.items():
            require(
                name in known,
                f"{type(self).__name__} has no parameter {name!r}"
                f"{nearest(name, known) if known else ''}",
            )
            new = as_parameter(name, value, like=known[name])
            equation = eqx.tree_at(
                lambda tree, name=name: _get(tree, name),
                equation,
                new,
                is_leaf=lambda node: node is None,
            )
        equation.check_parameters()
        return equation

    def check_parameters(self) -> None:
        """Raises `ValueError` for a concrete parameter that is out of range."""
        for name, leaf in self.parameters.items():
            if is_concrete(leaf):
                limits = self.limits.get(name)
                low, high = limits or (-math.inf, math.inf)
                require(
                    bool(_within(np, np.asarray(leaf), limits)),
                    f"{name} must be finite and within [{low}, {high}], got {leaf}",
                )


class AbstractMethodOfLines(AbstractEquation):
    """An equation whose scheme integrates the field itself: nothing is encoded."""

    def encode(self, u: Array) -> Array:
        """The field itself."""
        return u

    def decode(self, y: Array) -> Array:
        """The field itself."""
        return y

    def terms(self) -> dfx.ODETerm:
        """`rhs` as a Diffrax term."""
        return dfx.ODETerm(cast(Callable, self.rhs))


class AbstractDiscrete(AbstractEquation):
    """An equation known by its own step: lattice Boltzmann, projection, a foreign code.

    `solve` iterates `step` and refuses another scheme. `rhs` is derived from the step,
    for physics-informed training only.
    """

    dt: eqx.AbstractVar[float]
    """The length of one step; static."""
    host: eqx.AbstractVar[bool]
    """Whether the step runs on the host: no gradient, no export, no `batch_map`."""

    @abc.abstractmethod
    def step(self, u: Array, t: RealScalar, args: PyTree = None) -> Array:
        """The field one `dt` later."""

    def rhs(self, t: RealScalar, u: Array, args: PyTree = None) -> Array:
        r"""$(\mathrm{step}(u) - u)/\mathrm{dt}$."""
        return (self.step(u, t, args) - u) / self.dt

    def terms(self) -> dfx.AbstractTerm:
        """Refused: a discrete equation is advanced by its own step."""
        raise ValueError(
            f"{type(self).__name__} advances by its own step of dt = {self.dt} and has "
            "no terms for a scheme; call solve without a scheme"
        )


def as_parameter(
    name: str, value: Any, *, like: PyTree | None = None, shape: tuple | None = ()
) -> PyTree:
    """A user's number as an array leaf of floating type, its shape checked."""
    if like is not None and not isinstance(like, Array):
        return jtu.tree_map(
            lambda old, new: as_parameter(name, new, like=old), like, value
        )
    dtype = jnp.result_type(value)
    # A stated dtype also strips weak types, which would cost a second compilation.
    array = jnp.asarray(
        value, dtype if jnp.issubdtype(dtype, jnp.inexact) else jnp.result_type(float)
    )
    shape = shape if like is None else like.shape
    require(
        shape is None or array.shape == shape,
        f"{name} must have shape {shape}, got {array.shape}; for a batch, vmap: "
        f"jax.vmap(lambda {name}: f(equation.replace({name}={name})))",
    )
    return array


def in_precision_of(parameter: PyTree, u: Array) -> PyTree:
    """Parameters in the real precision of a field, so that it keeps its own."""
    return jtu.tree_map(
        lambda leaf: leaf.astype(
            jnp.result_type(u.dtype, leaf.dtype)
            if jnp.iscomplexobj(leaf) and jnp.iscomplexobj(u)
            else jnp.finfo(u.dtype).dtype
        ),
        parameter,
    )


def _declared(equation: eqx.Module) -> Iterator[tuple[str, Any]]:
    """Fields that hold parameters, a dictionary or a part counting as its entries."""
    for field in dataclasses.fields(equation):
        value = getattr(equation, field.name)
        if isinstance(value, AbstractPart | AbstractEquation):
            yield from _declared(value)
            continue
        if field.metadata.get("static") or field.name == "space" or callable(value):
            continue
        yield from value.items() if isinstance(value, dict) else [(field.name, value)]


def _get(equation: AbstractEquation, name: str) -> Any:
    return dict(_declared(equation))[name]


def _within(xp: Any, leaf: Any, limits: tuple[float, float] | None) -> Any:
    low, high = limits or (-math.inf, math.inf)
    real = xp.abs(leaf) if xp.iscomplexobj(leaf) else leaf
    return xp.all(xp.isfinite(leaf) & (real >= low) & (real <= high))
