"""What every space can do."""

import abc
from collections.abc import Callable

import equinox as eqx

from phix._types import Array, Float, Inexact, PyTree


class AbstractSpace(eqx.Module):
    """What a state means: which function of x the numbers of a state stand for.

    A space evaluates a state anywhere, projects a function onto a state, and measures
    states by an inner product. `Grid` is the uniform one.
    """

    @property
    @abc.abstractmethod
    def points(self) -> Float[Array, "points dim"]:
        """The points at which the space samples functions."""

    @abc.abstractmethod
    def evaluate(
        self, u: PyTree, x: Float[Array, "points dim"]
    ) -> Inexact[Array, "channels points"]:
        """The function that the state `u` stands for, at the points `x`."""

    @abc.abstractmethod
    def project(self, fn: Callable) -> PyTree:
        """The state that stands for the function `fn(x: "dim") -> "channels"`."""

    @abc.abstractmethod
    def inner(self, a: PyTree, b: PyTree) -> Inexact[Array, ""]:
        r"""The inner product $\int \bar a \cdot b\,dx$ of two states."""
