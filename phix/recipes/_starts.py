"""Fields to start from, as choices in a config. Imports no JAX.

Each has `build(equation, dtype)`, the field on the equation's space.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class _OnBackground:
    """What is added to a constant, channel by channel.

    - `amplitude`: of each channel.
    - `background`: of each channel; none for 0.
    """

    amplitude: tuple[float, ...] = (1.0,)
    background: tuple[float, ...] = ()

    def __post_init__(self):
        if self.background and len(self.background) != len(self.amplitude):
            raise ValueError(
                f"background must have {len(self.amplitude)} numbers, as amplitude "
                f"has, or none; got {self.background}"
            )

    def on_background(self, shape):
        """amplitude · shape + background; `shape` is `"1 *space"` or `"channels …"`."""
        import jax.numpy as jnp

        background = self.background or (0.0,) * len(self.amplitude)
        columns = (len(self.amplitude),) + (1,) * (shape.ndim - 1)
        a, b = (
            jnp.asarray(numbers, shape.dtype).reshape(columns)
            for numbers in (self.amplitude, background)
        )
        return a * shape + b


@dataclasses.dataclass(frozen=True)
class Gaussian(_OnBackground):
    """A bump amplitude·exp(−|x − centre|²/width²) on a background.

    - `centre`: one number for each axis; none for the middle of the box.
    """

    kind: ClassVar[str] = "gaussian"
    width: float = 1.0
    centre: tuple[float, ...] = ()

    def build(self, equation, dtype):
        """The field."""
        import jax.numpy as jnp

        grid = equation.space
        middle = [sum(pair) / 2 for pair in grid.extent]
        centre = jnp.asarray(self.centre or middle, dtype)

        def bump(x):
            return jnp.exp(-jnp.sum((x - centre) ** 2) / self.width**2)

        return self.on_background(grid.project(bump, dtype))


@dataclasses.dataclass(frozen=True)
class Wave(_OnBackground):
    """The plane wave amplitude·cos(2π Σ nₐ(xₐ − lowₐ)/Lₐ) on a background.

    - `waves`: the whole numbers nₐ, one for each axis.
    """

    kind: ClassVar[str] = "wave"
    waves: tuple[int, ...] = (1,)

    def build(self, equation, dtype):
        """The field."""
        import jax.numpy as jnp

        grid = equation.space
        low = jnp.asarray([low for low, _ in grid.extent], dtype)
        turns = [n / length for n, length in zip(self.waves, grid.lengths, strict=True)]
        number = 2 * math.pi * jnp.asarray(turns, dtype)
        return self.on_background(
            grid.project(lambda x: jnp.cos(jnp.dot(number, x - low)), dtype)
        )


@dataclasses.dataclass(frozen=True)
class Noise(_OnBackground):
    """Smooth noise of root mean square `amplitude` on a background.

    - `length`: waves much shorter than this are absent; 0 for white noise.
    """

    kind: ClassVar[str] = "noise"
    length: float = 0.0
    seed: int = 0

    def build(self, equation, dtype):
        """The field."""
        import jax.numpy as jnp
        import jax.random as jr

        from phix.space import GaussianRandomField

        modes = equation.space.modes()

        def spectrum(k):
            one = jnp.exp(-((k.astype(dtype) * self.length) ** 2) / 2)
            return jnp.stack([one] * len(self.amplitude))

        noise = GaussianRandomField(modes, spectrum).sample(key=jr.key(self.seed))
        size = jnp.sqrt(jnp.mean(noise**2, axis=range(1, noise.ndim), keepdims=True))
        return self.on_background(noise / size)


@dataclasses.dataclass(frozen=True)
class RandomFlow:
    """A random flow without divergence, for `vorticity` and `navier_stokes`.

    - `peak`: wavenumber of the most energetic eddies.
    """

    kind: ClassVar[str] = "random_flow"
    peak: float
    rms_velocity: float = 1.0
    seed: int = 0

    def build(self, equation, dtype):
        """The vorticity or the velocity."""
        import jax.numpy as jnp
        import jax.random as jr

        from phix.pde import Vorticity
        from phix.space import random_velocity, random_vorticity

        planar = isinstance(equation, Vorticity)
        return (random_vorticity if planar else random_velocity)(
            equation.space,
            peak=jnp.asarray(self.peak, dtype),
            rms_velocity=jnp.asarray(self.rms_velocity, dtype),
            key=jr.key(self.seed),
        )


@dataclasses.dataclass(frozen=True)
class TaylorGreen:
    """The Taylor–Green vortex, for `navier_stokes` on (0, 2π)ᵈ."""

    kind: ClassVar[str] = "taylor_green"

    def build(self, equation, dtype):
        """The velocity."""
        from phix.pde import taylor_green

        return equation.space.project(taylor_green, dtype)


@dataclasses.dataclass(frozen=True)
class KdVSolitons:
    """The arguments of `phix.pde.kdv_soliton`."""

    kind: ClassVar[str] = "kdv_solitons"
    speeds: tuple[float, ...] = (1.0,)
    centres: tuple[float, ...] = (0.0,)

    def build(self, equation, dtype):
        """The field."""
        from phix.pde import kdv_soliton

        return _on_line(equation, dtype, lambda x: kdv_soliton(
            x, speeds=list(self.speeds), centres=list(self.centres)
        ))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SchrodingerSoliton:
    """The arguments of `phix.pde.schrodinger_soliton`."""

    kind: ClassVar[str] = "schrodinger_soliton"
    amplitude: float = 1.0
    speed: float = 0.0
    centre: float = 0.0

    def build(self, equation, dtype):
        """The field, complex."""
        from phix.pde import schrodinger_soliton

        return _on_line(equation, dtype, lambda x: schrodinger_soliton(
            x, 0.0, self.amplitude, self.speed, self.centre
        ))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class BurgersShock:
    """The profile `phix.pde.burgers_shock` on (0, 100)."""

    kind: ClassVar[str] = "burgers_shock"

    def build(self, equation, dtype):
        """The field."""
        from phix.pde import burgers_shock

        return _on_line(equation, dtype, burgers_shock)


@dataclasses.dataclass(frozen=True)
class Kink:
    """The arguments of `phix.pde.kink`, for `klein_gordon`."""

    kind: ClassVar[str] = "kink"
    speed: float = 0.0
    centre: float = 0.0
    antikink: bool = False

    def build(self, equation, dtype):
        """The field and its rate."""
        from phix.pde import kink

        return _on_line(equation, dtype, lambda x: kink(
            equation.potential, x, **dataclasses.asdict(self)
        ))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class KinkAntikink:
    """The arguments of `phix.pde.kink_antikink`, for `klein_gordon`."""

    kind: ClassVar[str] = "kink_antikink"
    speed: float
    separation: float = 20.0

    def build(self, equation, dtype):
        """The field and its rate."""
        from phix.pde import kink_antikink

        return _on_line(equation, dtype, lambda x: kink_antikink(
            equation.potential, x, **dataclasses.asdict(self)
        ))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Breather:
    """The arguments of `phix.pde.breather`, for `klein_gordon` with `sine_gordon`."""

    kind: ClassVar[str] = "breather"
    omega: float = 0.5
    speed: float = 0.0
    centre: float = 0.0

    def build(self, equation, dtype):
        """The field and its rate."""
        from phix.pde import breather

        return _on_line(equation, dtype, lambda x: breather(
            x, **dataclasses.asdict(self)
        ))  # fmt: skip


Start = (
    Gaussian
    | Wave
    | Noise
    | RandomFlow
    | TaylorGreen
    | KdVSolitons
    | SchrodingerSoliton
    | BurgersShock
    | Kink
    | KinkAntikink
    | Breather
)


def _on_line(equation, dtype, profile: Callable):
    """A profile of x on a grid in one dimension, as a field."""
    import jax.numpy as jnp

    grid = equation.space
    if grid.ndim != 1:
        raise ValueError(f"this start is one-dimensional, the grid is {grid.shape}")
    return jnp.atleast_2d(profile(grid.axes[0].astype(dtype)))
