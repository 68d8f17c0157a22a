"""Array aliases used in every signature, in one place."""

from jaxtyping import (
    Array,
    Bool,
    Float,
    Inexact,
    Int,
    PRNGKeyArray,
    PyTree,
    Real,
    Shaped,
)


# A number that may be a Python float or a traced scalar.
RealScalar = float | int | Real[Array, ""]
BoolScalar = bool | Bool[Array, ""]
IntScalar = int | Int[Array, ""]

__all__ = [
    "Array",
    "Bool",
    "BoolScalar",
    "Float",
    "Inexact",
    "Int",
    "IntScalar",
    "PRNGKeyArray",
    "PyTree",
    "Real",
    "RealScalar",
    "Shaped",
]
