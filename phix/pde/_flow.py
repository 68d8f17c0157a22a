"""What the two forms of the Navier–Stokes equations share."""

import abc
import functools as ft
import math
import operator
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from phix import num
from phix._types import Array, Float, Inexact, PyTree
from phix.pde._base import Limits, as_parameter
from phix.pde._reaction import require_channels
from phix.pde._semilinear import AbstractSemilinear
from phix.space import Modes


class AbstractFlow(AbstractSemilinear):
    r"""Viscosity, drag and forcing of a flow, and a passive scalar as its last channel.

    The symbol is $-\nu|k|^2 - \alpha$ for every channel of the flow and
    $-\kappa|k|^2$ for the scalar.
    """

    nu: eqx.AbstractVar[Float[Array, ""]]
    drag: eqx.AbstractVar[Float[Array, ""]]
    scalar_diffusivity: eqx.AbstractVar[Float[Array, ""] | None]
    forcing: eqx.AbstractVar[PyTree]
    flow_channels: eqx.AbstractVar[int]

    def encode(
        self, u: Inexact[Array, " channels *space"]
    ) -> Inexact[Array, " channels *modes"]:
        """The kept coefficients of a field."""
        scalars = 0 if self.scalar_diffusivity is None else 1
        require_channels(u, self.flow_channels + scalars)
        return self.modes.to_modes(u)

    @abc.abstractmethod
    def flow(
        self, y: Inexact[Array, " channels *modes"]
    ) -> Float[Array, " dim *space"]:
        """The velocity at the nodes, of a state."""

    def transport_rate(self, y: Inexact[Array, " channels *modes"]) -> Float[Array, ""]:
        r"""A bound of $|u(x)\cdot k|$ over nodes and kept modes, of a state; 1/time.

        The fastest that transport turns a wave, which bounds an explicit step; see
        `Modes.fastest`.
        """
        return jnp.max(self.modes.fastest(self.flow(y)))

    @property
    def limits(self) -> Limits:
        """Nothing is negative."""
        names = ("nu", "drag", "scalar_diffusivity")
        return dict.fromkeys(names, (0.0, math.inf))

    def symbol(self) -> Float[Array, "..."]:
        r"""$-\nu|k|^2 - \alpha$, and $-\kappa|k|^2$ for the scalar."""
        laplacian = self.modes.laplacian[None]
        flow = self.nu * laplacian - self.drag
        if self.scalar_diffusivity is None:
            return flow
        scalar = self.scalar_diffusivity * laplacian
        return jnp.concatenate([flow] * self.flow_channels + [scalar])


def along(
    waves: Sequence[Array], parts: Sequence[Inexact[Array, "..."]]
) -> Inexact[Array, "..."]:
    """Σ waves · parts, of real waves and coefficients."""
    terms = [num.scale(k, part) for k, part in zip(waves, parts, strict=True)]
    return ft.reduce(operator.add, terms)


def optional(name: str, value: Any) -> Array | None:
    """A parameter that may be left out."""
    return None if value is None else as_parameter(name, value)


def inverse_square(modes: Modes) -> np.ndarray:
    """1/|k|² of every mode, and 0 for the mean."""
    square = -modes.laplacian
    return np.where(square == 0, 0.0, 1 / np.where(square == 0, 1.0, square))
